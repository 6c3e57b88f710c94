"""Conversations: where a new turn stands, and the thread of all turns put together again."""

from __future__ import annotations

from dataclasses import dataclass, replace

from auditlog.core.errors import AuditLogError, Erased
from auditlog.store import conversations as store
from auditlog.store import vault as vault_store
from auditlog.vault.conversations import Turn, path_to, thread
from auditlog.vault.references import Refs
from auditlog.vault.subjects import RULE
from home.errors import UsageError
from home.greffier import Greffier
from service.records import reading, release
from service.records.accesses import STAFF
from service.records.reading import Purpose, Reader


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation as one system recorded it: its turns, oldest first; erased ones have their place and no content.

    `path`: ids of the turns that led to the record that was asked for.
    """

    system: str
    turns: tuple[Turn, ...]
    path: tuple[str, ...]


def place(g: Greffier, system: str, refs: Refs, parent: str | None) -> tuple[str | None, Refs]:
    """(the step before, references with the turn's number) of a record that is about to be made.

    Without a conversation, what was given. Two turns at the same moment follow the same one: the thread shows both.
    """
    if refs.conversation is None:
        return parent, refs
    tags = g.vault.search_tags(refs.normalised().conversation or "", "conversation")
    with g.reading() as conn:
        before = store.last_turn(conn, tags, system)
    if before is None:
        return parent, replace(refs, turn=1)
    return parent or before, replace(refs, turn=_number(g, tags, system, before) + 1)


def _number(g: Greffier, tags: list[bytes], system: str, before: str) -> int:
    try:
        for record in reading.recount(g, [before]):
            if record.opened.refs.turn is not None:
                return record.opened.refs.turn
    except AuditLogError:
        # It does not open, which `log fsck` says; the person who talks now is not to wait for that.
        pass
    with g.reading() as conn:
        return len(store.turns_of(conn, tags, system))


def read(g: Greffier, reader: Reader, purpose: Purpose, record_id: str) -> Thread:
    """The conversation to which a record belongs. The accesses are in the log when this returns.

    Raises UnknownRecord, Erased, UsageError for a record that belongs to no conversation, and what
    `reading.open_many` raises.
    """
    found = reading.find_live(g, record_id)
    if found.entry.kind != "decision/1":
        raise UsageError("is the entry of no decision", field="id")
    system = str(found.entry.members["system"])
    refs = next((record.opened.refs for record in reading.recount(g, [record_id])), None)
    if refs is None:
        raise Erased("the content was erased; its entry and proof remain", field="id")
    if refs.conversation is None:
        raise UsageError("belongs to no conversation", field="id")
    with g.reading() as conn:
        ids = store.turns_of(conn, g.vault.search_tags(refs.conversation, "conversation"), system)
    scope: dict[str, str] = {"tag": "conversation", "rule": RULE.removesuffix(":")}
    records = reading.open_many(g, reader, purpose, ids, scope={**scope})
    turns = thread([_turn(g, reader, record) for record in records])
    turns = tuple(turn for turn in turns if not turn.erased or _was_erased(g, turn.id))
    return Thread(system, turns, tuple(turn.id for turn in path_to(turns, record_id)))


def _turn(g: Greffier, reader: Reader, record: reading.Record) -> Turn:
    """A turn as its reader may see it: while an officer has the result, it is shown to staff alone."""
    parent, values = record.values.get("parent"), record.values
    if reader.role not in STAFF and release.is_held(g, record):
        values = {**values, **dict.fromkeys(release.RESULT_FIELDS)}
    return Turn(
        record.entry.id,
        record.opened.refs.turn,
        parent if isinstance(parent, str) else None,
        values,
    )


def _was_erased(g: Greffier, id_: str) -> bool:
    """A parent may also be a record of another system, which is no turn of this conversation."""
    with g.reading() as conn:
        return vault_store.find_erasure(conn, id_) is not None or g.ledger.names(id_)
