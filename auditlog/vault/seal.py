"""Sealing a record's values, and opening them again.

Per record there are a random secret (for the salts of its commitments) and a random key (in the key store). The payload
(`payload`) is sealed with AES-256-GCM; associated data are the entry's id, a line feed, and the installation's name.
The first byte of a ciphertext states the payload's form. Large values are sealed apart, under the same key (`blobs`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection

from auditlog.core.entries.record import Entry
from auditlog.core.errors import Erased, FormatError, NotFound, VaultError
from auditlog.core.formats.canonical import Json, parse_canonical
from auditlog.core.formats.commitment import (
    LARGE,
    SECRET_SIZE,
    Opening,
    Stub,
    canonical_value,
    commit_all,
    commit_forms,
    commit_stub,
    is_commitment_to,
    open_field,
    salt_for,
    stub_of,
)
from auditlog.store.blobs import BlobRow, blob_rows, find_blobs
from auditlog.store.insert import Row, insert_rows
from auditlog.store.vault import SealedRow, find_erasure, find_sealed, ids_of_tag, sealed_rows
from auditlog.vault.blobs import SETTING, Objects, open_blob, seal_blob
from auditlog.vault.canonical_values import canonical_forms
from auditlog.vault.idempotency import SealedRequest, key_tag
from auditlog.vault.key_store import KeyStore
from auditlog.vault.payload import FORM_1, FORM_2, PADDING, Content, Held, format_payload, frame, parse_payload
from auditlog.vault.references import NO_REFS, SUBJECTS, Refs, Tag, TagKind, make_tag, tags_of
from auditlog.vault.subjects import normalise, normalise_all

__all__ = ("PADDING", "SUBJECTS", "Opened", "Prepared", "Refs", "Vault")
_NONCE_SIZE = 12
_NAME_SIZE = 16


@dataclass(frozen=True, slots=True)
class Prepared:
    """A sealed record before it is stored. `commitments` go into the entry; `insert` belongs into the entry's unit."""

    id: str
    commitments: dict[str, str]
    row: SealedRow = field(repr=False)
    tags: tuple[Tag, ...] = field(repr=False)
    secret: bytes = field(repr=False)
    blobs: tuple[BlobRow, ...] = field(default=(), repr=False)

    def insert(self, conn: Connection) -> None:
        """Store content and tags, in the transaction that stores the entry."""
        insert_rows(conn, self.rows())

    def rows(self) -> list[Row]:
        """What `insert` stores, for a unit that gives its rows."""
        rows = sealed_rows(self.row, self.tags)
        return [*rows, *blob_rows(self.blobs)] if self.blobs else rows


@dataclass(frozen=True, slots=True)
class Opened:
    """The plain content of a record: `values` by field. The secret makes openings and goes nowhere else.

    `refs`: case and conversation, normalised. `stubs`: large values that were not read, since nobody said where from;
    they are not in `values`. `names`: those of all large values.
    """

    id: str
    values: dict[str, Json] = field(repr=False)
    secret: bytes = field(repr=False)
    asked: SealedRequest | None = field(default=None, repr=False)
    refs: Refs = field(default=NO_REFS, repr=False)
    stubs: Mapping[str, Stub] = field(default_factory=dict, repr=False)
    names: frozenset[str] = frozenset()

    def opening(self, name: str) -> Opening:
        """What to hand out so that someone can check this one field."""
        if name in self.stubs:
            raise VaultError("is a large value that was not read", field=name)
        if name not in self.values:
            raise NotFound("the record has no such field", field=name)
        return open_field(self.secret, name, self.values[name])

    def openings(self, names: Iterable[str]) -> tuple[Opening, ...]:
        """Openings of several fields, in the order given."""
        return tuple(self.opening(name) for name in names)


class Vault:
    """Seals and opens the records of one installation (`origin`: its name).

    `index_key`, 32 bytes: for tags. `previous_key`: the one before, while records are tagged anew (`retag`); look-ups
    ask under both. `request_key`: for the tags of keys under which clients ask (by default the index key). `objects`:
    where large values go, if not into the database.
    """

    def __init__(
        self,
        keys: KeyStore,
        origin: str,
        index_key: bytes,
        *,
        previous_key: bytes | None = None,
        request_key: bytes | None = None,
        objects: Objects | None = None,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.keys = keys
        self.origin = origin
        self.use_index_keys(index_key, previous_key)
        self._request_key = request_key or index_key
        self.objects = objects
        self._random = random

    def use_index_keys(self, index_key: bytes, previous_key: bytes | None) -> None:
        """Tag under another key from now on; what was prepared before holds tags of the former one."""
        for key in (index_key, previous_key):
            if key is not None and len(key) != SECRET_SIZE:
                raise VaultError(f"must be {SECRET_SIZE} bytes; put back the right file", field="index_key")
        self._index_key = index_key
        self._previous_key = previous_key

    def prepare(
        self,
        id: str,
        values: Mapping[str, Json],
        subjects: Sequence[str] | None = None,
        *,
        asked: SealedRequest | None = None,
        refs: Refs | None = None,
    ) -> Prepared:
        """Commit to all values and seal them. Nothing is stored but the key, and large values in object storage.

        `subjects` are references of persons as they were given; they become the field `subjects`, normalised, also
        when there are none. None: the kind has no such field (a review). `asked`: what is kept of a request that came
        under a key. `refs`: case and conversation as they were given. Raises FormatError with the field's name,
        CannotRecord where key store or object storage cannot be written.
        """
        if SUBJECTS in values:
            raise FormatError("give the persons concerned apart from the values", field=SUBJECTS)
        if subjects is not None:
            values = {**values, SUBJECTS: [*normalise_all(subjects)]}
        if refs is not None:
            refs = None if refs == NO_REFS else refs.normalised()
        tags = tags_of(self._index_key, values, refs)
        drawn = self._random(SECRET_SIZE + _NONCE_SIZE)
        secret, nonce = drawn[:SECRET_SIZE], drawn[SECRET_SIZE:]
        forms = canonical_forms(values)
        commitments = commit_forms(secret, forms)
        slot, key = self.keys.allocate()
        associated = self._associated(id)
        held: dict[str, Held] = {}
        blobs: tuple[BlobRow, ...] = ()
        if forms and max(map(len, forms.values())) > LARGE:
            held, blobs = self._hold(id, key, associated, secret, forms)
            forms = {name: form for name, form in forms.items() if name not in held}
        payload = format_payload(secret, forms, asked=asked, refs=refs, blobs=held)
        ciphertext = FORM_2 + encrypt(key, nonce, frame(payload), associated)
        return Prepared(id, commitments, SealedRow(id, slot, nonce, ciphertext), tags, secret, blobs)

    def _hold(
        self, id_: str, key: bytes, associated: bytes, secret: bytes, forms: Mapping[str, bytes]
    ) -> tuple[dict[str, Held], tuple[BlobRow, ...]]:
        """Seal the large ones of these values apart; to object storage they go at once, before the entry."""
        held, rows = {}, []
        for field_, form in forms.items():
            if len(form) <= LARGE:
                continue
            name = self._random(_NAME_SIZE).hex()
            sealed = seal_blob(key, self._random(_NONCE_SIZE), name, associated, form)
            if self.objects is not None:
                self.objects.put(name, sealed)
            held[field_] = Held(name, stub_of(salt_for(secret, field_), form))
            rows.append(BlobRow(name, id_, sealed if self.objects is None else None))
        return held, tuple(rows)

    def open(self, conn: Connection, id: str, entry: Entry | None = None) -> Opened:
        """The content of a record. With its entry, every commitment is computed again and compared.

        Raises Erased (a tombstone or an erased slot), NotFound (no content was ever there), VaultError (no key, a
        wrong key, damaged content, content of another entry).
        """
        row = find_sealed(conn, id)
        if row is None:
            if find_erasure(conn, id) is not None:
                raise Erased("the content was erased; its entry and proof remain", field="id")
            raise NotFound("this log holds no content for it", field="id")
        return self.open_row(row, entry, conn=conn)

    def open_row(self, row: SealedRow, entry: Entry | None = None, *, conn: Connection | None = None) -> Opened:
        """As `open`, for a row that was read already. Without a connection large values are not read (`stubs`)."""
        form = row.ciphertext[:1]
        if form not in (FORM_1, FORM_2) or len(row.nonce) != _NONCE_SIZE:
            raise VaultError("is in no form that this program knows: restore it from a backup", field="ciphertext")
        key = self.keys.read(row.slot)
        try:
            payload = AESGCM(key).decrypt(row.nonce, row.ciphertext[1:], self._associated(row.id))
        except InvalidTag:
            message = "does not open: it was changed, or this is not its key; restore row and key store together"
            raise VaultError(message, field="ciphertext") from None
        content = parse_payload(form, payload)
        values, stubs = content.values, {name: held.stub for name, held in content.blobs.items()}
        if conn is not None and content.blobs:
            values, stubs = {**values, **self._fetch(conn, row.id, key, content)}, {}
        names = frozenset(held.name for held in content.blobs.values())
        opened = Opened(row.id, values, content.secret, content.asked, content.refs or NO_REFS, stubs, names)
        if entry is not None:
            _check_commitments(opened, entry)
        return opened

    def _fetch(self, conn: Connection, id_: str, key: bytes, content: Content) -> dict[str, Json]:
        """The large values of a record. Raises VaultError with the field's name."""
        rows, values = find_blobs(conn, id_), {}
        for name, held in content.blobs.items():
            row = rows.get(held.name)
            if row is None:
                raise VaultError("its large value is missing: restore it from a backup", field=name)
            sealed = row.data
            if sealed is None:
                if self.objects is None:
                    message = f'{name} lies in object storage, but the setting says "database": put back the URL'
                    raise VaultError(message, field=SETTING)
                sealed = self.objects.get(held.name, field=name)
            form = open_blob(key, held.name, self._associated(id_), sealed, field=name)
            if stub_of(salt_for(content.secret, name), form) != held.stub:
                raise VaultError("its large value is not the one that was recorded", field=name)
            values[name] = parse_canonical(form, fractions=True)
        return values

    def find(self, conn: Connection, reference: str, kind: TagKind = "subject") -> list[str]:
        """Ids of the records that a reference leads to (of a person, unless `kind` says otherwise), by any spelling."""
        tags = self.search_tags(normalise(reference, field=kind), kind)
        return sorted({id_ for tag_ in tags for id_ in ids_of_tag(conn, tag_)})

    def search_tags(self, normalised: str, kind: TagKind) -> list[bytes]:
        """The tags under which records of a reference may be found now: two while records are tagged anew."""
        keys = [self._index_key] if self._previous_key is None else [self._index_key, self._previous_key]
        return [make_tag(key, kind, normalised).tag for key in keys]

    def tags_of(self, opened: Opened) -> tuple[Tag, ...]:
        """The tags that a record's opened content calls for."""
        return tags_of(self._index_key, opened.values, opened.refs)

    def key_tag(self, scope: str, key: str) -> bytes:
        """The tag of a key under which a client asked, as its row holds it."""
        return key_tag(self._request_key, scope, key)

    def _associated(self, id_: str) -> bytes:
        return f"{id_}\n{self.origin}".encode()


def encrypt(key: bytes, nonce: bytes, data: bytes, associated: bytes) -> bytes:
    """AES-256-GCM: the ciphertext and its tag of 16 bytes."""
    return AESGCM(key).encrypt(nonce, data, associated)


def _check_commitments(opened: Opened, entry: Entry) -> None:
    if entry.id != opened.id:
        raise VaultError("the entry given is another one", field="id")
    recomputed = commit_all(opened.secret, opened.values)
    for name, stub in opened.stubs.items():
        recomputed[name] = commit_stub(salt_for(opened.secret, name), stub)
    for name in sorted(recomputed.keys() | entry.commitments.keys()):
        given = entry.commitments.get(name)
        if recomputed.get(name) != given and not _is_of_before(opened, name, given):
            raise VaultError("the content is not what the entry commits to: restore it from a backup", field=name)


def _is_of_before(opened: Opened, name: str, given: str | None) -> bool:
    """A large value that was committed before large values were committed by their blobs."""
    if given is None or name not in opened.values:
        return False
    form = canonical_value(opened.values[name], field=name)
    return len(form) > LARGE and is_commitment_to(salt_for(opened.secret, name), form, given)
