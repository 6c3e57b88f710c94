"""Figures: a pure function of summed cells, checked against a plain count over the records."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditlog.core.counting.cells import bucket_of, cells, cells_of_refusal, cells_of_review
from auditlog.core.counting.figures import DEFINITIONS, LATENCY_BOUNDS_MS, add, figures
from auditlog.core.counting.published import published_cells
from auditlog.core.entries.vocabulary import ENERGY_METHODS, REFUSALS, REVIEW_ACTIONS
from auditlog.core.errors import FormatError

MAYBE = st.none() | st.integers(0, 10**9)
USAGES = st.fixed_dictionaries(
    {
        "prompt_tokens": MAYBE,
        "output_tokens": MAYBE,
        "total_us": st.integers(0, 400_000_000),
        "energy_uj": MAYBE,
        "energy_method": st.sampled_from(ENERGY_METHODS),
        "cost_millionths": MAYBE,
        "currency": st.none() | st.sampled_from(["EUR", "CHF"]),
    }
)
VALUES = st.fixed_dictionaries({"outcome": st.sampled_from(["grant", "refer", "refuse"]), "usage": USAGES})
RECORDS = st.lists(st.tuples(VALUES, st.none() | st.sampled_from(REVIEW_ACTIONS)), max_size=30)


def counts_of(records):
    """Each decision, and its review where it has one."""
    return [
        *(cells(values) for values, _ in records),
        *(cells_of_review(review, None, 7) for _, review in records if review),
    ]


def named(found):
    return {figure.name: figure for figure in found}


@given(RECORDS, st.lists(st.sampled_from(REFUSALS), max_size=5), st.integers(1, 400_000))
def test_figures_are_what_a_plain_count_gives(records, refusals, target_ms):
    summed = published_cells(add([*counts_of(records), *map(cells_of_refusal, refusals)]))
    found = named(figures(summed, target_ms=target_ms))
    usages = [values["usage"] for values, _ in records]
    assert found["decisions"].value == len(records)
    assert found["refusals"].value == len(refusals)
    assert found["reviewed"].value == sum(review is not None for _, review in records)
    for outcome in ("grant", "refer", "refuse"):
        count = sum(values["outcome"] == outcome for values, _ in records)
        assert (found[f"outcomes.{outcome}"].value if count else 0) == count
    for currency in ("EUR", "CHF"):
        costs = [u["cost_millionths"] for u in usages if u["currency"] == currency and u["cost_millionths"] is not None]
        assert (found[f"cost.{currency}"].value if costs else 0) == sum(costs)
    measured = [u["energy_uj"] for u in usages if u["energy_method"] == "measured" and u["energy_uj"] is not None]
    assert (found["energy.measured"].value if measured else 0) == sum(measured)
    check_latencies(found, [u["total_us"] / 1000 for u in usages], target_ms)


def check_latencies(found, latencies, target_ms):
    if not latencies:
        assert found["latency.median"].value is None
        assert found["latency.within_target"].value is None
        return
    median = statistics.median_low(latencies)
    figure = found["latency.median"]
    if figure.bound == "above":
        assert median > figure.value == LATENCY_BOUNDS_MS[-1]
    else:
        assert figure.bound == "at_most"
        assert median <= figure.value
        # The bound is the tightest that the buckets allow.
        assert all(bound < median for bound in LATENCY_BOUNDS_MS if bound < figure.value)
    kept = sum(latency <= target_ms for latency in latencies)
    within = found["latency.within_target"]
    assert within.value <= kept * 1000 / len(latencies)
    if within.bound == "exact":
        assert within.value * len(latencies) == kept * 1000


@given(RECORDS, RECORDS)
def test_sums_of_sums_are_sums(first, second):
    one, two = (counts_of(part) for part in (first, second))
    assert add([add(one), add(two)]) == add(two + one)


@given(RECORDS)
def test_each_figure_has_a_definition(records):
    known = {definition.name: definition for definition in DEFINITIONS}
    for figure in figures(published_cells(add(counts_of(records))), target_ms=500):
        definition = known.get(figure.name) or known[figure.name.split(".")[0] + "."]
        assert (figure.version, figure.unit) == (definition.version, definition.unit)


def test_nothing_recorded_gives_zeros_and_no_latency():
    found = named(figures({}))
    assert found["decisions"].value == 0
    assert found["latency.p95"].value is None
    assert "latency.within_target" not in found


@pytest.mark.parametrize(
    ("total_us", "bucket"),
    [
        (None, "latency.unknown"),
        (0, "latency.5"),
        (5_000, "latency.5"),
        (5_001, "latency.10"),
        (300_000_000, "latency.300000"),
        (300_000_001, "latency.longer"),
    ],
)
def test_edges_of_buckets(total_us, bucket):
    assert bucket_of(total_us) == bucket


def test_p95_counts_up_to_the_ninety_fifth():
    fast = {"total_us": 9_000, **dict.fromkeys(("prompt_tokens", "output_tokens", "energy_uj", "cost_millionths"))}
    fast |= {"energy_method": "not_measured", "currency": None}
    slow = {**fast, "total_us": 900_000}
    for slows, expected in ((5, 10), (6, 1_000)):
        usages = [fast] * (100 - slows) + [slow] * slows
        found = named(figures(add(cells({"outcome": "grant", "usage": usage}) for usage in usages)))
        assert found["latency.p95"].value == expected


def test_usage_lacking_a_member_is_named():
    with pytest.raises(FormatError, match=r"^usage\.prompt_tokens: "):
        cells({"outcome": "grant", "usage": {"total_us": 1}})


def test_a_record_made_elsewhere_counts_without_usage():
    found = named(figures(cells({"outcome": "grant", "usage": None})))
    unknown = ("latency.unknown", "tokens.unknown", "energy.not_measured", "cost.unknown")
    assert [found[name].value for name in unknown] == [1, 1, 1, 1]
