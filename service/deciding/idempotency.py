"""Requests under a key: a repeated one gets the answer of the first, read back from its record (docs/commands.md)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from auditlog.core.errors import CannotRecord
from auditlog.core.formats.canonical import Json
from auditlog.core.formats.merkle import leaf_hash, prove_inclusion, verify_inclusion
from auditlog.store import idempotency as store
from auditlog.store import log as log_store
from auditlog.vault.idempotency import SealedRequest, request_digest, request_form
from auditlog.vault.references import NO_REFS, Refs
from auditlog.vault.seal import Prepared
from auditlog.vault.subjects import normalise_all
from auditlog.writing.log import Integrated, Sequenced
from home.errors import KeyConflict, UsageError, asked
from home.greffier import Greffier
from service.records import reading

if TYPE_CHECKING:
    from sqlalchemy import Connection

_KEY: Final = re.compile(r"[!-~]{1,255}")
# Someone who waits takes a thread of the server: after this they are told to come back.
_WAIT_S: Final = 30.0


class Duplicate(Exception):
    """Another request with this key was recorded while this one was decided."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key as a client sent it; `scope` names the client, `field` the header or option that it came in.

    `reader`: who is given the answer again.
    """

    scope: str
    text: str
    field: str
    reader: reading.Reader

    def __post_init__(self) -> None:
        if _KEY.fullmatch(self.text) is None:
            raise UsageError("must be 1 to 255 visible ASCII characters without spaces", field=self.field)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked under a key: what its record will keep of it, and all that was said, in one form."""

    asked: SealedRequest
    form: bytes
    field: str
    reader: reading.Reader


def request(
    g: Greffier,
    key: Key,
    slug: str,
    inputs: Mapping[str, Json],
    *,
    subjects: tuple[str, ...],
    refs: Refs = NO_REFS,
    parent: str | None,
    lang: str,
) -> Request:
    """What is asked under `key`. Raises UsageError where a value has no form that could be recorded."""
    with asked():
        form = request_form(slug, inputs, normalise_all(subjects), parent, lang, refs=refs.normalised())
    return Request(SealedRequest(g.vault.key_tag(key.scope, key.text), lang), form, key.field, key.reader)


@contextlib.contextmanager
def turn(g: Greffier, request: Request) -> Iterator[None]:
    """Nobody else of this installation's machine answers the same key meanwhile. Raises InProgress, CannotRecord."""
    seconds = min(_WAIT_S, float(g.settings.deadline_s))
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(g.turns.take(g.home / "run", request.asked.tag, seconds=seconds, field=request.field))
        except OSError as error:
            message = f"cannot be used ({error.strerror}): give the program its rights and space"
            raise CannotRecord(message, cause="unwritable", field="run") from error
        yield


def find(g: Greffier, request: Request) -> tuple[reading.Record, Integrated] | None:
    """The record that a request with this key led to, with the proof that it is integrated; None where there is none.

    Raises KeyConflict where something else was asked with it, Erased while the record is being erased.
    """
    with g.reading() as conn:
        row = store.find_key(conn, request.asked.tag)
    if row is None:
        return None
    for record in reading.recount(g, [row.record]):
        # Compared before it is opened for somebody: whose request is another one is given nothing.
        if request_digest(record.opened.secret, request.form) != row.digest:
            raise KeyConflict(
                "was used before with another request: send a new key with a new request", field=request.field
            )
    record = reading.open(g, request.reader, "repeat", row.record)
    return record, _integrated(g, record)


def led_to(g: Greffier, key: Key, record_id: str) -> tuple[reading.Record, Integrated] | None:
    """A record that `key` led to, whatever was asked with it: whoever has the key asked for that record.

    None where the key led to no record, or to another one. Raises Erased while it is being erased.
    """
    with g.reading() as conn:
        row = store.find_key(conn, g.vault.key_tag(key.scope, key.text))
    if row is None or row.record != record_id:
        return None
    record = reading.open(g, key.reader, "repeat", record_id)
    return record, _integrated(g, record)


def was_used(g: Greffier, key: Key) -> bool:
    """Whether a record came of this key."""
    with g.reading() as conn:
        return store.find_key(conn, g.vault.key_tag(key.scope, key.text)) is not None


def note(conn: Connection, request: Request, prepared: Prepared) -> None:
    """The row of the key, in the transaction that stores the record. Raises Duplicate where the key has a row now."""
    if store.find_key(conn, request.asked.tag) is not None:
        raise Duplicate
    digest = request_digest(prepared.secret, request.form)
    store.insert_key(conn, store.KeyRow(request.asked.tag, prepared.id, digest))


def _integrated(g: Greffier, record: reading.Record) -> Integrated:
    with g.reading() as conn:
        head, checkpoint = reading.head(g, conn, log=record.log, covering=record.index)
        path = prove_inclusion(record.index, head.size, log_store.reader(conn, record.log, head.size))
    verify_inclusion(leaf_hash(record.entry.data), record.index, head.size, path, checkpoint.root)
    sequenced = Sequenced(record.log, checkpoint.origin, record.index, record.entry)
    return Integrated((sequenced,), head.note, head.size, checkpoint.root, lambda _: path)
