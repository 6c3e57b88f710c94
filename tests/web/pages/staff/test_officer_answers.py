"""An officer does the whole job in the browser: the access file, a correction, and the letter that the person reads."""

from __future__ import annotations

import re
import sys
from typing import Any

import httpx
import pytest

from auditlog.store.log import entries_of_kinds
from service.cases import access_codes, notification, public_requests, reviews
from service.deciding import decide
from service.erasing import erase
from service.explaining import explain
from service.records import corrections, reading

pytestmark = pytest.mark.enable_socket

LOAN, TAX = "social-loan-check", "tax-question-reply"
INPUT = {"payment_record": "always on time", "income": "a steady job", "debts": "no debts", "room": 250}
PERSON = "TEST-0451"  # an invented person
REASONS = "Invented reasons 4471."


def asked(portal: Any, right: str, person: str = PERSON) -> tuple[str, public_requests.Opened]:
    """A record of an invented person, and their request about it with the code of the letter."""
    record = decide.decide(portal.g, LOAN, INPUT, subjects=(person,)).id
    code = access_codes.issue_code(portal.g, record)
    opened = public_requests.open_request(
        portal.g, right=right, channel="web", lang="nl", text="Verzonnen.", reference=record, code=code
    )
    return record, opened


def count(portal: Any, kind: str) -> int:
    with portal.g.reading() as conn:
        return sum(1 for _ in entries_of_kinds(conn, portal.g.log.number, {kind}))


def version_of(page: str) -> str:
    found = re.search(r'name="version" value="([^"]*)"', page)
    assert found is not None
    return found[1]


# --- the access file --------------------------------------------------------------------------------------------------


def test_the_access_file_goes_out_once_and_is_in_the_log_first(
    portal: Any, client: httpx.Client, officer: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    record, opened = asked(portal, "access")
    address = f"/console/requests/{opened.request.id}"
    page = client.get(f"{address}?lang=en", headers=officer).text
    assert "Who may have it:" in page
    assert PERSON not in page
    before = count(portal, "access/1")
    sent = {"version": version_of(page), "person": "test 0451", "letter_lang": "nl", "format": "html"}
    made = client.post(f"{address}/access-file?lang=en", headers=officer, data=sent)
    assert made.status_code == 200
    assert made.headers["cache-control"] == "no-store"
    assert made.headers["content-disposition"].startswith('attachment; filename="access-file-')
    assert '<html lang="nl">' in made.text
    assert record in made.text
    assert count(portal, "access/1") > before
    pdf = client.post(f"{address}/access-file", headers=officer, data=sent | {"format": "pdf"})
    assert pdf.headers["content-type"] == "application/pdf"
    assert pdf.content.startswith(b"%PDF-")
    # The page that it was made from still holds, and the answer follows.
    answer = {"do": "answer", "version": version_of(page), "answer": "Wij stuurden u het bestand (verzonnen)."}
    assert client.post(address, headers=officer, data=answer).status_code == 303
    late = client.post(f"{address}/access-file", headers=officer, data=sent)
    assert late.status_code == 409
    said = "".join(capfd.readouterr())
    for value in (PERSON, "test 0451", "test%200451", "test+0451", "verzonnen", opened.tracking_code):
        assert value not in said
        assert value not in str(made.url)


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_a_wrong_reference_is_said_at_the_field(
    portal: Any, client: httpx.Client, officer: dict[str, str], lang: str
) -> None:
    _, opened = asked(portal, "access")
    decide.decide(portal.g, LOAN, INPUT, subjects=("TEST-0452",))
    address = f"/console/requests/{opened.request.id}/access-file?lang={lang}"
    said = {
        "en": ("We hold nothing", "somebody else", "letters or digits"),
        "nl": ("bewaren wij niets", "iemand anders", "letters of cijfers"),
    }
    for person, words in zip(("TEST-0000", "TEST-0452", ""), said[lang], strict=True):
        sent = {"version": "1", "person": person, "format": "html", "letter_lang": "nl"}
        answer = client.post(address, headers=officer, data=sent)
        assert answer.status_code == 422
        assert 'href="#person"' in answer.text
        assert words in answer.text
        assert "content-disposition" not in answer.headers


def test_who_gets_no_access_file(portal: Any, client: httpx.Client, officer: dict[str, str]) -> None:
    record, opened = asked(portal, "access")
    address = f"/console/requests/{opened.request.id}"
    sent = {"version": "1", "person": PERSON, "format": "html", "letter_lang": "nl"}
    before = count(portal, "access/1")
    cookie = {"cookie": officer["cookie"]}
    for headers, status in (
        (cookie, 403),  # a form that is not of this session
        ({**cookie, "x-csrf-token": "0" * 64}, 403),
        (portal.staff("officer", TAX), 404),  # another system's
        (portal.staff("auditor"), 403),
        (portal.staff("approver"), 403),
        (portal.staff("administrator"), 403),
        (portal.key("client"), 403),
        (portal.staff("officer", LOAN), 409),  # the file is of all systems
    ):
        answer = client.post(f"{address}/access-file", headers=headers, data=sent)
        assert answer.status_code == status
        assert record not in answer.text
    assert client.post(f"{address}/access-file", data=sent).status_code in (303, 401)
    assert client.get(f"{address}/access-file", headers=officer).status_code == 405
    assert count(portal, "access/1") == before
    for wrong in ({"format": "json"}, {"version": "x"}):
        assert client.post(f"{address}/access-file", headers=officer, data=sent | wrong).status_code == 422
    stale = client.post(f"{address}/access-file?lang=en", headers=officer, data=sent | {"version": "9"})
    assert stale.status_code == 409
    assert "Ask a colleague whose account reaches all systems" in client.get(
        f"{address}?lang=en", headers=portal.staff("officer", LOAN)
    ).text  # fmt: skip


def test_somebody_without_a_letter_is_made_sure_of_first(
    portal: Any, client: httpx.Client, officer: dict[str, str]
) -> None:
    """Who asks what is held of them need not know of any record."""
    person = "TEST-0453"
    decide.decide(portal.g, LOAN, INPUT, subjects=(person,))
    opened = public_requests.open_request(
        portal.g, right="access", channel="web", lang="en", text="All of it (invented).", contact="invented"
    )
    address = f"/console/requests/{opened.request.id}?lang=en"
    page = client.get(address, headers=officer).text
    assert "Make sure first who asks." in page
    assert 'name="person"' not in page
    sent = {"version": version_of(page), "person": person, "format": "html", "letter_lang": "en"}
    early = client.post(f"/console/requests/{opened.request.id}/access-file", headers=officer, data=sent)
    assert early.status_code == 409
    checked = {"do": "record", "version": version_of(page), "reference": ""}
    assert client.post(address, headers=officer, data=checked).status_code == 303
    page = client.get(address, headers=officer).text
    assert "I made sure who asks" not in page
    sent["version"] = version_of(page)
    made = client.post(f"/console/requests/{opened.request.id}/access-file", headers=officer, data=sent)
    assert made.status_code == 200
    assert "What we hold about you" in made.text


def test_an_erased_record_is_not_in_the_file(portal: Any, client: httpx.Client, officer: dict[str, str]) -> None:
    gone, opened = asked(portal, "access", "TEST-0454")
    kept = decide.decide(portal.g, LOAN, INPUT, subjects=("TEST-0454",)).id
    erase.erase(portal.g, gone, ground="objection")
    sent = {"version": "1", "person": "TEST-0454", "format": "html", "letter_lang": "en"}
    made = client.post(f"/console/requests/{opened.request.id}/access-file", headers=officer, data=sent)
    assert kept in made.text
    assert gone not in made.text


# --- a correction -----------------------------------------------------------------------------------------------------


def test_a_correction_and_then_the_answer(
    portal: Any, client: httpx.Client, officer: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    record, opened = asked(portal, "correct")
    address = f"/console/requests/{opened.request.id}?lang=en"
    page = client.get(address, headers=officer).text
    assert "a steady job; changing income; no income" in page
    sent = {"do": "correct", "version": version_of(page), "field": "income", "value": "No income", "reasons": REASONS}
    made = client.post(address, headers=officer, data=sent)
    assert made.status_code == 303
    assert made.headers["location"].endswith("done=correct&lang=en")
    page = client.get(made.headers["location"], headers=officer).text
    assert "The correction is in the log" in page
    assert "the record was corrected" in page
    found = corrections.of(portal.g, reading.open(portal.g, reading.CLI, "correction", record))
    assert [(dict(one.values), one.reasons) for one in found] == [({"in_income": "no income"}, REASONS)]
    second = client.post(address, headers=portal.staff("officer"), data=sent | {"value": "12"})
    assert second.status_code == 409  # the colleague looked before it was corrected
    answer = {"do": "answer", "version": version_of(page), "answer": "Verbeterd (verzonnen)."}
    assert client.post(address, headers=officer, data=answer).status_code == 303
    assert public_requests.status(portal.g, opened.tracking_code).answer == "Verbeterd (verzonnen)."
    assert len(found) == count(portal, "correction/1")
    said = "".join(capfd.readouterr())
    assert REASONS not in said
    assert "No income" not in said


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"field": ""}, "field"),
        ({"field": "usage"}, "field"),
        ({"field": "room"}, "value"),
        ({"value": ""}, "value"),
        ({"field": "outcome"}, "value"),
        ({"reasons": " "}, "reasons"),
    ],
)
def test_what_is_wrong_with_a_correction_is_said_at_its_field(
    portal: Any, client: httpx.Client, officer: dict[str, str], more: dict[str, str], name: str
) -> None:
    _, opened = asked(portal, "correct")
    before = count(portal, "correction/1")
    sent = {"do": "correct", "version": "1", "field": "income", "value": "sheep 8812", "reasons": REASONS} | more
    answer = client.post(f"/console/requests/{opened.request.id}?lang=en", headers=officer, data=sent)
    assert answer.status_code == 422
    assert f'href="#{name}"' in answer.text
    assert sent["reasons"].strip() in answer.text  # nobody types twice
    assert count(portal, "correction/1") == before


def test_who_corrects_nothing(portal: Any, client: httpx.Client, officer: dict[str, str]) -> None:
    record, opened = asked(portal, "correct")
    sent = {"do": "correct", "version": "1", "field": "income", "value": "no income", "reasons": REASONS}
    address = f"/console/requests/{opened.request.id}"
    before = count(portal, "correction/1")
    for headers, status in (
        ({"cookie": officer["cookie"]}, 403),
        (portal.staff("officer", TAX), 404),
        (portal.staff("auditor"), 403),
        (portal.key("client"), 403),
    ):
        assert client.post(address, headers=headers, data=sent).status_code == status
    _, other = asked(portal, "explain")
    assert client.post(f"/console/requests/{other.request.id}", headers=officer, data=sent).status_code == 409
    stranger = public_requests.open_request(
        portal.g, right="correct", channel="web", lang="en", text="x", reference=record, contact="invented"
    )
    path = f"/console/requests/{stranger.request.id}?lang=en"
    assert 'name="value"' not in client.get(path, headers=officer).text
    assert client.post(path, headers=officer, data=sent).status_code == 422
    erase.erase(portal.g, record, ground="objection")
    gone = client.post(f"{address}?lang=en", headers=officer, data=sent)
    assert gone.status_code == 422
    assert 'href="#reference"' in gone.text
    assert count(portal, "correction/1") == before


# --- the letter, for the person ---------------------------------------------------------------------------------------


def answered(portal: Any, client: httpx.Client, officer: dict[str, str]) -> tuple[str, public_requests.Opened]:
    record, opened = asked(portal, "explain", "TEST-0455")
    reviews.record_review(portal.g, record, reviews.Review("confirm", "You get the loan.", REASONS))
    notification.notify(portal.g, record, portal.g.clock().date())
    told = explain.explain(portal.g, reading.CLI, record, cause="letter")
    sent = {"do": "answer", "version": "1", "answer": "Because (invented).", "explanation": told.id}
    answer = client.post(f"/console/requests/{opened.request.id}", headers=officer, data=sent)
    assert answer.status_code == 303
    return record, opened


def test_the_person_reads_the_letter_with_the_tracking_code(
    portal: Any, client: httpx.Client, officer: dict[str, str]
) -> None:
    record, opened = answered(portal, client, officer)
    code = {"code": opened.tracking_code}
    status = client.post("/follow?lang=en", data=code)
    assert "Read the letter" in status.text
    before = count(portal, "access/1")
    letter = client.post("/follow?lang=en", data=code | {"do": "letter"})
    assert letter.status_code == 200
    assert letter.headers["cache-control"] == "no-store"
    assert REASONS in letter.text
    assert opened.tracking_code not in letter.text
    assert count(portal, "access/1") == before + 1  # of the record; that of the request stands there already
    pdf = client.post("/follow", data=code | {"do": "letter_pdf"})
    assert pdf.content.startswith(b"%PDF-")
    assert pdf.headers["cache-control"] == "no-store"
    # Decided otherwise since: that is not for this page to tell.
    reviews.record_review(portal.g, record, reviews.Review("override", "No loan after all.", "Other reasons 5512."))
    waits = client.post("/follow?lang=en", data=code | {"do": "letter"})
    assert waits.status_code == 409
    assert "Other reasons 5512." not in waits.text
    assert 'href="#letter"' in waits.text
    assert "Read the letter" not in waits.text


def test_without_the_code_or_the_answer_there_is_no_letter(
    portal: Any, client: httpx.Client, officer: dict[str, str]
) -> None:
    _, opened = asked(portal, "explain", "TEST-0456")
    for do in ("letter", "letter_pdf"):
        none = client.post("/follow?lang=en", data={"code": opened.tracking_code, "do": do})
        assert none.status_code == 409
        assert "text/html" in none.headers["content-type"]
        wrong = client.post("/follow?lang=en", data={"code": "2222-2222-2222-2222-2222", "do": do})
        assert wrong.status_code == 422
        assert client.post("/follow?lang=en", data={"do": do}).status_code == 422


def test_where_no_pdf_can_be_made_the_page_says_so(
    portal: Any, client: httpx.Client, officer: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine without Pango: loading the shared library fails with OSError."""
    _, opened = asked(portal, "access", "TEST-0457")
    record, letter = answered(portal, client, officer)
    for name in [one for one in sys.modules if one.partition(".")[0] == "weasyprint"]:
        monkeypatch.delitem(sys.modules, name)
    cffi = pytest.importorskip("cffi")

    def lacks(_self: Any, name: str | None, *_rest: Any) -> Any:
        raise OSError(f"cannot load library {name!r}")

    monkeypatch.setattr(cffi.FFI, "dlopen", lacks)
    sent = {"version": "1", "person": "TEST-0457", "format": "pdf", "letter_lang": "en"}
    file = client.post(f"/console/requests/{opened.request.id}/access-file?lang=en", headers=officer, data=sent)
    assert file.status_code == 503
    assert 'href="#person"' in file.text
    sent = {"format": "pdf", "letter_lang": "en"}
    own = client.post(f"/console/reviews/{record}/letter?lang=en", headers=officer, data=sent)
    assert (own.status_code, 'href="#letter_lang"' in own.text) == (503, True)
    person = client.post("/follow?lang=en", data={"code": letter.tracking_code, "do": "letter_pdf"})
    assert person.status_code == 503
    assert 'href="#letter"' in person.text
    assert "Read the letter" in person.text
    erase.erase(portal.g, record, ground="objection")
    gone = client.post("/follow?lang=en", data={"code": letter.tracking_code})
    assert "has been erased since" in gone.text
    assert "The letter with the details" not in gone.text
