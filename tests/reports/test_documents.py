"""What each document must say, and must not."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import reports
from auditlog.core.counting.figures import Figure
from registry.system import AISystem, format_system, parse_system
from reports.catalogue import read_translations
from reports.errors import ContextError
from reports.letter.context import Result
from reports.notice_decision.context import NoticeDecision
from reports.render import Renderer
from reports.system_page.context import SystemPage
from reports.transparency.context import TransparencyReport

HERE = Path(reports.__file__).parent
NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
LANGUAGES = ("en", "nl")
HOSTILE = "<script>alert('x')</script> & \"quoted\" \u202egnol \U0001f600"


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.partition("<body>")[2]).split())


NOTICES = {
    ("en", "before"): (
        "For your loan application we use a computer system with artificial intelligence (AI): Social loan "
        "check. It estimates the chance that a loan will be paid back. A member of staff looks at the result "
        "and takes the decision. At {url} you can read how it works and which data it uses. You may ask for "
        "an explanation, ask a member of staff to look again, have mistakes in your data corrected, and "
        "object to the use of your data. This is free. Phone 014 000. Reference {ref}."
    ),
    ("nl", "on_request"): (
        "Voor uw aanvraag voor een lening gebruiken wij een computersysteem met kunstmatige intelligentie "
        "(AI): Toets sociale lening. Het maakt een inschatting van de kans dat een lening wordt terugbetaald."
        " Er kijkt niet eerst een medewerker naar. U kunt daar wel om vragen. Op {url} leest u hoe het werkt "
        "en welke gegevens het gebruikt. U mag uitleg vragen, een medewerker opnieuw laten kijken, fouten in "
        "uw gegevens laten verbeteren en bezwaar maken tegen het gebruik van uw gegevens. Dit kost u niets. "
        "Bel 014 000. Kenmerk {ref}."
    ),
}


@pytest.mark.parametrize(("lang", "human"), NOTICES)
def test_notice_has_the_agreed_words(lang: str, human: str, notice: NoticeDecision, renderer: Renderer):
    made = renderer.text("notice_decision", NoticeDecision(notice=replace(notice.notice, human=human)), lang)
    assert made == NOTICES[lang, human].format(url=notice.notice.url, ref=notice.notice.reference)


def test_notice_is_plain_text(notice: NoticeDecision, renderer: Renderer):
    odd = NoticeDecision(notice=replace(notice.notice, system={"en": "A & B <c>"}))
    assert "(AI): A & B <c>." in renderer.text("notice_decision", odd, "en")


HEADINGS = {
    "en": ("What is it for?", "Who decides?", "Which data?", "How well does it work?", "What does it cost?"),
    "nl": ("Waarvoor?", "Wie beslist?", "Welke gegevens?", "Hoe goed werkt het?", "Wat kost het?"),
}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_system_page_asks_the_questions_people_have(lang: str, pages: dict[str, SystemPage], renderer: Renderer):
    html = renderer.document("system_page", pages[lang], lang)
    assert tuple(re.findall(r"<h2>(.*?)</h2>", html))[:5] == HEADINGS[lang]
    for needed in (pages[lang].version.manifest, pages[lang].version.model_digest, pages[lang].log.root, "III.5.b"):
        assert needed in html


def test_system_page_says_what_is_not_measured(page: SystemPage, renderer: Renderer):
    text = words(renderer.document("system_page", page, "en"))
    assert "We have not measured yet how often the results of this system are right" in text
    assert "Do not trust its results." in text
    assert "Do not trust" not in words(renderer.document("system_page", replace(page, demonstration=False), "en"))


def test_system_that_runs_elsewhere_has_a_page(page: SystemPage, renderer: Renderer):
    bare = replace(page, version=None, notice=None, since=None, state="draft", demonstration=False)
    text = words(renderer.document("system_page", bare, "en"))
    assert "The details that this system reads are not in the register yet." in text


@pytest.mark.parametrize("state", ["draft", "in_review", "approved", "pilot", "active", "suspended", "retired"])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_each_state_has_a_word(state: str, lang: str, page: SystemPage, renderer: Renderer):
    assert f"tag-{state}" in renderer.document("system_page", replace(page, state=state), lang)


def test_unknown_state_fails(page: SystemPage, renderer: Renderer):
    with pytest.raises(ContextError):
        renderer.document("system_page", replace(page, state="asleep"), "en")


def table_of(html: str, heading: str) -> str:
    """The whole table of figures under a heading, after its charts."""
    section = html.partition(f"<h2>{heading}</h2>")[2].partition("</section>")[0]
    return "<table" + section.rpartition("<table")[2]


def test_each_figure_has_name_version_value_and_stamp(report: TransparencyReport, renderer: Renderer):
    html = renderer.document("transparency", report, "en")
    own = table_of(html, "Social loan check")
    for figure in report.systems[0].figures:
        assert f'<code class="name">{figure.name}/{figure.version}</code>' in own
    assert own.count('<tr><th scope="row">') == len(report.systems[0].figures)
    for part in (
        "Counted in log log.waterveen.example/1 at 1,234 entries",
        report.log.root,
        "12,345",
        "89.2",
        "estimated",
    ):
        assert part in own, part
    assert "This is a draft" in html
    assert "fewer than 10" in own
    assert "not shown" in own
    assert "at least" in own
    total = table_of(html, "All systems together")
    assert "outcomes." not in total
    assert "within_target" not in total


def test_period_without_data_says_so(report: TransparencyReport, renderer: Renderer):
    empty = replace(report, total=(), systems=(report.systems[1],))
    text = words(renderer.document("transparency", empty, "en"))
    assert "there were no requests to any system" in text
    assert "there were no requests to this system" in text


@pytest.mark.parametrize(
    "name", ["profits", "latency.best", "outcomes.unheard", "reviews.ignored", "refusals.bored", "energy.felt"]
)
def test_figure_that_the_report_has_no_words_for_fails(name: str, report: TransparencyReport, renderer: Renderer):
    odd = replace(report.systems[0], figures=(Figure(name, 1, 3, "records"),))
    with pytest.raises(ContextError):
        renderer.document("transparency", replace(report, systems=(odd,)), "en")


def test_bounds_are_said(report: TransparencyReport, renderer: Renderer):
    figures = (Figure("latency.median", 1, 400, "ms", "at_most"), Figure("latency.p95", 1, 300_000, "ms", "above"))
    figures += (
        Figure("latency.within_target", 1, 987, "permille", "at_least"),
        Figure("decisions", 1, None, "records"),
    )
    system = replace(report.systems[0], figures=figures)
    text = words(renderer.document("transparency", replace(report, systems=(system,)), "en")).replace("\xa0", " ")
    for part in ("at most 400 ms", "more than 5 min", "at least 98.7%", "nothing to count"):
        assert part in text


def hostile(system: AISystem) -> AISystem:
    """The same system with markup, quotes, a direction mark and an emoji in every free text."""

    def fill(value: object) -> object:
        if isinstance(value, dict):
            multilingual = set(value) <= {"en", "nl"}
            return {
                k: HOSTILE if multilingual or k in ("place", "unit", "contact", "law", "article") else fill(v)
                for k, v in value.items()
            }
        return [fill(v) for v in value] if isinstance(value, list) else value

    return parse_system(fill(format_system(system)))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_markup_in_any_text_is_shown_as_text(
    lang: str, system: AISystem, pages, letter, decided, report, renderer: Renderer
):
    bad = hostile(system)
    texts = {"en": HOSTILE, "nl": HOSTILE}
    documents = [
        ("system_page", replace(pages[lang], system=bad)),
        ("letter", replace(letter, system=bad, result=Result(code="refuse", label=texts, text=HOSTILE))),
        ("letter", replace(decided, decision=replace(decided.decision, decision=HOSTILE, reasons=HOSTILE))),
        ("transparency", replace(report, systems=(replace(report.systems[0], name=texts),))),
    ]
    for name, context in documents:
        html = renderer.document(name, context, lang)
        assert "<script" not in html
        assert "&lt;script&gt;" in html


@pytest.mark.parametrize("lang", LANGUAGES)
def test_same_data_and_clock_give_the_same_bytes_and_nothing_is_fetched(
    lang: str, pages, report, decided, stylesheet: str
):
    for name, context in (("system_page", pages[lang]), ("transparency", report), ("letter", decided)):
        made = [Renderer(lambda: NOW, stylesheet=stylesheet).document(name, context, lang) for _ in range(2)]
        assert made[0] == made[1]
        assert f'<html lang="{lang}">' in made[0]
        for loads in ("src=", "@import", "url(", "<script", "<link", "style=", "onclick"):
            assert loads not in made[0], loads


def test_a_document_in_one_language_holds_nothing_of_the_other(pages, report, reply, renderer: Renderer):
    ours = read_translations("nl", [HERE]).sentences
    for name, context in (("system_page", pages["nl"]), ("transparency", report), ("letter", reply)):
        text = words(renderer.document(name, context, "nl"))
        english = [
            m
            for m, forms in ours.items()
            if len(m) > 25 and "%(" not in m and "<" not in m and m in text and forms[0] != m
        ]
        assert english == []


@pytest.mark.parametrize("path", [*sorted(HERE.glob("*/context.py")), HERE / "agency.py"], ids=lambda p: p.parent.name)
def test_each_field_of_a_context_is_documented(path: Path):
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef):
            for field, after in zip(node.body, [*node.body[1:], ast.Pass()], strict=True):
                if isinstance(field, ast.AnnAssign):
                    documented = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                    assert documented, f"{node.name}.{ast.unparse(field.target)}"


# --- how a version was tested -----------------------------------------------------------------------------------------


def about_tests(html: str) -> str:
    section = next(part for part in html.split("<section>") if "How was it tested?" in part or "Hoe is het" in part)
    return " ".join(re.sub(r"<[^>]+>", " ", section).split())


def test_each_test_has_its_share_its_threshold_and_what_follows(renderer: Renderer, page: SystemPage):
    text = about_tests(renderer.document("system_page", page, "en"))
    assert "On 19 November 2026 we tried version 1 on 108 invented cases." in text
    assert "Version 1 passed the tests that it must pass." in text
    assert "Cases with the result that came most often 42.6% at most 95.0% passed" in text
    untested = "the register names no such detail none not measured"
    assert f"another value of a protected characteristic gives another result {untested}" in text
    assert "in all 3 wordings of the question 29.6% at least 70.0% not passed; this alone does not hold" in text
    assert "Paying bills 90" in text
    assert "They show whether results depend on the details" in text


def test_a_version_that_was_held_back_says_why(renderer: Renderer, page: SystemPage):
    assert page.tests is not None
    (other,) = page.tests.others
    told = replace(page.tests, found="held_back", way="override", report=other, others=())
    text = about_tests(renderer.document("system_page", replace(page, tests=told), "en"))
    assert "Version 2 did not pass all tests that it must pass, so it was held back. We use it all the same." in text
    assert "most often 100.0% at most 95.0% not passed; without it, the version is held back" in text
    assert "protected characteristic gives another result 1.9% none not passed; without it" in text
    assert "Nationality (protected characteristic) 2" in text
    assert "1 other case could not be run." in text
    assert "Version 2, on 23 November 2026, by an administrator. Ground: it is a trial. Reasons: For one week" in text


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("way", ["passed", "override", "earlier_test", "not_enforced", None])
@pytest.mark.parametrize("found", ["not_tested", "altered", "other_version", "elsewhere", "not_measurable"])
def test_what_was_not_tested_is_said(
    found: str, way: str | None, lang: str, renderer: Renderer, pages: dict[str, SystemPage]
):
    page = pages[lang]
    assert page.tests is not None
    assert page.tests.report is not None
    report = replace(page.tests.report, verdict="not_measurable") if found == "not_measurable" else None
    unknown = replace(page.tests.waivers[0], reasons=None)
    told = replace(page.tests, found=found, way=way, report=report, others=(), waivers=(unknown,))
    text = about_tests(renderer.document("system_page", replace(page, tests=told), lang))
    assert {"en": "The log does not confirm the reasons", "nl": "Het logboek bevestigt de redenen niet"}[lang] in text
    if (found, lang) == ("not_tested", "en"):
        assert "We have not tested version 1 on invented cases." in text
