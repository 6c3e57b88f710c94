"""Writes tests/auditlog/vault/payloads.json: sealed payloads of both forms, from fixed seeds.

They are for our own program alone: whoever checks a log never sees a payload. Form 1 is written here as the program
wrote it until form 2 came; nothing else writes it any more.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from auditlog.core.formats.commitment import canonical_value, commit_all
from auditlog.vault.idempotency import SealedRequest
from auditlog.vault.payload import FORM_1, FORM_2, format_payload, frame
from auditlog.vault.references import Refs

FILE = Path(__file__).parents[1] / "auditlog" / "vault" / "payloads.json"
ORIGIN = "register.example/records"
ID = "6f9619ff-8b86-4d01-a62b-00c04fc964ff"
SECRET, KEY, NONCE = bytes(range(32)), bytes(range(32, 64)), bytes(12)
SMALL = {"in_remark": 'een zin met "aanhalingstekens", een € en een 😀\n', "in_ratio": 0.375, "subjects": ["s1:wv4711"]}
LONG = {**SMALL, "run": {"output_tokens": [*range(600)]}, "parent": None}


def _spaces(text: bytes) -> bytes:
    return text + b" " * (-len(text) % 256)


def build() -> str:
    """The text of the file."""
    asked, cases = SealedRequest(bytes(32), "nl"), []
    for name, form, values, request, refs in (
        ("form 1", FORM_1, SMALL, None, None),
        ("form 1, asked for under a key", FORM_1, LONG, asked, None),
        ("form 2", FORM_2, SMALL, None, None),
        ("form 2, compressed, with references", FORM_2, LONG, asked, Refs("s1:z2026", "s1:gesprek", 2)),
    ):
        forms = {field: canonical_value(value, field=field) for field, value in values.items()}
        text = format_payload(SECRET, forms, asked=request, refs=refs)
        plain = _spaces(text) if form == FORM_1 else frame(text)
        sealed = form + AESGCM(KEY).encrypt(NONCE, plain, f"{ID}\n{ORIGIN}".encode())
        cases.append(
            {
                "name": name,
                "values": values,
                "asked": request is not None,
                "refs": {} if refs is None else refs.members(),
                "commitments": commit_all(SECRET, values),
                "ciphertext": sealed.hex(),
            }
        )
    head = {"id": ID, "origin": ORIGIN, "secret": SECRET.hex(), "key": KEY.hex(), "nonce": NONCE.hex()}
    return json.dumps({**head, "cases": cases}, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(build())
