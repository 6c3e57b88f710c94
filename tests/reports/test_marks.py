"""Marks of text that a model wrote: what carries one is found, and nothing else is."""

from __future__ import annotations

import json

import pytest

from reports.letter.context import Letter
from reports.marks import Mark, find_marks
from reports.render import Renderer, json_twin


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_the_text_of_a_letter_is_found_with_its_record(lang: str, reply: Letter, renderer: Renderer):
    page = renderer.document("letter", reply, lang).encode()
    assert find_marks(page) == (Mark(reply.reference, "You can pay in ten parts.\nCall us."),)


def test_a_letter_without_generated_text_has_no_mark(letter: Letter, renderer: Renderer):
    assert find_marks(renderer.document("letter", letter, "en").encode()) == ()
    assert find_marks(json_twin(letter)) == ()


def test_answers_for_programs_are_found_wherever_they_stand():
    answer = {"id": "r-1", "ai_generated": True, "output": {"topic": "pay"}}
    data = json.dumps({"items": [answer, {"id": "r-2", "ai_generated": False, "output": "x"}]}).encode()
    assert find_marks(data) == (Mark("r-1", '{"topic": "pay"}'),)


MARKED = '<p data-digital-source-type="{}" data-record="r-9">{}</p>'
TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


@pytest.mark.parametrize(
    ("page", "found"),
    [
        (MARKED.format(TYPE, "a <b>bold<br></b> word &amp; more") + "<p>not this</p>", ["a bold word & more"]),
        (MARKED.format(TYPE, "one") + MARKED.format(TYPE, "two"), ["one", "two"]),
        (MARKED.format("http://elsewhere.example/x", "one"), []),
        ("ai_generated: a text that only talks about it", []),
        ("", []),
        ("[" * 5_000, []),
        ("<p " + MARKED, []),
    ],
)
def test_a_page_has_the_marks_that_it_has(page: str, found: list[str]):
    assert [one.text for one in find_marks(page.encode())] == found


def test_what_is_no_text_has_no_mark():
    assert find_marks(bytes(range(256))) == ()
