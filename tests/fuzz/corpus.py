"""The kept corpus: one file a parser, one input a line, as a JSON string with one character a byte.

`python tests/fuzz/corpus.py` makes the valid inputs again, from keys that are the same each time (ML-DSA signatures are
not, so it is run when a format changes, not with every test); what fuzzing once found interesting stays.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"


def read_corpus(name: str) -> list[bytes]:
    """The inputs kept for one parser; none where there is no file."""
    path = FOLDER / f"{name}.jsonl"
    if not path.exists():
        return []
    return [json.loads(line).encode("latin-1") for line in path.read_text("ascii").splitlines()]


def add_to_corpus(name: str, inputs: Iterable[bytes]) -> int:
    """Keep these besides; returns how many are new."""
    kept = dict.fromkeys(read_corpus(name))
    before = len(kept)
    kept.update(dict.fromkeys(inputs))
    FOLDER.mkdir(exist_ok=True)
    text = "".join(f"{json.dumps(data.decode('latin-1'))}\n" for data in kept)
    (FOLDER / f"{name}.jsonl").write_text(text, "ascii")
    return len(kept) - before


_NOTES = ((5, 2), (7, 2), (6, 1))
"""Sizes of the signed checkpoints, and how many keys signed them."""


# --- valid inputs -----------------------------------------------------------------------------------------------------


def valid_inputs() -> dict[str, list[bytes]]:
    """For each parser at least one input that it accepts."""
    import targets as t

    from auditlog.core.checking.tree import format_sums
    from auditlog.core.formats.canonical import format_base64
    from auditlog.core.formats.checkpoint import Checkpoint, format_checkpoint, sign_checkpoint
    from auditlog.core.formats.keyring import KeyRing, LogKey, format_key_ring
    from auditlog.core.formats.merkle import EMPTY_ROOT
    from auditlog.core.formats.note import (
        ED25519,
        Note,
        Signer,
        format_note,
        format_signature,
        format_skey,
        format_vkey,
        parse_note,
    )
    from auditlog.core.formats.proof import LogProof, format_proof
    from auditlog.core.formats.tiles import Tile, format_entries_path, format_entry_bundle, format_tile_path
    from auditlog.peers.introduction import About, format_about
    from auditlog.store.cursor import format_cursor
    from auditlog.writing.keyseal import Unlock, new_salt, seal_text

    vectors = Path(__file__).parents[2] / "docs/conformance/vectors"
    formats = json.loads((vectors / "formats.json").read_text("utf-8"))
    receipts = json.loads((vectors / "receipts.json").read_text("utf-8"))
    entries = [one.encode() for one in receipts["entries"]]
    kinds = json.loads((vectors / "entries.json").read_text("utf-8"))
    roots = t.ROOTS
    *notes, short = [
        sign_checkpoint(Checkpoint(t.ORIGIN, size, roots[size % 3]), t.SIGNERS[:keys]) for size, keys in _NOTES
    ]
    text = parse_note(notes[0]).text
    cosigned = format_note(
        Note(text, (*parse_note(notes[0]).signatures, t.WITNESS.sign(text, timestamp=1_790_000_000)))
    )
    other = Signer.generate("other.example/log/2", ED25519, bytes([3]) * 32)
    vkeys = [format_vkey(signer.vkey) for signer in (*t.SIGNERS, t.WITNESS, other)]
    ring = KeyRing((LogKey(t.SIGNERS[0].vkey, 0, 9), LogKey(t.SIGNERS[1].vkey), LogKey(other.vkey, 3)))
    proofs = [
        format_proof(LogProof(4, (roots[0], roots[1]), note, extra))
        for note, extra in ((short, None), (notes[0], b"x"))
    ]
    policy = f"# valid from 2 until 9\nlog {vkeys[0]} https://log.example/\nlog {vkeys[1]}\n"
    key_seed = Signer.generate("w2.example/x", 4, bytes([5]) * 32)
    witness = f"witness w {vkeys[2]} http://127.0.0.1:1/\nwitness v {format_vkey(key_seed.vkey)}\ngroup g 1 w v\n"
    mirror = {
        "origin": t.ORIGIN,
        "source": "https://log.example",
        "seen": 1,
        "refused": 2,
        "sentence": "s",
        "evidence": "e",
    }
    memory = {"note": short.decode(), "seen": 1, "grown": 1, "frozen": True, "successor": "register.example/audit/2"}
    state = {"origins": {"https://log.example": t.ORIGIN}, "logs": {t.ORIGIN: memory}}
    with tempfile.NamedTemporaryFile() as secret:
        secret.write(t.SEALED_BY)
        secret.flush()
        sealed = seal_text("plain text\n", Unlock(key_file=Path(secret.name)), new_salt(), name="x.key")
    scrypt = sealed.replace(" hkdf ", " scrypt n=131072 r=8 p=1 ")
    about = About((t.WITNESS.vkey,), "https://witness.example", ring, "https://log.example")
    sums = {"README.txt": "0" * 64, "log.vkey": "ab" * 32, "timestamps/5.tsr": "1" * 64}
    record = "00000000-0000-4000-8000-000000000000"
    answer = format_signature(parse_note(cosigned).signatures[-1]).encode() + b"\n"
    found: dict[str, list[bytes]] = {
        "json": [b'{"a":[1,2.5,null,true,"x"],"b":{"c":"\\u20ac"}}', b"[]", b"1e21", b'"\\ud83d\\ude00"', entries[0]],
        "canonical": [one.encode() for one in formats["canonical"]["integers"]],
        "fractions": [one.encode() for one in formats["canonical"]["fractions"]] + [b'{"a":[1.5,1e+21,"x"],"b":1e-7}'],
        "entry": [one.encode() for one in (*receipts["entries"], *kinds["valid"], *kinds["opaque"])],
        "note": [*notes, short, cosigned],
        "open-note": [*notes, short, cosigned],
        "cosigned": [cosigned, short],
        "body": [text.encode(), b"some log of others\n3\n" + format_base64(roots[0]).encode() + b"\next line\nmore\n"],
        "checkpoint": [text.encode(), format_checkpoint(Checkpoint("a", 0, EMPTY_ROOT)).encode()],
        "proof": proofs,
        "receipt": [_receipt(entries, proofs[0]), receipts["receipt"].encode()],
        "key-ring": [format_key_ring(ring).encode(), f"# a comment\n\n{vkeys[0]}\n".encode()],
        "policy": [f"{policy}{witness}quorum g\n".encode(), b"quorum none\n", f"{witness}quorum v\n".encode()],
        "signature": [format_signature(one).encode() for one in parse_note(cosigned).signatures],
        "vkey": [one.encode() for one in vkeys],
        "skey": [format_skey(signer).encode() for signer in (*t.SIGNERS, other)],
        "tile-path": [format_tile_path(Tile(*one)).encode() for one in ((0, 0), (1, 1234, 7), (7, 1_234_067, 255))],
        "entries-path": [format_entries_path(*one).encode() for one in ((0, 256), (1234, 7), (2**56, 1))],
        "bundle": [format_entry_bundle(entries[:3]), format_entry_bundle([b"", b"x"] * 128), b""],
        "guard": [f"{t.ORIGIN} 5 {format_base64(roots[0])}\n".encode()],
        "sums": [format_sums(sums), b""],
        "submission": [
            b"old 5\n" + format_base64(roots[0]).encode() + b"\n\n" + notes[1],
            b"old 0\n\n" + short,
            b"old 6\n\n" + short,
        ],
        "answer": [b"\x00\xc8\x01" + answer, b"\x01\x99\x0012\n", b"\x01\xf4\x01busy\n", b"\x01\x93\x01no\n"],
        "evidence": _evidence(notes, short),
        "about": [json.dumps(format_about(about)).encode(), json.dumps(format_about(About(about.vkeys))).encode()],
        "address": [b"https://log.example/log/1/", b"http://127.0.0.1:8000"],
        "sealed": [sealed.encode(), scrypt.encode()],
        "mirror": [json.dumps(mirror).encode()],
        "monitor": [json.dumps(state).encode(), b'{"origins":{},"logs":{}}'],
        "filter": [b"{}", b'{"review":"none","since":"2026-11-24T08:15Z","system":"credit-score","version":2}'],
        "cursor": [format_cursor((f"2026-11-24T08:{n}Z", n, 2**n), t.WHERE).encode() for n in (10, 40)],
        "decimal": [b"0", b"5", b"18446744073709551615"],
        "base64": [format_base64(roots[0]).encode(), b"", b"YQ==", b"YWI="],
        "erasure": [f"{record} objection privacy_officer 2026-03-02T09:30Z\n".encode()],
        "slots": [f"{record} keys 1,5,17\n".encode()],
        "settings": [
            b'agency = "waterveen"\norigin = "waterveen.example/log"\npublish_pace_s = 60\nlanguages = ["en"]\n'
        ],
        "profile": [_profile()],
    }
    found["token"], found["cms"], found["named"], found["certificates"] = _stamps(notes[0])
    return found


def _receipt(entries: list[bytes], proof: bytes) -> bytes:
    value = {
        "entry": entries[0].decode(),
        "openings": [{"field": "in_a", "salt": "0" * 64, "value": 5}],
        "proof": proof.decode(),
    }
    return json.dumps(value).encode()


def _evidence(notes: list[bytes], short: bytes) -> list[bytes]:
    from auditlog.core.errors import VerifyError
    from auditlog.peers.evidence import Contradiction, format_evidence, make_evidence

    fork = Contradiction("forked", kind="fork", prefix_root=bytes(32), proof=(bytes(32), bytes([1]) * 32))
    both = make_evidence(fork, "tree", known=notes[0], found=notes[1], keys="", now=1_790_000_000)
    one = make_evidence(VerifyError("stale"), "stale", known=None, found=short, keys="k\n", now=1_790_000_000)
    return [format_evidence(both), format_evidence(one)]


def _profile() -> bytes:
    names = {"en": "Municipality"}
    authority = {"name": names, "about": "personal_data", "contact": "c"}
    return json.dumps(
        {"names": names, "address": ["Street 1"], "phone": "1", "email": "e", "dpo": "d", "authorities": [authority]}
        | {"objection_route": names, "objection_weeks": 6, "court": names}
    ).encode()


def _stamps(note: bytes) -> tuple[list[bytes], list[bytes], list[bytes], list[bytes]]:
    """(responses, responses again, their tokens, certificates) of a real time-stamping authority."""
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, decode_timestamp_response

    sys.path.insert(0, str(Path(__file__).parents[1]))
    import time_authority

    with tempfile.TemporaryDirectory() as folder:
        authority = time_authority.Authority(Path(folder) / "ca")
        request = TimestampRequestBuilder().data(note).hash_algorithm(HashAlgorithm.SHA256).build().as_bytes()
        query, reply = Path(folder) / "query", Path(folder) / "reply"
        query.write_bytes(request)
        config, pem, key = authority.config, authority.folder / "tsa.pem", authority.folder / "tsa.key"
        answer = ["-config", config, "-queryfile", query, "-out", reply, "-signer", pem, "-inkey", key]
        subprocess.run(["openssl", "ts", "-reply", *answer], check=True, capture_output=True)
        data = reply.read_bytes()
        token = decode_timestamp_response(data).time_stamp_token()
        pem = authority.ca.read_bytes() + (authority.folder / "tsa.pem").read_bytes()
        der = subprocess.run(
            ["openssl", "x509", "-in", authority.ca, "-outform", "DER"], check=True, capture_output=True
        ).stdout
    refusal = bytes.fromhex("3009300702010203020580")
    return [data, refusal], [data], [token], [der, pem]


if __name__ == "__main__":
    for name, inputs in valid_inputs().items():
        print(name, add_to_corpus(name, inputs))
