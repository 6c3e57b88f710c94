"""`greffier report KIND`: the documents."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from app.actions import report, transparency
from app.cli.options import Home, ReadAs, reader_as, write_file
from app.errors import UsageError
from app.wiring import open_home

KINDS = ("system", "transparency", "letter")


def add_commands(app: typer.Typer) -> None:
    """Register this file's command."""
    app.command("report")(write_report)


def write_report(
    home: Home,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="system, transparency or letter.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to write it.")],
    of: Annotated[str | None, typer.Option(help="Slug (system) or record id (letter).")] = None,
    period: Annotated[str | None, typer.Option(help="YYYY or YYYY-MM; this month by default.")] = None,
    lang: Annotated[str, typer.Option(help="en or nl.")] = "en",
    output_format: Annotated[str, typer.Option("--format", help="html or json.")] = "html",
    read_as: ReadAs = "administrator",
) -> None:
    """Write a document from the record."""
    if kind not in KINDS:
        raise UsageError(f"must be one of {', '.join(KINDS)}", field="KIND")
    if output_format not in {"html", "json"}:
        raise UsageError("must be html or json", field="--format")
    if kind != "transparency" and not of:
        raise UsageError("names the system or the record", field="--of")
    # A letter opens a record, which is noted in the log first.
    with open_home(home, tolerant=kind != "letter") as g:
        document: report.Document
        if kind == "system":
            document = report.system_page(g, str(of), lang)
        elif kind == "letter":
            document = report.letter(g, reader_as(read_as), str(of), lang)
        else:
            first, last = parse_period(period, g.clock())
            document = transparency.period_report(g, first, last, lang)
        data = report.render(g, document, lang, output_format)
    write_file(output, data, "-o")


def parse_period(text: str | None, now: datetime) -> tuple[date, date]:
    """First and last day of a period, UTC."""
    if text is None:
        text = now.strftime("%Y-%m")
    match = re.fullmatch(r"(2[0-9]{3})(?:-(0[1-9]|1[0-2]))?", text)
    if match is None:
        raise UsageError("must be YYYY or YYYY-MM, from 2000 to 2999", field="--period")
    year, month = int(match[1]), match[2]
    if month is None:
        return date(year, 1, 1), date(year, 12, 31)
    number = int(month)
    return date(year, number, 1), date(year, number, monthrange(year, number)[1])
