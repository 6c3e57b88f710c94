"""The letter: one basis, the checklist of the law notes (D.2), and the result kept apart from the decision."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from reports.errors import ContextError
from reports.letter.context import Letter, Result
from reports.render import Renderer


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.partition("<body>")[2]).split())


BASES = {
    "ai_act_86": ("Article 86 of the European AI Act", "It is not settled from which date"),
    "gdpr_15_1_h": ("Article 15(1)(h)",),
    "gdpr_15_1": ("Article 15(1) of",),
    "sector": ("A law about this service", "Wft 4:34"),
    "reasons": ("must give reasons", "Wft 4:34"),
    "voluntary": ("no law obliges us",),
}


@pytest.mark.parametrize("basis", BASES)
def test_letter_states_exactly_one_basis(basis: str, letter: Letter, renderer: Renderer):
    law = "Wft 4:34" if basis in ("sector", "reasons") else None
    text = words(renderer.document("letter", replace(letter, basis=basis, law=law), "en"))
    for name, signs in BASES.items():
        for sign in signs:
            assert (sign in text) == (name == basis or (sign == "Wft 4:34" and law is not None)), sign


@pytest.mark.parametrize(("basis", "law"), [("sector", None), ("reasons", None), ("voluntary", "Wft 4:34")])
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
    sections = re.findall(r"<section>.*?</section>", html, re.S)
    assert [n for n, s in enumerate(sections) if "You get the loan." in s] == [
        n for n, s in enumerate(sections) if "late bills" in s
    ]
    assert [n for n, s in enumerate(sections) if "small chance of paying back" in s] == [0]
    assert "The member of staff did not follow the result of the computer." in words(html)
    assert "will stand here" not in html


def test_review_without_reasons_says_so(decided: Letter, renderer: Renderer):
    assert decided.decision is not None
    bare = replace(decided, decision=replace(decided.decision, reasons=None, notified=None))
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
