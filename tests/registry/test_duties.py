"""The duties of reference A: each has a case that triggers it and one that does not; the dates are those of A.0."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from registry import rules as rule_files
from registry.answers import Answers, parse_answers
from registry.duties import Duty, duties, reevaluate
from registry.duties_page import describe
from registry.errors import FormatError
from registry.rules import Rules, parse_rules, read_files, shipped, with_file
from registry.system import AISystem, parse_system

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 11, 26)
LATER = date(2028, 8, 2)
USE = {
    "public_authority": True, "public_service": True, "decides_about_persons": True, "profiling": False,
    "personal_data": True, "workplace": False, "law_enforcement": False, "talks_with_people": False,
    "obviously_ai": False, "generates": [], "only_edits": False, "emotion_or_biometric": False, "deep_fakes": False,
    "publishes_text": False, "text_edited_by_person": False,
}  # fmt: skip
NEW = "2028-01-01"  # put into service after the date of 113: no later date of 111(2)

Make = Callable[..., AISystem]


@pytest.fixture
def make(document: dict[str, Any]) -> Make:
    """A system of a public authority; `use` are facts that differ, the rest members of the record."""

    def made(*, use: dict[str, Any] | None = None, points: Any = ("III.5.a",), **members: Any) -> AISystem:
        record = copy.deepcopy(document["system"])
        record["classification"] |= {"annex_iii": list(points), "annex_i": list(members.pop("annex_i", ()))}
        record["classification"]["exit_6_3"] = members.pop("exit_6_3", None)
        record |= {"role": "deployer", "first_use": NEW, "use": {**USE, **(use or {})}, **members}
        return parse_system(record)

    return made


def find(system: AISystem, name: str, today: date = LATER, answers: Answers | None = None) -> Duty:
    """One duty of a system."""
    return next(duty for duty in duties(system, answers, today, shipped()) if duty.id == name)


PROVIDER = {"role": "provider"}
ELSEWHERE = {"capture": "none", "notice": None}
# Duty → what triggers it → what does not. Of A.6 every paragraph, then the others.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "26.1": ({}, PROVIDER),
    "26.2": ({}, {"points": ()}),
    "26.3": ({}, {"points": (), "annex_i": ()}),
    "26.4": ({}, {"points": ()}),
    "26.5": ({"points": (), "annex_i": ("I.A.11",), "first_use": "2028-08-02"}, {"points": (), "annex_i": ("I.B.18",)}),
    "26.6": ({}, PROVIDER),
    "26.7": ({"use": {"workplace": True}}, {}),
    "26.8": ({}, {"use": {"public_authority": False}}),
    "26.9": ({}, {"use": {"personal_data": False}}),
    "26.10": ({"points": ("III.1.a",), "use": {"law_enforcement": True}}, {"points": ("III.1.a",)}),
    "26.11": ({}, {"use": {"decides_about_persons": False}}),
    "26.12": ({}, {"exit_6_3": "a"}),
    "4": ({}, {}),
    "5": ({}, {}),
    "5.new": ({}, {}),
    "6.4": ({**PROVIDER, "exit_6_3": "a"}, {**PROVIDER, "exit_6_3": "a", "use": {"profiling": True}}),
    **{name: (PROVIDER, {}) for name in ("9", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19")},
    **{name: (PROVIDER, {}) for name in ("20", "21.2")},
    "27": ({}, {"points": ("III.2",)}),
    "27.3": ({"use": {"public_authority": False, "public_service": False}, "points": ("III.5.b",)},
             {"use": {"public_authority": False, "public_service": False}}),
    "49.1": (PROVIDER, {**PROVIDER, "points": ("III.2",)}),
    "49.2": ({**PROVIDER, "exit_6_3": "d"}, PROVIDER),
    "49.3": ({}, {"use": {"public_authority": False}}),
    "49.4": ({"points": ("III.6.e",), "use": {"law_enforcement": True}}, {"use": {"law_enforcement": True}}),
    "49.5": ({"points": ("III.2",)}, {}),
    "50.1": ({**PROVIDER, "use": {"talks_with_people": True}},
             {**PROVIDER, "use": {"talks_with_people": True, "obviously_ai": True}}),
    "50.2": ({**PROVIDER, "use": {"generates": ["text"]}},
             {**PROVIDER, "use": {"generates": ["text"], "only_edits": True}}),
    "50.3": ({"use": {"emotion_or_biometric": True}}, {}),
    "50.4.image": ({"use": {"deep_fakes": True}}, {}),
    "50.4.text": ({"use": {"publishes_text": True}}, {"use": {"publishes_text": True, "text_edited_by_person": True}}),
    "50.5": ({"use": {"deep_fakes": True}}, {}),
    "72": (PROVIDER, {}),
    "73": (PROVIDER, {}),
    "86": ({}, {"points": ("III.2",)}),
}  # fmt: skip
# Who has no role has no duty, and every system has one: these hold for all of them.
ALWAYS = {"4", "5", "5.new"}


def test_every_duty_of_the_rules_has_its_two_cases() -> None:
    assert {rule.id for rule in shipped().duties} == CASES.keys()
    assert {f"26.{number}" for number in range(1, 13)} <= CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_a_duty_applies_where_it_is_triggered(make: Make, name: str) -> None:
    duty = find(make(**CASES[name][0]), name)
    assert (duty.applies, duty.missing) == ("yes", ())
    assert duty.begins is not None
    assert duty.begins.basis.startswith("AI Act 11")
    assert duty.title.keys() == duty.text.keys() == {"en", "nl"}


@pytest.mark.parametrize("name", sorted(CASES.keys() - ALWAYS))
def test_a_duty_does_not_apply_where_it_is_not(make: Make, name: str) -> None:
    duty = find(make(**CASES[name][1]), name)
    assert (duty.applies, duty.begins) == ("no", None)


# Reference A.0, and its box: the dates, what they rest on, and which of them are contested.
DATES = {
    ("113.a", "2025-02-02", False),
    ("113.b", "2025-08-02", False),
    ("113.d", "2026-07-27", False),
    ("113", "2026-08-02", False),
    ("113.49", "2026-08-02", True),
    ("113.71", "2026-08-02", True),
    ("113.72", "2026-08-02", True),
    ("113.73", "2026-08-02", True),
    ("113.86", "2026-08-02", True),
    ("113.a.new", "2026-12-02", False),
    ("111.4", "2026-12-02", False),
    ("57.1", "2027-08-02", False),
    ("111.3", "2027-08-02", False),
    ("113.c.i", "2027-12-02", False),
    ("113.c.ii", "2028-08-02", False),
    ("111.2", "2030-08-02", False),
}


def test_the_dates_are_those_of_the_reference() -> None:
    found = {(item.id, item.day.isoformat(), item.contested) for item in shipped().dates.values()}
    assert found == DATES
    assert all(item.note for item in shipped().dates.values() if item.contested)


PUBLIC, PRIVATE = {"public_authority": True}, {"public_authority": False, "public_service": True}
# duty, what differs, from when, contested
BEGINS = [
    ("4", {}, "2025-02-02", False),
    ("5", {}, "2025-02-02", False),
    ("5.new", {}, "2026-12-02", False),
    ("26.1", {}, "2027-12-02", False),
    ("26.1", {"points": (), "annex_i": ("I.A.1",), "first_use": "2029-01-01"}, "2028-08-02", False),
    ("26.1", {"points": (), "annex_i": ("I.A.1",), "first_use": "2028-08-01", "use": PUBLIC}, "2030-08-02", False),
    ("26.1", {"first_use": "2027-12-01", "use": PUBLIC}, "2030-08-02", False),
    ("26.1", {"first_use": "2027-12-02", "use": PUBLIC}, "2027-12-02", False),
    ("26.1", {"first_use": "2027-12-01", "use": PRIVATE}, None, False),
    ("26.1", {"first_use": None}, "2027-12-02", False),
    ("26.8", {}, "2027-12-02", False),
    ("27", {"first_use": "2026-09-01"}, "2030-08-02", False),
    ("49.3", {}, "2026-08-02", True),
    ("49.3", {"first_use": "2026-01-01"}, "2026-08-02", True),
    ("72", PROVIDER, "2026-08-02", True),
    ("73", PROVIDER, "2026-08-02", True),
    ("86", {}, "2026-08-02", True),
    ("50.1", {**PROVIDER, "use": {"talks_with_people": True}}, "2026-08-02", False),
    ("50.2", {**PROVIDER, "use": {"generates": ["text"]}, "first_use": "2026-08-02"}, "2026-08-02", False),
    ("50.2", {**PROVIDER, "use": {"generates": ["text"]}, "first_use": "2026-08-01"}, "2026-12-02", False),
    ("6.4", {**PROVIDER, "exit_6_3": "b", "first_use": "2026-01-01"}, "2027-12-02", False),
]


@pytest.mark.parametrize(("name", "members", "day", "contested"), BEGINS)
def test_a_duty_begins_on_its_day(
    make: Make, name: str, members: dict[str, Any], day: str | None, contested: bool
) -> None:
    begins = find(make(**members), name).begins
    assert begins is not None
    assert (begins.day and begins.day.isoformat(), begins.contested) == (day, contested)


@pytest.mark.parametrize(("today", "applies"), [("2027-12-01", "not_yet"), ("2027-12-02", "yes")])
def test_a_duty_applies_from_its_day_on(make: Make, today: str, applies: str) -> None:
    assert find(make(), "26.11", date.fromisoformat(today)).applies == applies


def test_a_significant_change_ends_the_later_date(make: Make) -> None:
    system = make(first_use="2026-01-01")
    after = {duty.id: duty for duty in duties(system, None, LATER, shipped(), changed=True)}
    assert after["26.1"].applies == "yes"
    assert find(system, "26.1").applies == "not_yet"


def test_a_fact_that_is_not_known_is_never_a_no(make: Make) -> None:
    duty = find(replace(make(first_use="2026-01-01"), use=None), "26.7")
    assert (duty.applies, duty.missing) == ("unknown", ("use.workplace", "use.public_authority"))
    assert duty.begins is not None
    assert duty.begins.day == date(2027, 12, 2)


def test_what_runs_elsewhere_asks_who_has_input_and_logs(make: Make) -> None:
    system = make(**ELSEWHERE)
    assert find(system, "26.4").missing == ("answers.controls_input",)
    assert find(system, "26.6").missing == ("answers.controls_logs",)
    given = answers(controls_input=True, controls_logs=False)
    assert find(system, "26.4", answers=given).applies == "yes"
    assert find(system, "26.6", answers=given).applies == "no"
    paper = {"kind": "log_access", "received": "2027-01-01", "version": None, "link": None}
    assert find(make(**ELSEWHERE, papers=[paper]), "26.6").applies == "yes"


def test_who_profiles_people_has_no_exit(make: Make) -> None:
    with_exit = make(exit_6_3="a", use={"profiling": True})
    assert find(with_exit, "26.1").applies == "yes"
    assert find(make(exit_6_3="a"), "26.1").applies == "no"


def answers(**members: Any) -> Answers:
    """Answers that prohibit nothing."""
    letters = [{"letter": item.letter, "applies": "no", "reason": {"en": "It does not."}} for item in shipped().letters]
    value = {
        "format": "greffier-answers/1", "rules": shipped().version, "use": USE, "article_5": letters,
        "annex_iii": ["III.5.a"], "annex_i": [], "exit_6_3": None, "reason": {"en": "A benefit."}, **members,
    }  # fmt: skip
    return parse_answers(json.dumps(value).encode())


# --- rules that change ------------------------------------------------------------------------------------------------


def changed(name: str, change: Callable[[Any], None]) -> Rules:
    """The shipped rules with one file changed."""
    value = json.loads(read_files()[name])
    change(value)
    return with_file(json.dumps(value).encode())


def settle_49(value: Any) -> None:
    for item in value["dates"]:
        if item["id"] == "113.49":
            item.update(day="2027-12-02", contested=False)
    value["rules"] = "2027-03-01"


def test_a_change_of_the_rules_lists_the_affected(make: Make) -> None:
    authority, company, plain = make(slug="a"), make(slug="b", use=PRIVATE), make(slug="c", points=())
    new = changed("dates", settle_49)
    found = reevaluate([(one, None) for one in (authority, company, plain)], TODAY, shipped(), new)
    assert [one.system for one in found] == ["a"]
    (change,) = found[0].changes
    assert (change.id, change.what) == ("49.3", ("applies", "day", "contested"))
    assert change.before is not None
    assert change.after is not None
    assert (change.before.applies, change.after.applies) == ("yes", "not_yet")
    assert new.version == "2027-03-01"
    assert new.digest != shipped().digest
    assert reevaluate([(authority, None)], TODAY, shipped(), shipped()) == ()


def test_a_duty_that_comes_or_goes_lists_the_affected(make: Make) -> None:
    def without(value: Any) -> None:
        value["duties"] = [item for item in value["duties"] if item["id"] != "26.11"]

    less = changed("duties", without)
    for old, new, which in ((shipped(), less, "before"), (less, shipped(), "after")):
        found = reevaluate([(make(slug="a"), None), (make(slug="b", points=()), None)], LATER, old, new)
        assert [(one.system, [change.id for change in one.changes]) for one in found] == [("a", ["26.11"])]
        assert getattr(found[0].changes[0], which) is not None


@pytest.mark.parametrize(
    ("name", "break_it", "field"),
    [
        ("duties", lambda v: v["duties"][0].update(begins="1.1"), "duties.duties.4"),
        ("duties", lambda v: v["duties"][0].update(when="sunny"), "duties.duties.4"),
        ("duties", lambda v: v["duties"][0].update(evidence=["nothing"]), "duties.duties.4"),
        ("duties", lambda v: v["duties"][0].update(when={"some": []}), "duties.duties[0].when"),
        ("duties", lambda v: v["duties"][0].update(when={"first_use_before": "9"}), "duties.duties.4"),
        ("duties", lambda v: v["duties"].append(v["duties"][0] | {"title": {"en": "x"}}), "duties.duties[45].id"),
        ("duties", lambda v: v["conditions"][0].update(when="high_risk"), "duties.conditions.annex_i"),
        (
            "duties",
            lambda v: v["conditions"].append({"id": "provider", "when": "deployer"}),
            "duties.conditions.provider",
        ),
        ("duties", lambda v: v.update(more=1), "duties"),
        ("dates", lambda v: v["dates"][0].update(day="2025-02-30"), "dates.dates[0].day"),
        ("dates", lambda v: v["dates"].pop(0), "duties.duties.4"),
        ("article_5", lambda v: v["letters"][0].update(date="0"), "article_5.a"),
        ("annex_iii", lambda v: v["points"][0].update(id="III.9.a"), "annex_iii.points[0].id"),
    ],
)
def test_rules_are_read_strictly(name: str, break_it: Callable[[Any], None], field: str) -> None:
    with pytest.raises(FormatError) as caught:
        changed(name, break_it)
    assert caught.value.field == field


def test_a_file_of_something_else_is_no_file_of_rules() -> None:
    with pytest.raises(FormatError, match="is no file of rules"):
        with_file(b'{"rules": "2026-11-24"}')


def test_the_words_of_all_rules_are_in_both_languages() -> None:
    rules = shipped()
    words = [item.applies for item in rules.dates.values()]
    words += [text for rule in rules.duties for text in (rule.title, rule.text)]
    words += [*rules.evidence.values(), *(item.question for item in rules.letters)]
    words += [item.words for item in (*rules.points, *rules.products)]
    words += [text for schedule in rules.schedules.values() for step in schedule.steps if (text := step.note)]
    assert all(text.keys() == {"en", "nl"} for text in words)


def test_every_file_of_rules_is_read() -> None:
    folder = Path(rule_files.__file__).parent / "data"
    assert {path.stem for path in folder.glob("*.json")} == read_files().keys()
    assert parse_rules(read_files()).digest == shipped().digest


def test_the_page_is_made_from_the_rules() -> None:
    assert (ROOT / "docs" / "duties.md").read_text("utf-8") == describe(shipped())
