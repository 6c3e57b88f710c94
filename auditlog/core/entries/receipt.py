"""Receipts: one entry, its proof, and the fields that were opened for the person concerned.

A file `<id>.receipt.json` is `{"entry": …, "openings": [{"field", "salt", "value"}…], "proof": …}`: the entry as a
string in its canonical form, the proof as the text of a C2SP `.tlog-proof` file. Layout is free, since people copy and
mail such files; members are not. Errors name the part: `entry`, `proof`, `openings.<field>`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from auditlog.core.entries.record import Entry, OpaqueEntry, parse_entry
from auditlog.core.entries.vocabulary import INPUT_PREFIX
from auditlog.core.errors import AuditLogError, FormatError, OpeningError, ProofError, VerifyError
from auditlog.core.formats.canonical import Json, parse_json
from auditlog.core.formats.checkpoint import SignedCheckpoint
from auditlog.core.formats.commitment import FIELD_NAME, SALT, Opening, verify_opening
from auditlog.core.formats.keyring import KeyRing
from auditlog.core.formats.proof import LogProof, format_proof, parse_proof, verify_proof

_MEMBERS = {"entry", "openings", "proof"}
_OPENING_MEMBERS = {"field", "salt", "value"}


@dataclass(frozen=True, slots=True)
class Receipt:
    """The entry's bytes, its proof, and openings (none where nothing may be shown)."""

    entry: bytes
    proof: LogProof
    openings: tuple[Opening, ...] = ()


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """What was checked: the entry is number `index` under the signed checkpoint, and the openings are its values."""

    entry: Entry
    index: int
    checkpoint: SignedCheckpoint
    openings: tuple[Opening, ...]


def fields_for_person(entry: Entry) -> tuple[str, ...]:
    """What a receipt opens: input, output and outcome of a decision; of other kinds nothing, staff fields never."""
    if entry.kind != "decision/1":
        return ()
    return tuple(f for f in entry.commitments if f.startswith(INPUT_PREFIX) or f in ("output", "outcome"))


def format_receipt(receipt: Receipt) -> bytes:
    """The file's bytes: sorted members, two spaces of indentation, UTF-8."""
    value = {
        "entry": receipt.entry.decode("utf-8"),
        "openings": [{"field": o.field, "salt": o.salt, "value": o.value} for o in receipt.openings],
        "proof": format_proof(receipt.proof).decode("utf-8"),
    }
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, indent=2).encode("utf-8") + b"\n"


def parse_receipt(data: bytes) -> Receipt:
    """Raises FormatError that names the part. Nothing is verified yet."""
    with _part("receipt"):
        value = parse_json(data)
    if not isinstance(value, dict) or value.keys() != _MEMBERS:
        raise FormatError('must be an object with "entry", "openings" and "proof", nothing else', field="receipt")
    entry = _text(value["entry"], "entry").encode("utf-8")
    with _part("entry"):
        parse_entry(entry)
    text = _text(value["proof"], "proof").encode("utf-8")
    with _part("proof"):
        proof = parse_proof(text)
    return Receipt(entry, proof, _parse_openings(value["openings"]))


def verify_receipt(receipt: Receipt, ring: KeyRing, *, origin: str) -> VerifiedReceipt:
    """Check all parts against the keys of the log `origin`; raises VerifyError or FormatError that names the part."""
    with _part("entry"):
        entry = parse_entry(receipt.entry)
    if isinstance(entry, OpaqueEntry):
        raise VerifyError("its kind is unknown to this program; check it with a newer version", field="entry")
    with _part("proof"):
        try:
            checkpoint = verify_proof(receipt.proof, receipt.entry, ring, origin=origin)
        except ProofError as error:
            sentence = "the entry is not the one that was signed: it was changed, or the proof is that of another entry"
            raise ProofError(f"{sentence} ({error})") from error
    for opening in receipt.openings:
        commitment = entry.commitments.get(opening.field)
        if commitment is None:
            raise OpeningError("the entry commits to no such field", field=f"openings.{opening.field}")
        with _part("openings"):
            verify_opening(opening, commitment)
    return VerifiedReceipt(entry, receipt.proof.index, checkpoint, receipt.openings)


def _parse_openings(value: Json) -> tuple[Opening, ...]:
    if not isinstance(value, list):
        raise FormatError("must be a list", field="openings")
    openings = tuple(_parse_opening(one, f"openings[{position}]") for position, one in enumerate(value))
    if len({opening.field for opening in openings}) != len(openings):
        raise FormatError("opens a field twice", field="openings")
    return openings


def _parse_opening(value: Json, where: str) -> Opening:
    if not isinstance(value, dict) or value.keys() != _OPENING_MEMBERS:
        raise FormatError('must be an object with "field", "salt" and "value", nothing else', field=where)
    field = _text(value["field"], f"{where}.field")
    if FIELD_NAME.fullmatch(field) is None:
        raise FormatError("must be 1 to 43 of a-z, 0-9 and _", field=f"{where}.field")
    salt = _text(value["salt"], f"{where}.salt")
    if SALT.fullmatch(salt) is None:
        raise FormatError("must be 64 lower-case hex digits", field=f"openings.{field}.salt")
    return Opening(field, value["value"], salt)


def _text(value: Json, where: str) -> str:
    if not isinstance(value, str):
        raise FormatError("must be a string", field=where)
    return value


@contextmanager
def _part(name: str) -> Iterator[None]:
    """Errors of the parts keep their class and gain the part's name."""
    try:
        yield
    except AuditLogError as error:
        if error.field is not None and error.field.startswith(name):
            raise
        text = str(error)
        if name == "openings" and error.field is not None:
            raise type(error)(text.removeprefix(f"{error.field}: "), field=f"{name}.{error.field}") from error
        raise type(error)(text, field=name) from error
