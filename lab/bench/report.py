"""Documents: the yearly transparency report over a log of any size, drafted, published, checked; a letter as PDF.

The log is that of the benchmark of questions (`fill`), put into an installation in place of the one that it begins
with. Commitments of its records are invented, so the report is counted from the roll-up and from tallies, as always,
and checked against every entry of the log. Times in seconds.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text

from auditlog.core.counting.figures import Figure
from auditlog.store.engine import open_engine, writing
from auditlog.vault.record_keys import RecordKeys
from auditlog.vault.seal import Vault
from auditlog.writing.guard import Guard
from auditlog.writing.keys import KeyFolder
from home.errors import UsageError
from home.greffier import Greffier
from lab.bench import records_scene
from lab.bench.content import SYSTEMS
from lab.bench.query import load
from lab.bench.records_scene import AGENCY, SYSTEM
from lab.bench.scene import ORIGIN
from service.disclosing import letters, publications, report, report_check, transparency
from service.external import import_records
from service.figures import tallies
from service.keeping import migrate
from service.records.accesses import CLI
from service.systems import lifecycle, register
from service.wiring import create_home, open_home

YEAR: Final = date(2026, 1, 1), date(2026, 12, 31)
_AFTER: Final = datetime(2027, 1, 4, 9, 0, tzinfo=UTC)
_LETTERS: Final = 5
_PROFILE: Final = {
    "names": {"en": "Bench agency", "nl": "Proefgemeente"},
    "address": ["Test street 1"],
    "phone": "0000",
    "email": "bench@bench.example",
    "dpo": "dpo@bench.example",
    "authorities": [{"name": {"en": "Authority (invented)"}, "about": "personal_data", "contact": "0000"}],
    "objection_route": {"en": "Write to us.", "nl": "Schrijf ons."},
    "objection_weeks": 6,
    "court": {"en": "Then go to court.", "nl": "Ga daarna naar de rechter."},
}


def run(
    decisions: int, database_url: str | None = None, *, report: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Fill a home on SQLite, in a folder of its own below TMPDIR, measure, and remove it: about 2.6 KB a decision.

    Raises UsageError for a database URL.
    """
    if database_url is not None:
        raise UsageError("is not for this benchmark: it fills a home on SQLite", field="--database-url")
    with tempfile.TemporaryDirectory(prefix="greffier-bench-") as name:
        folder = Path(name)
        began = time.perf_counter()
        _fill(folder / "home", decisions, report)
        filled = time.perf_counter() - began
        with open_home(folder / "home", clock=lambda: _AFTER) as g:
            _register(g)
            report("the report")
            measured = _yearly(g)
            report("its check")
            measured |= _checked(g)
        report("letters")
        measured |= _letters(folder / "letters")
    return {
        "bench": "report",
        "entries": decisions,
        "fill_s": round(filled, 1),
        **measured,
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def _fill(home: Path, decisions: int, report: Callable[[str], None]) -> None:
    """An installation whose log is a year long."""
    settings = create_home(home, AGENCY, ORIGIN.removesuffix("/1"))
    _write_profile(home)
    for file in home.glob("greffier.db*"):
        file.unlink()
    engine = open_engine(f"sqlite:///{home}/greffier.db")
    try:
        migrate.migrate(engine)
        path = home / settings.key_store
        keys = RecordKeys(path)
        try:
            signers = KeyFolder(home / "keys").check(ORIGIN)
            filler, _ = load(engine, Vault(keys, ORIGIN, bytes(32)), path, signers, decisions, report)
        finally:
            keys.close()
        with writing(engine) as conn:
            # What the writer notes as it counts: everything is still to be tallied.
            conn.execute(
                text(
                    "INSERT INTO auditlog_rollup_due (log, system, version, mode, day, changed) "
                    "SELECT DISTINCT log, system, version, mode, day, :size FROM auditlog_rollup"
                ),
                {"size": filler.growth.size},
            )
    finally:
        engine.dispose()
    guard = home / settings.guard_dir / "log-1.guard"
    guard.unlink()
    Guard(guard).create(ORIGIN, size=filler.growth.size, root=filler.growth.root)


def _register(g: Greffier) -> None:
    """The systems that the log is about, so that the report has their names and outcomes."""
    for slug in SYSTEMS:
        file = json.loads(records_scene.system_file(records_scene.answers(refer="refer it")))
        file["system"] |= {"slug": slug, "name": {"en": slug, "nl": slug}}
        register.register(g, json.dumps(file).encode(), account="maker")


def _write_profile(home: Path) -> None:
    (home / "agency.json").write_text(json.dumps(_PROFILE), "utf-8")


def _yearly(g: Greffier) -> dict[str, Any]:
    began = time.perf_counter()
    draft = transparency.period_report(g, *YEAR, "en")
    drafted = time.perf_counter()
    html = report.render(g, draft, "en", "html")
    rendered = time.perf_counter()
    # An installation tallies each day: here a whole year is pending.
    tallies.tally_pending(g)
    tallied = time.perf_counter()
    made = transparency.publish(g, *YEAR)
    published = time.perf_counter()
    return {
        "decisions": _value(made.report.total, "decisions"),
        "tallies": sum(len(one.parts) for one in made.report.tallies),
        "draft_s": round(drafted - began, 2),
        "html_s": round(rendered - drafted, 2),
        "html_bytes": len(html),
        "tally_year_s": round(tallied - rendered, 2),
        "publish_s": round(published - tallied, 2),
    }


def _checked(g: Greffier) -> dict[str, Any]:
    newest = publications.listed(g)[0]
    began = time.perf_counter()
    proven = publications.proven(g, newest.id)
    proved = time.perf_counter()
    report_check.verify_file(proven, None)
    alone = time.perf_counter()
    report_check.verify_at_home(g, publications.body(g, newest.id))
    return {
        "proven_s": round(proved - began, 2),
        "proven_bytes": len(proven),
        "verify_alone_s": round(alone - proved, 2),
        "verify_with_log_s": round(time.perf_counter() - alone, 2),
    }


def _letters(home: Path) -> dict[str, Any]:
    """A letter as PDF, made again and again; the first one loads the library."""
    create_home(home, AGENCY, ORIGIN.removesuffix("/1"))
    _write_profile(home)
    took, size = [], 0
    file = json.loads(records_scene.system_file())
    file["system"]["notice"] = {"application": {"en": "permit"}, "estimates": {"en": "who may park"}, "human": "before"}
    with open_home(home) as g:
        register.register(g, json.dumps(file).encode(), account="maker")
        for state in ("in_review", "approved", "active"):
            lifecycle.change_state(g, SYSTEM, state, account="maker" if state == "in_review" else "approver")
        record = import_records.record(g, [records_scene.line(1)]).results[0]
        assert not isinstance(record, Exception)
        for _ in range(_LETTERS):
            began = time.perf_counter()
            size = len(report.render(g, letters.letter(g, CLI, record.id), "nl", "pdf"))
            took.append(time.perf_counter() - began)
    return {
        "letter_pdf_first_s": round(took[0], 2),
        "letter_pdf_p50_s": round(statistics.median(took[1:]), 2),
        "letter_pdf_bytes": size,
        "letter_of": SYSTEM,
    }


def _value(figures: tuple[Figure, ...], name: str) -> int | None:
    return next((figure.value for figure in figures if figure.name == name), None)
