"""A system of which the register says everything, and what the statements about it are made of. All of it invented."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from registry.publication import public_system, withheld
from registry.system import AISystem, format_system, parse_system, rows
from reports.accessibility.context import Accessibility, NotAccessible
from reports.agency import Agency
from reports.fria.context import FriaPage
from reports.incident.context import IncidentFacts, IncidentPage, ToTell
from reports.incident_report.context import IncidentReport
from reports.instructions.context import InputSpec, Instructions, VersionChange
from reports.letter.context import Letter
from reports.logging_statement.context import LoggedSystem, LoggingStatement, Witness
from reports.system_page.context import HiddenMember, SystemPage
from reports.transparency.context import Correction, Requests, TransparencyReport
from reports.transparency.uptime import running
from service.disclosing.statements import KINDS

TODAY = date(2026, 11, 24)


def both(en: str, nl: str) -> dict[str, str]:
    return {"en": en, "nl": nl}


# What the register may have of a system and need not, beyond `tests/reports/conftest.py`.
MORE: dict[str, Any] = json.loads(Path(__file__).with_name("system.json").read_text("utf-8"))


@pytest.fixture
def agency(letter: Letter) -> Agency:
    return letter.agency


@pytest.fixture
def told_system(system: AISystem) -> AISystem:
    """The system of which everything is said, as the public sees it."""
    return public_system(whole(system), TODAY)


def whole(system: AISystem) -> AISystem:
    return parse_system(format_system(system) | MORE)


@pytest.fixture
def told_pages(system: AISystem, told_system: AISystem, pages: dict[str, SystemPage]) -> dict[str, SystemPage]:
    hidden = tuple(
        HiddenMember(label=one.label, reason=one.reason, why=one.why, until=one.until)
        for one in withheld(whole(system), TODAY)
    )
    return {
        lang: replace(page, system=told_system, rows=rows(told_system, lang), hidden=hidden)
        for lang, page in pages.items()
    }


@pytest.fixture
def corrected(report: TransparencyReport) -> TransparencyReport:
    """A published correction, with what people asked, and with an hour in which nothing could be recorded."""
    signs = [f"2026-11-{day:02}T{hour:02}:00Z" for day in range(1, 31) for hour in range(24) if (day, hour) != (9, 3)]
    told = [
        ("boot/1", {"unclosed": [{"boot": "x", "n": 4}]}),
        ("outage/1", {"cause": "disk_full", "began": "2026-11-09T02:10Z", "ended": "2026-11-09T03:40Z"}),
        ("unfinished/1", {}),
    ]
    ran = running(report.since, report.until, signs, told, begun="2026-10-01T08:00Z")
    asked = Requests(
        right="explain",
        system="social-loan-check",
        name=report.systems[0].name,
        received=41,
        answered=38,
        refused=0,
        withdrawn=None,
        open=None,
        extended=0,
        in_time=38,
        late=0,
        days_median=11,
        days_p90=24,
    )
    return replace(
        report,
        draft=False,
        running=ran,
        requests=(asked, replace(asked, right="object", system=None, name={}, received=12, days_median=None)),
        correction=Correction(
            edition=2,
            corrects="sha256:" + "d4" * 32,
            published=date(2026, 12, 1),
            note=both("One day was missing.", "Eén dag ontbrak."),
        ),
    )


@pytest.fixture
def fria(agency: Agency, told_system: AISystem, page: SystemPage) -> FriaPage:
    return FriaPage(agency=agency, system=told_system, state="active", version=1, url=page.url, log=page.log)


@pytest.fixture
def instructions(agency: Agency, told_system: AISystem, page: SystemPage) -> Instructions:
    assert page.version is not None
    assert page.tests is not None
    return Instructions(
        agency=agency,
        role="both",
        system=told_system,
        version=page.version,
        inputs=(
            InputSpec(
                label=both("Paying bills", "Rekeningen betalen"),
                id="payment_record",
                type="string",
                values=("always on time", "sometimes late", "often too late"),
            ),
            InputSpec(label=both("Room", "Ruimte"), id="room", type="integer, minimum 0, maximum 5000", values=()),
        ),
        test=page.tests.report,
        repeated=page.repeated,
        changes=(
            VersionChange(version=2, registered=date(2026, 11, 20)),
            VersionChange(version=1, registered=date(2026, 11, 2)),
        ),
        url=page.url,
        log=page.log,
    )


@pytest.fixture
def incident(agency: Agency, system: AISystem, page: SystemPage) -> IncidentPage:
    return IncidentPage(
        agency=agency,
        id="0f6d7a52-3c1b-4e8f-9a20-77c3b1d5e6f8",
        name=system.name,
        url=page.url,
        version=1,
        manifest="sha256:" + "a1" * 32,
        provider="Kredietbank Waterveen, kredietbank@waterveen.example",
        purpose=system.purpose,
        risk_class=("III.5.b",),
        duty="serious",
        severity="other",
        aware=datetime(2026, 11, 23, 13, 5, tzinfo=UTC),
        facts=IncidentFacts(
            what="Eleven applications got the result of another application.",
            harm="Three people were told that they would get no loan.",
            persons="Eleven people who asked for a loan.",
            cause="",
            measures="The system was stopped.\nThe advisers decide without it.",
        ),
        state="suspended",
        capture="gateway",
        to_tell=(
            ToTell(recipient="provider", by=None, article="AI Act 26(5)", done=date(2026, 11, 23)),
            ToTell(recipient="importer", by=None, article="AI Act 26(5)", done=None),
            ToTell(recipient="authority", by=None, article="AI Act 26(5)", done=None),
        ),
        closed=False,
        log=page.log,
    )


@pytest.fixture
def incident_report(incident: IncidentPage) -> IncidentReport:
    given = {name: getattr(incident, name) for name in type(incident).__dataclass_fields__}
    given |= {"duty": "provider", "to_tell": incident.to_tell[-1:]}
    return IncidentReport(**given, first=True, due=date(2026, 12, 8), days=15)


@pytest.fixture
def logging_statement(agency: Agency, page: SystemPage) -> LoggingStatement:
    return LoggingStatement(
        agency=agency,
        log=page.log,
        address="https://ai.waterveen.example/log/1/checkpoint",
        entries_public=False,
        keys=("log.waterveen.example/1+aabbccdd+AXZ1", "log.waterveen.example/1+ddccbbaa+Bnl6"),
        witnesses=(Witness(name="town-a", organisation="witness.town-a.example"),),
        quorum=1,
        pace_minutes=1,
        timestamped=False,
        newest_stamp=None,
        kinds=KINDS,
        systems=(
            LoggedSystem(name=page.system.name, url=page.url, capture="runtime", content_months=12),
            LoggedSystem(name={"nl": "Parkeerhulp"}, url=page.url, capture="external", content_months=None),
        ),
    )


@pytest.fixture
def accessibility(agency: Agency) -> Accessibility:
    """Before a person has audited it."""
    return Accessibility(
        agency=agency,
        location="https://ai.waterveen.example",
        status="partial",
        audited=None,
        auditor="",
        report=None,
        findings=(),
        prepared=TODAY,
        reviewed=TODAY,
        enforcement={},
        enforcement_url=None,
    )


@pytest.fixture
def audited(accessibility: Accessibility) -> Accessibility:
    """After a person has."""
    return replace(
        accessibility,
        audited=date(2026, 11, 10),
        auditor="Voorbeeld Toegankelijk (invented)",
        report="https://ai.waterveen.example/audit",
        findings=(
            NotAccessible(
                what=both(
                    "Charts cannot be walked through bar by bar.", "Grafieken zijn niet staaf voor staaf te lezen."
                ),
                why="non_compliance",
                instead=both("the table below each chart", "de tabel onder elke grafiek"),
            ),
        ),
        enforcement=both(
            "You can write to the supervisor (invented).", "U kunt de toezichthouder schrijven (verzonnen)."
        ),
        enforcement_url="https://toezicht.example",
    )


@pytest.fixture
def statement(request: pytest.FixtureRequest) -> Callable[[str, str], Any]:
    """`statement(fixture, lang)`: its context in that language."""

    def of(name: str, lang: str) -> Any:
        value = request.getfixturevalue(name)
        return value[lang] if isinstance(value, dict) else value

    return of
