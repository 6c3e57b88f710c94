"""Sealing a record's values, and opening them again.

Per record there are a random secret (for the salts of its commitments) and a random key (in the key store). The payload
is `{"secret": hex, "values": {field: value}}` in RFC 8785 form, padded with spaces to a multiple of 256 bytes so that a
ciphertext in an old backup does not tell lengths, and sealed with AES-256-GCM; associated data are the entry's id, a
line feed, and the installation's name. The first byte of a ciphertext states this form. What was asked for under a key
has a member more, `"asked": {"lang", "tag"}` (see `idempotency`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection

from auditlog.canonical import Json, format_canonical, parse_canonical
from auditlog.commitment import (
    SECRET_SIZE,
    Opening,
    canonical_value,
    commit_all,
    commit_forms,
    open_field,
)
from auditlog.errors import Erased, FormatError, NotFound, VaultError
from auditlog.record import Entry
from auditlog.store.insert import Row
from auditlog.store.vault import SealedRow, find_erasure, find_sealed, ids_of_tag, insert_sealed, sealed_rows
from auditlog.vault.idempotency import TAG_SIZE, Asked, key_tag
from auditlog.vault.key_store import KeyStore
from auditlog.vault.subjects import normalise, normalise_all, tag

SUBJECTS = "subjects"
PADDING = 256
_NONCE_SIZE = 12
_FORM = b"\x01"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A sealed record before it is stored. `commitments` go into the entry; `insert` belongs into the entry's unit."""

    id: str
    commitments: dict[str, str]
    row: SealedRow = field(repr=False)
    tags: tuple[bytes, ...] = field(repr=False)
    secret: bytes = field(repr=False)

    def insert(self, conn: Connection) -> None:
        """Store content and tags, in the transaction that stores the entry."""
        insert_sealed(conn, self.row, self.tags)

    def rows(self) -> list[Row]:
        """What `insert` stores, for a unit that gives its rows."""
        return sealed_rows(self.row, self.tags)


@dataclass(frozen=True, slots=True)
class Opened:
    """The plain content of a record: `values` by field. The secret makes openings and goes nowhere else."""

    id: str
    values: dict[str, Json] = field(repr=False)
    secret: bytes = field(repr=False)
    asked: Asked | None = field(default=None, repr=False)

    def opening(self, name: str) -> Opening:
        """What to hand out so that someone can check this one field."""
        if name not in self.values:
            raise NotFound("the record has no such field", field=name)
        return open_field(self.secret, name, self.values[name])

    def openings(self, names: Iterable[str]) -> tuple[Opening, ...]:
        """Openings of several fields, in the order given."""
        return tuple(self.opening(name) for name in names)


class Vault:
    """Seals and opens the records of one installation (`origin`: its name).

    `index_key`, 32 bytes: for tags. `previous_key`: the one before, while records are tagged anew (`retag`); look-ups
    ask under both. `request_key`: for the tags of keys under which clients ask (by default the index key).
    """

    def __init__(
        self,
        keys: KeyStore,
        origin: str,
        index_key: bytes,
        *,
        previous_key: bytes | None = None,
        request_key: bytes | None = None,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.keys = keys
        self.origin = origin
        self.use_index_keys(index_key, previous_key)
        self._request_key = request_key or index_key
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
        id: str,  # noqa: A002
        values: Mapping[str, Json],
        subjects: Sequence[str] | None = None,
        *,
        asked: Asked | None = None,
    ) -> Prepared:
        """Commit to all values and seal them. Nothing is stored but the key.

        `subjects` are references of persons as they were given; they become the field `subjects`, normalised, also
        when there are none. None: the kind has no such field (a review). `asked`: what is kept of a request that came
        under a key. Raises FormatError with the field's name, CannotRecord where the key store cannot be written.
        """
        tags: tuple[bytes, ...] = ()
        if subjects is not None:
            if SUBJECTS in values:
                raise FormatError("give the persons concerned apart from the values", field=SUBJECTS)
            references = normalise_all(subjects)
            tags = tuple(tag(self._index_key, reference) for reference in references)
            values = {**values, SUBJECTS: [*references]}
        elif SUBJECTS in values:
            raise FormatError("give the persons concerned apart from the values", field=SUBJECTS)
        drawn = self._random(SECRET_SIZE + _NONCE_SIZE)
        secret, nonce = drawn[:SECRET_SIZE], drawn[SECRET_SIZE:]
        forms = {name: canonical_value(value, field=name) for name, value in values.items()}
        commitments = commit_forms(secret, forms)
        slot, key = self.keys.allocate()
        ciphertext = _FORM + AESGCM(key).encrypt(nonce, _payload(secret, forms, asked), self._associated(id))
        return Prepared(id, commitments, SealedRow(id, slot, nonce, ciphertext), tags, secret)

    def open(self, conn: Connection, id: str, entry: Entry | None = None) -> Opened:  # noqa: A002
        """The content of a record. With its entry, every commitment is computed again and compared.

        Raises Erased (a tombstone or an erased slot), NotFound (no content was ever there), VaultError (no key, a
        wrong key, damaged content, content of another entry).
        """
        row = find_sealed(conn, id)
        if row is None:
            if find_erasure(conn, id) is not None:
                raise Erased("the content was erased; its entry and proof remain", field="id")
            raise NotFound("this log holds no content for it", field="id")
        return self.open_row(row, entry)

    def open_row(self, row: SealedRow, entry: Entry | None = None) -> Opened:
        """As `open`, for a row that was read already."""
        if row.ciphertext[:1] != _FORM or len(row.nonce) != _NONCE_SIZE:
            raise VaultError("is in no form that this program knows: restore it from a backup", field="ciphertext")
        key = self.keys.read(row.slot)
        try:
            payload = AESGCM(key).decrypt(row.nonce, row.ciphertext[1:], self._associated(row.id))
        except InvalidTag:
            message = "does not open: it was changed, or this is not its key; restore row and key store together"
            raise VaultError(message, field="ciphertext") from None
        opened = _parse_payload(row.id, payload)
        if entry is not None:
            _check_commitments(opened, entry)
        return opened

    def find(self, conn: Connection, reference: str) -> list[str]:
        """Ids of the records that concern a person, by any spelling of the reference."""
        normalised = normalise(reference)
        keys = [self._index_key] if self._previous_key is None else [self._index_key, self._previous_key]
        return sorted({id_ for key in keys for id_ in ids_of_tag(conn, tag(key, normalised))})

    def tag(self, normalised: str) -> bytes:
        """The tag of a normalised reference, as the index holds it."""
        return tag(self._index_key, normalised)

    def key_tag(self, scope: str, key: str) -> bytes:
        """The tag of a key under which a client asked, as its row holds it."""
        return key_tag(self._request_key, scope, key)

    def tags_for(self, values: Mapping[str, Json]) -> list[bytes]:
        """The tags that a record's opened values call for, in rising order."""
        references = values.get(SUBJECTS, [])
        if not isinstance(references, list):
            raise VaultError("is no list", field=SUBJECTS)
        return sorted(self.tag(str(reference)) for reference in references)

    def _associated(self, id_: str) -> bytes:
        return f"{id_}\n{self.origin}".encode()


def _payload(secret: bytes, forms: Mapping[str, bytes], asked: Asked | None) -> bytes:
    # Assembled from the canonical forms at hand; field names are ASCII and need no escaping, so sorting is RFC 8785's.
    members = b",".join(b'"%b":%b' % (name.encode("ascii"), forms[name]) for name in sorted(forms))
    first = b"" if asked is None else b'"asked":%b,' % format_canonical({"lang": asked.lang, "tag": asked.tag.hex()})
    payload = b'{%b"secret":"%b","values":{%b}}' % (first, secret.hex().encode("ascii"), members)
    return payload + b" " * (-len(payload) % PADDING)


def _parse_payload(id_: str, payload: bytes) -> Opened:
    try:
        value = parse_canonical(payload.rstrip(b" "), fractions=True)
    except FormatError as error:
        raise VaultError("opened, but is no payload", field="ciphertext") from error
    if not isinstance(value, dict) or value.keys() | {"asked"} != {"asked", "secret", "values"}:
        raise VaultError("opened, but is no payload", field="ciphertext")
    secret, values = value["secret"], value["values"]
    if not isinstance(secret, str) or len(secret) != 2 * SECRET_SIZE or not isinstance(values, dict):
        raise VaultError("opened, but is no payload", field="ciphertext")
    return Opened(id_, values, bytes.fromhex(secret), _parse_asked(value["asked"]) if "asked" in value else None)


def _parse_asked(value: Json) -> Asked:
    if isinstance(value, dict) and value.keys() == {"lang", "tag"}:
        lang, tag_ = value["lang"], value["tag"]
        if isinstance(lang, str) and isinstance(tag_, str) and len(tag_) == 2 * TAG_SIZE:
            return Asked(bytes.fromhex(tag_), lang)
    raise VaultError("opened, but is no payload", field="ciphertext")


def _check_commitments(opened: Opened, entry: Entry) -> None:
    if entry.id != opened.id:
        raise VaultError("the entry given is another one", field="id")
    recomputed = commit_all(opened.secret, opened.values)
    for name in sorted(recomputed.keys() | entry.commitments.keys()):
        if recomputed.get(name) != entry.commitments.get(name):
            raise VaultError("the content is not what the entry commits to: restore it from a backup", field=name)
