"""Commitments to single values, each opened alone.

Per record there is a random secret `s` of 32 bytes, which never leaves the vault. For a field `f` (the name of the
commitment: `outcome`, `in_income`) and its value `x` in RFC 8785 form, fractions included:

    salt_f     = HMAC-SHA-256(s, "greffier/1/salt" 0x00 f)
    commitment = HMAC-SHA-256(salt_f, "greffier/1/field" 0x00 x)

Opening a field reveals (f, x, salt_f): enough to check this field, and nothing that helps to guess another.

A value whose form x is longer than 16,384 bytes stands in its commitment as the digest of a salted blob:

    blob       = HMAC-SHA-256(salt_f, "greffier/1/blob-salt" 0x00) x        the salt, then the form
    stub       = {"blob": SHA-256(blob) in hex digits, "size": length of x}, in RFC 8785 form
    commitment = HMAC-SHA-256(salt_f, "greffier/1/blob" 0x00 stub)

so that the blob can lie apart from the record. A small value that looks like a stub is no stub. Records from before
this rule committed large values as all others: who checks an opening accepts that, too.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from auditlog.core.errors import FormatError, OpeningError
from auditlog.core.formats.canonical import Json, format_canonical

SECRET_SIZE = 32
_SALT = b"greffier/1/salt\0"
_FIELD = b"greffier/1/field\0"
_BLOB = b"greffier/1/blob\0"
_BLOB_SALT = b"greffier/1/blob-salt\0"
LARGE = 16_384
"""Bytes of canonical form beyond which a value is committed by the digest of its blob."""
FIELD_NAME = re.compile(r"[a-z0-9_]{1,43}")  # `in_` and 40
SALT = re.compile(r"[0-9a-f]{64}")
_REST = bytes(32)  # fills a key of 32 bytes up to the block of SHA-256
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))
_string = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class Opening:
    """One opened field: its name, its value, its salt (64 hex digits)."""

    field: str
    value: Json
    salt: str


def canonical_value(value: Json, *, field: str) -> bytes:
    """The value in RFC 8785 form, fractions included. Strings, most of the values, take the short way."""
    try:
        if type(value) is str:
            return _string(value).encode("utf-8")
        if value is None:
            return b"null"
        return format_canonical(value, fractions=True)
    except UnicodeEncodeError:
        raise FormatError("holds half a surrogate pair; give well-formed text", field=field) from None
    except FormatError as error:
        raise FormatError("is no value that JSON (RFC 8785) can hold", field=field) from error


def salt_for(secret: bytes, field: str) -> bytes:
    """The salt of a field, 32 bytes."""
    if len(secret) != SECRET_SIZE:
        raise FormatError(f"must be {SECRET_SIZE} bytes", field="secret")
    return hmac.digest(secret, _label(field), "sha256")


@lru_cache(maxsize=4096)
def _label(field: str) -> bytes:
    if FIELD_NAME.fullmatch(field) is None:
        raise FormatError("a field's name is 1 to 43 of a-z, 0-9 and _", field="field")
    return _SALT + field.encode("ascii")


@dataclass(frozen=True, slots=True)
class Stub:
    """What stands for a large value: SHA-256 of its blob (64 hex digits), and the length of its form in bytes."""

    blob: str
    size: int


def make_blob(salt: bytes, data: bytes) -> bytes:
    """The blob of a value in RFC 8785 form: a salt of 32 bytes that follows from the field's, then the form."""
    return hmac.digest(salt, _BLOB_SALT, "sha256") + data


def stub_of(salt: bytes, data: bytes) -> Stub:
    """What stands for a value in RFC 8785 form."""
    return Stub(sha256(make_blob(salt, data)).hexdigest(), len(data))


def commit_stub(salt: bytes, stub: Stub) -> str:
    """The commitment to a large value, from what stands for it: 64 hex digits."""
    form = format_canonical({"blob": stub.blob, "size": stub.size})
    return hmac.digest(salt, _BLOB + form, "sha256").hex()


def commit_canonical(salt: bytes, data: bytes) -> str:
    """The commitment to a value that is already in RFC 8785 form: 64 hex digits."""
    if len(data) > LARGE:
        return commit_stub(salt, stub_of(salt, data))
    return _commit_inline(salt, data)


def _commit_inline(salt: bytes, data: bytes) -> str:
    return hmac.digest(salt, _FIELD + data, "sha256").hex()


def commit(salt: bytes, value: Json) -> str:
    """The commitment to a value: 64 hex digits."""
    return commit_canonical(salt, canonical_value(value, field="value"))


def commit_all(secret: bytes, values: Mapping[str, Json]) -> dict[str, str]:
    """The member `commitments` of an entry: field → commitment."""
    return commit_forms(secret, {field: canonical_value(value, field=field) for field, value in values.items()})


def commit_forms(secret: bytes, forms: Mapping[str, bytes]) -> dict[str, str]:
    """As `commit_all`, for values that are already in RFC 8785 form.

    HMAC (RFC 2104) is written out here, since this runs twice a field in every decision: hashing the padded secret
    once, and leaving out the set-up of `hmac`, halves the time. A property test compares with `commit`.
    """
    if len(secret) != SECRET_SIZE:
        raise FormatError(f"must be {SECRET_SIZE} bytes", field="secret")
    padded = secret + _REST
    inner_start, outer_start = sha256(padded.translate(_INNER)), sha256(padded.translate(_OUTER))
    commitments = {}
    for field, data in forms.items():
        inner, outer = inner_start.copy(), outer_start.copy()
        inner.update(_label(field))
        outer.update(inner.digest())
        salt = outer.digest()
        if len(data) > LARGE:
            commitments[field] = commit_stub(salt, stub_of(salt, data))
            continue
        padded = salt + _REST
        last = sha256(padded.translate(_INNER) + _FIELD + data)
        commitments[field] = sha256(padded.translate(_OUTER) + last.digest()).hexdigest()
    return commitments


def open_field(secret: bytes, field: str, value: Json) -> Opening:
    """What to hand out so that someone can check this field, and only this one."""
    return Opening(field, value, salt_for(secret, field).hex())


def verify_opening(opening: Opening, commitment: str) -> None:
    """Raises OpeningError, with the field's name, where the value is not the one committed."""
    # A shorter key would be padded with zeros by HMAC and so have several forms: 64 digits, no other.
    if SALT.fullmatch(opening.salt) is None:
        raise FormatError("must be 64 lower-case hex digits", field=f"{opening.field}.salt")
    data = canonical_value(opening.value, field=opening.field)
    if not is_commitment_to(bytes.fromhex(opening.salt), data, commitment):
        raise OpeningError("the value is not the one recorded in the entry", field=opening.field)


def is_commitment_to(salt: bytes, data: bytes, commitment: str) -> bool:
    """Whether `commitment` is one to this value (in RFC 8785 form), in either way that there is for it."""
    if hmac.compare_digest(commit_canonical(salt, data), commitment):
        return True
    return len(data) > LARGE and hmac.compare_digest(_commit_inline(salt, data), commitment)
