"""What officers, approvers and auditors do, in a browser: each page accessible, and the auditor's walk to the end."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from service.cases import public_requests
from service.systems import incidents

pytestmark = pytest.mark.enable_socket

LANGUAGES = ("en", "nl")
WIDTHS = (320, 1280)
Open = Callable[..., Page]
Check = Callable[[Page], None]
PAGES = {
    "/console/reviews": "officer",
    "/console/reviews/{held}": "officer",
    "/console/requests": "officer",
    "/console/requests/new": "officer",
    "/console/requests/{request}": "officer",
    "/console/systems": "approver",
    "/console/systems/social-loan-check": "approver",
    "/console/incidents": "auditor",
    "/console/incidents/new?system=social-loan-check": "approver",
    "/console/incidents/{incident}": "officer",
    "/audit": "auditor",
    "/audit?find=yes&system=social-loan-check": "auditor",
    "/audit?find=yes&since=soon": "auditor",
    "/audit/decisions/{held}": "auditor",
    "/audit/decisions/{erased}": "auditor",
    "/audit/evidence": "auditor",
    "/audit/samples": "auditor",
}


@pytest.fixture(scope="module")
def request_id(portal: Any) -> str:
    """A request of an invented person."""
    opened = public_requests.open_request(
        portal.g,
        right="explain",
        channel="web",
        lang="nl",
        text="Waarom? (verzonnen)",
        reference=portal.records.held,
        contact="een verzonnen nummer",
    )
    return opened.request.id


@pytest.fixture(scope="module")
def incident_id(portal: Any) -> str:
    """A serious incident whose provider could not be reached."""
    facts = incidents.Facts(what="Invented.", harm="Invented.", persons=None, cause=None, measures=None)
    made = incidents.open_incident(
        portal.g,
        "social-loan-check",
        duty="serious",
        severity="death",
        aware=portal.g.clock() - timedelta(days=20),
        facts=facts,
        role="officer",
    )
    day = incidents.today(portal.g)
    incidents.tell(portal.g, made.id, recipient="provider", day=day, reached=False, role="officer")
    return made.id


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_accessible_and_fits(
    staff_page: Open,
    accessible: Check,
    portal: Any,
    request_id: str,
    incident_id: str,
    path: str,
    lang: str,
    width: int,
) -> None:
    page = staff_page(portal, PAGES[path], width=width)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: said.append(request.url) if not request.url.startswith(portal.url) else None)
    filled = path.format(
        held=portal.records.held, erased=portal.records.erased, request=request_id, incident=incident_id
    )
    page.goto(f"{portal.url}{filled}{'&' if '?' in path else '?'}lang={lang}")
    assert page.get_attribute("html", "lang") == lang
    accessible(page)
    assert [one for one in said if "422" not in one] == []


@pytest.mark.parametrize("javascript", [True, False])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_auditors_walk_by_keyboard(
    staff_page: Open, accessible: Check, portal: Any, width: int, javascript: bool, tmp_path: Path
) -> None:
    """Search, one decision, its content for a purpose, run again, evidence; and the evidence checked without us."""
    page = staff_page(portal, "auditor", width=width, javascript=javascript)
    page.goto(f"{portal.url}/console?lang=en")
    assert "Find records" in page.inner_text("h1")
    page.locator("#system").focus()
    page.locator("#system").select_option("social-loan-check")
    with page.expect_navigation():
        page.get_by_role("button", name="Find").press("Enter")
    with page.expect_navigation():
        page.get_by_role("link", name=portal.records.held).press("Enter")
    assert "What stands in the log" in page.inner_text("main")
    assert not page.locator(".result").count()
    page.locator("#purpose-evidence").press("Space")
    with page.expect_navigation():
        page.get_by_role("button", name="Show the content").press("Enter")
    assert page.locator(".result").count() == 1
    if javascript:
        accessible(page)
    with page.expect_navigation(timeout=180_000):
        page.get_by_role("button", name="Run it again").press("Enter", timeout=180_000)
    assert "exactly the same" in page.inner_text("main")
    if javascript:
        accessible(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the evidence").press("Enter")
    download.value.save_as(tmp_path / "evidence.zip")
    zipfile.ZipFile(tmp_path / "evidence.zip").extractall(tmp_path / "out")
    receipt = f"records/{portal.records.held}.receipt.json"
    run = subprocess.run(
        [sys.executable, "-I", "verify.pyz", "verify", receipt, "--vkey", "log.vkey"],
        cwd=tmp_path / "out", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("width", WIDTHS)
def test_a_mistake_is_said_at_the_top_and_beside_its_field(
    staff_page: Open, accessible: Check, portal: Any, width: int
) -> None:
    page = staff_page(portal, "officer", width=width)
    page.goto(f"{portal.url}/console/reviews/{portal.records.held}?lang=nl")
    with page.expect_navigation():
        page.get_by_role("button", name="De beslissing vastleggen").press("Enter")
    assert page.title().startswith("Fout in het formulier")
    accessible(page)
    page.locator('#errors a[href="#reasons"]').press("Enter")
    assert page.evaluate("document.activeElement.id") == "reasons"


@pytest.mark.parametrize("javascript", [True, False])
@pytest.mark.parametrize("width", WIDTHS)
def test_an_incident_from_the_systems_desk_to_its_end_by_keyboard(
    staff_page: Open, accessible: Check, portal: Any, width: int, javascript: bool
) -> None:
    page = staff_page(portal, "officer", width=width, javascript=javascript)

    def press(name: str, role: str = "button") -> None:
        with page.expect_navigation():
            page.get_by_role(role, name=name, exact=True).press("Enter")
        if javascript:
            accessible(page)

    page.goto(f"{portal.url}/console/systems/health-line-aid?lang=en")
    press("Record an incident", "link")
    assert page.locator("#system").input_value() == "health-line-aid"
    press("Record it")
    page.locator('#errors a[href="#duty"]').press("Enter")
    assert page.evaluate("document.activeElement.id") == "duty"
    page.locator("#duty-provider").press("Space")
    page.locator("#severity-other").press("Space")
    page.locator("#aware_day").fill((incidents.today(portal.g) - timedelta(days=1)).isoformat())
    page.locator("#aware_time").fill("09:15")
    page.locator("#what").fill("Callers were told to wait (invented).\nTwice.")
    page.locator("#harm").fill("One caller waited too long.")
    press("Record it")
    assert "Below you see whom to tell" in page.inner_text("main")
    press("Record it")
    assert "Everybody was told." in page.inner_text("main")
    press("Show what happened")
    assert page.locator("#what").input_value() == "Callers were told to wait (invented).\nTwice."
    with page.expect_download() as download:
        page.get_by_role("button", name="Download it (page)").press("Enter")
    assert "Report of a serious incident" in Path(download.value.path()).read_text("utf-8")
    page.locator("#cause").fill("A table of the wrong year.")
    press("Close the incident")
    assert "The incident is closed." in page.inner_text("main")
    assert not page.get_by_role("button", name="Record it").count()
