"""Writes sample.json: draws from fixed nonces, roots and populations, and populations of small logs.

Run `python tests/vectors/generate_sample.py` after a deliberate change of the draw; a test compares.
"""

from __future__ import annotations

import json
import sys
import uuid
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from random import Random

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from auditlog.core.checking.sample import draw, nonce_hash, population, seed_of
from auditlog.core.entries.kinds import KINDS
from auditlog.core.entries.record import make_entry
from auditlog.core.formats.commitment import commit_all

FILE = Path(__file__).parents[2] / "docs" / "conformance" / "vectors" / "sample.json"
TIME = datetime(2026, 11, 24, 8, 15, tzinfo=UTC)
POPULATIONS = {
    "one": [7],
    "all of five": [0, 1, 2, 3, 4],
    "three of twenty": [*range(100, 120)],
    "far apart": [0, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**53 - 1],
}
COUNTS = {"one": 1, "all of five": 5, "three of twenty": 3, "far apart": 4}


def _draws() -> list[dict]:
    cases = []
    for name, indices in POPULATIONS.items():
        nonce, root = (sha256(f"{what} of {name}".encode()).digest() for what in ("nonce", "root"))
        seed = seed_of(nonce, root)
        cases.append(
            {
                "case": name,
                "nonce": nonce.hex(),
                "nonce_hash": nonce_hash(nonce),
                "root": root.hex(),
                "seed": seed.hex(),
                "population": indices,
                "count": COUNTS[name],
                "drawn": draw(seed, indices, COUNTS[name]),
            }
        )
    return cases


def _entries() -> list[str]:
    """Decisions of two systems in every mode, and an entry that is none."""
    rng = Random(3)

    def id_() -> str:
        return str(uuid.UUID(int=rng.getrandbits(128), version=4))

    made = [make_entry("pulse/1", id=id_(), agency="waterveen", time=TIME, boots=[], recording="ok")]
    for n, (system, mode) in enumerate(
        [("loan-check", mode) for mode in ("live", "pilot", "test", "shadow")] + [("desk-reply", "live")]
    ):
        members = {"system": system, "version": 1, "manifest": "sha256:" + "ab" * 32, "capture": "external"}
        members |= {"mode": mode, "boot": None, "source": "case-system", "n": n + 1, "opened": None}
        commitments = commit_all(rng.randbytes(32), dict.fromkeys(KINDS["decision/1"].commits))
        made.append(
            make_entry("decision/1", id=id_(), agency="waterveen", time=TIME, commitments=commitments, **members)
        )
    return [entry.data.decode() for entry in made]


def text() -> str:
    """The file's text."""
    entries = _entries()
    pairs = [(index, one.encode()) for index, one in enumerate(entries)]
    populations = [
        {"system": system, "entries": entries, "indices": list(population(pairs, system))}
        for system in ("loan-check", None)
    ]
    return json.dumps({"draws": _draws(), "populations": populations}, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
