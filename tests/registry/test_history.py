"""What differs between two records: everything that does, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.history import differences
from registry.system import AISystem, format_system, parse_system

Make = Callable[..., AISystem]
RISK = {"kind": "use", "risk": {"en": "First."}, "mitigation": {"en": "Care."}}
OTHER = {"kind": "data", "risk": {"en": "Second."}, "mitigation": {"en": "Care."}}


@pytest.fixture
def make(document: dict[str, Any]) -> Make:
    """A system with members changed."""

    def changed(**members: Any) -> AISystem:
        return parse_system({**json.loads(json.dumps(document["system"])), **members})

    return changed


CASES = {
    "a text in one language": (
        {"purpose": {"en": "a", "nl": "b"}}, {"purpose": {"en": "a", "nl": "c"}}, [("purpose.nl", "b", "c")],
    ),
    "a language more": ({"purpose": {"en": "a"}}, {"purpose": {"en": "a", "nl": "b"}}, [("purpose.nl", None, "b")]),
    "a member of a part": (
        {"owner": {"unit": "A", "contact": "c"}}, {"owner": {"unit": "B", "contact": "c"}}, [("owner.unit", "A", "B")],
    ),
    "a part that comes": ({}, {"risks": [RISK]}, [("risks[0]", None, RISK)]),
    "an item changed": (
        {"risks": [RISK]}, {"risks": [RISK | {"risk": {"en": "New."}}]}, [("risks[0].risk.en", "First.", "New.")],
    ),
    "an item that goes": ({"risks": [RISK, OTHER]}, {"risks": [OTHER]}, [("risks[0]", RISK, None)]),
    "items in another order": (
        {"risks": [RISK, OTHER]}, {"risks": [OTHER, RISK]}, [("risks", [RISK, OTHER], [OTHER, RISK])],
    ),
    "codes": ({"themes": ["law"]}, {"themes": ["law", "work"]}, [("themes", ["law"], ["law", "work"])]),
    "a day": ({"first_use": "2026-01-01"}, {"first_use": None}, [("first_use", "2026-01-01", None)]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_change_is_told_at_its_place(make: Make, case: str) -> None:
    before, after, expected = CASES[case]
    found = differences(make(**before), make(**after))
    assert [(one.path, one.before, one.after) for one in found] == expected
    back = differences(make(**after), make(**before))
    assert len(back) == len(found)


def test_people_read_labels_and_words(make: Make) -> None:
    before, after = make(risks=[RISK], themes=["law"]), make(risks=[RISK | {"kind": "data"}])
    theme, kind = differences(before, after)
    assert (theme.label["nl"], theme.texts("nl")) == ("Thema's", (["Recht"], []))
    assert (kind.label["nl"], kind.texts("nl")) == ("Risico's: Soort", (["gebruik"], ["gegevens"]))


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_of_any_two_records_what_differs_is_told(strategies: ModuleType, data: st.DataObject) -> None:
    before, after = data.draw(strategies.systems()), data.draw(strategies.systems())
    assert differences(before, before) == ()
    found = {one.path.split(".")[0].split("[")[0] for one in differences(before, after)}
    old, new = format_system(before), format_system(after)
    assert found == {name for name in {*old, *new} if old.get(name) != new.get(name)}
