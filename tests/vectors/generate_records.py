"""Writes entries.json, commitments.json and receipts.json: our own vectors for records, from fixed seeds.

Run `python tests/vectors/generate_records.py` after a deliberate change of a format; tests compare. ML-DSA-44
signatures are randomised, so the receipts in the file are kept for as long as they verify. The seeds are test keys.
"""

from __future__ import annotations

import json
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from random import Random

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from auditlog.core.entries.kinds import KINDS, Member
from auditlog.core.entries.receipt import Receipt, fields_for_person, format_receipt, parse_receipt, verify_receipt
from auditlog.core.entries.record import Entry, make_entry, parse_entry
from auditlog.core.formats.checkpoint import Checkpoint, sign_checkpoint
from auditlog.core.formats.commitment import LARGE, canonical_value, commit, commit_all, open_field, salt_for, stub_of
from auditlog.core.formats.keyring import key_ring
from auditlog.core.formats.merkle import leaf_hash, prove_inclusion, root_hash
from auditlog.core.formats.note import ED25519, ML_DSA_44, Signer, format_vkey, parse_vkey
from auditlog.core.formats.proof import LogProof

FOLDER = Path(__file__).parents[2] / "docs" / "conformance" / "vectors"
ORIGIN = "register.example/records/1"
SECRET = bytes(range(32))
TIME = datetime(2026, 11, 24, 8, 15, tzinfo=UTC)
VALUES = {
    "in_payment_record": "often too late",
    "in_room": 120,
    "in_ratio": 0.375,
    "in_remark": 'een zin met "aanhalingstekens", een € en een 😀\n',
    "output": {"result": "poor", "scores": [1e21, -0.0, 1e-7]},
    "outcome": "refuse",
    "subjects": ["s1:wv004711"],
    "parent": None,
    "usage": {
        "prompt_tokens": 61,
        "output_tokens": 1,
        "queue_us": 180,
        "first_us": 96_000,
        "total_us": 96_450,
        "energy_uj": 1_350_000,
        "energy_method": "estimated",
        "cost_millionths": 5,
        "currency": "EUR",
        "tariff_valid_from": "2026-01-01",
    },
    "run": {"output_tokens": [3871], "logprobs": [-412_000], "seed": None},
    "times": {
        "received": "2026-11-24T08:15:01.000250Z",
        "decided": "2026-11-24T08:15:01.096700Z",
        "recorded": "2026-11-24T08:15:01.099000Z",
    },
}
LARGE_TEXTS = (("w", LARGE - 2), ("w", LARGE - 1), ("een €, en nog een\n", 1500))  # two quotation marks around each
_PLAIN = {"uint": 7, "slug": "loan-check", "digest": "sha256:" + "ab" * 32, "hash": "cd" * 32, "origin": ORIGIN}
_PLAIN |= {"release": "llama-cpp-python 0.3.36", "feature": "AVX2", "time": "2026-11-24T08:15Z", "day": "2026-11-24"}


def _value(member: Member, rng: Random) -> object:
    if member.type == "object":
        one: object = {inner.name: _value(inner, rng) for inner in member.members}
    elif member.type == "id":
        one = _id(rng)
    elif member.type == "code":
        one = member.codes[0]
    else:
        one = _PLAIN[member.type]
    return [one] if member.many else one


def _id(rng: Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def make(kind: str, rng: Random) -> Entry:
    """An entry with every member filled in, but one of those that exclude each other."""
    table = KINDS[kind]
    members = {member.name: _value(member, rng) for member in table.members}
    for name in table.one_of[1:]:
        members[name] = None
    if table.committed:
        names = [*table.commits, *((name for name in VALUES if name.startswith("in_")) if table.inputs else ())]
        members["commitments"] = commit_all(SECRET, {name: VALUES.get(name) for name in names})
    return make_entry(kind, id=_id(rng), agency="waterveen", time=TIME, **members)


def build_entries() -> dict:
    """One entry of each kind, opaque ones, and what must be refused, with the member that is wrong."""
    rng = Random(1)
    valid = [make(kind, rng).data.decode() for kind in KINDS]
    decision = json.loads(make("decision/1", rng).data)
    wrong = {
        "n": {**decision, "n": -1},
        "mode": {**decision, "mode": "rehearsal"},
        "boot and source": {**decision, "source": "case-system"},
        "time": {**decision, "time": "2026-02-30T00:00Z"},
        "commitments.usage": {**decision, "commitments": {**decision["commitments"], "usage": "AB" * 32}},
        "entry": {**decision, "name": "A. Invented"},
        "opened": {name: value for name, value in decision.items() if name != "opened"},
    }
    form = {"separators": (",", ":"), "sort_keys": True}
    return {
        "valid": valid,
        "opaque": [
            json.dumps({"id": _id(rng), "kind": "audit_trail/1"}, **form),
            '{"kind":"decision/2","x":[1,{"y":null}]}',
        ],
        "invalid": [{"field": field, "entry": json.dumps(value, **form)} for field, value in wrong.items()],
        "not_canonical": [json.dumps(decision), valid[0] + "\n", valid[0].replace('"log":7', '"log":7.0')],
    }


def build_commitments() -> dict:
    """Each value in RFC 8785 form, its salt and its commitment."""
    commitments = commit_all(SECRET, VALUES)
    cases = [
        {
            "field": field,
            "value": value,
            "canonical": canonical_value(value, field=field).decode(),
            "salt": open_field(SECRET, field, value).salt,
            "commitment": commitments[field],
        }
        for field, value in VALUES.items()
    ]
    return {"secret": SECRET.hex(), "cases": cases, "large": [_large(text, times) for text, times in LARGE_TEXTS]}


def _large(text: str, times: int) -> dict:
    """A text repeated: at the limit as it is, beyond it by its blob."""
    value = text * times
    data, salt = canonical_value(value, field="in_text"), salt_for(SECRET, "in_text")
    stub = stub_of(salt, data) if len(data) > LARGE else None
    return {
        "field": "in_text",
        "text": text,
        "times": times,
        "size": len(data),
        "salt": salt.hex(),
        "blob": None if stub is None else stub.blob,
        "commitment": commit(salt, value),
    }


def build_receipts(previous: dict) -> dict:
    """A log of five entries, and the receipt of its last, a decision."""
    signers = [Signer.generate(ORIGIN, type_, bytes([type_]) * 32) for type_ in (ED25519, ML_DSA_44)]
    rng = Random(2)
    entries = [make(kind, rng) for kind in ("genesis/1", "system/1", "version/1", "boot/1", "decision/1")]
    vkeys = [format_vkey(signer.vkey) for signer in signers]
    kept = previous.get("receipt")
    if kept is not None and previous["vkeys"] == vkeys and _holds(kept, previous["vkeys"], entries[-1]):
        receipt = kept
    else:
        receipt = _receipt(entries, signers)
    return {"origin": ORIGIN, "vkeys": vkeys, "entries": [entry.data.decode() for entry in entries], "receipt": receipt}


def _receipt(entries: list[Entry], signers: list[Signer]) -> str:
    hashes = [leaf_hash(entry.data) for entry in entries]
    note = sign_checkpoint(Checkpoint(ORIGIN, len(entries), root_hash(hashes)), signers)

    def nodes(wanted):
        return [root_hash(hashes[index << level : (index + 1) << level]) for level, index in wanted]

    proof = LogProof(len(entries) - 1, prove_inclusion(len(entries) - 1, len(entries), nodes), note)
    openings = tuple(open_field(SECRET, name, VALUES[name]) for name in fields_for_person(entries[-1]))
    return format_receipt(Receipt(entries[-1].data, proof, openings)).decode()


def _holds(receipt: str, vkeys: list[str], entry: Entry) -> bool:
    parsed = parse_receipt(receipt.encode())
    try:
        verify_receipt(parsed, key_ring(parse_vkey(vkey) for vkey in vkeys), origin=ORIGIN)
    except Exception:
        return False
    return parse_entry(parsed.entry) == entry


def dump(vectors: dict) -> str:
    """The text of a file."""
    return json.dumps(vectors, indent=1, ensure_ascii=False) + "\n"


def build() -> dict[str, str]:
    """File name → text, of all three."""
    file = FOLDER / "receipts.json"
    previous = json.loads(file.read_text()) if file.exists() else {}
    return {
        "entries.json": dump(build_entries()),
        "commitments.json": dump(build_commitments()),
        "receipts.json": dump(build_receipts(previous)),
    }


if __name__ == "__main__":
    for name, text in build().items():
        (FOLDER / name).write_text(text)
