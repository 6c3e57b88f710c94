"""The runtime's boots in the log: opened before the first decision, closed at the end, stated when lost (DESIGN §4)."""

from __future__ import annotations

import threading

from app.home import Greffier
from auditlog.errors import CannotRecord
from auditlog.log import Unit
from runtime.errors import WorkerLost

_starting = threading.Lock()


def ensure(g: Greffier) -> str:
    """The id of the running boot. Starts the worker and records its `boot` entry first where none runs.

    The entry states what boots that nobody closed had reached; their counter files go once it is integrated.
    """
    with _starting:
        if g.boot is not None and g.runtime.alive():
            return g.boot
        facts = g.runtime.start()
        entry = g.make(
            "boot/1",
            boot=facts.boot,
            runtime=facts.runtime,
            build=facts.build,
            cpu=list(facts.cpu),
            threads=facts.threads,
            determinism="not_measured",
            unclosed=[{"boot": boot, "n": n} for boot, n in facts.unclosed],
        )
        try:
            g.log.append(Unit((entry,))).result()
        except CannotRecord:
            # Nothing was decided in it: the next start states it with n = 0.
            g.runtime.close()
            raise
        g.runtime.forget(boot for boot, _ in facts.unclosed)
        g.boot = facts.boot
        return facts.boot


def lost(g: Greffier, error: WorkerLost) -> None:
    """State that the worker ended by itself: an `outage` entry that names its boot. The next `ensure` starts another."""
    now = g.clock()
    entry = g.make("outage/1", cause="worker_lost", began=now, ended=now, boot=error.boot)
    with _starting:
        if g.boot == error.boot:
            g.boot = None
    g.log.append(Unit((entry,))).result()


def close(g: Greffier) -> None:
    """End the worker and record `close`, if one runs. Where the log cannot write, the counter file stays for the next start."""
    with _starting:
        if g.boot is None:
            g.runtime.close()
            return
        boot, n = g.runtime.close() or (g.boot, None)
        g.boot = None
        if n is None:
            return
        try:
            g.log.append(Unit((g.make("close/1", boot=boot, n=n),))).result()
        except CannotRecord:
            return
        g.runtime.forget((boot,))


def pulse(g: Greffier) -> None:
    """Record that the log lives, which boots run and how far they are (hourly, by `serve`)."""
    boots = [{"boot": g.boot, "n": g.runtime.reached()}] if g.boot is not None else []
    g.log.append(Unit((g.make("pulse/1", boots=boots, recording="ok"),))).result()
