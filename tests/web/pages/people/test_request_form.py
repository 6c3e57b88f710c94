"""What a person asks without account: first what could leak, be lost or be abused, then how it goes well."""

from __future__ import annotations

import re
import statistics
import threading
import time
import uuid
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from auditlog.core.entries.record import parse_entry
from auditlog.store import log as log_store
from service.cases import access_codes, code_attempts, duplicate_forms, notification, public_requests, reviews
from service.records import release
from web.pages.people.request_form import RIGHT_OF

pytestmark = pytest.mark.enable_socket

ADDRESSES = {"explain": "/explanations", **{right: f"/requests/{name}" for name, right in RIGHT_OF.items()}}
MARK = "PRIVATE-0999"


def ask(client: httpx.Client, right: str = "explain", lang: str = "en", **fields: str) -> httpx.Response:
    return client.post(f"{ADDRESSES[right]}?lang={lang}", data={"text": "Why?", **fields})


def tracking_of(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    found = re.search(r'id="tracking">([0-9A-Z-]+)<', response.text)
    assert found is not None
    return found[1]


def follow(client: httpx.Client, code: str, lang: str = "en", **fields: str) -> httpx.Response:
    return client.post(f"/follow?lang={lang}", data={"code": code, **fields})


# --- codes that open nothing ------------------------------------------------------------------------------------------


def without_input(html: str) -> str:
    """The page without the reference that was typed, the token of its form, and the minute at which it was made."""
    html = re.sub(r'(name="token" value=")[^"]*"', r'\1…"', html)
    html = re.sub(r'(id="(?:reference|code)" name="[a-z]+" value=")[^"]*"', r'\1…"', html)
    return re.sub(r"\d{1,2} \w+ \d{4}, \d\d:\d\d UTC", "…", html)


@pytest.mark.parametrize("path", ["/explanations", "/requests/access", "/check"])
def test_a_wrong_code_and_a_wrong_reference_get_the_same_page(client: httpx.Client, portal: Any, path: str) -> None:
    """Also an erased one and one that never had a code: nobody learns which results there are a letter of."""
    access_codes.issue_code(portal.g, portal.records.given)
    wrong = "0000-0000-0000"
    references = [portal.records.given, str(uuid.uuid4()), portal.records.erased, portal.records.held]
    answers = [
        client.post(f"{path}?lang=en", data={"reference": one, "code": code, "text": "Why?"})
        for one in references
        for code in (wrong, "x", "\u202e")
    ]
    assert {answer.status_code for answer in answers} == {422}
    assert (
        len({without_input(answer.text) for answer in answers if "0000-0000-0000" in answer.text or path == "/check"})
        == 1
    )
    assert all("We do not know this reference with this code." in answer.text for answer in answers)


def test_the_time_of_an_answer_does_not_tell_what_was_wrong(
    client: httpx.Client, portal: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(code_attempts, "PER_RECORD", 10_000)
    access_codes.issue_code(portal.g, portal.records.given)
    known, unknown = [], []
    for _ in range(30):
        for reference, times in ((portal.records.given, known), (str(uuid.uuid4()), unknown)):
            began = time.perf_counter()
            client.post("/check?lang=en", data={"reference": reference, "code": "0000-0000-0000"})
            times.append(time.perf_counter() - began)
    # The work is the same: the two medians lie as near as those of the same question asked twice on a busy machine.
    assert statistics.median(known) == pytest.approx(statistics.median(unknown), rel=0.5)


def test_a_code_is_in_no_address_and_in_no_log_line(
    client: httpx.Client, portal: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    code = access_codes.issue_code(portal.g, portal.records.given)
    answer = client.post("/check?lang=en", data={"reference": portal.records.given, "code": code})
    assert "What was recorded about you" in answer.text
    tracking = tracking_of(ask(client, reference=portal.records.given, code=code, text=MARK))
    assert follow(client, tracking).status_code == 200
    links = re.findall(r'(?:href|action|src)="([^"]*)"', answer.text)
    assert not [link for link in links if code in link or portal.records.given in link]
    errors = capfd.readouterr().err
    assert not [secret for secret in (code, tracking, MARK, portal.records.given) if secret in errors]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_after_some_tries_no_code_is_looked_at(portal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_attempts, "PER_ADDRESS", 10_000)
    record = portal.records.given
    code = access_codes.issue_code(portal.g, record)
    with portal.client() as client:
        statuses = [
            client.post("/check?lang=en", data={"reference": record, "code": "0000-0000-0000"}).status_code
            for _ in range(code_attempts.PER_RECORD + 1)
        ]
        right = client.post("/check?lang=en", data={"reference": record, "code": code})
    assert statuses[-1] == right.status_code == 429, "the right code neither: the answer would tell which it is"
    assert "This was tried too often." in right.text
    monkeypatch.setattr(code_attempts, "WINDOW_S", -1)  # the hour is over
    with portal.client() as client:
        assert client.post("/check", data={"reference": record, "code": code}).status_code == 200
    monkeypatch.undo()


def test_a_tracking_code_that_opens_nothing(client: httpx.Client) -> None:
    pages = [follow(client, code) for code in ("0000-0000-0000-0000-0000", "x", "\u202e", "<script>", "7" * 50)]
    assert {page.status_code for page in pages} == {422}
    assert all("We do not know this code." in page.text for page in pages)
    assert follow(client, "").status_code == 422
    assert "We do not know this code." in client.post("/follow?lang=en", content=b"code=%ff%fe", headers=FORM).text


FORM = {"content-type": "application/x-www-form-urlencoded"}


# --- how it goes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["en", "nl"])
@pytest.mark.parametrize("right", ADDRESSES)
def test_each_right_can_be_asked_without_a_code(client: httpx.Client, portal: Any, right: str, lang: str) -> None:
    form = client.get(f"{ADDRESSES[right]}?lang={lang}")
    assert form.status_code == 200
    assert len(re.findall(r"<h1[ >]", form.text)) == 1
    tracking = tracking_of(ask(client, right, lang, contact="nobody@test.example"))
    status = public_requests.status(portal.g, tracking)
    assert (status.right, status.channel, status.lang, status.identity) == (right, "web", lang, "unchecked")
    html = follow(client, tracking, lang).text
    assert {"en": "A member of staff contacts you.", "nl": "Een medewerker neemt contact met u op."}[lang] in html


def test_someone_may_ask_for_another(client: httpx.Client, portal: Any) -> None:
    tracking = tracking_of(ask(client, person="representative", contact="nobody@test.example"))
    assert public_requests.status(portal.g, tracking).channel == "representative"


def test_with_the_code_nobody_else_need_be_asked(client: httpx.Client, portal: Any) -> None:
    code = access_codes.issue_code(portal.g, portal.records.given)
    tracking = tracking_of(ask(client, reference=portal.records.given.upper(), code=code.lower(), contact=""))
    status = public_requests.status(portal.g, tracking)
    assert (status.identity, status.system) == ("code", "tax-question-reply")
    assert "Tax question reply" in follow(client, tracking).text


def test_reference_and_code_come_along_from_a_checked_receipt(client: httpx.Client, portal: Any) -> None:
    code = access_codes.issue_code(portal.g, portal.records.given)
    begun = client.post("/explanations?lang=en", data={"reference": portal.records.given, "code": code, "begin": "yes"})
    assert begun.status_code == 200
    assert f'value="{code}"' in begun.text
    assert 'id="errors"' not in begun.text


def test_something_is_added_and_it_is_taken_back(client: httpx.Client) -> None:
    tracking = tracking_of(ask(client, contact="nobody@test.example"))
    assert "Fill this in." in follow(client, tracking, do="reply", text="  ").text
    assert follow(client, tracking, do="reply", text="x" * (public_requests.MAX_TEXT + 1)).status_code == 422
    added = follow(client, tracking, do="reply", text=MARK).text
    assert "We received what you added." in added
    assert MARK in added
    assert "You took your request back." in follow(client, tracking, do="withdraw").text
    late = follow(client, tracking, do="reply", text="And this")
    assert late.status_code == 422
    assert "Your request is closed" in late.text
    assert "And this" not in follow(client, tracking).text


def test_a_held_result_is_shown_once_the_decision_was_sent(client: httpx.Client, portal: Any) -> None:
    record = portal.records.held
    code = access_codes.issue_code(portal.g, record)
    asked = {"reference": record, "code": code}

    def seen() -> str:
        return client.post("/check?lang=en", data=asked).text

    before = seen()
    assert "You read the result here as soon as we have sent you our decision." in before
    assert "Result of the system" not in before
    assert "How you paid your bills" in before
    saved = client.post("/check/receipt", data=asked)
    assert saved.headers["content-disposition"] == f'attachment; filename="{record}.receipt.json"'
    assert {one["field"] for one in saved.json()["openings"]} >= {"in_income"}
    assert "outcome" not in {one["field"] for one in saved.json()["openings"]}
    if not review_of(portal.g, record):
        reviews.record_review(portal.g, record, reviews.Review("override", "granted", "Spoken with the applicant."))
    assert "Result of the system" not in seen(), "decided, and not yet sent"
    notification.notify(portal.g, record, portal.g.clock().date())
    assert "Result of the system" in seen()
    tracking = tracking_of(ask(client, **asked))
    assert "Object to the decision until" in follow(client, tracking).text
    assert public_requests.status(portal.g, tracking).objection_until > date.today()


def review_of(g: Any, record: str) -> bool:
    return release.notified_day(g, record) is not None


def test_a_receipt_is_saved_only_with_its_code(client: httpx.Client, portal: Any) -> None:
    for data in (
        {},
        {"reference": portal.records.given},
        {"reference": portal.records.given, "code": "0000-0000-0000"},
    ):
        answer = client.post("/check/receipt?lang=en", data=data or {"nothing": ""})
        assert answer.status_code == 422
        assert answer.headers["content-type"].startswith("text/html")


# --- a form that is sent twice ----------------------------------------------------------------------------------------


def token_of(client: httpx.Client, path: str = "/explanations") -> str:
    found = re.search(r'name="token" value="([A-Za-z0-9_-]{22})"', client.get(path).text)
    assert found is not None
    return found[1]


def requests_of(portal: Any) -> int:
    with portal.g.reading() as conn:
        entries = log_store.iterate_entries(conn, portal.g.log.number, 0, portal.g.log.state().size)
        return sum(parse_entry(data).kind == "request/1" for _, data in entries)


def test_a_form_that_is_sent_twice_makes_one_request(client: httpx.Client, portal: Any) -> None:
    """A double click: the browser shows the answer to the second sending, and the code must not be lost with the
    first."""
    before = requests_of(portal)
    form = {"contact": "test@example.org", "token": token_of(client)}
    answers: list[httpx.Response] = []
    threads = [threading.Thread(target=lambda: answers.append(ask(client, **form))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers.append(ask(client, **form))
    assert len({tracking_of(one) for one in answers}) == 1
    assert requests_of(portal) == before + 1
    assert follow(client, tracking_of(answers[0])).status_code == 200


def test_who_sends_the_form_again_later_is_told_that_it_is_here_but_no_code(
    client: httpx.Client, portal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one at a library's browser may be somebody else."""
    form = {"contact": "test@example.org", "token": token_of(client)}
    code = tracking_of(ask(client, **form))
    before, now = requests_of(portal), portal.g.clock()
    monkeypatch.setattr(portal.g, "clock", lambda: now + duplicate_forms.SAME_PAGE + timedelta(minutes=2))
    again = ask(client, **form)
    assert again.status_code == 200
    assert "We have this request already" in again.text
    assert "You get our answer on" in again.text
    assert code not in again.text
    assert 'id="tracking"' not in again.text
    assert requests_of(portal) == before
    public_requests.withdraw(portal.g, code)
    closed = ask(client, **form)
    assert "We have this request already" in closed.text
    assert "You get our answer on" not in closed.text


def test_other_words_or_another_form_are_another_request(client: httpx.Client, portal: Any) -> None:
    before = requests_of(portal)
    form = {"contact": "test@example.org", "token": token_of(client)}
    codes_ = {tracking_of(ask(client, **form)), tracking_of(ask(client, **form, text="Why not?"))}
    codes_ |= {tracking_of(ask(client, **{**form, "token": token_of(client)}))}
    codes_ |= {tracking_of(ask(client, "look_again", **form))}
    codes_ |= {tracking_of(ask(client, contact="test@example.org")) for _ in range(2)}  # no form of ours
    assert len(codes_) == requests_of(portal) - before == 6


def test_a_token_opens_nothing_and_a_wrong_code_stays_wrong(client: httpx.Client, portal: Any) -> None:
    access_codes.issue_code(portal.g, portal.records.given)
    form = {"reference": portal.records.given, "code": "0000-0000-0000", "token": token_of(client)}
    assert {ask(client, **form).status_code for _ in range(2)} == {422}
    assert ask(client, contact="test@example.org", token="\u202e").status_code == 422
    assert ask(client, contact="test@example.org", token="x" * 300).status_code == 422
