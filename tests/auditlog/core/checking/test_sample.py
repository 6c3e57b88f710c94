"""The draw of a sample: any subset is as likely as another, nothing but nonce, root and population decides it."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditlog.core.checking.sample import SAMPLED_MODES, draw, is_sampled, nonce_hash, population, seed_of
from auditlog.core.counting.figures import COUNTED_MODES
from auditlog.core.entries.record import OpaqueEntry, parse_entry
from auditlog.core.errors import FormatError
from auditlog.core.formats.canonical import format_canonical, parse_canonical

ROOT = Path(__file__).parents[4]
VECTORS = ROOT / "docs" / "conformance" / "vectors" / "sample.json"

seeds = st.binary(min_size=32, max_size=32)
populations = st.sets(st.integers(0, 2**40), min_size=1, max_size=60).map(sorted)


def test_vectors_have_not_drifted():
    path = ROOT / "tests" / "vectors" / "generate_sample.py"
    spec = importlib.util.spec_from_file_location("vectors_generate_sample", path)
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert generate.text() == VECTORS.read_text()


@pytest.mark.parametrize("case", json.loads(VECTORS.read_text())["draws"])
def test_vectors(case):
    nonce, root = bytes.fromhex(case["nonce"]), bytes.fromhex(case["root"])
    assert nonce_hash(nonce) == case["nonce_hash"]
    assert seed_of(nonce, root).hex() == case["seed"]
    assert draw(seed_of(nonce, root), case["population"], case["count"]) == case["drawn"]


def test_vectors_of_populations():
    for case in json.loads(VECTORS.read_text())["populations"]:
        entries = [(index, text.encode()) for index, text in enumerate(case["entries"])]
        assert list(population(entries, case["system"])) == case["indices"]


@given(seeds, populations, st.data())
def test_a_draw_is_a_subset_without_repetition(seed, indices, data):
    count = data.draw(st.integers(1, len(indices)))
    drawn = draw(seed, indices, count)
    assert len(drawn) == count == len(set(drawn))
    assert set(drawn) <= set(indices)


@given(seeds, populations, st.data())
def test_a_smaller_draw_is_the_beginning_of_a_larger_one(seed, indices, data):
    whole = draw(seed, indices, len(indices))
    assert sorted(whole) == indices
    count = data.draw(st.integers(1, len(indices)))
    assert draw(seed, indices, count) == whole[:count]


@given(seeds, populations.filter(lambda some: len(some) > 1), st.data())
def test_taking_out_one_that_was_not_drawn_changes_nothing_else(seed, indices, data):
    """Whoever hides a decision must hide a drawn one, and does not know which these will be."""
    gone = data.draw(st.sampled_from(indices))
    before = draw(seed, indices, len(indices))
    rest = [index for index in indices if index != gone]
    assert draw(seed, rest, len(rest)) == [index for index in before if index != gone]


def test_each_part_of_the_seed_decides():
    indices = range(1000)
    drawn = {
        tuple(draw(seed_of(nonce, root), indices, 20))
        for nonce in (bytes(32), bytes(31) + b"\1")
        for root in (bytes(32), b"\x80" + bytes(31))
    }
    assert len(drawn) == 4


def test_every_decision_is_drawn_as_often_as_another():
    """Over 4,000 seeds, 3 of 12: each index and each first place as chance has it (chi-square, p > 0.001)."""
    drawn = [draw(sha256(b"seed %d" % n).digest(), range(12), 3) for n in range(4000)]
    for counts in (Counter(index for one in drawn for index in one), Counter(one[0] for one in drawn)):
        expected = sum(counts.values()) / 12
        assert sum((counts[index] - expected) ** 2 / expected for index in range(12)) < 31.26


@pytest.mark.parametrize(
    ("seed", "indices", "count", "field"),
    [
        (bytes(31), [1, 2], 1, "seed"),
        (bytes(32), [1, 2], 0, "count"),
        (bytes(32), [1, 2], 3, "count"),
        (bytes(32), [], 1, "count"),
        (bytes(32), [2, 1], 1, "population"),
        (bytes(32), [1, 1], 1, "population"),
    ],
)
def test_bad_input_of_a_draw(seed, indices, count, field):
    with pytest.raises(FormatError) as told:
        draw(seed, indices, count)
    assert told.value.field == field


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_nonces_and_roots_have_one_length(size):
    for ask in (
        lambda: nonce_hash(bytes(size)),
        lambda: seed_of(bytes(size), bytes(32)),
        lambda: seed_of(bytes(32), bytes(size)),
    ):
        with pytest.raises(FormatError):
            ask()


def test_what_is_sampled_is_what_figures_count():
    assert SAMPLED_MODES == COUNTED_MODES


def test_the_short_way_finds_what_parsing_every_entry_finds(example):
    log = example.build_log(120)
    log.decide({"system": "other", "version": 1, "manifest": log.digest()}, n=99, boot=None, mode="test")
    entries = list(enumerate(log.entries))
    for system in (None, "credit-score", "service-reply", "other", "nobody"):
        known = [(index, parse_entry(data)) for index, data in entries]
        slow = [index for index, entry in known if hasattr(entry, "members") and is_sampled(entry, system)]
        assert list(population(entries, system)) == slow
    assert len(population(entries, None)) > len(population(entries, "service-reply")) == 1
    assert not population(entries, "other")


def test_a_decision_inside_of_another_entry_is_none(example):
    """An entry of a kind that nobody knows may hold anything, also what looks like a decision."""
    log = example.build_log(60)
    decision = parse_canonical(next(data for data in log.entries if b'"kind":"decision/1"' in data))
    id_ = "00000000-0000-4000-8000-000000000000"
    for value in (
        {"id": id_, "kind": "later/1", "what": decision},
        {"id": id_, "kind": "later/1", "zz": [decision]},
        {"id": id_, "kind": "later/1", "zz": format_canonical(decision).decode()},
        {**decision, "kind": "later/1", "a": decision, "zz": decision},
        {"kind": "later/1", "zz": {**decision, "zz": 1}},
    ):
        data = format_canonical(value)
        assert isinstance(parse_entry(data), OpaqueEntry)
        assert not population([(0, data)], None)
    assert len(population([(0, format_canonical(decision))], None)) == 1
