"""`greffier decisions`, `greffier view`: an auditor's lists as table, JSON, CSV or Parquet; filters under names."""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from auditlog.store.cursor import DECISION, DecisionFilter, format_filter
from cli.options import (
    AsJson,
    Home,
    ReadAs,
    how_many,
    plain,
    print_json,
    print_rows,
    progress,
    reader_as,
    streamed_file,
)
from home.errors import UsageError, asked
from home.greffier import Greffier
from service.records import files, query, questions
from service.records.reading import Reader
from service.wiring import open_home

COLUMNS = ("idx", "id", "system", "version", "mode", "minute", "outcome", "review")
TECHNICAL_COLUMNS = ("idx", "system", "version", "mode", "minute", "output_tokens", "total_us", "cost_millionths")
EVENT_COLUMNS = ("idx", "id", "kind", "minute", "system", "code")
FORMATS: Final = ("table", "json", *files.FORMATS)
_MEMBERS: Final = {field.name: field.type for field in dataclasses.fields(DecisionFilter)}

System = Annotated[str | None, typer.Option(help="Slug of a system.")]
Since = Annotated[str | None, typer.Option(help="From this minute on, YYYY-MM-DDTHH:MMZ or a date.")]
Until = Annotated[str | None, typer.Option(help="Before this minute.")]
Outcome = Annotated[str | None, typer.Option(help="Outcome code.")]
Review = Annotated[str | None, typer.Option(help="Action of the latest review, none or any.")]
Kind = Annotated[str | None, typer.Option(help="Entries of another kind, such as refused/1.")]
Where = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help=f"Further filters: {', '.join(sorted(_MEMBERS))}. May be repeated."),
]
All = Annotated[bool, typer.Option("--all", help="The whole of a large log, without system or period.")]
Cursor = Annotated[str | None, typer.Option(help="Continue an earlier page.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="Rows of a page (table, JSON).")]
Format = Annotated[str, typer.Option("--format", help="table, json; csv or parquet for all rows.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="File for CSV or Parquet.")]

views = typer.Typer(no_args_is_help=True, help="Filters kept under a name.")


def add_commands(app: typer.Typer) -> None:
    """Register this file's commands."""
    app.command("decisions")(list_decisions)
    app.add_typer(views, name="view")


def list_decisions(
    home: Home,
    system: System = None,
    since: Since = None,
    until: Until = None,
    outcome: Outcome = None,
    review: Review = None,
    kind: Kind = None,
    where: Where = None,
    everything: All = False,
    cursor: Cursor = None,
    limit: Limit = 100,
    output_format: Format = "table",
    output: Output = None,
    role: ReadAs = "administrator",
) -> None:
    """List recorded decisions, or other entries, with filters."""
    reader = reader_as(role)
    _check_format(output_format, output, cursor)
    chosen = _filter(where, system=system, since=since, until=until, outcome=outcome, review=review, kind=kind)
    with open_home(home, tolerant=True) as g:
        if output_format in files.FORMATS:
            _write(g, reader, chosen, output_format, output, everything=everything)
        else:
            page = query.decisions(g, reader, chosen, cursor, limit, everything=everything)
            _print(page, chosen, reader, output_format)


@views.command("save")
def save(
    home: Home,
    name: Annotated[str, typer.Argument(help="Its name: a-z, 0-9 and -.")],
    system: System = None,
    since: Since = None,
    until: Until = None,
    outcome: Outcome = None,
    review: Review = None,
    kind: Kind = None,
    where: Where = None,
) -> None:
    """Keep a filter, in place of one of the same name."""
    chosen = _filter(where, system=system, since=since, until=until, outcome=outcome, review=review, kind=kind)
    with open_home(home, tolerant=True) as g:
        questions.save_view(g, name, chosen)
    progress(f"{name}: {format_filter(chosen)}")


@views.command("list")
def list_views(home: Home, as_json: AsJson = False) -> None:
    """All views by name."""
    with open_home(home, tolerant=True) as g:
        rows: list[dict[str, Any]] = [
            {"name": one.name, "filter": format_filter(one.where)} for one in questions.views(g)
        ]
    print_rows(rows, as_json=as_json, columns=("name", "filter"))


@views.command("show")
def show(home: Home, name: Annotated[str, typer.Argument(help="Name of the view.")]) -> None:
    """The filter that a name stands for, as JSON."""
    with open_home(home, tolerant=True) as g:
        sys.stdout.write(format_filter(questions.view(g, name)) + "\n")


@views.command("run")
def run(
    home: Home,
    name: Annotated[str, typer.Argument(help="Name of the view.")],
    everything: All = False,
    cursor: Cursor = None,
    limit: Limit = 100,
    output_format: Format = "table",
    output: Output = None,
    role: ReadAs = "administrator",
) -> None:
    """List what a view finds."""
    reader = reader_as(role)
    _check_format(output_format, output, cursor)
    with open_home(home, tolerant=True) as g:
        chosen = questions.view(g, name)
        if output_format in files.FORMATS:
            _write(g, reader, chosen, output_format, output, everything=everything)
        else:
            _print(
                query.decisions(g, reader, chosen, cursor, limit, everything=everything), chosen, reader, output_format
            )


@views.command("delete")
def delete(home: Home, name: Annotated[str, typer.Argument(help="Name of the view.")]) -> None:
    """Forget a view."""
    with open_home(home, tolerant=True) as g:
        questions.delete_view(g, name)
    progress(f"{name} is deleted")


def _print(page: query.Page, chosen: DecisionFilter, reader: Reader, output_format: str) -> None:
    if output_format == "json":
        print_json(plain(page))
        return
    columns: tuple[str, ...] = EVENT_COLUMNS
    if chosen.of_decisions:
        columns = TECHNICAL_COLUMNS if reader.role in query.TECHNICAL else COLUMNS
    print_rows(page.rows, as_json=False, columns=columns)
    _print_stamp(page.log)
    if page.next:
        progress(f"more: --cursor {page.next}")


def _write(
    g: Greffier, reader: Reader, chosen: DecisionFilter, output_format: str, output: Path | None, *, everything: bool
) -> None:
    """All rows into the file, whole or not at all; CSV without a file goes to stdout."""
    write = files.write_csv if output_format == "csv" else files.write_parquet
    if output is None:
        export = query.export(g, reader, chosen, everything=everything)
        count = write(export, sys.stdout.buffer)
    else:
        with streamed_file(output, "--output") as file:
            export = query.export(g, reader, chosen, everything=everything)
            count = write(export, file)
    progress(how_many(count, "row"))
    _print_stamp(export.log)


def _print_stamp(log: query.LogStamp) -> None:
    progress(f"log {log.origin}, size {log.size}, root {log.root}")


def _check_format(output_format: str, output: Path | None, cursor: str | None) -> None:
    if output_format not in FORMATS:
        raise UsageError(f"must be one of {', '.join(FORMATS)}", field="--format")
    if output_format == "parquet" and output is None:
        raise UsageError("give a file: Parquet is not for a terminal", field="--output")
    if output_format in files.FORMATS and cursor is not None:
        raise UsageError("is for pages; a file has all rows", field="--cursor")
    if output_format not in files.FORMATS and output is not None:
        raise UsageError("is for --format csv or parquet", field="--output")


def _filter(where: list[str] | None, **named: str | None) -> DecisionFilter:
    """Options and `--where NAME=VALUE` as one filter. UsageError names what is wrong, never the value."""
    members: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    for text in where or []:
        name, equals, value = text.partition("=")
        if not equals or name not in _MEMBERS:
            raise UsageError(f"must be NAME=VALUE with one of {', '.join(sorted(_MEMBERS))}", field="--where")
        if name in members:
            raise UsageError(f"gives {name} a second time", field="--where")
        members[name] = _number(name, value) if _MEMBERS[name] == "int | None" else value
    members |= {name: _minute(members[name]) for name in ("since", "until") if name in members}
    if members.get("kind") == DECISION:
        del members["kind"]
    with asked():
        return DecisionFilter(**members)


def _number(name: str, value: str) -> int:
    if re.fullmatch(r"[0-9]{1,16}", value) is None:
        raise UsageError("must be a whole number", field=name)
    return int(value)


def _minute(text: str) -> str:
    """A date as its first minute, UTC; anything else as it is, for the filter to judge."""
    return f"{text}T00:00Z" if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) else text
