"""`greffier ask`: an auditor's named questions, put to the installation or to Parquet files that it exported."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated

import typer

from cli.options import ReadAs, plain, print_json, print_rows, print_text, progress, reader_as
from home.errors import UsageError
from service.records import questions
from service.records.files import csv_cell
from service.wiring import open_home

_FORMATS = ("table", "json", "csv")
MaybeHome = Annotated[
    Path | None, typer.Option("--home", envvar="GREFFIER_HOME", help="Folder of the installation (unless --parquet).")
]


def add_commands(app: typer.Typer) -> None:
    """Register this file's command."""
    app.command("ask")(ask)


def ask(
    question: Annotated[str | None, typer.Argument(help="Name of the question; without it, they are listed.")] = None,
    home: MaybeHome = None,
    since: Annotated[str | None, typer.Option(help="First day, YYYY-MM-DD.")] = None,
    until: Annotated[str | None, typer.Option(help="Day after the last.")] = None,
    system: Annotated[str | None, typer.Option(help="Slug of a system.")] = None,
    boot: Annotated[str | None, typer.Option(help="A worker process, as in its boot/1 entry.")] = None,
    days: Annotated[int | None, typer.Option(help="For late-reviews.")] = None,
    limit: Annotated[int | None, typer.Option(help="For boot.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Ask this file of decisions instead.")] = None,
    events: Annotated[Path | None, typer.Option(help="A Parquet file of entries of kind refused/1.")] = None,
    output_format: Annotated[str, typer.Option("--format", help="table, json or csv.")] = "table",
    role: ReadAs = "administrator",
) -> None:
    """Ask one of ten questions; the answer names log, size and root."""
    if output_format not in _FORMATS:
        raise UsageError(f"must be one of {', '.join(_FORMATS)}", field="--format")
    if question is None:
        print_rows(questions.listed(), as_json=output_format == "json", columns=("question", "answers", "parameters"))
        return
    options = {"since": since, "until": until, "system": system, "boot": boot, "days": days, "limit": limit}
    given = {name: value for name, value in options.items() if value is not None}
    reader = reader_as(role)
    if parquet is not None:
        answer = questions.ask_files(question, given, parquet, events)
    elif events is not None:
        raise UsageError("goes with --parquet, the file of decisions", field="--events")
    elif home is None:
        raise UsageError("give the folder of the installation, or --parquet", field="--home")
    else:
        with open_home(home, tolerant=True) as g:
            answer = questions.ask(g, reader, question, given)
    _print(answer, output_format)


def _print(answer: questions.Answer, output_format: str) -> None:
    if output_format == "json":
        print_json(plain(answer))
        return
    if output_format == "csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, list(answer.rows[0]) if answer.rows else [])
        writer.writeheader()
        writer.writerows({name: csv_cell(value) for name, value in row.items()} for row in answer.rows)
        print_text(text.getvalue())
    else:
        print_rows(answer.rows, as_json=False)
        if not answer.rows:
            progress("nothing found")
    progress(f"log {answer.log.origin}, size {answer.log.size}, root {answer.log.root}")
