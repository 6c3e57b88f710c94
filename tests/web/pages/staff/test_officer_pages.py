"""The officer's pages: what waits, a first judgement, a decision, the letter; requests up to the answer; the stop."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from auditlog.store.log import entries_of_kinds
from service.cases import access_codes as codes
from service.cases import duplicate_forms as sent
from service.cases import first_judgement as first
from service.cases import public_requests
from service.deciding import decide
from service.records import release
from service.records.reading import Reader
from service.replaying import replay

pytestmark = pytest.mark.enable_socket

LOAN, TAX = "social-loan-check", "tax-question-reply"
LOAN_INPUT = {"payment_record": "always on time", "income": "a steady job", "debts": "no debts", "room": 250}
REASONS = "Invented reasons of an invented officer."


def count(portal: Any, kind: str) -> int:
    with portal.g.reading() as conn:
        return sum(1 for _ in entries_of_kinds(conn, portal.g.log.number, {kind}))


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_what_waits_is_listed_and_taken(portal: Any, client: httpx.Client, officer: dict[str, str], lang: str) -> None:
    page = client.get(f"/console/reviews?lang={lang}", headers=officer)
    assert page.status_code == 200
    assert portal.records.held in page.text
    assert portal.records.given not in page.text
    number = re.search(rf'value="{portal.records.held}">\s*<input[^>]*name="assignment" value="(\d+)"', page.text)
    assert number is not None
    form = {"record": portal.records.held, "assignment": number[1], "do": "take"}
    assert client.post("/console/reviews", headers=officer, data=form).status_code == 303
    again = client.post("/console/reviews", headers=officer, data=form)
    assert again.status_code == 409  # somebody changed it since


def test_a_decision_needs_its_reasons(portal: Any, client: httpx.Client, officer: dict[str, str]) -> None:
    before = count(portal, "review/1")
    address = f"/console/reviews/{portal.records.held}?lang=en"
    answer = client.post(address, headers=officer, data={"do": "decide", "action": "override", "decision": "x" * 50})
    assert answer.status_code == 422
    assert 'href="#reasons"' in answer.text
    assert "x" * 50 in answer.text  # nobody types twice
    sent = {"do": "decide", "action": "confirm", "decision": "a", "reasons": "b", "notified": "soon"}
    wrong = client.post(address, headers=officer, data=sent)
    assert 'href="#notified"' in wrong.text
    slip = client.post(address, headers=officer, data={**sent, "notified": "0026-11-20"})
    ahead = client.post(address, headers=officer, data={**sent, "notified": "2999-01-01"})
    assert (slip.status_code, ahead.status_code) == (422, 422)
    assert "This day lies ahead or far back." in ahead.text
    assert count(portal, "review/1") == before


def test_from_the_result_to_the_letter_and_the_day(portal: Any, client: httpx.Client, officer: dict[str, str]) -> None:
    """The person's receipt opens with the code of the letter, and only once they were told."""
    record = decide.decide(portal.g, LOAN, LOAN_INPUT, subjects=("TEST-0998",)).id
    address = f"/console/reviews/{record}?lang=en"
    page = client.get(address, headers=officer)
    assert "the result" in page.text
    sent = {"do": "decide", "action": "override", "decision": "U krijgt de lening.", "reasons": REASONS}
    assert client.post(address, headers=officer, data=sent).status_code == 303
    shown = client.get(address, headers=officer).text
    assert REASONS in shown
    letter = client.post(
        f"/console/reviews/{record}/letter?lang=en", headers=officer, data={"format": "html", "letter_lang": "nl"}
    )
    assert letter.headers["content-type"].startswith("text/html")
    assert REASONS in letter.text
    code = re.search(r"\b([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4})\b", letter.text)
    assert code is not None
    closed = codes.open_receipt(portal.g, record, code[1])
    assert not [one for one in closed.openings if one.field in release.RESULT_FIELDS]
    today = portal.g.clock().date().isoformat()
    ahead = client.post(address, headers=officer, data={"do": "told", "day": "2999-01-01"})
    assert 'href="#day"' in ahead.text
    assert client.post(address, headers=officer, data={"do": "told", "day": today}).status_code == 303
    opened = codes.open_receipt(portal.g, record, code[1])
    assert [one for one in opened.openings if one.field in release.RESULT_FIELDS]


def test_a_drawn_case_is_judged_before_the_result_is_shown(
    portals: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREFFIER_BLIND_SHARE", "100")
    home, records = portals.copy_of_a_home(tmp_path)
    with portals.served(home) as portal, portal.client() as client:
        officer = portal.staff("officer")
        address = f"/console/reviews/{records.held}?lang=en"
        page = client.get(address, headers=officer).text
        assert "First your own judgement" in page
        assert 'class="result"' not in page
        assert "Your decision" not in page
        empty = client.post(address, headers=officer, data={"do": "judge", "outcome": "grant"})
        assert 'href="#why"' in empty.text
        sent = {"do": "judge", "outcome": "grant", "why": "Invented."}
        assert client.post(address, headers=officer, data=sent).status_code == 303
        after = client.get(address, headers=officer).text
        assert 'class="result"' in after
        assert "Your decision" in after


def test_no_way_leads_around_the_first_judgement(portals: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a letter, which says what came out, nor a decision that somebody takes without having looked."""
    monkeypatch.setenv("GREFFIER_BLIND_SHARE", "100")
    home, records = portals.copy_of_a_home(tmp_path)
    with portals.served(home) as portal, portal.client() as client:
        officer = portal.staff("officer")
        address = f"/console/reviews/{records.held}"
        before = count(portal, "review/1")
        letter = client.post(f"{address}/letter?lang=en", headers=officer, data={"format": "html"})
        assert letter.status_code == 409
        sent = {"do": "decide", "action": "confirm", "decision": "a", "reasons": REASONS}
        assert client.post(f"{address}?lang=en", headers=officer, data=sent).status_code == 422
        given = {"id": records.held, "action": "confirm", "decision": "a", "reasons": REASONS}
        assert client.post("/api/reviews", headers=officer, json=given).status_code == 409
        assert count(portal, "review/1") == before
        assert "First your own judgement" in client.get(f"{address}?lang=en", headers=officer).text


def test_a_key_of_an_officer_leads_around_it_no_more(
    portals: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who decides with a key decides like who signed in; a case system is asked for none."""
    monkeypatch.setenv("GREFFIER_BLIND_SHARE", "100")
    home, records = portals.copy_of_a_home(tmp_path)
    with portals.served(home) as portal, portal.client() as client:
        officer, held = portal.key("officer"), records.held
        before = count(portal, "review/1")
        given = {"id": held, "action": "confirm", "decision": "a", "reasons": REASONS}
        refused = client.post("/api/reviews", headers=officer, json=given)
        assert (refused.status_code, refused.json()["reason"]) == (409, "first_judgement")
        assert count(portal, "review/1") == before
        for path in ("/api/explanations", "/api/replays"):
            assert client.post(path, headers=officer, json={"id": held}).status_code == 409, path
        made = replay.replay(portal.g, Reader("auditor", None), held)
        assert client.get(f"/api/replays/{made.id}", headers=officer).status_code == 409
        receipt = client.get(f"/api/receipts/{held}", headers=officer).json()
        found = client.post("/api/lookups", headers=officer, json={"subject": "TEST-0999", "receipts": True}).json()
        (same,) = [one["receipt"] for one in found["records"] if one["id"] == held]
        for opened in (receipt, same):
            fields = [one["field"] for one in opened["openings"]]
            assert "in_income" in fields
            assert not set(fields) & {"outcome", "output"}
        listed = client.get("/api/reviews", headers=officer).json()["waiting"]
        (row,) = [one for one in listed if one["record"] == held]
        assert not set(row) & {"outcome", "output", "result"}
        reader = Reader("officer", officer["authorization"].removeprefix("Bearer ").split("_")[1])
        first.first_judgement(portal.g, reader, held, "grant", "Invented.")
        assert client.get(f"/api/replays/{made.id}", headers=officer).status_code == 200
        assert client.post("/api/reviews", headers=officer, json=given).status_code == 201


def test_a_case_system_answers_for_its_own_screens(
    portals: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREFFIER_BLIND_SHARE", "100")
    home, records = portals.copy_of_a_home(tmp_path)
    with portals.served(home) as portal, portal.client() as client:
        given = {"id": records.held, "action": "confirm", "decision": "a", "reasons": REASONS}
        assert client.post("/api/reviews", headers=portal.key("client"), json=given).status_code == 201


def test_no_letter_tells_what_nobody_decided_yet(portal: Any, client: httpx.Client, officer: dict[str, str]) -> None:
    record = decide.decide(portal.g, LOAN, LOAN_INPUT, subjects=("TEST-0997",)).id
    address = f"/console/reviews/{record}"
    sent = {"format": "html", "letter_lang": "en"}
    assert client.post(f"{address}/letter", headers=officer, data=sent).status_code == 409
    passed = {"do": "decide", "action": "refer", "decision": "To a colleague.", "reasons": REASONS}
    assert client.post(address, headers=officer, data=passed).status_code == 303
    assert client.post(f"{address}/letter", headers=officer, data=sent).status_code == 409


def test_what_comes_in_by_phone_stays_in_scope(portal: Any, client: httpx.Client) -> None:
    """Whoever writes a request down gets its tracking code, which tells how it ends."""
    stranger = portal.staff("officer", TAX)
    asked = {"right": "explain", "channel": "phone", "text": "Why? (invented)", "identity": "checked"}
    before = count(portal, "request/1")
    for more in ({"reference": portal.records.held}, {"system": LOAN}):
        assert client.post("/console/requests", headers=stranger, data=asked | more).status_code == 403
    assert count(portal, "request/1") == before


def test_a_request_that_is_sent_twice_is_written_down_once(
    portal: Any, client: httpx.Client, officer: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A double click would give the person two codes, and two answers that are due."""
    token = field(client.get("/console/requests/new?lang=en", headers=officer).text, "token")
    asked = {"right": "explain", "channel": "phone", "text": "Why? (invented)", "letter_lang": "en", "token": token}
    before = count(portal, "request/1")
    first, second = (client.post("/console/requests?lang=en", headers=officer, data=asked).text for _ in range(2))
    codes = [re.findall(r'class="tracking"><code>([^<]+)<', one) for one in (first, second)]
    assert codes[0] == codes[1] != []
    assert count(portal, "request/1") == before + 1
    other = client.post("/console/requests?lang=en", headers=officer, data=asked | {"text": "And why? (invented)"})
    assert re.findall(r'class="tracking"><code>([^<]+)<', other.text) != codes[0]
    assert count(portal, "request/1") == before + 2
    colleague = client.post("/console/requests?lang=en", headers=portal.staff("officer", LOAN, TAX), data=asked)
    assert re.findall(r'class="tracking"><code>([^<]+)<', colleague.text) not in ([], codes[0])
    monkeypatch.setattr(sent, "SAME_PAGE", timedelta(0))
    late = client.post("/console/requests?lang=en", headers=officer, data=asked).text
    assert "We have this request already" in late
    assert codes[0][0] not in late
    assert count(portal, "request/1") == before + 3


def test_a_request_from_the_counter_to_the_answer(portal: Any, client: httpx.Client, officer: dict[str, str]) -> None:
    new = client.get("/console/requests/new?lang=en", headers=officer)
    assert new.status_code == 200
    wrong = client.post("/console/requests?lang=en", headers=officer, data={"right": "explain", "channel": "counter"})
    assert wrong.status_code == 422
    assert 'href="#text"' in wrong.text
    asked = {"right": "explain", "channel": "counter", "text": "Why? (invented)", "letter_lang": "en", "system": TAX}
    added = client.post("/console/requests?lang=en", headers=officer, data=asked)
    tracking = re.search(r'class="tracking"><code>([^<]+)<', added.text)
    address = re.search(r'href="(/console/requests/[0-9a-f-]{36})', added.text)
    assert tracking is not None and address is not None
    page = client.get(f"{address[1]}?lang=en", headers=officer).text
    assert "Why? (invented)" in page
    early = {"do": "answer", "version": field(page, "version"), "answer": "Because."}
    refused = client.post(address[1], headers=officer, data=early)
    assert refused.status_code == 409  # nobody knows who asks
    page = client.get(f"{address[1]}?lang=en", headers=officer).text
    named = {"do": "record", "version": field(page, "version"), "reference": portal.records.given}
    assert client.post(address[1], headers=officer, data=named).status_code == 303
    page = client.get(f"{address[1]}?lang=en", headers=officer).text
    stale = {"do": "answer", "version": "1", "answer": "Because."}
    assert client.post(address[1], headers=officer, data=stale).status_code == 409
    sent = {"do": "answer", "version": field(page, "version"), "answer": "Because (invented)."}
    assert client.post(address[1], headers=officer, data=sent).status_code == 303
    status = public_requests.status(portal.g, tracking[1])
    assert status.state == "answered"
    assert status.answer == "Because (invented)."


def test_a_refusal_and_more_time_have_their_grounds(portal: Any, client: httpx.Client, officer: dict[str, str]) -> None:
    opened = public_requests.open_request(
        portal.g,
        right="object",
        channel="web",
        lang="nl",
        text="Ik wil dit niet (verzonnen).",
        system=TAX,
        contact="verzonnen",
    )
    address = f"/console/requests/{opened.request.id}?lang=en"
    page = client.get(address, headers=officer).text
    for form, name in (
        ({"do": "extend", "delay": "tired", "wait": "x"}, "delay"),
        ({"do": "refuse", "refusal": "unfounded"}, "why"),
    ):
        answer = client.post(address, headers=officer, data=form | {"version": field(page, "version")})
        assert answer.status_code == 422
        assert f'href="#{name}"' in answer.text
    more = {"do": "extend", "delay": "many", "wait": "Er zijn er veel.", "version": field(page, "version")}
    assert client.post(address, headers=officer, data=more).status_code == 303
    assert public_requests.status(portal.g, opened.tracking_code).delay == "many"


def test_the_stop_is_one_button_and_a_reason(portal: Any, client: httpx.Client, officer: dict[str, str]) -> None:
    address = f"/console/systems/{TAX}?lang=en"
    without = client.post(address, headers=officer, data={"to": "suspended"})
    assert without.status_code == 422
    assert client.post(address, headers=officer, data={"to": "retired"}).status_code == 422
    assert client.post(address, headers=officer, data={"to": "suspended", "reason": "complaint"}).status_code == 303
    with pytest.raises(Exception, match="stopped"):
        decide.decide(portal.g, TAX, {"message": "?", "bill_year": 2026})
    page = client.get(address, headers=officer).text
    assert "Let it go on" not in page  # an officer stops; somebody else lets it go on
    approver = portal.staff("approver")
    assert "Let it go on" in client.get(address, headers=approver).text
    assert client.post(address, headers=approver, data={"to": "active"}).status_code == 303


def test_other_systems_are_out_of_reach(portal: Any, client: httpx.Client) -> None:
    scoped = portal.staff("officer", TAX)
    assert client.get(f"/console/reviews/{portal.records.held}", headers=scoped).status_code == 403
    assert client.get(f"/console/systems/{LOAN}", headers=scoped).status_code == 403
    assert portal.records.held not in client.get("/console/reviews", headers=scoped).text
    opened = public_requests.open_request(
        portal.g, right="explain", channel="web", lang="en", text="x", system=LOAN, contact="invented"
    )
    assert client.get(f"/console/requests/{opened.request.id}", headers=scoped).status_code == 404


def test_reading_a_case_is_in_the_log_once(portal: Any, client: httpx.Client, officer: dict[str, str]) -> None:
    before = count(portal, "access/1")
    assert client.get(f"/console/reviews/{portal.records.held}?lang=en", headers=officer).status_code == 200
    assert count(portal, "access/1") == before + 1


@pytest.mark.parametrize("done", ["", "x", "suspended", "<b>decide</b>"])
def test_a_link_makes_no_page_say_that_something_was_done(
    portal: Any, client: httpx.Client, officer: dict[str, str], done: str
) -> None:
    """Anybody can send an officer a link: of what nobody did the page says nothing, and it is no fault either."""
    opened = public_requests.open_request(
        portal.g, right="access", channel="web", lang="en", text="", contact="invented"
    )
    for path in (
        f"/console/requests/{opened.request.id}",
        f"/console/reviews/{portal.records.given}",
        f"/console/systems/{TAX}",
    ):
        answer = client.get(path, params={"done": done}, headers=officer)
        assert answer.status_code == 200, path
        assert 'class="good"' not in answer.text, path
