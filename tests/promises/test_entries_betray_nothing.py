"""Promise 6, before any erasure: the demo's entries alone tell no grant from a refusal, nor whose record is whose.

Tried with everything that an onlooker has: sizes, members, values, counters, order.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any

import pytest

from app.actions import reading
from app.wiring import open_home
from auditlog.record import Entry, parse_entry
from auditlog.store import log as log_store

ROUNDS = 2_000


@pytest.fixture(scope="module")
def seen(demo_home: Path) -> list[tuple[Entry, str, tuple[str, ...]]]:
    """Each decision's entry, with what only the vault knows: its outcome and its persons."""
    found = []
    with open_home(demo_home) as g:
        with g.reading() as conn:
            entries = [parse_entry(data) for _, data in log_store.iterate_entries(conn, 1, 0, g.log.state().size)]
        erased = {entry.members["record"] for entry in entries if entry.kind == "erasure/1"}
        for entry in entries:
            if entry.kind == "decision/1" and entry.id not in erased:
                values: Any = reading.open(g, "report", entry.id).values
                found.append((entry, values["outcome"], tuple(values["subjects"])))
    return found


def shape(value: Any) -> Hashable:
    """The form of a value without its content: member names, types, lengths of texts."""
    if isinstance(value, dict):
        return tuple(sorted((name, shape(item)) for name, item in value.items()))
    if isinstance(value, list | tuple):
        return tuple(map(shape, value))
    return (type(value).__name__, len(value) if isinstance(value, str) else None)


FEATURES: dict[str, Callable[[Entry], Hashable]] = {
    "size without counter": lambda entry: len(entry.data) - len(str(entry.members["n"])),
    "members": lambda entry: shape({k: v for k, v in entry.members.items() if k != "n"}),
    "null members": lambda entry: tuple(sorted(k for k, v in entry.members.items() if v is None)),
    "mode": lambda entry: entry.members["mode"],
    "version": lambda entry: (entry.members["version"], entry.members["manifest"]),
}


@pytest.mark.parametrize("feature", FEATURES)
def test_what_is_in_clear_is_the_same_for_every_outcome_of_a_system(seen: Any, feature: str) -> None:
    values: dict[str, set[Hashable]] = defaultdict(set)
    outcomes: dict[str, set[str]] = defaultdict(set)
    for entry, outcome, _ in seen:
        values[entry.members["system"]].add(FEATURES[feature](entry))
        outcomes[entry.members["system"]].add(outcome)
    assert all(len(found) >= 2 for found in outcomes.values()), "the demo must show several outcomes of each system"
    for system, found in values.items():
        assert len(found) == 1, f"{feature} differs within {system}"


def test_no_committed_value_occurs_twice(seen: Any) -> None:
    commitments = Counter(value for entry, _, _ in seen for value in entry.commitments.values())
    assert max(commitments.values()) == 1


def test_ids_and_commitments_have_no_bit_that_goes_with_the_outcome(seen: Any) -> None:
    """For every bit of every commitment and id: does it split the outcomes better than chance over all bits allows?"""
    worst = 0.0
    tried = 0
    for system, pairs in by_system(seen).items():
        labels = [outcome for _, outcome in pairs]
        common = Counter(labels).most_common(1)[0][0]
        target = [label == common for label in labels]
        for bits in bit_columns([entry for entry, _ in pairs]):
            tried += 1
            worst = max(worst, abs(correlation(bits, target)) * math.sqrt(len(target)))
    assert tried > 5_000
    # Under chance the largest of `tried` values stays near sqrt(2 ln tried); the bound allows a little more.
    assert worst < math.sqrt(2 * math.log(tried)) + 1.0


def test_place_in_the_log_does_not_tell_the_outcome_beyond_the_order_of_cases(seen: Any) -> None:
    """Counter, minute and index rise with the order in which cases came, and with nothing else."""
    for pairs in by_system(seen).values():
        counters = [entry.members["n"] for entry, _ in pairs]
        steps = [b - a for a, b in itertools.pairwise(counters)]
        assert set(steps) == {1}, "a step in the counter would tell one case from another"


def test_two_records_of_one_person_are_no_closer_than_two_of_two_persons(seen: Any) -> None:
    persons: dict[str, list[Entry]] = defaultdict(list)
    for entry, _, subjects in seen:
        for subject in subjects:
            persons[subject].append(entry)
    same = [pair for entries in persons.values() for pair in itertools.combinations(entries, 2)]
    assert same, "the demo must hold two records of one person"
    one_each = [entries[0] for entries in persons.values()]
    rng = random.Random(1)
    other = [tuple(rng.sample(one_each, 2)) for _ in range(ROUNDS)]
    closeness = [near(a, b) for a, b in other]
    for a, b in same:
        rank = sum(value >= near(a, b) for value in closeness) / len(closeness)
        assert rank > 0.01, "one person's records can be told from two persons'"
    shared = [set(a.commitments.values()) & set(b.commitments.values()) for a, b in same]
    assert not any(shared)


def by_system(seen: Any) -> dict[str, list[tuple[Entry, str]]]:
    found: dict[str, list[tuple[Entry, str]]] = defaultdict(list)
    for entry, outcome, _ in seen:
        found[entry.members["system"]].append((entry, outcome))
    return found


def bit_columns(entries: Sequence[Entry]) -> list[list[bool]]:
    names = sorted(entries[0].commitments)
    texts = ["".join(entry.commitments[name] for name in names) + entry.id.replace("-", "") for entry in entries]
    numbers = [int(text, 16) for text in texts]
    return [[bool(number >> bit & 1) for number in numbers] for bit in range(4 * len(texts[0]))]


def correlation(one: Sequence[bool], other: Sequence[bool]) -> float:
    n = len(one)
    p, q = sum(one) / n, sum(other) / n
    if p in (0, 1) or q in (0, 1):
        return 0.0
    both = sum(a and b for a, b in zip(one, other, strict=True)) / n
    return (both - p * q) / math.sqrt(p * (1 - p) * q * (1 - q))


def near(a: Entry, b: Entry) -> float:
    """How alike two entries are: equal nibbles of all committed values that both have, in thousandths."""
    names = sorted(set(a.commitments) & set(b.commitments))
    left = "".join(a.commitments[name] for name in names)
    right = "".join(b.commitments[name] for name in names)
    return 1000 * sum(x == y for x, y in zip(left, right, strict=True)) / len(left)
