"""Promise 6, before any erasure: the demo's entries alone tell no grant from a refusal, nor whose record is whose.

Tried with everything that an onlooker has: sizes, members, values, counters, order.
"""

from __future__ import annotations

import itertools
import math
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from auditlog.core.entries.record import Entry, make_entry, parse_entry, parse_time
from auditlog.store import log as log_store
from auditlog.vault.record_keys import RecordKeys
from auditlog.vault.seal import Vault
from service.records import reading
from service.records.reading import CLI
from service.wiring import open_home

REPEATS = 50

Bits = NDArray[np.uint8]


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
                values: Any = reading.open(g, CLI, "export", entry.id).values
                found.append((entry, values["outcome"], tuple(values["subjects"])))
    return found


@pytest.fixture(scope="module")
def many(seen: Any, demo_home: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Entry, str, Any]]:
    """The same cases recorded again and again, with new ids, secrets and keys."""
    path = tmp_path_factory.mktemp("many") / "records.keys"
    RecordKeys.create(path)
    vault = Vault(RecordKeys(path), "waterveen.example/log/1", bytes(32))
    with open_home(demo_home) as g:
        values = {entry.id: reading.open(g, CLI, "export", entry.id).values for entry, _, _ in seen}
    found = []
    for entry, outcome, subjects in seen * REPEATS:
        content = {name: value for name, value in values[entry.id].items() if name != "subjects"}
        prepared = vault.prepare(str(uuid.uuid4()), content, [])
        members: Any = {**entry.members, "commitments": prepared.commitments}
        again = make_entry(entry.kind, id=prepared.id, agency=entry.agency, time=parse_time(entry.time), **members)
        found.append((again, outcome, subjects))
    vault.keys.close()
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


def test_no_bit_of_ids_and_commitments_goes_with_the_outcome(many: Any) -> None:
    """The demo's cases, recorded many times over by the same vault and table: ten of each would prove nothing."""
    for pairs in by_system(many).values():
        entries, outcomes = [entry for entry, _ in pairs], [outcome for _, outcome in pairs]
        assert not goes_with(bits_of(entries), outcomes)


def test_a_planted_leak_is_seen(many: Any) -> None:
    """The same test finds one bit that tells the outcome in two of three records, so it can fail."""
    rng = np.random.default_rng(2)
    for pairs in by_system(many).values():
        outcomes = [outcome for _, outcome in pairs]
        bits = bits_of([entry for entry, _ in pairs])
        truth = np.array([outcome == outcomes[0] for outcome in outcomes])
        bits[:, 300] = np.where(rng.random(len(truth)) < 2 / 3, truth, rng.random(len(truth)) < 0.5)
        assert goes_with(bits, outcomes)


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
    for a, b in same:
        assert not nearer_than_chance(a.commitments, b.commitments), (
            "one person's records can be told from two persons'"
        )
    # The same test finds salts that are a person's rather than a record's.
    left, right = same[0]
    shared = {**right.commitments, "subjects": left.commitments["subjects"]}
    assert nearer_than_chance(left.commitments, shared)


def by_system(seen: Any) -> dict[str, list[tuple[Entry, str]]]:
    found: dict[str, list[tuple[Entry, str]]] = defaultdict(list)
    for entry, outcome, _ in seen:
        found[entry.members["system"]].append((entry, outcome))
    return found


def bits_of(entries: Sequence[Entry]) -> Bits:
    """A row of bits for each entry: its id and all its commitments."""
    names = sorted(entries[0].commitments)
    texts = [entry.id.replace("-", "") + "".join(entry.commitments[name] for name in names) for entry in entries]
    return np.unpackbits(np.array([np.frombuffer(bytes.fromhex(text), np.uint8) for text in texts]), axis=1)


def goes_with(bits: Bits, outcomes: Sequence[str]) -> bool:
    """Whether any bit fits any outcome better than the best of so many independent bits would by chance."""
    labels = np.array([[outcome == code for code in sorted(set(outcomes))] for outcome in outcomes], float)
    scores = abs(standard(labels).T @ standard(bits.astype(float))) / math.sqrt(len(outcomes))
    return bool(scores.max() > math.sqrt(2 * math.log(scores.size)) + 1.5)


def standard(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns with mean 0 and standard deviation 1; constant ones are left out."""
    varying = columns[:, columns.std(axis=0) > 0]
    return (varying - varying.mean(axis=0)) / varying.std(axis=0)


def nearer_than_chance(left: Mapping[str, str], right: Mapping[str, str]) -> bool:
    """Whether two records' commitments share more hex digits than six standard deviations above chance (1 in 16)."""
    names = sorted(left.keys() & right.keys())
    a, b = ("".join(side[name] for name in names) for side in (left, right))
    equal, tried = sum(x == y for x, y in zip(a, b, strict=True)), len(a)
    return equal > tried / 16 + 6 * math.sqrt(tried * 15 / 256)
