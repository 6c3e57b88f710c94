"""The last step of a decision: seal its values, write entry and rows in one unit, wait until it is integrated."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from auditlog.core.counting.cells import counted
from auditlog.core.counting.figures import Counted
from auditlog.core.entries.record import Entry
from auditlog.core.errors import CannotRecord, TooLarge
from auditlog.core.formats.canonical import Json
from auditlog.store import decisions as decision_store
from auditlog.vault.references import Refs
from auditlog.writing.log import Check, Integrated, Sequenced, Unit
from home.errors import Refused, Unfinished
from home.greffier import Greffier
from registry.errors import GateClosed
from registry.lifecycle import Gate
from registry.store import systems as register_store
from service.deciding import idempotency, latency_targets
from service.deciding.result import Generated
from service.deciding.unanswered import unfinished
from service.records.release import needs_review as is_held

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from auditlog.store.insert import Row

_ROOM_S: Final = 5.0


def record(
    g: Greffier,
    gate: Gate,
    generated: Generated,
    content: Mapping[str, Json],
    *,
    subjects: tuple[str, ...],
    refs: Refs,
    request: idempotency.Request | None,
) -> Integrated:
    """Record what was generated. `content`: all committed values but the persons.

    Raises repeats.Duplicate where the key of the request led to another record meanwhile, Refused where the system was
    stopped meanwhile, Unfinished where no entry can hold it; an entry says so. CannotRecord: nothing is released.
    """
    asked = None if request is None else request.asked
    prepared = g.vault.prepare(generated.id, content, subjects, asked=asked, refs=refs)

    def ended(reason: str) -> None:
        unfinished(
            g,
            gate,
            generated.boot,
            generated.n,
            reason=reason,
            reached=generated.reached,
            opened=generated.opened,
            refs=None if generated.opened is None else replace(refs, turn=None),
        )

    try:
        entry = _entry(g, gate, generated, prepared.commitments)
    except TooLarge:
        ended("too_large")
        raise Unfinished("the record would exceed 65,535 bytes", reason="too_large") from None

    def rows(sequenced: tuple[Sequenced, ...]) -> list[Row]:
        return [*prepared.rows(), *decision_store.decision_rows(entry, content, sequenced[0].place)]

    def counts(_: tuple[Sequenced, ...]) -> list[Counted]:
        return counted(entry, content, held=is_held(gate.running.manifest, generated.outcome))

    def note(conn: Connection, _: tuple[Sequenced, ...]) -> None:
        if request is not None:
            idempotency.note(conn, request, prepared)

    # Asked again inside the transaction: what was stopped meanwhile does not leave (promise 1).
    check = Check((gate.system, gate.manifest_digest, gate.mode), lambda conn: register_store.gate_again(conn, gate))
    try:
        integrated = append_patiently(g, Unit((entry,), None if request is None else note, rows, check, counts))
    except idempotency.Duplicate:
        ended("duplicate")
        raise
    except GateClosed:
        ended("stopped")
        message = "was stopped while this was decided; ask again when it runs"
        raise Refused(message, reason="stopped_meanwhile", field="system") from None
    latency_targets.answered(g, gate, content)
    return integrated


def _entry(g: Greffier, gate: Gate, generated: Generated, commitments: Mapping[str, str]) -> Entry:
    return g.make(
        "decision/1",
        id=generated.id,
        system=gate.system,
        version=gate.version,
        manifest=gate.manifest_digest,
        capture=generated.capture,
        mode=gate.mode,
        boot=generated.boot,
        source=None,
        n=generated.n,
        opened=generated.opened,
        commitments=commitments,
    )


def append_patiently(g: Greffier, unit: Unit) -> Integrated:
    """What led to the unit cannot be done again: a number without an entry is a gap, what was sealed would be thrown
    away. So a full queue is waited for a little; then CannotRecord, as from the log itself."""
    deadline = time.monotonic() + _ROOM_S
    while True:
        try:
            waiting = g.log.append(unit)
        except CannotRecord as error:
            if error.cause != "busy" or time.monotonic() >= deadline:
                raise
            time.sleep(0.02)
        else:
            return waiting.result()


def micro(moment: datetime) -> str:
    """A time as records have it: UTC with microseconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
