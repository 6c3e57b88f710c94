"""How a request ends without a decision: the `refused` and `unfinished` entries. Neither holds the caller's words.

Where the log cannot take such an entry, it is owed, and written once the log can again: no number of a boot that ends
in order is without an entry. One that is killed meanwhile has its counter stated by the next start.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator

from auditlog.core.counting.cells import counted
from auditlog.core.errors import CannotRecord
from auditlog.core.formats.canonical import Json
from auditlog.store import log as log_store
from auditlog.vault.references import Refs
from auditlog.writing.log import Unit
from home.errors import Refused, Unfinished
from home.greffier import Greffier
from home.unfinished import Owed
from registry.lifecycle import Gate
from service.deciding import idempotency


def refuse(g: Greffier, gate: Gate, reason: str, message: str, field: str | None) -> Refused:
    """As `refused`, for a system that passed the gate."""
    return refused(g, reason, message, field=field, system=gate.system, version=gate.version)


def refused(
    g: Greffier, reason: str, message: str, *, field: str | None, system: str | None, version: int | None = None
) -> Refused:
    """Record a `refused` entry, which never holds the caller's words, and return what to raise."""
    entry = g.make("refused/1", system=system, version=version, reason=reason, boot=None, n=None)
    g.log.append(Unit((entry,), counts=lambda _: counted(entry, {}))).result()
    return Refused(message.removeprefix(f"{field}: "), reason=reason, field=field)


def unfinished(
    g: Greffier,
    gate: Gate,
    boot: str,
    n: int,
    *,
    reason: str,
    reached: Json = None,
    opened: str | None = None,
    refs: Refs | None = None,
) -> None:
    """Record that a number was taken and no decision came of it.

    `reached` is committed: output tokens, or of a stream, which the entry `opened` began, what had been sent; `refs`
    then lead to it as they would have led to the decision. Raises CannotRecord; then it is owed.
    """
    if g.owed.knows(boot, n):
        settle(g)
        return
    owed = Owed(gate, boot, n, reason, reached, opened, refs, str(uuid.uuid4()))
    try:
        _write(g, owed)
    except CannotRecord:
        g.owed.add(owed)
        raise


@contextlib.contextmanager
def owing(
    g: Greffier,
    gate: Gate,
    boot: str,
    n: int,
    record_id: str,
    *,
    reached: Json = None,
    opened: str | None = None,
    refs: Refs | None = None,
) -> Iterator[None]:
    """Around what records a result that was made: where that fails, the number's `unfinished` entry is owed."""
    try:
        yield
    except (Refused, Unfinished, idempotency.Duplicate):
        raise  # an entry says so
    except Exception:
        owe(g, gate, boot, n, record_id, reached=reached, opened=opened, refs=refs)
        raise


def owe(
    g: Greffier,
    gate: Gate,
    boot: str,
    n: int,
    record_id: str,
    *,
    reached: Json = None,
    opened: str | None = None,
    refs: Refs | None = None,
) -> None:
    """Owe the `unfinished` entry of a number of which no record is known, unless `record_id` is found then."""
    g.owed.add(Owed(gate, boot, n, "not_recorded", reached, opened, refs, str(uuid.uuid4()), record_id))


def settle(g: Greffier) -> None:
    """Write what is owed. Raises CannotRecord; what is left stays owed."""
    with g.owed.settling:
        for owed in g.owed.all():
            with g.reading() as conn:
                there = any(id_ and log_store.find_entry(conn, id_) for id_ in (owed.entry, owed.instead_of))
            if not there:
                _write(g, owed)
            g.owed.paid(owed)


def _write(g: Greffier, owed: Owed) -> None:
    prepared = g.vault.prepare(owed.entry, {"reached": owed.reached}, refs=owed.refs)
    entry = g.make(
        "unfinished/1",
        id=owed.entry,
        system=owed.gate.system,
        version=owed.gate.version,
        manifest=owed.gate.manifest_digest,
        boot=owed.boot,
        n=owed.n,
        reason=owed.reason,
        opened=owed.opened,
        commitments=prepared.commitments,
    )
    g.log.append(Unit((entry,), lambda conn, _: prepared.insert(conn))).result()
