"""What an explanation says: each part of it, and nothing that was not measured."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType

import pytest

from reports.errors import ContextError
from reports.explanation.context import Explanation
from reports.explanation.words import words
from reports.render import Renderer
from runtime.explain.question import REASONS

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
LANGUAGES = ("en", "nl")
# Words that only a measured reason has: of what counted, and of what would have been.
CLAIMS = {
    "en": (
        "would have been",
        "counted",
        "made the difference:",
        "made the difference for",
        "alone could",
        "instead of",
    ),
    "nl": (
        "geweest",
        "telde mee",
        "telde sterk",
        "telde een",
        "maakte het verschil:",
        "maakte het verschil voor",
        "alleen kon",
        "in plaats van",
    ),
}
RUN = {"en": "ran the system again", "nl": "opnieuw rekenen,"}
FAULT = {"en": ("because of the system", "because of us"), "nl": ("ligt aan het systeem", "ligt aan ons")}
BY_US = ("elsewhere", "model_missing", "not_recorded", "neutral_undeclared", "wordings_undeclared")


def said(renderer: Renderer, explanation: Explanation, lang: str) -> str:
    return " ".join(words(renderer, explanation, lang).split())


def before_the_data(text: str) -> str:
    return re.split(r"Which details about you|Welke gegevens over u", text)[0]


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("reason", REASONS)
def test_a_withheld_explanation_claims_no_reason(reason: str, lang: str, invented: ModuleType, renderer: Renderer):
    text = said(renderer, invented.withheld(reason), lang)
    claims = [claim for claim in CLAIMS[lang] if claim in text and not (claim == "counted" and reason == "deletion")]
    assert claims == []
    assert {"en": "cannot honestly say", "nl": "niet eerlijk zeggen"}[lang] in text


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("reason", REASONS)
def test_runs_are_claimed_only_where_there_were_any(reason: str, lang: str, invented: ModuleType, renderer: Renderer):
    explanation = invented.withheld(reason)
    text = said(renderer, explanation, lang)
    assert (RUN[lang] in text) == bool(explanation.tried)
    assert ("123" in text) == bool(explanation.tried)


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_where_only_the_question_was_repeated_no_change_is_claimed(lang: str, invented: ModuleType, renderer: Renderer):
    unvaried, varied = (replace(invented.withheld("free_text"), tried=tried, wordings=3) for tried in (3, 4))
    claim = {"en": "ran the system again", "nl": "opnieuw rekenen"}[lang]
    assert claim not in words(renderer, unvaried, lang).replace("\n", " ")
    assert claim in words(renderer, varied, lang).replace("\n", " ")


def test_each_reason_has_words_of_its_own(invented: ModuleType, renderer: Renderer):
    for lang in LANGUAGES:
        texts = [before_the_data(said(renderer, invented.withheld(reason), lang)) for reason in REASONS]
        assert len(set(texts)) == len(REASONS)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_several_reasons_are_each_said_once_in_their_order(lang: str, invented: ModuleType, renderer: Renderer):
    text = said(renderer, invented.withheld("no_change", "wording", "too_small"), lang)
    signs = {
        "en": ("too small to measure", "how the question was put, not", "No change we tried"),
        "nl": ("te klein om te meten", "hoe de vraag was gesteld, niet", "Geen verandering die wij"),
    }[lang]
    assert [text.count(sign) for sign in signs] == [1, 1, 1]
    assert sorted(signs, key=text.index) == list(signs)
    assert sum(text.count(sign) for sign in FAULT[lang]) == 1


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("reason", REASONS)
def test_the_person_is_never_at_fault(reason: str, lang: str, invented: ModuleType, renderer: Renderer):
    text = said(renderer, invented.withheld(reason), lang)
    of_system, of_us = (sign in text for sign in FAULT[lang])
    assert (of_system, of_us) == (reason not in (*BY_US, "erased"), reason in BY_US)


def test_unknown_reason_is_not_passed_over(invented: ModuleType, renderer: Renderer):
    with pytest.raises(ContextError):
        words(renderer, invented.withheld("too_small", "bored"), "en")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_withheld_explanation_says_which_data_and_who_decides(lang: str, invented: ModuleType, renderer: Renderer):
    text = said(renderer, invented.withheld("wording"), lang)
    for part in (invented.BILLS.label[lang], invented.BILLS.words[lang], "1250", invented.OVERSIGHT[lang]):
        assert part in text
    erased = said(renderer, invented.withheld("erased"), lang)
    assert invented.BILLS.label[lang] not in erased
    assert invented.OVERSIGHT[lang] in erased


@pytest.mark.parametrize("lang", LANGUAGES)
def test_where_earlier_turns_are_erased_the_details_that_are_here_are_not_called_so(
    lang: str, invented: ModuleType, renderer: Renderer
):
    text = said(renderer, replace(invented.withheld("erased"), used=invented.EXPLAINED.used), lang)
    assert {"en": "earlier in this conversation", "nl": "eerder in dit gesprek"}[lang] in text
    assert {"en": "nothing left to test", "nl": "niets meer te testen"}[lang] not in text
    assert invented.BILLS.label[lang] in text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_result_that_nobody_knows_any_more_is_not_made_up(lang: str, invented: ModuleType, renderer: Renderer):
    sign = {"en": "The result was", "nl": "De uitkomst was"}[lang]
    erased = invented.withheld("erased")
    assert sign in said(renderer, erased, lang)
    assert sign not in said(renderer, replace(erased, result=None, result_code=None), lang)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_is_late_is_not_promised_again(lang: str, invented: ModuleType, renderer: Renderer):
    text = said(renderer, replace(invented.DUE, overdue=True), lang)
    assert {"en": "You hear from us before", "nl": "U hoort van ons"}[lang] not in text
    assert {"en": "We are late.", "nl": "Wij zijn te laat."}[lang] in text
    with pytest.raises(ValueError, match="overdue"):
        replace(invented.DONE, overdue=True)


def test_what_happens_now(invented: ModuleType, renderer: Renderer):
    assert "will therefore decide without" in said(renderer, invented.DUE, "en")
    assert "before 8 December 2026." in said(renderer, invented.DUE, "en")
    assert "vóór 8 december 2026." in said(renderer, invented.DUE, "nl")
    done = said(renderer, invented.DONE, "en")
    assert "A member of staff has therefore decided." in done
    assert "without looking" not in done
    assert "You can ask a member of staff to look again." in said(renderer, invented.withheld("wording"), "en")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_result_that_is_set_aside_says_why_and_offers_no_change(lang: str, invented: ModuleType, renderer: Renderer):
    text = before_the_data(said(renderer, invented.SET_ASIDE, lang))
    assert f"“{invented.NATIONALITY.label[lang]}”" in text
    assert {"en": "set this result aside", "nl": "opzijgezet"}[lang] in text
    assert {"en": "watch over this system", "nl": "toezien"}[lang] in text
    assert invented.NATIONALITY.words[lang] not in text
    assert [claim for claim in CLAIMS[lang] if claim in text] == []


def test_two_protected_characteristics_are_both_named(invented: ModuleType, renderer: Renderer):
    both = replace(invented.SET_ASIDE, protected=({"en": "Nationality"}, {"en": "Age"}))
    assert "When we changed only one of these details, the result changed: “Nationality” and “Age”." in said(
        renderer, both, "en"
    )


def test_one_detail_or_several_or_two_together(invented: ModuleType, renderer: Renderer):
    assert "One of your details made the difference for this result: “Paying bills”." in said(
        renderer, invented.EXPLAINED, "en"
    )
    several = replace(
        invented.EXPLAINED,
        details=(
            invented.detail(invented.BILLS, "for", "decided"),
            invented.detail(invented.INCOME, "against", "decided"),
        ),
        alternatives=(invented.change(invented.ON_TIME), invented.change(invented.STEADY, code="refer")),
    )
    text = said(renderer, several, "en")
    assert "Each of these details alone could change this result: “Paying bills” and “Income”." in text
    assert "This detail alone could change the result: with “a steady job” instead of “changing income”" in text
    assert "it would have been “uncertain”. It counted against this result." in text
    pair = said(renderer, invented.PAIR, "en")
    assert "No change that we tried in one detail alone gave another result." in pair
    assert "made the difference:" not in pair
    assert "Two details together. Paying bills: with “always on time” instead of “sometimes late”. Income: with" in pair


def test_less_than_every_wording_is_said_at_once(invented: ModuleType, renderer: Renderer):
    unsure = replace(invented.EXPLAINED, alternatives=(invented.change(invented.ON_TIME, certainty="own_wording"),))
    text = said(renderer, unsure, "en")
    assert "result: “Paying bills”. This was so in the way the question was put for you, but not in most" in text


@pytest.mark.parametrize(
    ("side", "beyond", "has", "has_not"),
    [
        (
            "above",
            True,
            ("with 1400 or more instead of 1250", "Each higher number that we tried gave the same result."),
            "Not all",
        ),
        ("below", True, ("with 1400 or less instead of 1250", "Each lower number that we tried"), "Not all"),
        ("above", False, ("with 1400 instead of 1250", "Not all higher numbers that we tried"), "or more"),
        ("below", False, ("with 1400 instead of 1250", "Not all lower numbers that we tried"), "or less"),
        ("above", None, ("with 1400 instead of 1250", "the closest number that we found"), "higher number"),
    ],
)
def test_a_threshold_claims_only_the_numbers_that_were_tried(
    side: str, beyond: bool | None, has: tuple[str, ...], has_not: str, invented: ModuleType, renderer: Renderer
):
    change = invented.change(invented.instead(invented.ROOM, 1400, threshold=side, beyond=beyond), code="refer")
    text = said(renderer, replace(invented.THRESHOLD, alternatives=(change,)), "en")
    assert [part for part in has if part not in text] == []
    assert has_not not in text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_direction_strength_and_certainty_has_words(lang: str, invented: ModuleType, renderer: Renderer):
    seen = set()
    for direction in ("for", "against", "none"):
        for strength in ("decided", "strong", "some", "little", "none"):
            for certainty in ("all_wordings", "most_wordings", "own_wording"):
                detail = invented.detail(invented.BILLS, direction, strength, certainty)
                seen.add(said(renderer, replace(invented.EXPLAINED, details=(detail,)), lang))
    # Two directions of four strengths in three certainties, decided without a direction, and no difference at all.
    assert len(seen) == 2 * 4 * 3 + 1 + 1


@pytest.mark.parametrize("lang", LANGUAGES)
def test_it_says_that_it_is_about_the_computer_and_no_advice(lang: str, invented: ModuleType, renderer: Renderer):
    for explanation in (invented.EXPLAINED, invented.THRESHOLD, invented.PAIR, invented.SENTENCES):
        text = said(renderer, explanation, lang)
        for needed in {
            "en": ("It does not say why we decide as we do.", "They are not advice", "123 times", "3 ways"),
            "nl": ("Het zegt niet waarom wij beslissen", "Ze zijn geen advies", "123 keer", "3 manieren"),
        }[lang]:
            assert needed in text
        assert re.search(r"you (should|must|could)|u moet|verander uw", text) is None


def test_a_text_is_quoted_as_it_was_written(invented: ModuleType, renderer: Renderer):
    text = said(renderer, invented.SENTENCES, "en")
    assert "without the sentences “I am ill.” and “Please <call> me.”, the result would have been" in text


def test_plain_text_has_no_marks_and_no_long_lines(invented: ModuleType, renderer: Renderer):
    foreign = replace(invented.EXPLAINED, system={"nl": "Toets"}, protected=())
    for explanation in (foreign, invented.SENTENCES, invented.SET_ASIDE, invented.DUE):
        for lang in LANGUAGES:
            text = words(renderer, explanation, lang)
            assert text.endswith("\n")
            assert not re.search(r"</?(span|p|li|code|strong)\b|&\w+;", text)
            assert max(map(len, text.splitlines())) <= 100


def part(folder: Path, explanation: Explanation, lang: str, *, decided: bool = False) -> str:
    """The part of a letter, by itself."""
    (folder / "part.html").write_text(
        '{% from "components/explanation.html" import explanation_part %}{{ explanation_part(explanation, decided) }}'
    )
    page = Renderer(lambda: NOW, templates=[folder])
    return page.page("part.html", lang, explanation=explanation, decided=decided)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_word_of_another_language_is_marked(lang: str, invented: ModuleType, tmp_path: Path):
    label = {"de": "Rechnungen <b>"}
    bills = replace(invented.BILLS, label=label)
    change = invented.change(invented.instead(bills, "always on time"))
    detail = invented.detail(bills, "for", "decided")
    explanation = replace(invented.EXPLAINED, details=(detail, detail), alternatives=(change,))
    html = part(tmp_path, explanation, lang)
    marked = '<span lang="de">Rechnungen &lt;b&gt;</span>'
    assert f"“{marked}” {'and' if lang == 'en' else 'en'} “{marked}”" in html
    assert html.count(marked) == html.count("Rechnungen")


def test_markup_in_a_value_is_text(invented: ModuleType, tmp_path: Path):
    html = part(tmp_path, invented.SENTENCES, "en")
    assert "“Please &lt;call&gt; me.”" in html
    assert "&amp;lt;" not in html
    assert "<call>" not in html


def test_only_what_was_decided_before_is_decided_again(invented: ModuleType, tmp_path: Path):
    assert "will therefore decide again," in part(tmp_path, invented.DUE, "en", decided=True)
    assert "will therefore decide without" in part(tmp_path, invented.DUE, "en")


def test_an_explanation_that_contradicts_itself_is_not_made(invented: ModuleType):
    for changes, member in (
        ({"reasons": ("wording",)}, "reasons"),
        ({"verdict": "withheld"}, "reasons"),
        ({"verdict": "withheld", "reasons": ("wording",)}, "details"),
        ({"verdict": "set_aside", "details": (), "alternatives": ()}, "protected"),
        ({"protected": ({"en": "Age"},)}, "protected"),
        ({"result": None, "result_code": None}, "result_code"),
        ({"fresh": "due"}, "fresh_before"),
        ({"fresh_before": date(2026, 12, 8)}, "fresh_before"),
    ):
        with pytest.raises(ValueError, match=member):
            replace(invented.EXPLAINED, **changes)
