"""How a request ends without a decision: the `refused` and `unfinished` entries. Neither holds the caller's words."""

from __future__ import annotations

import uuid

from app.errors import Refused
from app.home import Greffier
from auditlog.canonical import Json
from auditlog.cells import counted
from auditlog.log import Unit
from auditlog.vault.references import Refs
from registry.lifecycle import Gate


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
    then lead to it as they would have led to the decision.
    """
    entry_id = str(uuid.uuid4())
    prepared = g.vault.prepare(entry_id, {"reached": reached}, refs=refs)
    entry = g.make(
        "unfinished/1",
        id=entry_id,
        system=gate.system,
        version=gate.version,
        manifest=gate.manifest_digest,
        boot=boot,
        n=n,
        reason=reason,
        opened=opened,
        commitments=prepared.commitments,
    )
    g.log.append(Unit((entry,), lambda conn, _: prepared.insert(conn))).result()
