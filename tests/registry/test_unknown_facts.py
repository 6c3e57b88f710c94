"""What is not known never becomes a yes or a no that a later answer takes back; and rows on both databases."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from registry.answers import format_answers, parse_answers
from registry.duties import duties
from registry.parts.law import GENERATED, Use
from registry.rules import shipped
from registry.store import answers as answer_store
from registry.store import incidents as incident_store
from registry.store import systems as system_store
from registry.store.incidents import IncidentStep
from registry.system import AISystem, parse_system

POINTS = sorted(point.id for point in shipped().points)
PRODUCTS = sorted(product.id for product in shipped().products)
USES = st.builds(
    Use,
    **{name: st.booleans() for name in Use.__dataclass_fields__ if name != "generates"},
    generates=st.lists(st.sampled_from(sorted(GENERATED.codes)), unique=True).map(tuple),
)


def made(
    role: str, capture: str, points: list[str], products: list[str], exit_: str | None, first: date | None
) -> AISystem:
    """A record with these facts."""
    return parse_system(
        {
            "slug": "s", "agency": "a", "name": {"en": "N"}, "purpose": {"en": "P"}, "affected_persons": {"en": "A"},
            "human_oversight": {"en": "H"}, "role": role, "provider": {"name": "P", "contact": "c"},
            "owner": {"unit": "U", "contact": "c"}, "capture": capture,
            "classification": {"annex_iii": points, "annex_i": products, "exit_6_3": exit_ if points else None,
                               "reason": {"en": "R"}},
            "legal_basis": [{"law": "L", "article": "1", "link": None, "for": "task"}],
            "first_use": None if first is None else first.isoformat(), "cost_to_user": {"en": "0"}, "tariff": None,
            "expected_volume": None, "target_latency_ms": None, "notice": None, "host": None,
        }
    )  # fmt: skip


SYSTEMS = st.builds(
    made,
    st.sampled_from(("provider", "deployer", "both")),
    st.sampled_from(("external", "none")),
    st.lists(st.sampled_from(POINTS), unique=True, max_size=3),
    st.lists(st.sampled_from(PRODUCTS), unique=True, max_size=2),
    st.sampled_from((None, "a", "b", "c", "d")),
    st.none() | st.dates(date(2020, 1, 1), date(2031, 1, 1)),
)


@given(SYSTEMS, USES, st.dates(date(2025, 1, 1), date(2031, 1, 1)))
def test_an_answer_only_settles_what_was_not_known(system: AISystem, use: Use, today: date) -> None:
    before = duties(system, None, today, shipped())
    after = duties(replace(system, use=use), None, today, shipped())
    for unknown, known in zip(before, after, strict=True):
        assert unknown.id == known.id
        if unknown.applies == "unknown":
            assert unknown.missing
            assert unknown.begins is not None
            if known.begins is not None and known.begins.day is not None:
                assert unknown.begins.day is not None
                assert unknown.begins.day <= known.begins.day, "the earliest day that is possible"
        else:
            assert (known.applies, known.begins) == (unknown.applies, unknown.begins)


@given(SYSTEMS, USES, st.dates(date(2025, 1, 1), date(2031, 1, 1)))
def test_time_only_turns_later_into_now(system: AISystem, use: Use, today: date) -> None:
    system = replace(system, use=use)
    for one, later in zip(
        duties(system, None, today, shipped()), duties(system, None, date(2031, 1, 1), shipped()), strict=True
    ):
        assert {one.applies, later.applies} in ({"yes"}, {"no"}, {"unknown"}, {"not_yet"}, {"not_yet", "yes"})
        assert not (one.applies == "yes" and later.applies == "not_yet")
        assert one.binds <= (one.applies == "yes")


def step(**members: Any) -> IncidentStep:
    values: dict[str, Any] = {
        "log": 1, "idx": 7, "id": "e", "slug": "colour-check", "incident": "i", "version": None, "duty": "risk",
        "step": "opened", "severity": "other", "aware": "2026-11-26T08:30Z", "recipient": None, "day": None,
        "reached": None, "role": "officer", "account": None,
    }  # fmt: skip
    return IncidentStep(**{**values, **members})


@pytest.fixture
def registered(either: Connection, document: dict[str, Any]) -> Connection:
    system_store.add_system(either, parse_system(document["system"]))
    return either


def test_steps_of_incidents_are_kept_in_their_order(registered: Connection) -> None:
    told = step(idx=9, id="f", step="told", recipient="provider", day="2026-11-26", reached=False, account="u1")
    for one in (told, step(), step(idx=11, id="g", incident="other")):
        incident_store.add_step(registered, one)
    assert incident_store.steps_of(registered, "i") == [step(), told]
    assert [one.idx for one in incident_store.list_steps(registered, "colour-check")] == [7, 9, 11]
    assert incident_store.list_steps(registered, "other") == []


def test_every_round_of_answers_is_kept(registered: Connection) -> None:
    use = {name: [] if name == "generates" else False for name in Use.__dataclass_fields__}
    value = {
        "format": "greffier-answers/1", "rules": "2026-11-24", "use": use, "article_5": [], "annex_iii": [],
        "annex_i": [], "exit_6_3": None, "reason": {"en": "None."},
    }  # fmt: skip
    answers = parse_answers(json.dumps(value).encode())
    given = answer_store.Answered(
        slug="colour-check", number=0, rules="2026-11-24", digest="sha256:0", minute="2026-11-26T08:30Z",
        role="officer", account=None, text=format_answers(answers).decode(), salt="ab" * 32,
    )  # fmt: skip
    assert answer_store.list_answers(registered, "colour-check") == []
    first = answer_store.next_round([], given)
    second = answer_store.next_round([first], replace(given, account="u1"))
    assert answer_store.add_answers(registered, [], first)
    assert not answer_store.add_answers(registered, [], second), "another round came between"
    assert answer_store.add_answers(registered, [first], second)
    assert answer_store.list_answers(registered, "colour-check") == [second, first]
    assert (second.number, second.answers) == (2, answers)
    assert answer_store.all_digests(registered) == {
        "colour-check": (answer_store.rounds_digest([first, second]), False)
    }
