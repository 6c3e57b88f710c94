"""`greffier log import`: a new database from a copy of the log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from accounts import log_check
from auditlog.core.errors import Frozen
from cli.options import AsJson, Home, plain, print_json, print_rows, print_text, progress
from home.errors import UsageError
from home.greffier import utc_now
from service.damaged_home import open_damaged
from service.keeping import rebuild
from service.keeping.rebuild import Outcome
from service.logs import mirror
from service.wiring import open_home


def add_commands(app: typer.Typer) -> None:
    """Register this file's command, below `greffier log`."""
    app.command("import")(import_log)


def import_log(
    home: Home,
    source: Annotated[str, typer.Argument(help="An export, a mirror, a folder of mirrors, or the address of one.")],
    documents: Annotated[
        Path | None, typer.Option("--documents", help="Register files, for a register that is lost as well.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what the import would give; change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Build the database anew from a copy of the log, up to the guard; the old one is moved aside."""
    if mirror.is_home(source):
        raise UsageError("is a home: export its log first (`greffier log export`)", field="SOURCE")
    since = utc_now()
    with open_damaged(home) as damaged, mirror.open_source(source) as sources:
        outcome = rebuild.rebuild(
            damaged, sources, now=since, keep=not dry_run, documents=documents, progress=_progress
        )
    if not dry_run:
        try:
            with open_home(home) as g:
                rebuild.state_outage(g, since)
                if lost := log_check.state_lost(g):
                    progress(f"accounts of staff that are lost: {lost}; the log says so. Add them anew")
        except Frozen:
            progress("the log is closed: `greffier log succeed` opens the next one")
    if as_json:
        print_json(plain(outcome))
    else:
        _print(outcome)


def _progress(done: int, whole: int) -> None:
    if done % (64 * 256) == 0:
        progress(f"{done} of {whole} entries")


def _print(outcome: Outcome) -> None:
    print_rows([plain(log) for log in outcome.logs], as_json=False)
    for line in _lines(outcome):
        print_text(line)


def _lines(outcome: Outcome) -> list[str]:
    lines = [f"content of {outcome.content_kept} records kept"]
    if outcome.content_lost:
        lines.append(f"content not here: {outcome.content_lost} records. Their proofs hold; what they said is gone")
    lines += [f"left behind, {reason}: {count}" for reason, count in sorted(outcome.content_left.items())]
    lines += [f"old database, {table}: not read whole ({what})" for table, what in sorted(outcome.old_damage.items())]
    lines += [f"register, {place}: {message}" for place, message in outcome.register]
    if outcome.register:
        lines.append("give the register files with --documents to put their systems back")
    if outcome.api_keys == 0:
        lines.append("no API keys were found: make them anew with `greffier key add`")
    if outcome.dry_run:
        lines.append("nothing was changed (--dry-run)")
    elif outcome.moved_to:
        lines.append(f"the old database is kept as {outcome.moved_to}")
    return lines
