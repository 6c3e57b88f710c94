"""The letter: one basis, the checklist of the law notes (D.2), and the result kept apart from the decision."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from itertools import pairwise

import pytest

from registry.parts.publication import Publication, Withheld
from reports.errors import ContextError
from reports.letter.context import Letter, Result
from reports.qr import qr
from reports.render import Renderer


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.partition("<body>")[2]).split())


BASES = {
    "ai_act_86": ("Article 86 of the European AI Act", "It is not settled from which date"),
    "gdpr_15_1_h": ("Article 15(1)(h)",),
    "gdpr_15_1": ("Article 15(1) of",),
    "sector": ("A law about this service", "Leenwet 9"),
    "reasons": ("must give reasons", "Leenwet 9"),
    "voluntary": ("no law obliges us",),
}


@pytest.mark.parametrize("basis", BASES)
def test_letter_states_exactly_one_basis(basis: str, letter: Letter, renderer: Renderer):
    law = "Leenwet 9" if basis in ("sector", "reasons") else None
    text = words(renderer.document("letter", replace(letter, basis=basis, law=law), "en"))
    for name, signs in BASES.items():
        for sign in signs:
            assert (sign in text) == (name == basis or (sign == "Leenwet 9" and law is not None)), sign


@pytest.mark.parametrize(("basis", "law"), [("sector", None), ("reasons", None), ("voluntary", "Leenwet 9")])
def test_letter_without_its_law_is_not_made(basis: str, law: str | None, letter: Letter):
    with pytest.raises(ValueError, match="law"):
        replace(letter, basis=basis, law=law)


def test_unknown_basis_fails(letter: Letter, renderer: Renderer):
    with pytest.raises(ContextError):
        renderer.document("letter", replace(letter, basis="because"), "en")


@pytest.mark.parametrize(("code", "label"), [("refuse", None), ("length", {"en": "x"})])
def test_result_has_words_unless_its_code_is_reserved(code: str, label: object, letter: Letter):
    with pytest.raises(ValueError, match=r"result\.label"):
        replace(letter, result=Result(code=code, label=label, text=None))


def test_reserved_outcome_has_words(letter: Letter, renderer: Renderer):
    broken = replace(letter, result=Result(code="length", label=None, text=None))
    assert "No usable result: the answer became too long" in words(renderer.document("letter", broken, "en"))


def test_letter_holds_the_checklist(letter: Letter, renderer: Renderer):
    text = words(renderer.document("letter", letter, "en"))
    for needed in (
        *("Municipality of Waterveen", "Marktplein 1", "014 000", "fg@waterveen.example", letter.reference),
        *(
            "24 November 2026",
            "20 November 2026",
            "Social loan check, version 1",
            letter.url,
            "artificial intelligence",
        ),
        *("small chance of paying back", "An adviser decides", "went to a member of staff first"),
        *("Paying bills", "sometimes late", "your bank", "Debts", "not given", "1250"),
        "We cannot tell you yet which of your details made the difference.",
        "The reasons of that member of staff will stand here.",
        *("look again", "mistake corrected", "objections committee", "6 weeks", "district court"),
        *("Dutch Data Protection Authority", "Market Surveillance Office"),
        *(letter.check_url, "1,201", letter.log.root, letter.log.origin, "1,234"),
        "The check does not say whether the result is right.",
    ):
        assert needed in text, needed


def test_officers_reasons_stand_apart_from_the_result(decided: Letter, renderer: Renderer):
    html = renderer.document("letter", decided, "en")
    sections = re.findall(r"<section[ >].*?</section>", html, re.S)
    assert [n for n, s in enumerate(sections) if "You get the loan." in s] == [0]
    assert [n for n, s in enumerate(sections) if "late bills" in s] == [0]
    assert [n for n, s in enumerate(sections) if "small chance of paying back" in s] == [1]
    assert "The member of staff did not follow the result of the computer." in words(html)
    assert "will stand here" not in html


def test_review_without_reasons_says_so(decided: Letter, renderer: Renderer):
    assert decided.decision is not None
    bare = replace(decided, decision=replace(decided.decision, reasons=None, notified=None), objection_until=None)
    text = words(renderer.document("letter", bare, "en"))
    assert "recorded no reasons" in text
    assert "We have not sent you this decision yet" in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "not given"),
        (True, "yes"),
        (0, "0"),
        (2025, "2025"),
        (0.25, "0.25"),
        ([], "none"),
        (["a", 2, None], "a, 2 and not given"),
        ({"b": 1, "a": ["x", "y"]}, "a: x and y; b: 1"),
        ("a <b>\nc", "a &lt;b&gt;\nc"),
    ],
)
def test_each_kind_of_value_is_readable(value: object, shown: str, letter: Letter, renderer: Renderer):
    html = renderer.document("letter", replace(letter, data=(replace(letter.data[0], value=value),)), "en")
    assert f'data-label="What the system read">{shown}</td>' in html


def test_generated_text_is_marked_as_made_by_a_computer(reply: Letter, renderer: Renderer):
    html = renderer.document("letter", reply, "en")
    assert "A computer made it; no person wrote it." in html
    assert "No member of staff looked at it first." in html
    assert "We are still trying this system out." in html


@pytest.mark.parametrize("mode", ["live", "pilot", "test"])
def test_only_a_test_says_that_it_does_not_count(mode: str, letter: Letter, renderer: Renderer):
    html = renderer.document("letter", replace(letter, mode=mode), "en")
    assert ("does not count for you" in html) == (mode == "test")


WHY = {"en": "Why the computer gave this result", "nl": "Waarom de computer deze uitkomst gaf"}
NOT_YET = {"en": "We cannot tell you yet", "nl": "Wij kunnen u nog niet zeggen"}


def why(html: str, lang: str) -> str:
    return words("<body>" + html.partition(f"<h2>{WHY[lang]}</h2>")[2].partition("</section>")[0])


@pytest.mark.parametrize("lang", ["en", "nl"])
@pytest.mark.parametrize("which", ["letter", "measured", "kept_back", "set_aside"])
def test_only_a_result_that_nobody_measured_says_so_and_how_to_ask(
    which: str, lang: str, request: pytest.FixtureRequest, renderer: Renderer
):
    text = why(renderer.document("letter", request.getfixturevalue(which), lang), lang)
    assert (NOT_YET[lang] in text) == (which == "letter")
    assert ("014 000" in text) == (which == "letter")


def test_measured_reasons_stand_apart_from_the_officers(decided: Letter, measured: Letter, renderer: Renderer):
    html = renderer.document("letter", replace(decided, explanation=measured.explanation), "en")
    text = why(html, "en")
    assert "One of your details made the difference for this result: “Paying bills”." in text
    assert "It does not say why we decide as we do." in text
    assert "late bills were of one month" not in text
    own = words("<body>" + html.partition('<section id="decision">')[2].partition("</section>")[0])
    assert "late bills were of one month" in own
    assert "made the difference" not in own
    assert "The member of staff did not follow the result of the computer." in own


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_a_fresh_decision_is_where_the_letter_sends_the_reader(lang: str, kept_back: Letter, renderer: Renderer):
    html = renderer.document("letter", kept_back, lang)
    assert html.count('href="#decision"') == 1
    assert html.count('id="decision"') == 1
    assert {"en": "not of the computer.", "nl": "niet van de computer."}[lang] in why(html, lang)


def test_what_an_officer_recorded_is_told_whatever_was_measured(kept_back: Letter, renderer: Renderer):
    assert kept_back.decision is not None
    confirmed = replace(kept_back, decision=replace(kept_back.decision, action="confirm"))
    text = words(renderer.document("letter", confirmed, "en"))
    assert "The member of staff agreed with the result of the computer." in text
    # No record says what an officer looked at: a letter must not claim that it was not the result.
    assert "without looking" not in text


def test_what_is_decided_again_was_decided_before(decided: Letter, letter: Letter, invented, renderer: Renderer):
    again = why(renderer.document("letter", replace(decided, explanation=invented.DUE), "en"), "en")
    assert "will therefore decide again, without" in again
    first = why(renderer.document("letter", replace(letter, explanation=invented.DUE), "en"), "en")
    assert "will therefore decide without" in first
    assert "Also in this letter: which details were used" in first


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_a_result_that_is_set_aside_is_announced_before_it_is_shown(lang: str, set_aside: Letter, renderer: Renderer):
    html = renderer.document("letter", set_aside, lang)
    assert 0 < html.index('<p class="warning">') < html.index('<p class="result">')


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_a_measured_letter_keeps_the_order_of_headings_and_a_heading_for_each_cell(
    lang: str, measured: Letter, renderer: Renderer
):
    html = renderer.document("letter", measured, lang)
    levels = [int(level) for level in re.findall(r"<h([1-6])[ >]", html)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    table = html.partition(f"<h2>{WHY[lang]}</h2>")[2].partition("<tbody>")[2].partition("</tbody>")[0]
    assert table.count("<td") == table.count("data-label=")
    assert table.count('<th scope="row">') == table.count("<tr>") == 4


def test_a_letter_takes_only_the_explanation_of_its_result(letter: Letter, invented):
    with pytest.raises(ValueError, match="explanation"):
        replace(letter, explanation=replace(invented.EXPLAINED, result_code="grant"))
    with pytest.raises(ValueError, match="decision"):
        replace(letter, explanation=invented.DONE)


def test_the_last_day_is_told_and_when_it_is_past(decided: Letter, renderer: Renderer):
    assert "The last day is 4 January 2027." in words(renderer.document("letter", decided, "en"))
    late = replace(decided, written=date(2027, 1, 5))
    assert "The last day was 4 January 2027." in words(renderer.document("letter", late, "en"))


def test_a_letter_without_a_sent_decision_has_no_last_day(letter: Letter, decided: Letter):
    with pytest.raises(ValueError, match="objection_until"):
        replace(letter, objection_until=date(2027, 1, 4))
    with pytest.raises(ValueError, match="objection_until"):
        replace(decided, objection_until=None)


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_a_code_is_in_the_picture_and_beside_it_and_nowhere_else(lang: str, letter: Letter, renderer: Renderer):
    code = "K7QF-2M9X-4WTD"
    html = renderer.document("letter", replace(letter, code=code), lang)
    assert html.count(code) == 1
    assert html.count("<svg") == 1
    drawn = qr(f"{letter.check_url}#{letter.reference}.{code}")
    assert f'd="{drawn.path}"' in html
    without = renderer.document("letter", letter, lang)
    assert "<svg" not in without
    assert f'href="{letter.check_url}#{letter.reference}"' in without


def test_what_the_register_withholds_is_said(letter: Letter, renderer: Renderer):
    why = Withheld(member="limits", reason="security", explanation={"en": "x", "nl": "x"}, until=None)
    partly = replace(letter.system, publication=Publication(state="partly", withheld=(why,)))
    said = "Some parts of our register about this system are not public."
    assert said in words(renderer.document("letter", replace(letter, system=partly), "en"))
    assert said not in words(renderer.document("letter", letter, "en"))


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_a_system_that_runs_elsewhere_may_have_no_notice(lang: str, letter: Letter, renderer: Renderer):
    bare = replace(letter, system=replace(letter.system, notice=None, capture="external"))
    text = words(renderer.document("letter", bare, lang))
    assert {"en": "How a computer was used in your case", "nl": "Hoe een computer is gebruikt in uw zaak"}[lang] in text
