"""`greffier report KIND`: the documents."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from app.actions import report, report_check, transparency
from app.cli.options import ReadAs, print_text, progress, reader_as, write_file
from app.errors import UsageError
from app.home import Greffier
from app.wiring import open_home
from reports.transparency.context import TransparencyReport

KINDS = ("system", "transparency", "letter")


def add_commands(app: typer.Typer) -> None:
    """Register this file's command."""
    app.command("report")(write_report)


def write_report(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="system, transparency or letter; or verify.")],
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="The report to verify.")] = None,
    home: Annotated[Path | None, typer.Option("--home", envvar="GREFFIER_HOME", help="Folder of the home.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Where to write it.")] = None,
    of: Annotated[str | None, typer.Option(help="Slug (system) or record id (letter).")] = None,
    period: Annotated[str | None, typer.Option(help="YYYY or YYYY-MM; this month by default.")] = None,
    lang: Annotated[str, typer.Option(help="en or nl.")] = "en",
    output_format: Annotated[str, typer.Option("--format", help="html or json.")] = "html",
    publish: Annotated[bool, typer.Option("--publish", help="Open the sums of a period that has ended.")] = False,
    published: Annotated[bool, typer.Option("--published", help="The newest that was published, again.")] = False,
    log: Annotated[list[Path] | None, typer.Option(help="verify: an exported log; earlier ones first.")] = None,
    vkey: Annotated[Path | None, typer.Option(help="verify: the log's keys, from a source you trust.")] = None,
    read_as: ReadAs = "administrator",
) -> None:
    """Write a document from the record; or verify a published report."""
    if kind == "verify":
        _verify(file, home, log or (), vkey)
        return
    _demand_sense(kind, of, output_format, publish=publish or published, file=file)
    if home is None:
        raise UsageError("name the folder of the installation", field="--home")
    if output is None:
        raise UsageError("say where to write it", field="-o")
    reader = reader_as(read_as)
    # A letter opens a record, which is noted in the log first; what is published stands in the log.
    with open_home(home, tolerant=kind != "letter" and not publish) as g:
        document: report.Document
        if kind == "system":
            document = report.system_page(g, str(of), lang)
        elif kind == "letter":
            document = report.letter(g, reader, str(of), lang)
        else:
            document = _transparency(g, period, lang, publish=publish, published=published)
        data = report.render(g, document, lang, output_format)
    write_file(output, data, "-o", private=kind == "letter")


def _transparency(g: Greffier, period: str | None, lang: str, *, publish: bool, published: bool) -> TransparencyReport:
    if published:
        found = transparency.newest(g)
        if found is None:
            raise UsageError("nothing was published yet", field="--published")
        return found
    first, last = parse_period(period, g.clock())
    return transparency.publish(g, first, last).report if publish else transparency.period_report(g, first, last, lang)


def _verify(file: Path | None, home: Path | None, logs: Sequence[Path], vkey: Path | None) -> None:
    """Exit 1 with the cell's name where it does not hold; says what was checked."""
    if file is None:
        raise UsageError("name the report in its form for machines", field="FILE")
    data = report_check.read_report(file)
    if logs:
        found = report_check.verify_exported(data, logs, vkey)
        if vkey is None:
            progress("checked with the keys that the export brings itself: --vkey names those that you trust")
    elif home is None:
        raise UsageError("name an exported log, or an installation with --home", field="--log")
    else:
        with open_home(home, tolerant=True) as g:
            found = report_check.verify_at_home(g, data)
    print_text(
        f"holds: {found.report.since} to {found.report.until}, {len(found.report.tallies)} sums in the log, "
        f"{found.opened} cells open, {found.closed} closed, {found.counted} counted again from the entries"
    )
    if found.partial:
        progress("the log continues another: name that one first, to count again what its entries say")


def _demand_sense(kind: str, of: str | None, output_format: str, *, publish: bool, file: Path | None) -> None:
    if kind not in KINDS:
        raise UsageError(f"must be one of {', '.join(KINDS)}, or verify", field="KIND")
    if output_format not in {"html", "json"}:
        raise UsageError("must be html or json", field="--format")
    if kind != "transparency" and not of:
        raise UsageError("names the system or the record", field="--of")
    if publish and kind != "transparency":
        raise UsageError("is for the transparency report", field="--publish")
    if file is not None:
        raise UsageError("is for verify: use -o for what is written", field="FILE")


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
