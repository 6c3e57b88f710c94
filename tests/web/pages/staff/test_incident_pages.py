"""Incidents on the pages of staff: recorded, told in the order of the law, closed; what happened is opened apart."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from auditlog.store.log import entries_of_kinds
from cli.demo.run import CASES
from service.erasing import erase
from service.systems import incidents, register

pytestmark = pytest.mark.enable_socket

LOAN, TAX, NURSES = "social-loan-check", "tax-question-reply", "health-line-aid"
WHAT = "Everyone on one street was refused (invented 4417)."
NOTE = "By telephone, they look into it (invented 4418)."
UNKNOWN = "/console/incidents/1b4e28ba-2fa1-4d2b-883f-0016d3cca427"


@pytest.fixture
def yesterday(portal: Any) -> str:
    return (incidents.today(portal.g) - timedelta(days=1)).isoformat()


def filled(day: str, **changed: str) -> dict[str, str]:
    form = {
        "system": LOAN, "duty": "serious", "severity": "other", "aware_day": day, "aware_time": "09:15",
        "what": WHAT, "harm": "Delay.\r\nAnd worry.", "persons": "", "cause": "", "measures": "",
    }  # fmt: skip
    return form | changed


def record(client: httpx.Client, headers: dict[str, str], day: str, **changed: str) -> str:
    """The address of an incident that was recorded just now."""
    answer = client.post("/console/incidents?lang=en", headers=headers, data=filled(day, **changed))
    assert answer.status_code == 303, words(answer.text)
    return answer.headers["location"].partition("?")[0]


def told(recipient: str, day: str, steps: int, **changed: str) -> dict[str, str]:
    form = {"do": "told", "recipient": recipient, "day": day, "reached": "yes", "note": NOTE, "steps": str(steps)}
    return form | changed


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def count(portal: Any, kind: str) -> int:
    with portal.g.reading() as conn:
        return sum(1 for _ in entries_of_kinds(conn, portal.g.log.number, {kind}))


def test_an_incident_goes_its_way(portal: Any, client: httpx.Client, officer: dict[str, str], yesterday: str) -> None:
    desk = client.get(f"/console/systems/{LOAN}?lang=en", headers=officer).text
    assert f'href="/console/incidents/new?lang=en&amp;system={LOAN}"' in desk
    new = client.get(f"/console/incidents/new?lang=en&system={LOAN}", headers=officer).text
    assert f'<option value="{LOAN}" selected>' in new
    for severity in ("10 days", "15 days", "2 days"):
        assert severity in words(new)
    address = record(client, officer, yesterday)
    page = client.get(f"{address}?lang=en", headers=officer).text
    assert WHAT not in page
    assert "the provider at once not yet" in words(page)
    assert "First somebody must still be told." in words(page)
    for number, recipient in enumerate(("provider", "authority"), 1):
        answer = client.post(f"{address}?lang=en", headers=officer, data=told(recipient, yesterday, number))
        assert answer.status_code == 303, words(answer.text)
    listed = words(client.get(f"/console/incidents?lang=en&system={LOAN}", headers=officer).text)
    assert "open: all were told, it can be closed" in listed
    assert "invented 4417" not in listed
    shown = client.post(f"{address}/content?lang=en", headers=officer, data={})
    assert WHAT in html.unescape(shown.text)
    assert NOTE in html.unescape(shown.text)
    assert "That you read this is in the log." in words(shown.text)
    ended = {"do": "closed", "steps": "3", "what": WHAT, "harm": "Delay.", "cause": "A wrong table."}
    assert client.post(f"{address}?lang=en", headers=officer, data=ended).status_code == 303
    found = incidents.find(portal.g, address.rsplit("/", 1)[1])
    assert found.closed
    assert len(found.entries) == 4
    page = client.get(f"{address}?lang=en", headers=officer).text
    assert "Record who was told" not in page
    assert "Close the incident" not in page


def test_the_time_is_that_of_the_agencys_clocks(
    portal: Any, client: httpx.Client, officer: dict[str, str], yesterday: str
) -> None:
    found = incidents.find(portal.g, record(client, officer, yesterday).rsplit("/", 1)[1])
    local = found.aware.astimezone(ZoneInfo(portal.g.settings.time_zone))
    assert f"{local:%Y-%m-%dT%H:%M}" == f"{yesterday}T09:15"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"system": ""}, "system"),
        ({"system": "none-of-this-name"}, "system"),
        ({"duty": "other"}, "duty"),
        ({"severity": ""}, "severity"),
        ({"aware_day": "soon"}, "aware_day"),
        ({"aware_day": "0001-01-01"}, "aware_day"),
        ({"aware_day": "2999-01-01"}, "aware_day"),
        ({"aware_day": "2026-03-29", "aware_time": "02:30"}, "aware_day"),  # skipped by the clocks of Amsterdam
        ({"aware_time": "9"}, "aware_time"),
        ({"aware_time": "24:00"}, "aware_time"),
        ({"what": " "}, "what"),
        ({"harm": "x" * 4001}, "harm"),
        ({"cause": "x\x00"}, "cause"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_recorded(
    portal: Any, client: httpx.Client, officer: dict[str, str], yesterday: str, changed: dict[str, str], field: str
) -> None:
    before = portal.g.log.state().size
    form = filled(yesterday, stop="yes") | changed
    answer = client.post("/console/incidents?lang=en", headers=officer, data=form)
    assert answer.status_code == 422
    assert f'href="#{field}"' in answer.text
    assert f'id="{field}-error"' in answer.text
    if changed.get("what") is None:
        assert WHAT in html.unescape(answer.text)  # nobody types twice
    assert portal.g.log.state().size == before
    assert register.show(portal.g, LOAN).state == "active"


def test_a_text_of_lines_is_measured_without_the_ends_that_a_browser_adds(
    client: httpx.Client, officer: dict[str, str], yesterday: str
) -> None:
    record(client, officer, yesterday, what="x\r\n" * 2000)


def test_what_is_no_duty_of_ours_is_said_at_the_duty(
    portal: Any, client: httpx.Client, officer: dict[str, str], yesterday: str
) -> None:
    file = json.loads((CASES / f"{NURSES}.json").read_text("utf-8"))
    file["system"]["role"] = "deployer"
    register.register(portal.g, json.dumps(file).encode())
    form = filled(yesterday, system=NURSES, duty="provider")
    answer = client.post("/console/incidents?lang=en", headers=officer, data=form)
    assert answer.status_code == 422
    assert 'href="#duty"' in answer.text
    record(client, officer, yesterday, system=NURSES, duty="serious")


@pytest.mark.parametrize(
    ("duty", "changed", "field"),
    [
        ("serious", {"recipient": "authority"}, "recipient"),
        ("provider", {"recipient": "provider"}, "recipient"),
        ("risk", {"recipient": "nobody"}, "recipient"),
        ("risk", {"day": "soon"}, "day"),
        ("risk", {"day": "2999-01-01"}, "day"),
        ("risk", {"day": "2020-01-01"}, "day"),
        ("risk", {"reached": ""}, "reached"),
        ("provider", {"recipient": "authority", "reached": "no"}, "reached"),
        ("risk", {"note": "x" * 4001}, "note"),
        ("risk", {"steps": "2"}, "step"),
    ],
)
def test_a_step_that_makes_no_sense_is_said_at_its_field(
    portal: Any,
    client: httpx.Client,
    officer: dict[str, str],
    yesterday: str,
    duty: str,
    changed: dict[str, str],
    field: str,
) -> None:
    address = record(client, officer, yesterday, duty=duty)
    form = told("provider", yesterday, 1) | changed
    answer = client.post(f"{address}?lang=en", headers=officer, data=form)
    assert answer.status_code == 422
    assert f'href="#{field}"' in answer.text
    assert incidents.find(portal.g, address.rsplit("/", 1)[1]).told == ()


def test_nothing_is_closed_before_all_were_told(
    portal: Any, client: httpx.Client, officer: dict[str, str], yesterday: str
) -> None:
    address = record(client, officer, yesterday)
    for given, name in (({"what": WHAT, "harm": "x"}, "step"), ({"what": "", "harm": "x"}, "what")):
        answer = client.post(address, headers=officer, data=given | {"do": "closed", "steps": "1"})
        assert answer.status_code == 422
        assert f'href="#{name}"' in answer.text
    assert not incidents.find(portal.g, address.rsplit("/", 1)[1]).closed
    assert client.post(address, headers=officer, data={"do": "erase"}).status_code == 422


@pytest.mark.parametrize(("severity", "days"), [("death", 10), ("widespread", 2), ("infrastructure", 2), ("other", 15)])
def test_the_list_says_what_is_due_when(
    portal: Any, client: httpx.Client, officer: dict[str, str], yesterday: str, severity: str, days: int
) -> None:
    """A report as provider; and the same clock for a deployer whose provider could not be reached."""
    for duty in ("provider", "serious"):
        address = record(client, officer, yesterday, duty=duty, severity=severity)
        if duty == "serious":
            form = told("provider", yesterday, 1, reached="no")
            assert client.post(address, headers=officer, data=form).status_code == 303
        last = incidents.today(portal.g) + timedelta(days=days - 1)
        page = words(client.get(f"{address}?lang=en", headers=officer).text)
        assert f"at once, on {last.day} {last:%B %Y} at the latest" in page


def test_what_is_late_stands_first(portal: Any, client: httpx.Client, officer: dict[str, str]) -> None:
    old = (incidents.today(portal.g) - timedelta(days=30)).isoformat()
    address = record(client, officer, old, duty="provider", severity="death")
    page = client.get("/console/incidents?lang=en", headers=officer).text
    assert re.findall(r'href="(/console/incidents/[0-9a-f-]{36})', page)[0] == address
    assert "late" in words(page)
    assert (
        "Somebody should have been told by now." in client.get(f"/console/systems/{LOAN}?lang=en", headers=officer).text
    )


def test_an_approver_records_and_an_auditor_reads(
    portal: Any, client: httpx.Client, officer: dict[str, str], yesterday: str
) -> None:
    address = record(client, portal.staff("approver"), yesterday)
    auditor = portal.staff("auditor")
    page = client.get(f"{address}?lang=en", headers=auditor).text
    assert "Record who was told" not in page
    assert 'href="/console/incidents/new' not in client.get("/console/incidents?lang=en", headers=auditor).text
    before = count(portal, "access/1")
    assert WHAT in html.unescape(client.post(f"{address}/content", headers=auditor, data={}).text)
    assert count(portal, "access/1") > before
    assert client.post(address, headers=auditor, data=told("provider", yesterday, 1)).status_code == 403


def test_a_page_opens_nothing_by_itself(
    portal: Any, client: httpx.Client, officer: dict[str, str], yesterday: str
) -> None:
    address = record(client, officer, yesterday)
    before = count(portal, "access/1")
    for path in ("/console/incidents", f"/console/incidents?system={LOAN}", address, f"/console/systems/{LOAN}"):
        assert "invented 4417" not in client.get(path, headers=officer).text
    assert count(portal, "access/1") == before


def test_other_systems_are_out_of_reach(
    portal: Any, client: httpx.Client, officer: dict[str, str], yesterday: str
) -> None:
    address = record(client, officer, yesterday)
    scoped = portal.staff("officer", TAX)
    assert address not in client.get("/console/incidents", headers=scoped).text
    assert LOAN not in client.get("/console/incidents/new", headers=scoped).text
    before = portal.g.log.state().size
    for path in (address, f"/console/incidents?system={LOAN}", "/console/incidents?system=none-of-this-name"):
        assert client.get(path, headers=scoped).status_code == 403
    for path, form in (
        (address, told("provider", yesterday, 1)),
        (f"{address}/content", {}),
        (f"{address}/document", {"document": "incident", "format": "html"}),
        ("/console/incidents", filled(yesterday)),
    ):
        assert client.post(path, headers=scoped, data=form).status_code == 403
    assert portal.g.log.state().size == before
    assert client.get("/console/incidents?system=none-of-this-name", headers=officer).status_code == 404
    assert client.get(UNKNOWN, headers=officer).status_code == 404


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_the_documents_are_those_that_the_law_asks_for(
    portal: Any, client: httpx.Client, officer: dict[str, str], yesterday: str, lang: str
) -> None:
    report = record(client, officer, yesterday, duty="provider", severity="death")
    notice = record(client, officer, yesterday, duty="risk")
    for address, kind, other in ((report, "incident-report", "incident"), (notice, "incident", "incident-report")):
        page = client.get(address, headers=officer).text
        assert f'<option value="{kind}">' in page
        assert f'<option value="{other}">' not in page
        before = count(portal, "access/1")
        form = {"document": kind, "format": "html", "document_lang": lang}
        made = client.post(f"{address}/document", headers=officer, data=form)
        assert made.headers["content-disposition"].endswith('.html"')
        assert f'<html lang="{lang}">' in made.text
        assert WHAT in html.unescape(made.text)
        assert count(portal, "access/1") > before
        assert client.post(f"{address}/document", headers=officer, data=form | {"document": other}).status_code == 422
        assert client.post(f"{address}/document", headers=officer, data=form | {"format": "exe"}).status_code == 422
    pdf = client.post(
        f"{report}/document", headers=officer, data=form | {"document": "incident-report", "format": "pdf"}
    )
    assert pdf.content.startswith(b"%PDF-1.7")


def test_what_was_erased_is_not_shown_and_the_clock_remains(
    portal: Any, client: httpx.Client, officer: dict[str, str], yesterday: str
) -> None:
    address = record(client, officer, yesterday)
    erase.erase(portal.g, incidents.find(portal.g, address.rsplit("/", 1)[1]).records[0], ground="unlawful")
    form = {"document": "incident", "format": "html"}
    for answer in (
        client.post(f"{address}/content?lang=en", headers=officer, data={}),
        client.post(f"{address}/document?lang=en", headers=officer, data=form),
    ):
        assert answer.status_code == 410
        assert "What happened was erased." in words(answer.text)
        assert "the provider at once not yet" in words(answer.text)


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_each_page_is_whole_in_its_language(
    client: httpx.Client, officer: dict[str, str], yesterday: str, lang: str
) -> None:
    address = record(client, officer, yesterday)
    pages = [client.get(f"{path}?lang={lang}", headers=officer) for path in (address, "/console/incidents")]
    pages.append(client.get(f"/console/incidents/new?lang={lang}", headers=officer))
    pages.append(client.post(f"{address}/content?lang={lang}", headers=officer, data={}))
    for page in pages:
        assert page.status_code == 200
        assert f'<html lang="{lang}">' in page.text
        assert "None" not in words(page.text)
        assert page.headers["cache-control"] == "no-store"


def test_the_system_is_stopped_first_where_that_was_ticked(
    portal: Any, client: httpx.Client, officer: dict[str, str], yesterday: str
) -> None:
    record(client, officer, yesterday, system=TAX, duty=_duty_of(portal, TAX), stop="yes")
    assert register.show(portal.g, TAX).state == "suspended"
    record(client, officer, yesterday, system=TAX, duty=_duty_of(portal, TAX), stop="yes")  # it is stopped already


def _duty_of(portal: Any, slug: str) -> str:
    return "provider" if register.show(portal.g, slug).system.role == "provider" else "risk"


def test_a_link_makes_no_page_say_that_something_was_done(
    client: httpx.Client, officer: dict[str, str], yesterday: str
) -> None:
    answer = client.get(f"{record(client, officer, yesterday)}?done=nothing", headers=officer)
    assert answer.status_code == 200
    assert 'class="good"' not in answer.text
