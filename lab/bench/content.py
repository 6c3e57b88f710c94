"""What the log of `fill` says: systems, persons, and the columns and cells of a day's decisions."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import numpy as np

from auditlog.core.counting.figures import LATENCY_BOUNDS_MS, REVIEW_BOUNDS_MIN
from auditlog.core.formats.canonical import Json
from auditlog.vault.subjects import normalise

Columns = dict[str, list[Any]]

DAYS: Final = 365
FIRST: Final = datetime(2025, 11, 24, tzinfo=UTC)
SYSTEMS: Final = ("benefit-check", "permit-triage", "parking-appeal", "mail-routing", "letter-draft")
OUTCOMES: Final = ("grant", "refuse", "refer", "length")
ACTIONS: Final = ("confirm", "override", "refer", "release")
REASONS: Final = ("suspended", "input_invalid", "too_large")
REAL: Final = 20
"""Persons whose records are sealed in truth, each with about twenty."""
AGENCY: Final = "bench-agency"
MODES: Final = ("live", "live", "live", "live", "pilot")
_SHARES: Final = (0.4, 0.25, 0.2, 0.1, 0.05)
FIELDS: Final = ("in_income",)
COMMITTED: Final = (*FIELDS, "outcome", "output", "parent", "run", "subjects", "times", "usage")
REVIEWED: Final = ("action", "decision", "effect", "notified", "reasons", "reference", "text")
SEALED_BYTES: Final = 273  # the smallest bucket of a payload, its tag and the byte of its form
DECISION = (
    f'{{"agency":"{AGENCY}","boot":"%s","capture":"runtime","commitments":{{'
    + ",".join(f'"{name}":"%s"' for name in COMMITTED)
    + '},"id":"%s","kind":"decision/1","manifest":"%s","mode":"%s","n":%d,"opened":null,"source":null,"system":"%s",'
    '"time":"%s","version":%d}'
)
REVIEW = (
    f'{{"agency":"{AGENCY}","commitments":{{'
    + ",".join(f'"{name}":"%s"' for name in REVIEWED)
    + '},"id":"%s","kind":"review/1","time":"%s"}'
)
NUMBERS = ("prompt_tokens", "output_tokens", "queue_us", "first_us", "total_us", "energy_uj", "cost_millionths")
_SUMMED = {
    "tokens.prompt": "prompt_tokens",
    "tokens.output": "output_tokens",
    "energy.measured": "energy_uj",
    "cost.EUR": "cost_millionths",
}


def draw(rng: np.random.Generator, begin: datetime, count: int) -> Columns:
    """What the records of a day say, column by column."""
    minutes = np.sort(rng.integers(0, 1380, count))
    total = (np.exp(rng.normal(13.2, 0.8, count))).astype(np.int64)
    return {
        "system": rng.choice(len(SYSTEMS), count, p=_SHARES).tolist(),
        "outcome": rng.choice(len(OUTCOMES), count, p=(0.6, 0.3, 0.095, 0.005)).tolist(),
        "minute": [f"{begin:%Y-%m-%d}T{m // 60:02}:{m % 60:02}Z" for m in minutes.tolist()],
        "prompt_tokens": rng.integers(80, 900, count).tolist(),
        "output_tokens": rng.integers(1, 200, count).tolist(),
        "queue_us": rng.integers(50, 4000, count).tolist(),
        "first_us": (total // 4).tolist(),
        "total_us": total.tolist(),
        "energy_uj": (total * 12).tolist(),
        "cost_millionths": rng.integers(40, 700, count).tolist(),
    }


Key = tuple[str, int, str, str, str]
"""System, version, mode, day, cell."""


def cells_of_day(day: int, version: int, drawn: Columns, reviews: Columns) -> dict[Key, int]:
    """The cells of a day's decisions, and of their reviews, as `auditlog.core.counting.cells` counts each of them."""
    date = f"{FIRST + timedelta(days=day):%Y-%m-%d}"
    systems, outcomes = np.array(drawn["system"]), np.array(drawn["outcome"])
    buckets = np.searchsorted(LATENCY_BOUNDS_MS, -(-np.array(drawn["total_us"]) // 1000))
    counted: dict[Key, int] = {}
    for number, slug in enumerate(SYSTEMS):
        mine = np.flatnonzero(systems == number)
        if not len(mine):
            continue
        found = dict.fromkeys(("decisions", "records.tokens", "records.energy.measured", "records.cost.EUR"), len(mine))
        found |= _counts("outcomes.", OUTCOMES, outcomes[mine])
        found |= _counts("latency.", (*LATENCY_BOUNDS_MS, "longer"), buckets[mine])
        found |= {cell: int(np.array(drawn[name])[mine].sum()) for cell, name in _SUMMED.items()}
        found |= _reviewed(reviews, mine.tolist())
        counted |= {(slug, version, MODES[number], date, cell): amount for cell, amount in found.items()}
    return counted


def _reviewed(reviews: Columns, mine: list[int]) -> dict[str, int]:
    actions = [reviews["review"][n] for n in mine if reviews["review"][n]]
    waited = [reviews["waited"][n] for n in mine if reviews["review"][n]]
    if not actions:
        return {}
    found = {"reviewed": len(actions)} | {f"reviews.{action}": actions.count(action) for action in set(actions)}
    return found | _counts("review_time.", (*REVIEW_BOUNDS_MIN, "longer"), np.searchsorted(REVIEW_BOUNDS_MIN, waited))


def boot_of(day: int) -> str:
    """The worker process of a day."""
    return str(uuid.UUID(int=day + 1, version=4))


def reference_of(person: int) -> str:
    """The reference of an invented person, by number."""
    return f"WV-{person:08}"


def normalise_of(person: int) -> str:
    """The same, normalised."""
    return f"{_RULE}wv{person:08}"


_RULE = normalise("x")[:-1]


def values_of(n: int, drawn: Columns) -> dict[str, Json]:
    """What a decision that is truly sealed commits to; its row says the same."""
    usage = {name: drawn[name][n] for name in NUMBERS}
    usage |= {"energy_method": "measured", "currency": "EUR", "tariff_valid_from": "2026-01-01"}
    return {
        **dict.fromkeys(FIELDS, "what the case says"),
        "output": {"answer": OUTCOMES[drawn["outcome"][n]]},
        "outcome": OUTCOMES[drawn["outcome"][n]],
        "parent": None,
        "usage": usage,
        "run": {"seed": 7},
        "times": {"decided": drawn["minute"][n]},
    }


def _counts(head: str, names: tuple[Any, ...], numbers: Any) -> dict[str, int]:
    found = np.bincount(np.asarray(numbers, dtype=np.int64), minlength=len(names)).tolist()
    return {f"{head}{name}": count for name, count in zip(names, found, strict=True) if count}


def digest_of(text: str) -> str:
    """A digest that stands for something public."""
    return f"sha256:{sha256(text.encode()).hexdigest()}"


def uuids(data: bytes) -> list[str]:
    """One id for each 16 bytes."""
    return [_uuid(data[at : at + 16]) for at in range(0, len(data), 16)]


def _uuid(data: bytes) -> str:
    digits = data.hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{'89ab'[data[8] & 3]}{digits[17:20]}-{digits[20:]}"
