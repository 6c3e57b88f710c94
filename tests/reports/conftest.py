"""An invented town, its loan check and one record: what the documents under test are made of."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from auditlog.core.counting.figures import figures
from auditlog.core.counting.published import close_cells, published_cells
from registry.system import AISystem, parse_system, rows
from reports.agency import Agency, Authority, LogStamp
from reports.errors import PdfError
from reports.letter.context import Evidence, Letter, OfficerDecision, Result, UsedValue
from reports.notice_decision.context import NoticeDecision, notice_of
from reports.pdf import to_pdf
from reports.render import Renderer
from reports.system_page.context import (
    Check,
    Counted,
    DeclaredField,
    PossibleResult,
    Repeated,
    SystemPage,
    TestReport,
    Tests,
    VersionFacts,
    Waiver,
)
from reports.transparency.context import Comparison, Replays, SystemFigures, TransparencyReport

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
LOG = LogStamp(origin="log.waterveen.example/1", size=1234, root="Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE=")
REFERENCE = "3f0c2a5e-8d17-4b7e-9c61-5a2b7e9d1f04"
PAGE = "https://ai.waterveen.example/register/social-loan-check"

AGENCY = Agency(
    name={"en": "Municipality of Waterveen", "nl": "Gemeente Waterveen"},
    address=("Marktplein 1", "1234 AB Waterveen"),
    phone="014 000",
    email="ai@waterveen.example",
    dpo="fg@waterveen.example",
    authorities=(
        Authority(
            name={"en": "Dutch Data Protection Authority", "nl": "Autoriteit Persoonsgegevens"},
            about="personal_data",
            contact="https://www.autoriteitpersoonsgegevens.nl",
        ),
        Authority(
            name={"en": "Market Surveillance Office", "nl": "Markttoezicht"},
            about="ai_systems",
            contact="toezicht.example",
        ),
    ),
    objection_route={
        "en": "Write to the objections committee, Postbus 1, 1234 AB Waterveen.",
        "nl": "Schrijf naar de bezwaarcommissie, Postbus 1, 1234 AB Waterveen.",
    },
    objection_weeks=6,
    court={
        "en": "If you do not agree with our answer to your objection, you can go to the district court.",
        "nl": "Bent u het niet eens met ons antwoord op uw bezwaar? Dan kunt u naar de rechtbank.",
    },
)

SYSTEM = {
    "slug": "social-loan-check",
    "agency": "waterveen",
    "name": {"en": "Social loan check", "nl": "Toets sociale lening"},
    "purpose": {
        "en": "It helps advisers of the municipal credit bank to see whether a small loan can be paid back.",
        "nl": "Het helpt adviseurs van de kredietbank om te zien of een kleine lening kan worden terugbetaald.",
    },
    "affected_persons": {"en": "People who ask for a social loan.", "nl": "Mensen die een sociale lening aanvragen."},
    "human_oversight": {
        "en": "An adviser decides, and refuses only after speaking with you.",
        "nl": "Een adviseur beslist, en wijst alleen af na een gesprek met u.",
    },
    "role": "both",
    "provider": {"name": "Kredietbank Waterveen", "contact": "kredietbank@waterveen.example"},
    "owner": {"unit": "Kredietbank", "contact": "014 000"},
    "capture": "runtime",
    "classification": {
        "annex_iii": ["III.5.b"],
        "annex_i": [],
        "exit_6_3": None,
        "reason": {
            "en": "It estimates whether a person can pay back a loan.",
            "nl": "Het schat in of iemand een lening kan terugbetalen.",
        },
    },
    "legal_basis": [
        {"law": "Wft", "article": "4:34", "link": None, "for": "task"},
        {"law": "GDPR", "article": "6(1)(c)", "link": "https://eur-lex.europa.eu/eli/reg/2016/679/oj", "for": "gdpr_6"},
    ],
    "first_use": "2026-11-20",
    "cost_to_user": {"en": "Nothing.", "nl": "Niets."},
    "tariff": {"currency": "EUR", "valid_from": "2026-11-01", "components": {"device_hour": 180000}},
    "expected_volume": {"count": 40, "per": "week"},
    "target_latency_ms": 2000,
    "notice": {
        "application": {"en": "loan application", "nl": "aanvraag voor een lening"},
        "estimates": {
            "en": "the chance that a loan will be paid back",
            "nl": "de kans dat een lening wordt terugbetaald",
        },
        "human": "before",
    },
    "host": {"kind": "in_house", "place": "Waterveen", "declared_watts": 65},
}

FIELDS = (
    ({"en": "Paying bills", "nl": "Rekeningen betalen"}, "sometimes late", {"en": "your bank", "nl": "uw bank"}),
    ({"en": "Income", "nl": "Inkomen"}, "changing income", {"en": "you", "nl": "u"}),
    ({"en": "Debts", "nl": "Schulden"}, None, {"en": "credit register", "nl": "kredietregister"}),
    ({"en": "Room each month, in euro", "nl": "Ruimte per maand, in euro"}, 1250, {"en": "you", "nl": "u"}),
)
LABELS = {
    "grant": {"en": "good chance of paying back", "nl": "goede kans op terugbetalen"},
    "refer": {"en": "uncertain", "nl": "onzeker"},
    "refuse": {"en": "small chance of paying back", "nl": "kleine kans op terugbetalen"},
}


CHECKS = (
    Check(name="variety", value=426, threshold=950, met=True, blocking=True),
    Check(name="sensitivity", value=953, threshold=250, met=True, blocking=True),
    Check(name="protected", value=None, threshold=0, met=None, blocking=True),
    Check(name="stability", value=296, threshold=700, met=False, blocking=False),
    Check(name="explanations", value=375, threshold=500, met=True, blocking=False),
    Check(name="form", value=None, threshold=50, met=None, blocking=False),
)
TESTED = TestReport(
    version=1,
    made=date(2026, 11, 19),
    verdict="passed",
    checks=CHECKS,
    cases=108,
    skipped=0,
    results=tuple(
        Counted(label=label, cases=cases) for label, cases in zip(LABELS.values(), (46, 34, 28), strict=True)
    ),
    details=tuple(
        Counted(label=label, cases=cases) for (label, _, _), cases in zip(FIELDS, (90, 63, 48, 20), strict=True)
    ),
    wordings=3,
    explained=8,
    answered=0,
    digest="sha256:" + "c3" * 32,
)
HELD_BACK = replace(
    TESTED,
    version=2,
    verdict="held_back",
    checks=(
        Check(name="variety", value=1000, threshold=950, met=False, blocking=True),
        Check(name="sensitivity", value=0, threshold=250, met=False, blocking=True),
        Check(name="protected", value=19, threshold=0, met=False, blocking=True),
        *CHECKS[3:],
    ),
    skipped=1,
    details=(
        *TESTED.details,
        Counted(label={"en": "Nationality", "nl": "Nationaliteit"}, cases=2, protected=True),
    ),
)
WAIVER = Waiver(
    version=2,
    made=date(2026, 11, 23),
    ground="trial",
    reasons={"en": "For one week, beside an adviser.", "nl": "Een week lang, naast een adviseur."},
    role="administrator",
)


@pytest.fixture(scope="session")
def stylesheet() -> str:
    return (Path(__file__).parents[2] / "web" / "static" / "greffier.css").read_text("utf-8")


@pytest.fixture(scope="session")
def renderer(stylesheet: str) -> Renderer:
    return Renderer(lambda: NOW, stylesheet=stylesheet)


@pytest.fixture(scope="session")
def plain_renderer() -> Renderer:
    """Without the stylesheet: what the goldens hold, so that a change of colour changes no golden."""
    return Renderer(lambda: NOW)


@pytest.fixture
def system() -> AISystem:
    return parse_system(SYSTEM)


@pytest.fixture
def notice(system: AISystem) -> NoticeDecision:
    words = notice_of(system, url=PAGE, phone=AGENCY.phone, reference=REFERENCE)
    assert words is not None
    return NoticeDecision(notice=words)


def system_page(system: AISystem, lang: str) -> SystemPage:
    return SystemPage(
        agency=AGENCY,
        system=system,
        rows=rows(system, lang),
        state="active",
        since=date(2026, 11, 20),
        version=VersionFacts(
            version=1,
            manifest="sha256:" + "a1" * 32,
            fields=tuple(
                DeclaredField(label=label, source=source, data_class="personal") for label, _, source in FIELDS
            ),
            results=tuple(PossibleResult(label=label, held=True) for label in LABELS.values()),
            model_name="SmolLM2-135M-Instruct",
            model_digest="sha256:" + "b2" * 32,
            model_quantization="Q4_1",
            model_licence="Apache-2.0",
        ),
        repeated=Repeated(
            determinism="bit",
            measured=date(2026, 11, 20),
            device="cpu",
            since=date(2025, 11, 24),
            counts={"bit_exact": 1_092, "not_replayable": 3},
        ),
        tests=Tests(found="passed", way="passed", report=TESTED, others=(HELD_BACK,), waivers=(WAIVER,)),
        notice=notice_of(system, url=PAGE, phone=AGENCY.phone),
        demonstration=True,
        url=PAGE,
        log=LOG,
    )


@pytest.fixture
def letter(system: AISystem) -> Letter:
    return Letter(
        agency=AGENCY,
        reference=REFERENCE,
        written=date(2026, 11, 24),
        given=date(2026, 11, 20),
        system=system,
        version=1,
        url=PAGE,
        mode="live",
        result=Result(code="refuse", label=LABELS["refuse"], text=None),
        held=True,
        data=tuple(
            UsedValue(label=label, value=value, source=source, data_class="personal") for label, value, source in FIELDS
        ),
        basis="ai_act_86",
        law=None,
        decision=None,
        check_url="https://ai.waterveen.example/check",
        index=1201,
        log=LOG,
        evidence=Evidence(entry="sha256:" + "e4" * 32, manifest="sha256:" + "a1" * 32, model=None),
    )


@pytest.fixture
def decided(letter: Letter) -> Letter:
    decision = OfficerDecision(
        action="override",
        decision="You get the loan.",
        reasons="We spoke on the telephone. The late bills were of one month, in which you were ill.",
        reviewed=date(2026, 11, 21),
        notified=date(2026, 11, 23),
    )
    return replace(letter, decision=decision, basis="gdpr_15_1", objection_until=date(2027, 1, 4))


@pytest.fixture
def reply(letter: Letter) -> Letter:
    """A free text that went out at once."""
    return replace(
        letter,
        held=False,
        mode="pilot",
        result=Result(
            code="pay", label={"en": "about paying", "nl": "over betalen"}, text="You can pay in ten parts.\nCall us."
        ),
        basis="voluntary",
    )


@pytest.fixture(scope="session")
def invented() -> ModuleType:
    """The module `explanation/invented.py`: explanations of each kind of the same record."""
    spec = importlib.util.spec_from_file_location("invented", Path(__file__).parent / "explanation" / "invented.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def measured(letter: Letter, invented: ModuleType) -> Letter:
    """With what was measured about the result."""
    return replace(letter, explanation=invented.EXPLAINED)


@pytest.fixture
def kept_back(decided: Letter, invented: ModuleType) -> Letter:
    """Nothing reliable was found, and an adviser has decided afresh."""
    return replace(decided, explanation=invented.DONE)


@pytest.fixture
def set_aside(letter: Letter, invented: ModuleType) -> Letter:
    """A protected characteristic alone changed the result."""
    given = invented.NATIONALITY
    used = UsedValue(
        label=given.label, value=given.value, words=given.words, source=invented.FROM_YOU, data_class="personal"
    )
    return replace(letter, data=(*letter.data, used), explanation=invented.SET_ASIDE)


@pytest.fixture
def report() -> TransparencyReport:
    summed = {
        "decisions": 12_345,
        "outcomes.grant": 9_000,
        "outcomes.refer": 3_340,
        "outcomes.length": 5,
        "refusals": 7,
        "refusals.suspended": 7,
        "reviewed": 12_000,
        "reviews.confirm": 11_000,
        "reviews.override": 1_000,
        "review_time.60": 11_000,
        "review_time.1440": 1_000,
        "held": 12_100,
        "held.reviewed": 12_000,
        "latency.300": 2_000,
        "latency.400": 10_000,
        "latency.1500": 340,
        "latency.3000": 5,
        "records.tokens": 12_345,
        "tokens.prompt": 617_250,
        "tokens.output": 12_345,
        "records.energy.estimated": 12_345,
        "energy.estimated": 321_000_000_000,
        "records.cost.EUR": 12_345,
        "cost.EUR": 247_000,
    }
    cells = published_cells(summed)
    closed = close_cells("2026-11-01", "2026-11-30", cells, [], 10)
    counted = {cell: number for cell, number in cells.items() if cell not in closed}
    loan = SystemFigures(
        slug="social-loan-check",
        name=SYSTEM["name"],
        url=PAGE,
        state="active",
        versions=(1, 2),
        target_ms=2_000,
        outcomes=LABELS,
        figures=tuple(figures(counted, target_ms=2_000, closed=closed, floor=10)),
    )
    health = SystemFigures(
        slug="health-line-aid",
        name={"en": "Health line aid", "nl": "Hulp bij de gezondheidslijn"},
        url="https://ai.waterveen.example/register/health-line-aid",
        state="pilot",
        versions=(),
        target_ms=None,
        outcomes={},
        figures=tuple(figures({})),
    )
    return TransparencyReport(
        agency=AGENCY,
        since=date(2026, 11, 1),
        until=date(2026, 11, 30),
        log=LOG,
        total=tuple(figures(counted, partial=closed, floor=10)),
        floor=10,
        systems=(loan, health),
        comparisons=(
            Comparison(
                made=date(2026, 12, 2),
                system="social-loan-check",
                since=date(2026, 11, 1),
                until=date(2026, 11, 30),
                cases=12_310,
                records=12_345,
                without_record=None,
                without_case=None,
                used_before_review=0,
            ),
        ),
        draft=True,
        tallies=(),
        replays=(
            Replays(
                system="social-loan-check",
                name={"en": "Social loan check", "nl": "Toets sociale lening"},
                counts={"bit_exact": 87, "mismatch": 1, "not_replayable": 2},
            ),
        ),
    )


@pytest.fixture
def page(system: AISystem) -> SystemPage:
    return system_page(system, "en")


@pytest.fixture
def pages(system: AISystem) -> dict[str, SystemPage]:
    return {lang: system_page(system, lang) for lang in ("en", "nl")}


@pytest.fixture(scope="module")  # while it lives, Playwright keeps an event loop running in this thread
def in_chromium() -> Iterator[Callable[[str, int], dict[str, Any]]]:
    """`in_chromium(html, width)`: what axe finds in a page, what it asked for, and how wide it became."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: see tests/browser/setup.sh")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    with pytest.importorskip("playwright.sync_api").sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])

        def look(html: str, width: int) -> dict[str, Any]:
            page = browser.new_page(viewport={"width": width, "height": 900})
            asked: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            page.set_content(html)
            found = axe.run(page, options=rules).response["violations"]
            seen = {
                "width": page.evaluate("document.documentElement.scrollWidth"),
                "violations": [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found],
                "asked": asked,
            }
            page.close()
            return seen

        yield look
        browser.close()


@pytest.fixture(scope="session")
def pango() -> None:
    """What lays out a PDF: where the machine lacks it, only its tests are left out."""
    try:
        to_pdf('<!doctype html><html lang="en"><head><title>x</title></head><body></body></html>', lang="en")
    except PdfError as error:
        pytest.skip(str(error))
