"""Processor time of committing to a record and sealing it, where it goes, and of opening it again.

The record is that of `bench append --decisions`: 8 input fields, output, outcome, person, usage, times, and replay
facts of 124 tokens; 15 commitments. No database takes part, and no key is synced: those are the group's, not the
record's. Processor time is that of this thread, so other programs on the machine disturb it only through its caches.
"""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from auditlog.core.formats.canonical import Json
from auditlog.core.formats.commitment import commit_forms
from auditlog.store.vault import SealedRow
from auditlog.vault.canonical_values import canonical_forms
from auditlog.vault.payload import format_payload, frame
from auditlog.vault.references import tags_of
from auditlog.vault.seal import Vault, encrypt
from auditlog.vault.subjects import normalise_all
from lab.bench.scene import Scene, decision_subject, decision_values

ROUNDS: Final = 5
BATCH: Final = 200
_ID: Final = "00000000-0000-4000-8000-{:012d}"
_SECRET: Final = bytes(range(32))


def run(entries: int) -> dict[str, Any]:
    """`entries` records are sealed in rounds; medians over batches of 200, in microseconds of processor time each."""
    number = max(BATCH, entries // ROUNDS)
    with tempfile.TemporaryDirectory(prefix="greffier-bench-") as name, Scene(Path(name), "").vault() as vault:
        whole: list[float] = []
        steps: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            whole += _seal(vault, number)
            for step, took in _steps(vault, BATCH).items():
                steps.setdefault(step, []).append(took)
        row = vault.prepare(_ID.format(1), decision_values(1), [decision_subject(1)]).row
        opening = [_timed(BATCH, lambda _: vault.open_row(row)) for _ in range(ROUNDS)]
    parts = {step: round(statistics.median(took), 1) for step, took in steps.items()}
    total = statistics.median(whole)
    return {
        "bench": "seal",
        "what": "committing and sealing a record of 8 input fields, 15 commitments, 124 tokens",
        "records": number * ROUNDS,
        "processor_us": round(total, 1),
        "spread_us": [round(min(whole), 1), round(max(whole), 1)],
        "steps_us": {**parts, "rest": round(total - sum(parts.values()), 1)},
        "open_processor_us": round(statistics.median(opening), 1),
        "bytes": _sizes(row),
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def _seal(vault: Vault, number: int) -> list[float]:
    took = []
    for low in range(0, number, BATCH):
        many = [(_ID.format(n), decision_values(n), [decision_subject(n)]) for n in range(low, low + BATCH)]
        took.append(_timed(BATCH, lambda n, many=many: vault.prepare(*many[n])))  # type: ignore[misc]
    return took


def _steps(vault: Vault, number: int) -> dict[str, float]:
    """Each step alone, on records of their own, with the keys and bytes that it would get."""
    values: list[Mapping[str, Json]] = [decision_values(n) for n in range(number)]
    forms = [canonical_forms(one) for one in values]
    payloads = [format_payload(_SECRET, one) for one in forms]
    frames = [frame(one) for one in payloads]
    people: list[dict[str, Json]] = [{"subjects": [*normalise_all([decision_subject(n)])]} for n in range(number)]
    return {
        "canonical_forms": _timed(number, lambda n: canonical_forms(values[n])),
        "commitments": _timed(number, lambda n: commit_forms(_SECRET, forms[n])),
        "references_and_tags": _timed(
            number, lambda n: (normalise_all([decision_subject(n)]), tags_of(_SECRET, people[n], None))
        ),
        "random": _timed(number, lambda _: os.urandom(44)),
        "key_slot": _timed(number, lambda _: vault.keys.allocate()),
        "payload_text": _timed(number, lambda n: format_payload(_SECRET, forms[n])),
        "compress_and_pad": _timed(number, lambda n: frame(payloads[n])),
        "encrypt": _timed(number, lambda n: encrypt(_SECRET, bytes(12), frames[n], _SECRET)),
    }


def _timed(number: int, do: Callable[[int], object]) -> float:
    """Microseconds of this thread's processor time for each of `number` calls."""
    before = time.thread_time_ns()
    for n in range(number):
        do(n)
    return (time.thread_time_ns() - before) / number / 1000


def _sizes(row: SealedRow) -> dict[str, int]:
    text = len(format_payload(_SECRET, canonical_forms({**decision_values(1), "subjects": ["s1:wv000001"]})))
    return {"text": text, "sealed": len(row.ciphertext) + len(row.nonce)}
