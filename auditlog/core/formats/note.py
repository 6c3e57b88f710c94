"""Signed notes (c2sp.org/signed-note) and the signature types used here: Ed25519, and both cosignature types.

0x01 signs the text; 0x04 and 0x06 (c2sp.org/tlog-cosignature) sign a checkpoint together with a time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from auditlog.core.errors import FormatError, SignatureError
from auditlog.core.formats.canonical import check_name, check_text, format_base64, parse_base64
from auditlog.core.formats.cosignature import cosignature_message, parse_body, subtree_message, uint64

ED25519: Final = 0x01
COSIGNATURE: Final = 0x04
ML_DSA_44: Final = 0x06

MAX_NOTE: Final = 1_000_000
"""Bytes of a note; with MAX_SIGNATURES it bounds the work that a hostile one can cause."""
MAX_SIGNATURES: Final = 100
"""The specification asks for at least 16."""

_SEED_SIZE = 32
_PUBLIC_SIZE = {ED25519: 32, COSIGNATURE: 32, ML_DSA_44: 1312}
_SIGNATURE_SIZE = {ED25519: 64, COSIGNATURE: 8 + 64, ML_DSA_44: 8 + 2420}
_VKEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)\Z")
_DASH = "\u2014 "

_Public: TypeAlias = Ed25519PublicKey | MLDSA44PublicKey
_Private: TypeAlias = Ed25519PrivateKey | MLDSA44PrivateKey


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: key name, key id (4 bytes) and the rest of the blob, not verified."""

    name: str
    key_id: bytes
    blob: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends with a newline, and its signature lines in order."""

    text: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under a name; `public` is 32 bytes (Ed25519) or 1,312 bytes (ML-DSA-44). See `verifier_key`."""

    name: str
    key_id: bytes
    type: int
    public: bytes
    _parsed: _Public = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_name(self.name, field="name")
        if len(self.public) != _size_of(_PUBLIC_SIZE, self.type):
            raise FormatError("has the wrong length for its type", field="public key")
        if self.key_id != _key_id(self.name, self.type, self.public):
            raise FormatError("is not the hash of name and public key", field="key id")
        try:
            parsed = (MLDSA44PublicKey if self.type == ML_DSA_44 else Ed25519PublicKey).from_public_bytes(self.public)
        except ValueError:
            raise FormatError("is no public key of its type", field="public key") from None
        object.__setattr__(self, "_parsed", parsed)

    def verify(self, text: str, blob: bytes) -> int | None:
        """Raise SignatureError unless `blob` signs `text`; return its time (POSIX seconds), None for Ed25519 notes."""
        if len(blob) != _SIGNATURE_SIZE[self.type]:
            raise SignatureError("has the wrong length for its key", field=f"signature of {self.name}")
        timestamp = None
        if self.type != ED25519:
            timestamp, blob = int.from_bytes(blob[:8], "big"), blob[8:]
        try:
            message = _signed_message(self.name, self.type, text, timestamp or 0)
        except FormatError as error:  # a cosignature below a text that is no checkpoint
            raise SignatureError(f"signs no checkpoint ({error})", field=f"signature of {self.name}") from None
        self.verify_message(message, blob)
        return timestamp

    def verify_message(self, message: bytes, signature: bytes) -> None:
        """Raise SignatureError unless `signature`, without key id and time, is this key's over these bytes."""
        try:
            self._parsed.verify(signature, message)
        except (InvalidSignature, ValueError):
            raise SignatureError("does not verify", field=f"signature of {self.name}") from None


@dataclass(frozen=True, slots=True)
class OpenedNote:
    """A note with at least one valid signature; `by` names each key that signed, with its time (None for 0x01)."""

    note: Note
    by: tuple[tuple[VerifierKey, int | None], ...]


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key under a name; `private` is its seed (32 bytes)."""

    name: str
    type: int
    private: bytes = field(repr=False)
    vkey: VerifierKey = field(init=False, repr=False, compare=False)
    _parsed: _Private = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _size_of(_PUBLIC_SIZE, self.type)
        if len(self.private) != _SEED_SIZE:
            raise FormatError(f"must be {_SEED_SIZE} bytes", field="seed")
        parsed: _Private = (
            MLDSA44PrivateKey.from_seed_bytes(self.private)
            if self.type == ML_DSA_44
            else Ed25519PrivateKey.from_private_bytes(self.private)
        )
        object.__setattr__(self, "_parsed", parsed)
        object.__setattr__(self, "vkey", verifier_key(self.name, self.type, parsed.public_key().public_bytes_raw()))

    @classmethod
    def generate(cls, name: str, key_type: int, seed: bytes) -> Signer:
        """Return the key made from `seed`: 32 bytes of the caller's randomness."""
        return cls(name, key_type, seed)

    def sign(self, text: str, *, timestamp: int = 0) -> Signature:
        """Sign a text that ends with a newline; `timestamp` (POSIX seconds) is for cosignatures only.

        ML-DSA signatures are randomised: signing twice gives two different valid lines.
        """
        check_text(text, field="note text")
        if self.type == ED25519 and timestamp:
            raise FormatError("is not part of an Ed25519 note signature", field="timestamp")
        blob = self._parsed.sign(_signed_message(self.name, self.type, text, timestamp))
        return Signature(self.name, self.vkey.key_id, blob if self.type == ED25519 else uint64(timestamp) + blob)


def verifier_key(name: str, key_type: int, public: bytes) -> VerifierKey:
    """Return the verifier key of a public key, with its key id computed."""
    check_name(name, field="name")
    _size_of(_PUBLIC_SIZE, key_type)
    return VerifierKey(name, _key_id(name, key_type, public), key_type, public)


def parse_vkey(text: str) -> VerifierKey:
    """Return the key of "<name>+<8 hex>+<base64(type || public key)>"; FormatError also when the key id is not its."""
    match = _VKEY.match(text)
    if match is None:
        raise FormatError("must read <name>+<8 hex digits>+<base64>", field="vkey")
    key_type, public = _parse_key(match[3], field="vkey")
    return VerifierKey(match[1], bytes.fromhex(match[2]), key_type, public)


def format_vkey(key: VerifierKey) -> str:
    """Return the verifier key in its text form, without newline."""
    return f"{key.name}+{key.key_id.hex()}+{format_base64(bytes([key.type]) + key.public)}"


def parse_skey(text: str) -> Signer:
    """Return the signer of "PRIVATE+KEY+<name>+<8 hex>+<base64(type || seed)>" (no newline)."""
    match = _VKEY.match(text.removeprefix("PRIVATE+KEY+")) if text.startswith("PRIVATE+KEY+") else None
    if match is None:
        raise FormatError("must read PRIVATE+KEY+<name>+<8 hex digits>+<base64>", field="signing key")
    key_type, seed = _parse_key(match[3], field="signing key")
    signer = Signer(match[1], key_type, seed)
    if signer.vkey.key_id.hex() != match[2]:
        raise FormatError("is not the hash of name and public key", field="key id")
    return signer


def format_skey(signer: Signer) -> str:
    """Return the private key in its text form, without newline. It is a secret."""
    encoded = format_base64(bytes([signer.type]) + signer.private)
    return f"PRIVATE+KEY+{signer.name}+{signer.vkey.key_id.hex()}+{encoded}"


def parse_note(data: bytes) -> Note:
    """Return text and signature lines of a note (at most 100 lines and 1 MB); nothing is verified."""
    if len(data) > MAX_NOTE:
        raise FormatError(f"is larger than {MAX_NOTE} bytes", field="note")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"is not UTF-8 at byte {error.start}", field="note") from None
    cut = whole.rfind("\n\n")
    if cut < 0:
        raise FormatError("is no signed note: it has no empty line between text and signatures", field="note")
    text, lines = whole[: cut + 1], whole[cut + 2 :]
    check_text(text, field="note text")
    if not lines.endswith("\n"):
        raise FormatError("must end with a signature line and a newline", field="note")
    if lines.count("\n") > MAX_SIGNATURES:
        raise FormatError(f"has more than {MAX_SIGNATURES} signatures", field="note")
    return Note(text, tuple(parse_signature(line) for line in lines[:-1].split("\n")))


def format_note(note: Note) -> bytes:
    """Return the bytes of a note."""
    check_text(note.text, field="note text")
    return f"{note.text}\n{''.join(format_signature(s) + chr(10) for s in note.signatures)}".encode()


def parse_signature(line: str) -> Signature:
    """Return one signature line, given without its newline."""
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise FormatError("must read — <name> <base64>", field="signature line")
    check_name(name, field="signature line")
    blob = parse_base64(encoded, field="signature line")
    if len(blob) < 5:
        raise FormatError("must hold a key id of 4 bytes and a signature", field="signature line")
    return Signature(name, blob[:4], blob[4:])


def format_signature(signature: Signature) -> str:
    """Return one signature line without newline."""
    return f"{_DASH}{signature.name} {format_base64(signature.key_id + signature.blob)}"


def open_note(data: bytes, keys: Sequence[VerifierKey]) -> OpenedNote:
    """Verify a note. Lines of other keys are ignored; each line of a known key must verify, and there must be one.

    Raises FormatError for a malformed note, SignatureError otherwise.
    """
    note = parse_note(data)
    known: dict[tuple[str, bytes], list[VerifierKey]] = {}
    for key in keys:
        known.setdefault((key.name, key.key_id), []).append(key)
    by: dict[tuple[str, bytes], tuple[VerifierKey, int | None]] = {}
    for signature in note.signatures:
        place = signature.name, signature.key_id
        if place not in known:
            continue
        if len(known[place]) > 1:
            raise SignatureError("is given by two of the keys", field=f"key of {signature.name}")
        key = known[place][0]
        timestamp = key.verify(note.text, signature.blob)
        by.setdefault(place, (key, timestamp))  # a repeated line counts once, as it stood first
    if not by:
        raise SignatureError("has no signature of a known key", field="note")
    return OpenedNote(note, tuple(by.values()))


def _signed_message(name: str, key_type: int, text: str, timestamp: int) -> bytes:
    if key_type == ED25519:
        return text.encode()
    body = parse_body(text)
    if key_type == COSIGNATURE:
        return cosignature_message(text, timestamp)
    return subtree_message(name=name, timestamp=timestamp, origin=body.origin, start=0, end=body.size, root=body.root)


def _parse_key(encoded: str, *, field: str) -> tuple[int, bytes]:
    data = parse_base64(encoded, field=field)
    if not data:
        raise FormatError("must hold a key type and a key", field=field)
    return data[0], data[1:]


def _key_id(name: str, key_type: int, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + bytes([key_type]) + public).digest()[:4]


def _size_of(sizes: dict[int, int], key_type: int) -> int:
    if key_type not in sizes:
        raise FormatError("must be 0x01 (Ed25519), 0x04 (cosignature) or 0x06 (ML-DSA-44)", field="key type")
    return sizes[key_type]
