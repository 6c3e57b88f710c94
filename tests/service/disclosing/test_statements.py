"""Statements of an installation: gathered from register, log and settings, for those whose duty they are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.formats.note import COSIGNATURE, Signer, format_vkey
from auditlog.store.log import iterate_entries
from cli.demo.run import CASES
from home.errors import Refused, SettingsError, UsageError
from home.greffier import Greffier
from lab.bench.records_scene import system_file
from registry.incident import IncidentFacts
from service.disclosing import report, statements
from service.logs import export
from service.records.accesses import CLI
from service.systems import incidents, register
from service.wiring import create_home, open_home

WITNESSES = {
    name: format_vkey(Signer.generate(f"witness.{name}.example", COSIGNATURE, bytes([place]) * 32).vkey)
    for place, name in enumerate(("north", "south", "east"), 1)
}
OURS, THEIRS, BARE = "permit-advice", "bought-advice", "bare-advice"
NOW, AWARE = datetime(2026, 11, 24, 9, 30, tzinfo=UTC), datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
FACTS = IncidentFacts(
    what="Permits of other people were shown.", harm="Some were refused.", persons=None, cause=None, measures=None
)


def both(text: str) -> dict[str, str]:
    return {"en": text, "nl": f"{text} (nl)"}


FRIA = {
    **{name: both(f"About {name}.") for name in ("processes", "period", "persons", "harms", "oversight", "measures")},
    "summary": both("We found little."),
    "made": "2026-10-05",
    "notified": None,
    "link": None,
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    create_home(made, "bench-agency", "bench.example/log", clock=lambda: NOW)
    shutil.copyfile(CASES / "agency.json", made / "agency.json")
    return made


@pytest.fixture
def g(home: Path) -> Iterator[Greffier]:
    with open_home(home, clock=lambda: NOW) as opened:
        enter(opened, OURS, role="both", fria=FRIA)
        enter(opened, THEIRS, role="deployer")
        enter(opened, BARE, role="provider", without="version")
        yield opened


def enter(g: Greffier, slug: str, *, without: str = "", **members: Any) -> None:
    file = json.loads(system_file())
    file["system"] |= {"slug": slug, **members}
    file.pop(without, None)
    register.register(g, json.dumps(file).encode(), account="ada.voorbeeld")


def html(g: Greffier, context: object, lang: str = "en") -> str:
    return report.render(g, context, lang, "html").decode()


def test_instructions_are_of_the_provider_alone(g: Greffier):
    made = statements.instructions(g, OURS)
    assert [(one.id, one.type) for one in made.inputs][-2:] == [("parking", "string"), ("resident", "boolean")]
    assert made.inputs[-2].values == ("always", "mostly", "seldom", "never")
    assert [one.version for one in made.changes] == [1]
    assert "Instructions for use: Permit advice" in html(g, made)
    with pytest.raises(Refused, match="the deployer alone"):
        statements.instructions(g, THEIRS)
    with pytest.raises(UsageError, match="no version yet"):
        statements.instructions(g, BARE)


def test_an_assessment_that_was_not_made_is_no_document(g: Greffier):
    assert "We found little." in html(g, statements.fria(g, OURS))
    with pytest.raises(UsageError, match="no public assessment"):
        statements.fria(g, THEIRS)


def test_an_assessment_that_is_withheld_is_no_document(g: Greffier):
    withheld = {"member": "fria", "reason": "security", "explanation": both("Not yet."), "until": "2027-01-01"}
    enter(g, OURS, role="both", fria=FRIA, publication={"state": "partly", "withheld": [withheld]})
    with pytest.raises(UsageError, match="no public assessment"):
        statements.fria(g, OURS)
    assert "We found little." not in html(g, report.system_page(g, OURS, "en"))


def opened(g: Greffier, slug: str, duty: str) -> str:
    return incidents.open_incident(
        g,
        slug,
        duty=duty,
        severity="other",
        aware=datetime(2026, 11, 23, 8, 0, tzinfo=UTC),
        facts=FACTS,
        role="officer",
    ).id


def test_a_deployer_gives_notice_and_the_reading_is_in_the_log(g: Greffier):
    incident = opened(g, THEIRS, "serious")
    before = accesses(g)
    made = statements.incident_notice(g, CLI, incident)
    assert accesses(g) == before + 1
    assert (made.duty, made.provider) == ("serious", "Test supplier, supplier@bench.example")
    assert [(one.recipient, one.done) for one in made.to_tell] == [("provider", None), ("authority", None)]
    for lang in ("en", "nl"):
        assert "Permits of other people were shown." in html(g, made, lang)
    with pytest.raises(Refused, match="Article 73 are the provider's"):
        statements.incident_report(g, CLI, incident)
    assert accesses(g) == before + 1


def test_a_deployer_reports_where_the_provider_cannot_be_reached(g: Greffier):
    incident = opened(g, THEIRS, "serious")
    incidents.tell(g, incident, recipient="provider", day=date(2026, 11, 23), reached=False, role="officer")
    made = statements.incident_report(g, CLI, incident)
    assert (made.due, made.days) == (date(2026, 12, 8), 15)


def test_a_provider_reports_under_article_73(g: Greffier):
    incident = opened(g, OURS, "provider")
    made = statements.incident_report(g, CLI, incident)
    assert (made.first, made.due) == (True, date(2026, 12, 8))
    assert "Report of a serious incident" in html(g, made)
    with pytest.raises(UsageError, match="reported as provider"):
        statements.incident_notice(g, CLI, incident)


def accesses(g: Greffier) -> int:
    return sum(b'"kind":"access/1"' in data for data in entries(g))


def entries(g: Greffier) -> list[bytes]:
    with g.reading() as conn:
        return [data for _, data in iterate_entries(conn, g.log.number)]


# --- the log ----------------------------------------------------------------------------------------------------------


def test_the_logging_statement_says_what_this_log_has(g: Greffier, tmp_path: Path):
    made = statements.logging_statement(g)
    assert made.log.size == g.log.state().size
    export.export_log(g, tmp_path / "export")
    for key in made.keys:
        assert key in (tmp_path / "export" / "log.vkey").read_text()
    assert len(made.keys) == 2
    assert (made.witnesses, made.quorum, made.timestamped, made.newest_stamp) == ((), 0, False, None)
    assert "No outside organisation confirms this log yet." in html(g, made)


def test_an_authority_that_was_set_up_has_stamped_nothing_yet(g: Greffier):
    g.settings = g.settings.model_copy(update={"timestamp_url": "http://authority.example"})
    made = statements.logging_statement(g)
    assert (made.timestamped, made.newest_stamp) == (True, None)
    text = html(g, made)
    assert "puts a time stamp on the log" not in text
    assert "we have received no time stamp yet" in text


def test_systems_that_the_public_does_not_see_are_not_named(g: Greffier):
    # A new system is a draft: nobody outside sees it.
    assert statements.logging_statement(g).systems == ()


def test_witnesses_of_the_policy_are_named(g: Greffier):
    lines = [f"witness {name} {vkey}" for name, vkey in WITNESSES.items()]
    policy = "\n".join([*lines, "group town 2 north south east", "quorum town", ""])
    (g.home / "policy").write_text(policy)
    made = statements.logging_statement(g)
    assert [one.name for one in made.witnesses] == ["north", "south", "east"]
    assert made.quorum == 2
    assert "At least 2 of them must confirm" in html(g, made)


# --- accessibility ----------------------------------------------------------------------------------------------------


def test_without_a_file_the_statement_promises_nothing(g: Greffier):
    made = statements.accessibility(g)
    assert (made.status, made.audited, made.findings) == ("partial", None, ())
    text = html(g, made)
    assert "No person has audited this site yet." in text
    assert (made.prepared, made.reviewed) == (None, None), "nobody of the agency made it today"
    assert "This statement was made on" not in text
    assert "This one came with the program" in text


def test_the_agency_states_its_audit_in_a_file(g: Greffier):
    stated = {
        "status": "full",
        "audited": "2026-11-10",
        "auditor": "Voorbeeld (invented)",
        "prepared": "2026-11-12",
        "reviewed": "2026-11-12",
        "enforcement": both("Write to the supervisor."),
    }
    (g.home / "accessibility.json").write_text(json.dumps(stated))
    made = statements.accessibility(g)
    assert (made.status, made.audited) == ("full", date(2026, 11, 10))
    assert "complies fully" in html(g, made)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"audited": None, "auditor": ""}, "full needs an audit"),
        ({"auditor": ""}, "give both"),
        ({"findings": [{"what": both("Charts."), "why": "non_compliance"}]}, "no findings"),
        ({"status": "perfect"}, "status"),
        ({"prepared": "yesterday"}, "prepared"),
        ({"more": 1}, "more"),
    ],
)
def test_a_file_that_claims_too_much_is_refused(g: Greffier, change: dict[str, Any], named: str):
    stated = {
        "status": "full",
        "audited": "2026-11-10",
        "auditor": "Voorbeeld (invented)",
        "prepared": "2026-11-12",
        "reviewed": "2026-11-12",
        "enforcement": {},
    }
    (g.home / "accessibility.json").write_text(json.dumps(stated | change))
    with pytest.raises(SettingsError, match=named):
        statements.accessibility(g)


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "of", "says"),
    [
        ("fria", OURS, "Gevolgen voor grondrechten"),
        ("instructions", OURS, "Gebruiksaanwijzing"),
        ("logging", None, "Wat er in ons logboek staat"),
        ("accessibility", None, "Toegankelijkheidsverklaring"),
    ],
)
def test_documents_by_command(
    g: Greffier, home: Path, command: Any, tmp_path: Path, kind: str, of: str | None, says: str
):
    named = () if of is None else ("--of", of)
    to = tmp_path / "made.html"
    assert command("report", kind, *named, "--home", home, "--lang", "nl", "-o", to).code == 0
    assert says in to.read_text("utf-8")
    assert command("report", kind, *named, "--home", home, "--format", "pdf", "-o", tmp_path / "made.pdf").code == 0
    assert (tmp_path / "made.pdf").read_bytes().startswith(b"%PDF-1.7")


def test_an_incident_by_command_is_private(g: Greffier, home: Path, command: Any, tmp_path: Path):
    incident, to = opened(g, THEIRS, "risk"), tmp_path / "notice.html"
    assert command("report", "incident", "--of", incident, "--home", home, "-o", to).code == 0
    assert to.stat().st_mode & 0o077 == 0
    refused = command("report", "incident-report", "--of", incident, "--home", home, "-o", tmp_path / "other.html")
    assert refused.code == 3
    assert not (tmp_path / "other.html").exists()
