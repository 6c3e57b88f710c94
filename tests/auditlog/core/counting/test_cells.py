"""What each kind of entry adds to the roll-up."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditlog.core.counting.cells import MAX_SUMMED, cells, cells_of_review, counted, review_bucket_of
from auditlog.core.counting.figures import CellKey, add, figures
from auditlog.core.counting.published import published_cells
from auditlog.core.entries.kinds import KINDS
from auditlog.core.entries.record import make_entry
from auditlog.core.entries.vocabulary import REVIEW_ACTIONS
from auditlog.core.errors import FormatError

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
USAGE = {
    "prompt_tokens": 61,
    "output_tokens": 1,
    "total_us": 96_450,
    "energy_uj": 1_350_000,
    "energy_method": "estimated",
    "cost_millionths": 5,
    "currency": "EUR",
}
HASH = "ab" * 32


def decision(at: datetime = NOON, **members):
    fixed = {"system": "parking-permit", "version": 3, "manifest": f"sha256:{HASH}", "capture": "runtime"}
    fixed |= {"mode": "live", "boot": str(uuid.uuid4()), "source": None, "n": 1, "opened": None}
    commitments = dict.fromkeys(KINDS["decision/1"].commits, HASH)
    fixed |= {"commitments": commitments} | members
    return make_entry("decision/1", id=str(uuid.uuid4()), agency="example-agency", time=at, **fixed)


def review(at: datetime):
    commitments = dict.fromkeys(KINDS["review/1"].commits, HASH)
    return make_entry("review/1", id=str(uuid.uuid4()), agency="example-agency", time=at, commitments=commitments)


def test_a_decision_counts_on_the_day_of_its_entry():
    [(key, found)] = counted(decision(), {"outcome": "grant", "usage": USAGE}, held=True, undeclared=2)
    assert key == CellKey("parking-permit", 3, "live", "2026-03-02")
    assert found == {
        "decisions": 1,
        "outcomes.grant": 1,
        "held": 1,
        "records.undeclared": 1,
        "undeclared": 2,
        "latency.100": 1,
        "records.tokens": 1,
        "tokens.prompt": 61,
        "tokens.output": 1,
        "records.energy.estimated": 1,
        "energy.estimated": 1_350_000,
        "records.cost.EUR": 1,
        "cost.EUR": 5,
    }


def test_content_that_only_the_client_holds_counts_as_unknown():
    [(_, found)] = counted(decision(boot=None, source="case-system", capture="external"), {})
    unknown = ("outcome_unknown", "latency.unknown", "tokens.unknown", "energy.not_measured", "cost.unknown")
    assert found == {"decisions": 1, **dict.fromkeys(unknown, 1)}


def test_a_refusal_of_no_registered_system():
    members = {"system": None, "version": None, "reason": "unknown_system", "boot": None, "n": None}
    entry = make_entry("refused/1", id=str(uuid.uuid4()), agency="example-agency", time=NOON, **members)
    assert counted(entry, {}) == [
        (CellKey("", None, None, "2026-03-02"), {"refusals": 1, "refusals.unknown_system": 1})
    ]


def test_a_late_review_counts_on_the_day_of_its_decision():
    first, late = decision(), NOON + timedelta(days=3)
    [(key, found)] = counted(review(late), {"action": "confirm"}, decided=first, held=True)
    assert key.day == "2026-03-02"
    assert found == {"reviewed": 1, "reviews.confirm": 1, "held.reviewed": 1, "review_time.4320": 1}


def test_a_review_before_its_decision_took_no_time():
    [(_, found)] = counted(review(NOON - timedelta(minutes=5)), {"action": "confirm"}, decided=decision())
    assert found["review_time.1"] == 1


def test_a_review_without_its_decision_is_refused():
    with pytest.raises(FormatError, match=r"^decided: "):
        counted(review(NOON), {"action": "confirm"})


def test_other_kinds_add_nothing():
    entry = make_entry("pulse/1", id=str(uuid.uuid4()), agency="example-agency", time=NOON, boots=[], recording="ok")
    assert counted(entry, {}) == []


@given(st.lists(st.sampled_from(REVIEW_ACTIONS), min_size=1, max_size=6))
def test_cells_never_fall_and_the_latest_review_counts(actions):
    parts = [cells_of_review(now, before, 3) for before, now in zip([None, *actions], actions, strict=False)]
    assert all(number > 0 for part in parts for number in part.values())
    found = {figure.name: figure.value for figure in figures(published_cells(add([cells({}), *parts])))}
    assert found["reviewed"] == 1
    assert {name: value for name, value in found.items() if name.startswith("reviews.")} == {
        f"reviews.{actions[-1]}": 1
    }


@pytest.mark.parametrize("field", ["prompt_tokens", "energy_uj", "cost_millionths"])
def test_an_absurd_amount_is_not_summed(field):
    found = cells({"outcome": "grant", "usage": USAGE | {field: MAX_SUMMED + 1}})
    assert max(found.values()) <= MAX_SUMMED
    assert sum(name.endswith(("unknown", "not_measured")) for name in found) == 1


@pytest.mark.parametrize(
    ("minutes", "bucket"), [(0, "1"), (1, "1"), (2, "5"), (480, "480"), (481, "1440"), (86_401, "longer")]
)
def test_edges_of_review_times(minutes, bucket):
    assert review_bucket_of(minutes) == f"review_time.{bucket}"
