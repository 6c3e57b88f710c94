"""Statements as a person reads them: golden files, both languages, and what each must and must not say.

Golden files are written anew as `tests/reports/test_golden.py` says.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.entries.kinds import KINDS as OF_THE_LOG
from reports.accessibility.context import Accessibility
from reports.catalogue import HERE, read_translations
from reports.fria.context import FriaPage
from reports.incident.context import IncidentPage
from reports.incident_report.context import IncidentReport
from reports.instructions.context import Instructions
from reports.json_twin import read_twin
from reports.logging_statement.context import LoggingStatement
from reports.render import Renderer, json_twin
from reports.system_page.context import SystemPage
from reports.transparency.context import TransparencyReport
from service.disclosing.statements import KINDS

GOLDEN = Path(__file__).parents[2] / "golden"
LANGUAGES = ("en", "nl")
# Golden folder → document and fixture.
DOCUMENTS = {
    "system_page_whole": ("system_page", "told_pages"),
    "transparency_corrected": ("transparency", "corrected"),
    "fria": ("fria", "fria"),
    "instructions": ("instructions", "instructions"),
    "incident": ("incident", "incident"),
    "incident_report": ("incident_report", "incident_report"),
    "logging_statement": ("logging_statement", "logging_statement"),
    "accessibility": ("accessibility", "accessibility"),
    "accessibility_audited": ("accessibility", "audited"),
}
Statement = Callable[[str, str], Any]


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.partition("<body>")[2]).split())


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("golden", DOCUMENTS)
def test_statement_is_as_committed(golden: str, lang: str, plain_renderer: Renderer, statement: Statement):
    document, fixture = DOCUMENTS[golden]
    made = plain_renderer.document(document, statement(fixture, lang), lang)
    path = GOLDEN / golden / f"{lang}.html"
    if os.environ.get("GREFFIER_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made, "utf-8")
    assert path.read_text("utf-8") == made, f"{golden} differs; see tests/reports/test_golden.py"


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("golden", DOCUMENTS)
def test_headings_are_in_order_and_nothing_is_fetched(golden: str, lang: str, renderer: Renderer, statement: Statement):
    document, fixture = DOCUMENTS[golden]
    html = renderer.document(document, statement(fixture, lang), lang)
    levels = [int(level) for level in re.findall(r"<h([1-6])[ >]", html)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for loads in ("src=", "@import", "url(", "<script", "<link", "style=", "onclick"):
        assert loads not in html, loads
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    # An article that somebody else reads has no law that it claims to keep.
    assert "compliant with the AI Act" not in html
    assert "None" not in words(html)


@pytest.mark.parametrize("golden", DOCUMENTS)
def test_no_english_is_left_in_the_dutch_document(golden: str, renderer: Renderer, statement: Statement):
    document, fixture = DOCUMENTS[golden]
    text = words(renderer.document(document, statement(fixture, "nl"), "nl"))
    ours = read_translations("nl", [HERE]).sentences
    english = [m for m, forms in ours.items() if len(m) > 25 and "%(" not in m and m in text and forms[0] != m]
    assert english == []


@pytest.mark.parametrize("golden", DOCUMENTS)
def test_each_statement_has_a_form_for_machines(golden: str, statement: Statement):
    _, fixture = DOCUMENTS[golden]
    value = json.loads(json_twin(statement(fixture, "en")))
    assert value["agency"]["email"] == "ai@waterveen.example"


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("golden", DOCUMENTS)
def test_marks_in_texts_are_text(golden: str, lang: str, renderer: Renderer, statement: Statement):
    document, fixture = DOCUMENTS[golden]
    hostile = {"en": '<script>alert("1")</script>', "nl": '<script>alert("1")</script>'}
    value = statement(fixture, lang)
    html = renderer.document(document, replace(value, agency=replace(value.agency, name=hostile)), lang)
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_every_kind_of_entry_is_named_once_in_the_logging_statement():
    named = [kind for kinds in KINDS.values() for kind in kinds]
    assert sorted(named) == sorted(OF_THE_LOG)


# --- logging ----------------------------------------------------------------------------------------------------------


def test_a_log_without_witnesses_says_what_that_means(logging_statement: LoggingStatement, renderer: Renderer):
    text = words(renderer.document("logging_statement", replace(logging_statement, witnesses=(), quorum=0), "en"))
    assert "No outside organisation confirms this log yet." in text
    assert "we could show different people different logs" in text
    assert "At least one of them" not in text


def test_keys_and_limits_are_there(logging_statement: LoggingStatement, renderer: Renderer):
    html = renderer.document("logging_statement", logging_statement, "en")
    for key in logging_statement.keys:
        assert key in html
    assert "It does not show whether a result is right or fair." in html
    assert "what it does not send is not in the log" in html


@pytest.mark.parametrize(
    ("stamp", "said", "unsaid"),
    [
        (None, "we have received no time stamp yet", "at regular times"),
        (datetime(2026, 11, 23, 22, 5, tzinfo=UTC), "The newest is of 23 November 2026, 22:05 UTC.", "no time stamp"),
    ],
)
def test_only_a_stamp_on_record_is_called_one(
    logging_statement: LoggingStatement, renderer: Renderer, stamp: datetime | None, said: str, unsaid: str
):
    facts = replace(logging_statement, timestamped=True, newest_stamp=stamp)
    text = words(renderer.document("logging_statement", facts, "en"))
    assert said in text
    assert unsaid not in text


# --- accessibility ----------------------------------------------------------------------------------------------------


def test_nothing_is_fully_accessible_before_a_person_has_audited_it(
    accessibility: Accessibility, audited: Accessibility
):
    with pytest.raises(ValueError, match="audit by a person"):
        replace(accessibility, status="full")
    with pytest.raises(ValueError, match="no findings"):
        replace(audited, status="full")
    assert replace(audited, status="full", findings=()).status == "full"


def test_what_is_not_accessible_stands_by_its_ground(audited: Accessibility, renderer: Renderer):
    text = words(renderer.document("accessibility", audited, "en"))
    assert "(a) It does not comply with the directive" in text
    assert "(b)" not in text
    assert "What you can use instead: the table below each chart" in text
    assert "No person has audited" not in text


# --- incidents --------------------------------------------------------------------------------------------------------


def test_a_risk_that_is_still_in_use_is_pointed_out(incident: IncidentPage, renderer: Renderer):
    warned = "asks that its use is suspended"
    for duty, state, expected in (
        ("risk", "active", True),
        ("risk", "suspended", False),
        ("serious", "active", False),
    ):
        html = renderer.document("incident", replace(incident, duty=duty, state=state), "en")
        assert (warned in html) == expected


def test_who_is_told_stands_in_order_with_days(incident: IncidentPage, renderer: Renderer):
    text = words(renderer.document("incident", incident, "en"))
    order = [text.index(who) for who in ("the provider of the system", "the importer or distributor at once")]
    assert order == sorted(order)
    assert "at once 23 November 2026" in text
    assert "What is known of the cause Nothing is known yet." in text


def test_the_report_of_a_provider_has_its_last_day(incident_report: IncidentReport, renderer: Renderer):
    text = words(renderer.document("incident_report", incident_report, "en"))
    assert "To be reported at the latest on 8 December 2026 ( 15 days )" in text or "8 December 2026 (15 days)" in text
    assert "This is a first report." in text
    assert "first report" not in words(
        renderer.document("incident_report", replace(incident_report, first=False), "en")
    )


@pytest.mark.parametrize(("capture", "said"), [("none", "are not recorded in our log"), ("external", "sent to us")])
def test_no_log_is_promised_of_what_passes_it_by(
    capture: str,
    said: str,
    incident: IncidentPage,
    incident_report: IncidentReport,
    instructions: Instructions,
    renderer: Renderer,
):
    elsewhere = replace(instructions, system=replace(instructions.system, capture=capture))
    made = {
        "incident": replace(incident, capture=capture),
        "incident_report": replace(incident_report, capture=capture),
        "instructions": elsewhere,
    }
    for document, page in made.items():
        text = words(renderer.document(document, page, "en"))
        assert said in text, document
        for promise in ("The log keeps the results", "Each result is an entry"):
            assert promise not in text, document


# --- instructions and assessment --------------------------------------------------------------------------------------


def test_instructions_have_every_point_of_article_13(instructions: Instructions, renderer: Renderer):
    html = renderer.document("instructions", instructions, "en")
    headings = re.findall(r"<h[23]>(\([a-z]+\))", html)
    assert headings == [
        "(a)",
        "(b)",
        *(f"({n})" for n in ("i", "ii", "iii", "iv", "v", "vi", "vii")),
        *["(c)", "(d)", "(e)", "(f)"],
    ]


def test_what_was_not_measured_is_not_claimed(instructions: Instructions, renderer: Renderer):
    bare = replace(instructions, system=replace(instructions.system, performance=None, limits=None, risks=None))
    text = words(renderer.document("instructions", replace(bare, test=None, repeated=None), "en"))
    assert "It has not been measured how often its results are right." in text
    assert "It has not been measured whether it works equally well for everyone." in text
    assert "That does not mean that there are none." in text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_instructions_promise_nothing_of_a_model_that_runs_elsewhere(
    lang: str, instructions: Instructions, renderer: Renderer
):
    away = replace(instructions, version=replace(instructions.version, model_digest=None, model_name=None))
    promises = {
        "en": ("compares the model file", "running the same model again", "greffier replay"),
        "nl": ("modelbestand", "hetzelfde model opnieuw", "greffier replay"),
    }[lang]
    here, there = (words(renderer.document("instructions", one, lang)) for one in (instructions, away))
    for promise in promises:
        assert promise in here, promise
        assert promise not in there, promise


def test_instructions_do_not_deny_a_decision_that_the_record_says(instructions: Instructions, renderer: Renderer):
    decides = replace(instructions, system=replace(instructions.system, automation="decides"))
    text = words(renderer.document("instructions", decides, "en"))
    assert "It takes no decision." not in text
    assert "The system decides by itself." in text


def test_a_day_of_first_use_that_is_not_told_is_no_day_to_come(fria: FriaPage, renderer: Renderer):
    for state, said in (("active", "the register does not say"), ("approved", "not yet")):
        bare = replace(fria, system=replace(fria.system, first_use=None), state=state)
        assert f"First use</dt><dd>{said}" in renderer.document("fria", bare, "en")


def test_the_assessment_has_every_element_of_article_27(fria: FriaPage, renderer: Renderer):
    html = renderer.document("fria", fria, "en")
    assert re.findall(r"<h2>(\([a-f]\))", html) == ["(a)", "(b)", "(c)", "(d)", "(e)", "(f)"]
    for member in ("processes", "period", "persons", "harms", "oversight", "measures", "summary"):
        assert getattr(fria.system.fria, member)["en"] in html
    assert "Market surveillance authority told on</dt><dd>not yet" in html


def test_a_system_without_an_assessment_has_no_such_document(fria: FriaPage):
    with pytest.raises(ValueError, match="no assessment"):
        replace(fria, system=replace(fria.system, fria=None))


# --- system page ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_is_withheld_is_nowhere_on_the_page_and_that_it_is_stands_there(
    lang: str, told_pages: dict[str, SystemPage], renderer: Renderer
):
    html = renderer.document("system_page", told_pages[lang], lang)
    assert "Waterveen Software" not in html
    assert "Waterveen Software" not in json_twin(told_pages[lang]).decode()
    assert {"en": "Its prices are in there.", "nl": "De prijzen staan erin."}[lang] in html


def test_the_questions_of_the_page_are_those_of_its_contents(told_pages: dict[str, SystemPage], renderer: Renderer):
    html = renderer.document("system_page", told_pages["nl"], "nl")
    asked = re.findall(r"<h2>([^<]+)</h2>", html)
    assert [
        one
        for one in asked
        if one in ("Waarvoor?", "Wie beslist?", "Welke gegevens?", "Hoe goed werkt het?", "Wat kost het?")
    ] == [
        "Waarvoor?",
        "Wie beslist?",
        "Welke gegevens?",
        "Hoe goed werkt het?",
        "Wat kost het?",
    ]


def test_measures_per_group_are_shown(told_pages: dict[str, SystemPage], renderer: Renderer):
    text = words(renderer.document("system_page", told_pages["en"], "en"))
    assert "79 of 100 People under 25" in text
    assert "We have not measured yet whether it works equally well for everyone." not in text
    assert "Until we have, we make no claim about it." not in text


# --- the period report ------------------------------------------------------------------------------------------------


def test_a_correction_is_the_first_thing_to_read(corrected: TransparencyReport, renderer: Renderer):
    html = renderer.document("transparency", corrected, "en")
    assert html.index("This report was corrected. This is edition 2.") < html.index("Where these figures come from")
    assert "What was wrong: One day was missing." in html


def test_hours_and_requests_are_in_words(corrected: TransparencyReport, renderer: Renderer):
    text = words(renderer.document("transparency", corrected, "en")).replace("\xa0", " ")
    assert "Silent, all together 2 hr" in text
    assert "the disk was full" in text
    asked = "an explanation Came in 41 Answered 38 Refused 0 Withdrawn not shown Still open not shown Given more time 0"
    assert asked in text
    assert "Half of them took at most 11 days" in text
    assert "No system named" in text


def test_every_chart_has_a_table_with_the_same_values(corrected: TransparencyReport, renderer: Renderer):
    html = renderer.document("transparency", corrected, "en").replace("\xa0", " ")
    charts = re.findall(r'<figure class="charted">(.*?)</figure>', html, re.S)
    assert len(charts) >= 3
    for chart in charts:
        told = re.search(r"<desc[^>]*>([^<]+)</desc>", chart)
        assert told is not None
        rows = chart.partition("<tbody>")[2]
        cells = [" ".join(cell.split()) for cell in re.findall(r"<t[hd][^>]*>([^<]+)</t[hd]>", rows)]
        for cell in cells:
            assert cell in told[1]


def test_a_corrected_report_is_read_again_as_it_was(corrected: TransparencyReport):
    assert read_twin(TransparencyReport, json_twin(corrected)) == corrected
