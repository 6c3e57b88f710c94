"""What a key under which a client asked leaves behind: a tag, and a digest of what was asked with it.

The key itself may hold a person's name and is kept nowhere. `tag = HMAC-SHA-256(request key, "greffier/1/key" 0x00
scope 0x00 key)`; the scope is the account that sent it, so that two clients may use the same key. What was asked
(system, values that were stated, persons, case, conversation, step before, language) in RFC 8785 form has the digest
`HMAC-SHA-256(k, form)` with `k = HMAC-SHA-256(s, "greffier/1/request" 0x00)`, where `s` is the record's secret: when
the record is erased, nobody can try values against the digest any more. Tag and language lie sealed in the record,
beside its values, so that the full check can compute each column of the row again.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from auditlog.core.entries.record import Entry
from auditlog.core.entries.vocabulary import INPUT_PREFIX
from auditlog.core.formats.canonical import Json
from auditlog.core.formats.commitment import canonical_value
from auditlog.store.idempotency import KeyRow, idempotency_table
from auditlog.store.vault import sealed_table
from auditlog.vault.references import NO_REFS, Refs

TAG_SIZE = 32
_KEY = b"greffier/1/key\0"
_REQUEST = b"greffier/1/request\0"


@dataclass(frozen=True, slots=True)
class SealedRequest:
    """What a record keeps, sealed, of the request that led to it: the tag of its key and the language of its notice."""

    tag: bytes
    lang: str


def key_tag(index_key: bytes, scope: str, key: str) -> bytes:
    """The tag of a key, 32 bytes. Neither scope nor key holds a NUL."""
    return hmac.digest(index_key, _KEY + scope.encode() + b"\0" + key.encode(), "sha256")


def request_form(
    system: str,
    inputs: Mapping[str, Json],
    subjects: Sequence[str],
    parent: str | None,
    lang: str,
    *,
    refs: Refs = NO_REFS,
) -> bytes:
    """What was asked, in one form: a field that is null counts as one that was not stated.

    `subjects` and `refs`: normalised. In a conversation the step before is found here, not asked for.
    """
    stated: dict[str, Json] = {name: value for name, value in inputs.items() if value is not None}
    request: dict[str, Json] = {
        "system": system,
        "input": stated,
        "subjects": [*subjects],
        "parent": None if refs.conversation is not None else parent,
        "lang": lang,
    }
    # Left out where there are none: so it was written before there were any.
    asked = replace(refs, turn=None).members()
    if asked:
        request["refs"] = asked
    return canonical_value(request, field="input")


def request_digest(secret: bytes, form: bytes) -> bytes:
    """The digest of what was asked, under the record's secret: 32 bytes."""
    return hmac.digest(hmac.digest(secret, _REQUEST, "sha256"), form, "sha256")


def key_row(
    entry: Entry, values: Mapping[str, Json], secret: bytes, asked: SealedRequest, refs: Refs = NO_REFS
) -> KeyRow:
    """The row of a decision's key, as entry and sealed content make it."""
    inputs = {name.removeprefix(INPUT_PREFIX): value for name, value in values.items() if name.startswith(INPUT_PREFIX)}
    subjects, parent = values.get("subjects"), values.get("parent")
    form = request_form(
        str(entry.members["system"]),
        inputs,
        [str(one) for one in subjects] if isinstance(subjects, list) else [],
        parent if isinstance(parent, str) else None,
        asked.lang,
        refs=refs,
    )
    return KeyRow(asked.tag, entry.id, request_digest(secret, form))


def key_differences(record: str, stored: KeyRow | None, expected: KeyRow | None) -> Iterator[tuple[str, str]]:
    """(place, message) where the row of a record is not the one that its content calls for (None: no row)."""
    place = f"{idempotency_table.name}(record={record})"
    if expected is None or stored is None:
        if stored is not None:
            yield place, "is there although the record was asked for without a key"
        elif expected is not None:
            yield place, "is missing"
        return
    for column in ("tag", "digest"):
        if getattr(stored, column) != getattr(expected, column):
            yield f"{place}.{column}", "is not what entry and content say"


def keys_without_record(conn: Connection) -> Iterator[tuple[str, str]]:
    """(place, message) of each row whose record has no content: erasing a record erases its key."""
    columns = idempotency_table.c
    statement = select(columns.record).where(columns.record.not_in(select(sealed_table.c.id))).order_by(columns.record)
    for record in conn.execute(statement).scalars():
        yield f"{idempotency_table.name}(record={record})", "belongs to no record with content"
