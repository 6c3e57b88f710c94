"""Protected fields: a flip sets aside, and none is ever proposed."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from runtime.explain.plan import explain
from runtime.explain.question import Limits, Score, SurveyOrder, Variant
from runtime.explain.survey import survey


def eight(planted: ModuleType) -> tuple[Any, dict[str, Any]]:
    names = [f"f{place}" for place in range(8)]
    return planted.program(*(planted.enum(name, *planted.LEVELS) for name in names)), dict.fromkeys(names, "high")


def test_a_protected_flip_sets_aside_and_nothing_protected_is_proposed(planted: ModuleType) -> None:
    made, fields = eight(planted)
    for names in (("f3",), ("f1",)):
        decider = planted.Decider({"f3": lambda value: value == "high"})
        found = planted.run(explain(planted.asked_of(made, fields, decider, protected=names)), decider)
        assert (found.verdict == "set_aside") == (names == ("f3",))
        if found.verdict == "set_aside":
            assert [dict(change.values) for change in found.protected] == [{"f3": "middle"}]
            assert found.protected[0].agreeing == 3
            assert found.changes == found.reasons == ()
    both = planted.Decider({"f3": lambda value: value == "low", "f1": lambda value: value == "low"})
    found = planted.run(explain(planted.asked_of(made, fields, both, protected=("f1",))), both)
    assert found.verdict == "withheld"
    assert "no_change" in found.reasons


def test_a_protected_flip_is_found_where_nothing_could_be_explained(planted: ModuleType) -> None:
    made = planted.program(planted.enum("origin", "here", "there"), template="From {{ origin }}: ")
    decider = planted.Decider({"origin": lambda value: value == "here"})
    found = planted.run(explain(planted.asked_of(made, {"origin": "here"}, decider, protected=("origin",))), decider)
    assert found.verdict == "set_aside"


@pytest.mark.parametrize("value", ["from elsewhere", "Born there. Came here."])
def test_a_protected_text_is_tried_without(planted: ModuleType, value: str) -> None:
    made = planted.program(planted.text("origin"), *(planted.enum(name, *planted.LEVELS) for name in ("a", "b")))
    fields = {"origin": value, "a": "low", "b": "low"}

    def decider(variant: Variant) -> Score:
        stated = dict(variant.fields)["origin"] is not None
        return (-1_000_000, -3_000_000) if stated else (-3_000_000, -1_000_000)

    found = planted.run(explain(planted.asked_of(made, fields, decider, protected=("origin",))), decider)
    assert found.verdict == "set_aside"
    assert [dict(change.values) for change in found.protected] == [{"origin": None}]
    assert found.effects[0].swing == 0  # of other allowed values
    free = planted.run(explain(planted.asked_of(made, fields, decider)), decider)
    assert (free.verdict, free.changes) == ("withheld", ())  # not to be stated is no change that anyone can make
    counted = planted.run(survey(SurveyOrder("TEST-S", made, (fields,), protected=("origin",), explained=0)), decider)
    assert counted.protected == {"origin": 1}


def test_a_protected_number_without_bounds_is_tried_without(planted: ModuleType) -> None:
    age = planted.Field("age", {"type": "integer", "minimum": 0}, planted.NEUTRAL)
    made = planted.program(age, planted.enum("a", *planted.LEVELS))
    decider = planted.Decider({"age": lambda value: value > 60}, bias=1)
    for fields, verdict in (({"age": 70, "a": "low"}, "set_aside"), ({"age": None, "a": "low"}, "withheld")):
        asked = planted.asked_of(made, fields, decider, protected=("age",))
        assert planted.run(explain(asked), decider).verdict == verdict


def test_one_of_a_long_list_of_protected_values_is_found(planted: ModuleType) -> None:
    places = tuple(f"place{number}" for number in range(150))
    made = planted.program(planted.enum("origin", *places), planted.number("amount"))
    decider = planted.Decider({"origin": lambda value: value != "place77"})
    asked = planted.asked_of(made, {"origin": "place3", "amount": 7}, decider, protected=("origin",))
    assert [dict(change.values) for change in planted.run(explain(asked), decider).protected] == [{"origin": "place77"}]
    cases = tuple({"origin": "place3", "amount": amount} for amount in range(12))
    order = SurveyOrder("TEST-S", made, cases, protected=("origin",), explained=0, limits=Limits(values=4))
    found = planted.run(survey(order), decider)
    assert 0 < found.protected["origin"] < 12  # each case tries 32 of 149, not all the same
    assert planted.run(survey(replace(order, id="TEST-T")), decider) == found
