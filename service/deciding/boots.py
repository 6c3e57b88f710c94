"""The runtime's boots in the log: opened before the first decision, closed at the end, stated when lost (DESIGN §4)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from auditlog.core.entries.record import Entry
from auditlog.core.errors import CannotRecord
from auditlog.writing.log import Unit
from home.greffier import Greffier
from runtime.errors import WorkerLost
from runtime.verdict import Measured
from runtime.worker.supervisor import BootFacts
from service.deciding import unanswered


def record(g: Greffier, facts: BootFacts) -> None:
    """Record a worker that has come up, before anything is asked of it.

    The entry states how far boots had come that nobody closed; their counter files go once it is integrated. A worker
    of this process that was lost without an entry (it was idle, or the log could not write) is an `outage` beside it.
    Raises CannotRecord: then the worker ends again, and the next start states it with n = 0.
    """
    lost_before = sorted({boot for boot, _ in facts.unclosed} & (g.own_boots - g.lost_boots))
    unclosed = [{"boot": boot, "n": n} for boot, n in sorted(facts.unclosed)]
    entry = g.make(
        "boot/1",
        boot=facts.boot,
        runtime=facts.runtime,
        build=facts.build,
        cpu=sorted(facts.cpu),
        threads=facts.threads,
        determinism=facts.determinism,
        unclosed=unclosed,
    )
    tests = (_selftest(g, facts.boot, one) for one in facts.measured)
    g.log.append(Unit((*(_outage(g, boot) for boot in lost_before), entry, *tests))).result()
    g.lost_boots.update(lost_before)
    g.own_boots.add(facts.boot)
    g.runtime.forget([boot for boot, _ in facts.unclosed])


def measured(g: Greffier, boot: str, found: Measured) -> None:
    """Record what a self-test found in a running boot, before the first decision of that model. Raises CannotRecord."""
    g.log.append(Unit((_selftest(g, boot, found),))).result()


def device_name(told: str) -> str:
    """A device's own name as an entry may have it: other characters are spaces, and 80 are kept."""
    return " ".join(re.sub(r"[^A-Za-z0-9._+-]+", " ", told).split())[:80] or "unknown"


def _selftest(g: Greffier, boot: str, found: Measured) -> Entry:
    return g.make(
        "selftest/1",
        boot=boot,
        model=f"sha256:{found.model}",
        context=found.context,
        build=found.build,
        device=device_name(found.device),
        determinism=found.determinism,
        measured=datetime.fromtimestamp(found.measured_s, UTC),
    )


def lost(g: Greffier, error: WorkerLost) -> None:
    """State once that a worker ended by itself, by an `outage` entry. The next request starts another worker.

    One that was lost before its `boot` entry is none of the log's yet: the next start states its counter as unclosed.
    Raises CannotRecord; then the next worker's start states it.
    """
    if error.boot not in g.own_boots or error.boot in g.lost_boots:
        return
    g.lost_boots.add(error.boot)
    try:
        g.log.append(Unit((_outage(g, error.boot),))).result()
    except CannotRecord:
        g.lost_boots.discard(error.boot)
        raise


def _outage(g: Greffier, boot: str) -> Entry:
    """When a worker was found to be gone is known; when it went is not."""
    now = g.clock()
    return g.make("outage/1", cause="worker_lost", began=now, ended=now, boot=boot)


def close(g: Greffier) -> None:
    """End worker and gateway and record `close`, of each that runs.

    Where the log cannot write, the counter file stays, and the next start states how far the boot had come.
    """
    for ended in (g.runtime.close(), g.gateway.close()):
        if ended is not None:
            _close(g, *ended)


def _close(g: Greffier, boot: str, n: int) -> None:
    try:
        unanswered.settle(g)
        g.log.append(Unit((g.make("close/1", boot=boot, n=n),))).result()
    except CannotRecord:
        return
    g.runtime.forget([boot])


def pulse(g: Greffier, *, recovered: bool = False) -> None:
    """Record that the log lives, which boots run and how far they are (at its start and hourly, by `serve`).

    `recovered`: for some time before it, nothing could be recorded; a log that says so itself needs no telling.
    Raises CannotRecord.
    """
    running = (g.runtime.reached(), g.gateway.reached())
    boots = [{"boot": boot, "n": n} for boot, n in sorted(one for one in running if one is not None)]
    recording = "recovered" if recovered or not g.log.state().recording else "ok"
    g.log.append(Unit((g.make("pulse/1", boots=boots, recording=recording),))).result()
    unanswered.settle(g)
