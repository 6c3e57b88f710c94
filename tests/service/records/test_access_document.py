"""The access file as a document: the same content as the file for machines, and nothing that the person may not see."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from cli import run
from service.cases import public_requests, reviews
from service.disclosing import report
from service.disclosing.access_document import access_document
from service.disclosing.lookup import Reference
from service.records import reading
from service.records.reading import Reader

OFFICER = Reader("privacy_officer", "0123456789ab")
PERSON = Reference("subject", "TEST-7731", "--subject-file")  # an invented person


def text_of(g: Any, document: Any, lang: str = "en") -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", report.render(g, document, lang, "html").decode()).split())


def test_all_of_a_person_and_nobody_else(g: Any, office: Any) -> None:
    given = office.decide(g, "TEST-7731", "TEST-2204", outcome="refuse", income="4417 a month")
    said = reviews.Review("confirm", "You get no loan.", "You keep too little. 5521", notified="2026-11-24")
    reviews.record_review(g, given, said)
    waiting = office.decide(g, outcome="refuse", income="8830 a month")
    office.decide(g, "TEST-2204", income="nothing of this person 3302")
    reading.open(g, Reader("officer", "ffffffffffff"), "review", given)
    public_requests.open_request(g, right="explain", channel="phone", lang="en", text="Why? 9917", subject="TEST-7731")
    document = access_document(g, OFFICER, PERSON)
    assert [one.id for one in document.records] == [given, waiting]
    first, second = document.records
    assert (first.held, first.others, [one.action for one in first.decisions]) == (False, 1, ["confirm"])
    assert first.outcome is not None
    assert (second.held, second.outcome, second.text) == (True, None, None)
    assert [(one.role, one.purpose) for one in first.accesses] == [
        ("officer", "review"),
        ("privacy_officer", "access_file"),
    ]
    for lang, role in (("en", "an officer"), ("nl", "een behandelaar")):
        page = text_of(g, document, lang)
        for part in ("4417 a month", "8830 a month", "5521", "9917", role, given, waiting):
            assert part in page, part
        for hidden in ("3302", "2204", "7731", "ffffffffffff", "0123456789ab"):
            assert hidden not in page, hidden


def test_a_case_that_was_passed_on_is_called_no_decision(g: Any, office: Any) -> None:
    given = office.decide(g, "TEST-7731", outcome="refuse")
    reviews.record_review(g, given, reviews.Review("refer", "To the desk of debts.", None))
    reviews.record_review(g, given, reviews.Review("confirm", "You get no loan.", None, notified="2026-11-24"))
    page = text_of(g, access_document(g, OFFICER, PERSON))
    assert page.count("Our decision:") == 1
    assert "That is no decision yet. The member of staff wrote: To the desk of debts." in page


def test_of_nobody_it_says_so(g: Any) -> None:
    document = access_document(g, OFFICER, Reference("subject", "TEST-0000", "--subject-file"))
    assert "We found no result about you." in text_of(g, document)


def test_a_record_that_its_sender_kept_is_named_without_content(g: Any, office: Any) -> None:
    record = office.take_commitments(g, "TEST-7731")
    (one,) = access_document(g, OFFICER, PERSON).records
    assert (one.id, one.here, one.values) == (record, False, ())


def test_the_command_writes_it_for_its_owner_alone(office: Any, tmp_path: Path) -> None:
    with office.opened() as g:
        office.decide(g)
    who, out = tmp_path / "who", tmp_path / "file.html"
    who.write_text("TEST-7731", "utf-8")
    given = ["access-file", "--home", str(office.home), "--subject-file", str(who), "-o", str(out)]
    assert run([*given, "--format", "html", "--lang", "nl"]) == 0
    assert '<html lang="nl">' in out.read_text("utf-8")
    assert out.stat().st_mode & 0o077 == 0
    assert run([*given, "--format", "docx"]) == 2
