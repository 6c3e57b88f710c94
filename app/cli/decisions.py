"""`greffier decisions`: the auditor's list."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from app.actions import query
from app.cli.options import Home, plain, print_json, print_rows, progress
from app.errors import UsageError, asked
from app.wiring import open_home
from auditlog.store.cursor import DecisionFilter

COLUMNS = ("idx", "id", "system", "version", "mode", "minute", "outcome", "review")


def add_commands(app: typer.Typer) -> None:
    """Register this file's command."""
    app.command("decisions")(list_decisions)


def list_decisions(
    home: Home,
    system: Annotated[str | None, typer.Option(help="Slug of a system.")] = None,
    since: Annotated[str | None, typer.Option(help="From this minute on, YYYY-MM-DDTHH:MMZ or a date.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this minute.")] = None,
    outcome: Annotated[str | None, typer.Option(help="Outcome code.")] = None,
    cursor: Annotated[str | None, typer.Option(help="Continue an earlier page.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    output: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
) -> None:
    """List recorded decisions with filters."""
    if output not in {"table", "json"}:
        raise UsageError("must be table or json", field="--format")
    with asked():
        chosen = DecisionFilter(system=system, outcome=outcome, since=_minute(since), until=_minute(until))
    with open_home(home, tolerant=True) as g:
        page = query.decisions(g, chosen, cursor, limit)
    if output == "json":
        print_json(plain(page))
        return
    print_rows(page.rows, as_json=False, columns=COLUMNS)
    progress(f"log {page.log.origin}, size {page.log.size}, root {page.log.root}")
    if page.next:
        progress(f"more: --cursor {page.next}")


def _minute(text: str | None) -> str | None:
    """A date as its first minute, UTC; anything else as it is, for the filter to judge."""
    return f"{text}T00:00Z" if text is not None and re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) else text
