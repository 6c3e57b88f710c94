"""Letters and notices from a home: what they say comes from the record, and that they were given stands in the log."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.errors import Erased
from auditlog.store.record_events import find_about
from auditlog.store.vault import sealed_table
from casework.errors import CodeRejected
from cli import run
from home.errors import UnknownRecord, UsageError
from reports.letter.context import AnsweredRequest
from service.cases import access_codes, public_requests, reviews
from service.disclosing import letters, notices, processing, report
from service.disclosing.documents import DOCUMENTS
from service.erasing import erase
from service.keeping import fsck
from service.records import reading, release
from service.records.reading import CLI
from service.systems import lifecycle

LOAN = "social-loan-check"
SAID = {"decision": "You get no loan.", "reasons": "You keep too little. 5521", "effect": "You may apply again."}


def refused(g: Any, office: Any, notified: str | None = "2026-11-24") -> str:
    record: str = office.decide(g, outcome="refuse")
    reviews.record_review(g, record, reviews.Review("confirm", notified=notified, **SAID))
    return record


def wrong(g: Any) -> list[Any]:
    """What fsck finds, but for what comes of decisions that this folder makes past the gate and the roll-up."""
    found = fsck.check_all(g)
    return [one for one in found if "rollup" not in one.place and "never active" not in one.message]


def page_of(g: Any, letter: Any, lang: str = "en") -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", report.render(g, letter, lang, "html").decode()).split())


def test_the_letter_says_what_was_recorded_and_until_when_one_can_object(g: Any, office: Any) -> None:
    letter = letters.letter(
        g, CLI, refused(g, office), asked=AnsweredRequest(received=date(2026, 11, 20), due=date(2026, 12, 20))
    )
    assert (letter.basis, letter.law) == ("ai_act_86", None)
    assert letter.decision is not None
    assert (letter.decision.effect, letter.decision.sent) == (SAID["effect"], None)
    assert letter.objection_until == date(2027, 1, 5)
    assert (letter.told, letter.code, letter.others) == (None, None, 0)
    text = page_of(g, letter)
    for part in (
        "5521",
        "You may apply again.",
        "The last day is 5 January 2027.",
        "20 December 2026",
        "The law that we apply in such cases",
    ):
        assert part in text, part


def test_a_decision_that_was_not_sent_has_no_last_day(g: Any, office: Any) -> None:
    letter = letters.letter(g, CLI, refused(g, office, notified=None))
    assert letter.objection_until is None
    assert "The last day is" not in page_of(g, letter)


def test_a_decision_of_which_the_day_is_still_to_come_was_not_sent(g: Any, office: Any) -> None:
    office.clock.on(days=30)  # as before such a day was refused
    record = refused(g, office, notified="2026-12-20")
    office.clock.on(days=-30)
    assert release.notified_day(g, record) is None
    letter = letters.letter(g, CLI, record)
    assert letter.objection_until is None
    text = page_of(g, letter)
    assert "20 December 2026" not in text
    assert "We have not sent you this decision yet" in text


def test_a_case_that_was_passed_on_is_not_decided(g: Any, office: Any) -> None:
    record = office.decide(g, outcome="refuse")
    reviews.record_review(
        g, record, reviews.Review("refer", "To the desk of debts.", "Odd. 7710", notified="2026-11-24")
    )
    letter = letters.letter(g, CLI, record)
    assert letter.objection_until is None
    text = page_of(g, letter)
    for wrong_part in ("Our decision:", "We sent you", "Our decision was sent", "7710", "desk of debts"):
        assert wrong_part not in text, wrong_part
    for part in ("passed your case on to a colleague", "We have not decided yet", "once we have sent you a decision"):
        assert part in text, part


def test_article_86_is_no_basis_for_what_is_not_high_risk(g: Any, office: Any) -> None:
    from cli.demo.run import CASES
    from service.systems import register

    file = json.loads((CASES / f"{LOAN}.json").read_text("utf-8"))
    file["system"]["classification"]["exit_6_3"] = "a"
    file["system"]["use"]["profiling"] = False
    register.register(g, json.dumps(file).encode())
    assert letters.letter(g, CLI, refused(g, office)).basis == "gdpr_15_1"


def test_the_code_of_the_newest_letter_opens_and_no_other_does(g: Any, office: Any) -> None:
    record = refused(g, office)
    first, second = (letters.letter(g, CLI, record, code=True).code for _ in range(2))
    assert first is not None
    assert second is not None
    assert access_codes.check_code(g, record, second) == record
    with pytest.raises(CodeRejected):
        access_codes.check_code(g, record, first)
    page = report.render(g, letters.letter(g, CLI, record), "en", "html").decode()
    assert "access code" not in page
    assert "<svg" not in page


def test_others_in_the_record_are_counted_and_not_named(g: Any, office: Any) -> None:
    record = office.decide(g, "TEST-1", "TEST-2", "TEST-3", outcome="refuse")
    letter = letters.letter(g, CLI, record)
    assert letter.others == 2
    page = page_of(g, letter)
    assert "also about 2 other people" in page
    assert "TEST-" not in page
    assert "test2" not in page


@pytest.mark.parametrize(
    ("law", "outcome", "basis"),
    [
        (("explanation", "Leenwet", "9"), "refuse", ("sector", "Leenwet 9")),
        (("gdpr_22", "Leenwet", "9"), "refuse", ("gdpr_15_1_h", None)),
        (("reasons", "Awb", "3:46"), "refuse", ("ai_act_86", None)),
        (("reasons", "Awb", "3:46"), "grant", ("reasons", "Awb 3:46")),
        (("task", "Leenwet", "9"), "grant", ("gdpr_15_1", None)),
    ],
)
def test_one_basis_and_article_86_gives_way_to_other_union_law(
    law: tuple[str, str, str], outcome: str, basis: tuple[str, str | None], g: Any, office: Any
) -> None:
    from cli.demo.run import CASES
    from service.systems import register

    file = json.loads((CASES / f"{LOAN}.json").read_text("utf-8"))
    file["system"]["legal_basis"].append({"law": law[1], "article": law[2], "link": None, "for": law[0]})
    register.register(g, json.dumps(file).encode())
    record = office.decide(g, outcome=outcome)
    reviews.record_review(g, record, reviews.Review("confirm", "Decided.", "Reasons."))
    letter = letters.letter(g, CLI, record)
    assert (letter.basis, letter.law) == basis


# --- notices ----------------------------------------------------------------------------------------------------------


def test_that_a_notice_was_given_stands_in_the_log_without_saying_to_whom(g: Any, office: Any, entries: Any) -> None:
    record = refused(g, office)
    given = {"duty": "affected_person", "channel": "counter", "day": date(2026, 11, 20), "reference": record}
    made = notices.given(g, LOAN, **given)
    (entry,) = entries(g, "notice/1")
    assert entry.id == made
    assert (entry.members["system"], entry.members["duty"]) == (LOAN, "affected_person")
    for hidden in (record, "counter", "2026-11-20"):
        assert hidden.encode() not in entry.data
    letter = letters.letter(g, CLI, record)
    assert letter.told == date(2026, 11, 20)
    assert "We told you on 20 November 2026" in page_of(g, letter)
    assert wrong(g) == []


def test_a_notice_goes_with_its_record(g: Any, office: Any) -> None:
    record = refused(g, office)
    made = notices.given(g, LOAN, duty="affected_person", channel="post", day=date(2026, 11, 24), reference=record)
    plan = erase.plan_record(g, record, ground="objection")
    erase.confirm(g, plan, plan.code, role="privacy_officer")
    with g.reading() as conn:
        assert find_about(conn, record) == []
    with pytest.raises(Exception, match=r"erased|content"):
        reading.open(g, CLI, "evidence", made)
    with pytest.raises(Erased):
        notices.given(g, LOAN, duty="affected_person", channel="post", day=date(2026, 11, 24), reference=record)
    assert wrong(g) == []


def test_a_notice_to_many_is_about_no_record_and_keeps_its_words(g: Any, entries: Any) -> None:
    notices.given(g, LOAN, duty="workers", channel="meeting", day=date(2026, 11, 10), text="Told to the works council.")
    (entry,) = entries(g, "notice/1")
    with g.reading() as conn:
        kept = g.vault.open(conn, entry.id, entry).values
    assert (kept["reference"], kept["text"]) == (None, "Told to the works council.")
    assert wrong(g) == []
    with g.engine.begin() as conn:
        conn.execute(sealed_table.delete().where(sealed_table.c.id == entry.id))
    assert any(entry.id in one.place for one in wrong(g)), "nothing takes it away, so that it is gone is found"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"duty": "greeting"}, "duty"),
        ({"channel": "pigeon"}, "channel"),
        ({"day": date(2026, 12, 24)}, "day"),
        ({"text": " "}, "text"),
        ({"text": "x" * 20_001}, "text"),
        ({"duty": "workers"}, "reference"),
        ({"reference": None}, "reference"),
    ],
)
def test_a_notice_that_makes_no_sense_leaves_no_entry(
    changed: dict[str, Any], field: str, g: Any, office: Any, entries: Any
) -> None:
    good = {"duty": "affected_person", "channel": "post", "day": date(2026, 11, 24), "reference": office.decide(g)}
    with pytest.raises(UsageError) as raised:
        notices.given(g, LOAN, **(good | changed))
    assert raised.value.field == field
    assert entries(g, "notice/1") == []


def test_a_notice_belongs_to_a_result_of_its_system(g: Any, office: Any) -> None:
    record = office.decide(g)
    made = reviews.record_review(g, record, reviews.Review("confirm", "Decided.", "Reasons."))
    day = date(2026, 11, 24)
    with pytest.raises(UsageError):
        notices.given(g, LOAN, duty="affected_person", channel="post", day=day, reference=made)
    with pytest.raises(UnknownRecord):
        notices.given(g, LOAN, duty="affected_person", channel="post", day=day, reference="no such id")


# --- documents by name ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["en", "nl"])
@pytest.mark.parametrize("kind", ["system", "notice", "workers", "article-50", "processing"])
def test_each_document_is_made_of_a_registered_system(kind: str, lang: str, g: Any) -> None:
    document = DOCUMENTS[kind]
    made = document.make(g, CLI, LOAN if document.of == "system" else "", lang)
    html = report.render(g, made, lang, "html").decode()
    assert f'<html lang="{lang}">' in html
    assert ">None<" not in html
    assert json.loads(report.render(g, made, lang, "json"))


def test_the_extract_for_gdpr_30_has_what_is_in_use(g: Any) -> None:
    assert processing.processing_record(g).activities == ()
    for state in ("in_review", "approved"):
        lifecycle.change_state(g, LOAN, state)
    (activity,) = processing.processing_record(g).activities
    assert activity.state == "approved"
    assert {"Your income", "Your debts"} <= {one.label["en"] for one in activity.categories}
    page = report.render(g, processing.processing_record(g), "en", "html").decode()
    assert "Social loan check" in page
    assert ">None<" not in page


def test_the_command_writes_a_letter_as_pdf_for_its_owner_alone(office: Any, tmp_path: Path) -> None:
    with office.opened() as g:
        record = refused(g, office)
    out = tmp_path / "letter.pdf"
    given = [
        "report",
        "letter",
        "--home",
        str(office.home),
        "--of",
        record,
        "--code",
        "--format",
        "pdf",
        "-o",
        str(out),
    ]
    assert run(given) == 0
    assert out.read_bytes().startswith(b"%PDF-1.7")
    assert out.stat().st_mode & 0o077 == 0


def test_the_command_names_the_days_of_the_request_that_it_answers(office: Any, tmp_path: Path) -> None:
    with office.opened() as g:
        record = refused(g, office)
        asked = public_requests.open_request(
            g, right="explain", channel="phone", lang="en", text="Why?", reference=record
        )
    out = tmp_path / "letter.html"
    given = ["report", "letter", "--home", str(office.home), "--of", record, "-o", str(out)]
    assert run([*given, "--request", asked.request.id]) == 0
    page = out.read_text("utf-8")
    assert "You asked us on" in page
    assert "Last day for our answer" in page
    assert run([*given, "--request", record]) != 0
    assert run(["report", "system", "--home", str(office.home), "--of", LOAN, "-o", str(out), "--code"]) == 2


def test_the_command_records_notices(office: Any, entries: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with office.opened() as g:
        records = [office.decide(g), office.decide(g)]
    given = ["notice", LOAN, "--home", str(office.home), "--duty", "affected_person", "--channel", "web"]
    assert run([*given, "--of", records[0], "--of", records[1]]) == 0
    assert len(json.loads(capsys.readouterr().out)["notices"]) == 2
    with office.opened() as g:
        assert len(entries(g, "notice/1")) == 2
    assert run([*given, "--of", records[0], "--day", "24-11-2026"]) == 2
