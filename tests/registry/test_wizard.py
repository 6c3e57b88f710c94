"""Questions about the class of a system, and what answers come to."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from registry.answers import format_answers, parse_answers
from registry.errors import FormatError
from registry.parts.law import Use
from registry.rules import shipped
from registry.system import AISystem, parse_system
from registry.wizard import propose, questions

USE = {
    name: [] if name == "generates" else False
    for name in (
        "public_authority", "public_service", "decides_about_persons", "profiling", "personal_data", "workplace",
        "law_enforcement", "talks_with_people", "obviously_ai", "generates", "only_edits", "emotion_or_biometric",
        "deep_fakes", "publishes_text", "text_edited_by_person",
    )
}  # fmt: skip


@pytest.fixture
def system(document: dict[str, Any]) -> AISystem:
    return parse_system(document["system"])


def value(**members: Any) -> dict[str, Any]:
    letters = [{"letter": item.letter, "applies": "no", "reason": {"en": "No."}} for item in shipped().letters]
    return {
        "format": "greffier-answers/1", "rules": "2026-11-24", "use": USE, "article_5": letters,
        "annex_iii": ["III.5.b"], "annex_i": [], "exit_6_3": None, "reason": {"en": "Credit."}, **members,
    }  # fmt: skip


def parse(given: dict[str, Any]) -> Any:
    return parse_answers(json.dumps(given).encode())


def test_every_fact_letter_and_annex_is_asked_once_in_both_languages() -> None:
    asked = questions(shipped())
    paths = [question.path for question in asked]
    assert len(set(paths)) == len(paths)
    facts = [f"use.{name}" for name in Use.__dataclass_fields__]
    letters = [f"article_5.{item.letter}" for item in shipped().letters]
    control = ["controls_input", "controls_logs", "changed_significantly"]
    assert paths == [*facts, *control, *letters, "annex_iii", "annex_i", "exit_6_3", "reason"]
    words = [question.text for question in asked] + [text for one in asked for _, text in one.options]
    assert all(text.keys() >= {"en", "nl"} for text in words)
    assert all(question.source for question in asked if not question.path.startswith("use."))


def test_answers_come_to_class_and_facts(system: AISystem) -> None:
    found = propose(system, parse(value()), shipped())
    assert (found.classification.annex_iii, found.classification.exit_6_3) == (("III.5.b",), None)
    assert (found.differs, found.prohibited) == (("classification", "use"), ())


def test_what_the_record_says_already_differs_in_nothing(document: dict[str, Any]) -> None:
    given = value()
    named = {name: given[name] for name in ("annex_iii", "annex_i", "exit_6_3", "reason")}
    document["system"] |= {"use": USE, "classification": named}
    assert propose(parse_system(document["system"]), parse(given), shipped()).differs == ()


def test_a_yes_to_article_5_is_told_with_its_day(system: AISystem) -> None:
    given = value()
    for item in given["article_5"]:
        item["applies"] = {"c": "yes", "bb": "yes", "d": "unsure"}.get(item["letter"], "no")
    found = {item.letter: (item.certain, item.day) for item in propose(system, parse(given), shipped()).prohibited}
    assert found == {
        "c": (True, date(2025, 2, 2)), "bb": (True, date(2026, 12, 2)), "d": (False, date(2025, 2, 2)),
    }  # fmt: skip


EXIT = {"condition": "a", "no_significant_risk": True, "reason": {"en": "A small task."}}


def test_an_exit_is_taken_over(system: AISystem) -> None:
    assert propose(system, parse(value(exit_6_3=EXIT)), shipped()).classification.exit_6_3 == "a"


Break = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("members", "field", "said"),
    [
        ({"exit_6_3": EXIT, "use": USE | {"profiling": True}}, "answers.exit_6_3", "profiles people"),
        ({"exit_6_3": EXIT, "annex_iii": []}, "answers.exit_6_3", "no point is named"),
        ({"exit_6_3": EXIT | {"no_significant_risk": False}}, "answers.exit_6_3.no_significant_risk", "no significant"),
        ({"article_5": []}, "answers.article_5", "does not answer letter \\(a\\)"),
        ({"annex_i": ["I.A.99"]}, "answers.annex_i[0]", "is no point"),
        ({"annex_iii": ["III.3.e"]}, "answers.annex_iii[0]", "is no point"),
    ],
)
def test_what_cannot_be_is_refused(system: AISystem, members: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(FormatError, match=said) as caught:
        propose(system, parse(value(**members)), shipped())
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("break_it", "field"),
    [
        (lambda v: v.update(format="other/1"), "answers.format"),
        (lambda v: v.update(more=1), "answers"),
        (lambda v: v["use"].pop("profiling"), "answers.use.profiling"),
        (lambda v: v["article_5"][0].update(applies="maybe"), "answers.article_5[0].applies"),
        (lambda v: v["article_5"].append({**v["article_5"][0], "applies": "yes"}), "answers.article_5"),
        (lambda v: v["article_5"][0].pop("reason"), "answers.article_5[0].reason"),
        (lambda v: v.update(reason={"en": "x" * 10_000_000}), "answers"),
        (lambda v: v.update(reason={"en": "x" * 2001}), "answers.reason.en"),
        (lambda v: v.update(annex_iii=["III.5.b", "III.5.b"]), "answers.annex_iii[1]"),
    ],
)
def test_a_file_is_read_strictly(break_it: Break, field: str) -> None:
    given = json.loads(json.dumps(value()))
    break_it(given)
    with pytest.raises(FormatError) as caught:
        parse(given)
    assert caught.value.field == field


def test_answers_are_written_as_they_are_read() -> None:
    answers = parse(value(exit_6_3=EXIT, controls_logs=True))
    assert parse_answers(format_answers(answers)) == answers
