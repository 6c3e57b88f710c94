"""The plain bytes that are sealed: what a record keeps, in two forms, named by the first byte of the ciphertext.

The text is RFC 8785 JSON, `{"secret": hex, "values": {field: value}}`, with further members where there is something to
say: `"asked": {"lang", "tag"}` of a request that came under a key (`idempotency`), `"refs": {"case", "conversation",
"turn"}` (`references`), `"blobs": {field: {"blob", "name", "size"}}` of large values, which lie apart (`blobs`).

0x01, read for ever: the text, then spaces up to a multiple of 256 bytes.
0x02, written: a frame, which is one byte for the coding (0 as it is, 1 raw DEFLATE, RFC 1951), the length of what
follows (4 bytes, big-endian), the text so coded, and zeros up to the size of a bucket.

Buckets are multiples of 256 bytes, and from 4,096 bytes on multiples of an eighth of the power of two below, so that a
ciphertext in an old backup tells little of lengths. Only what would take more than 2,048 bytes is compressed, and only
where that saves a bucket: for the record of a short form it would cost a fifth of all the work of committing and
sealing, to save less than the record's entry takes.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from auditlog.core.errors import FormatError, VaultError
from auditlog.core.formats.canonical import Json, format_canonical, parse_canonical
from auditlog.core.formats.commitment import SALT, SECRET_SIZE, Stub
from auditlog.vault.idempotency import TAG_SIZE, SealedRequest
from auditlog.vault.references import Refs, parse_refs

FORM_1: Final = b"\x01"
FORM_2: Final = b"\x02"
PADDING: Final = 256
WORTH: Final = 2048
"""Bytes of a bucket beyond which compressing is tried."""
_SMALLEST: Final = 8  # a step of 2^8 bytes
_PLAIN, _DEFLATED = 0, 1
_HEAD: Final = 5
_LEVEL: Final = 1
_RAW: Final = -15  # a window of 32 KiB, neither header nor checksum: the seal is better than both
_MEMBERS: Final = {"asked", "blobs", "refs", "secret", "values"}
_NO_PAYLOAD: Final = "opened, but is no payload"


@dataclass(frozen=True, slots=True)
class Held:
    """A large value that lies apart: under which name, and what stands for it in the commitment."""

    name: str
    stub: Stub


@dataclass(frozen=True, slots=True)
class Content:
    """What a payload says. `values`: all fields but those in `blobs`."""

    secret: bytes = field(repr=False)
    values: dict[str, Json] = field(repr=False)
    asked: SealedRequest | None = field(default=None, repr=False)
    refs: Refs | None = field(default=None, repr=False)
    blobs: Mapping[str, Held] = field(default_factory=dict, repr=False)


def format_payload(
    secret: bytes,
    forms: Mapping[str, bytes],
    *,
    asked: SealedRequest | None = None,
    refs: Refs | None = None,
    blobs: Mapping[str, Held] | None = None,
) -> bytes:
    """The text, from values in RFC 8785 form; `refs` are normalised."""
    # Assembled from the canonical forms at hand; field names are ASCII and need no escaping, so sorting is RFC 8785's.
    values = b",".join([_name(name) + forms[name] for name in sorted(forms)])
    text = b'"secret":"%b","values":{%b}}' % (secret.hex().encode("ascii"), values)
    if refs is not None:
        text = b'"refs":%b,%b' % (format_canonical(refs.members()), text)
    if blobs:
        members: dict[str, Json] = {
            name: {"blob": held.stub.blob, "name": held.name, "size": held.stub.size} for name, held in blobs.items()
        }
        text = b'"blobs":%b,%b' % (format_canonical(members), text)
    if asked is not None:
        text = b'"asked":%b,%b' % (format_canonical({"lang": asked.lang, "tag": asked.tag.hex()}), text)
    return b"{" + text


def parse_payload(form: bytes, plain: bytes) -> Content:
    """The content of an unsealed payload of either form. Raises VaultError for what is none."""
    text = plain.rstrip(b" ") if form == FORM_1 else unframe(plain)
    try:
        value = parse_canonical(text, fractions=True)
    except FormatError as error:
        raise VaultError(_NO_PAYLOAD, field="ciphertext") from error
    if not isinstance(value, dict) or not {"secret", "values"} <= value.keys() <= _MEMBERS:
        raise VaultError(_NO_PAYLOAD, field="ciphertext")
    secret, values = value["secret"], value["values"]
    if not isinstance(secret, str) or len(secret) != 2 * SECRET_SIZE or not isinstance(values, dict):
        raise VaultError(_NO_PAYLOAD, field="ciphertext")
    return Content(
        bytes.fromhex(secret),
        values,
        _parse_asked(value["asked"]) if "asked" in value else None,
        parse_refs(value["refs"]) if "refs" in value else None,
        _parse_blobs(value["blobs"]) if "blobs" in value else {},
    )


def frame(data: bytes) -> bytes:
    """Coded, with its length, padded to a bucket."""
    size = _bucket(_HEAD + len(data))
    coding = _PLAIN
    if size > WORTH:
        packed = zlib.compress(data, _LEVEL, _RAW)
        smaller = _bucket(_HEAD + len(packed))
        if smaller < size:
            coding, data, size = _DEFLATED, packed, smaller
    return (b"%c" % coding + len(data).to_bytes(4, "big") + data).ljust(size, b"\0")


def unframe(plain: bytes) -> bytes:
    """What `frame` coded. Raises VaultError for any other frame."""
    length = int.from_bytes(plain[1:_HEAD], "big")
    data, rest = plain[_HEAD : _HEAD + length], plain[_HEAD + length :]
    if len(plain) != _bucket(_HEAD + length) or len(data) != length or rest.strip(b"\0"):
        raise VaultError(_NO_PAYLOAD, field="ciphertext")
    if plain[0] == _PLAIN:
        return data
    if plain[0] == _DEFLATED:
        try:
            return zlib.decompress(data, _RAW)
        except zlib.error:
            pass
    raise VaultError(_NO_PAYLOAD, field="ciphertext")


@lru_cache(maxsize=4096)
def _name(field_: str) -> bytes:
    return b'"%b":' % field_.encode("ascii")


def _bucket(size: int) -> int:
    step = 1 << max(_SMALLEST, size.bit_length() - 4)
    return -(-size // step) * step


def _parse_asked(value: Json) -> SealedRequest:
    if isinstance(value, dict) and value.keys() == {"lang", "tag"}:
        lang, tag_ = value["lang"], value["tag"]
        if isinstance(lang, str) and isinstance(tag_, str) and len(tag_) == 2 * TAG_SIZE:
            return SealedRequest(bytes.fromhex(tag_), lang)
    raise VaultError(_NO_PAYLOAD, field="ciphertext")


def _parse_blobs(value: Json) -> dict[str, Held]:
    if not isinstance(value, dict):
        raise VaultError(_NO_PAYLOAD, field="ciphertext")
    return {name: _parse_held(one) for name, one in value.items()}


def _parse_held(value: Json) -> Held:
    if isinstance(value, dict) and value.keys() == {"blob", "name", "size"}:
        blob, name, size = value["blob"], value["name"], value["size"]
        if isinstance(blob, str) and SALT.fullmatch(blob) and isinstance(name, str) and type(size) is int:
            return Held(name, Stub(blob, size))
    raise VaultError(_NO_PAYLOAD, field="ciphertext")
