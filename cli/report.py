"""`greffier report KIND`: the documents."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.options import ReadAs, print_text, progress, reader_as, write_file
from home.errors import UsageError
from home.greffier import Greffier
from reports.letter.context import AnsweredRequest
from reports.transparency.context import TransparencyReport
from service.cases import officer_requests
from service.disclosing import letters, publications, report, report_check, transparency
from service.disclosing.documents import DOCUMENTS
from service.wiring import open_home

TRANSPARENCY, LETTER = "transparency", "letter"
PROOF = "proof"
KINDS = (*DOCUMENTS, TRANSPARENCY)


def add_commands(app: typer.Typer) -> None:
    """Register this file's command."""
    app.command("report")(write_report)


def write_report(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"{', '.join(KINDS)}; or verify.")],
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="The report to verify.")] = None,
    home: Annotated[Path | None, typer.Option("--home", envvar="GREFFIER_HOME", help="Folder of the home.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Where to write it.")] = None,
    of: Annotated[str | None, typer.Option(help="Slug of the system, or id of the record or incident.")] = None,
    period: Annotated[str | None, typer.Option(help="YYYY or YYYY-MM; this month by default.")] = None,
    lang: Annotated[str, typer.Option(help="en or nl.")] = "en",
    output_format: Annotated[
        str, typer.Option("--format", help="html, json or pdf; proof: json with all that verify needs.")
    ] = "html",
    code: Annotated[bool, typer.Option("--code", help="letter: with a new access code for the person.")] = False,
    request: Annotated[str | None, typer.Option(metavar="ID", help="letter: the request that it answers.")] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Open the sums of a period that has ended.")] = False,
    note: Annotated[
        list[str] | None, typer.Option(metavar="LANG=TEXT", help="--publish again: what was wrong, in each language.")
    ] = None,
    published: Annotated[bool, typer.Option("--published", help="The newest that was published, again.")] = False,
    log: Annotated[list[Path] | None, typer.Option(help="verify: an exported log; earlier ones first.")] = None,
    vkey: Annotated[Path | None, typer.Option(help="verify: the log's keys, from a source you trust.")] = None,
    read_as: ReadAs = "administrator",
) -> None:
    """Write a document from the record; or verify a published report."""
    if kind == "verify":
        _verify(file, home, log or (), vkey)
        return
    _demand_sense(kind, of, output_format, publish=publish or published, file=file, letter=code or request is not None)
    if home is None:
        raise UsageError("name the folder of the installation", field="--home")
    if output is None:
        raise UsageError("say where to write it", field="-o")
    reader = reader_as(read_as)
    private = kind in DOCUMENTS and DOCUMENTS[kind].private
    # Where a record is opened, that is noted in the log first; what is published stands in the log.
    with open_home(home, tolerant=not private and not publish) as g:
        if kind == TRANSPARENCY:
            told = _note(note, publish=publish)
            if output_format == PROOF:
                data = publications.proven(g, _published_id(g, period, told, publish=publish))
                write_file(output, data, "-o")
                return
            document: object = _transparency(g, period, lang, told, publish=publish, published=published)
        elif kind == LETTER:
            document = letters.letter(g, reader, str(of), asked=_asked(g, request), code=code)
        else:
            document = DOCUMENTS[kind].make(g, reader, of or "", lang)
        data = report.render(g, document, lang, output_format)
    write_file(output, data, "-o", private=private)


def _asked(g: Greffier, request: str | None) -> AnsweredRequest | None:
    if request is None:
        return None
    found = officer_requests.find(g, request)
    return AnsweredRequest(received=found.received, due=found.due)


def _transparency(
    g: Greffier,
    period: str | None,
    lang: str,
    note: dict[str, str] | None,
    *,
    publish: bool,
    published: bool,
) -> TransparencyReport:
    if published:
        return publications.report_of(g, _published_id(g, period))
    first, last = parse_period(period, g.clock())
    if publish:
        return transparency.publish(g, first, last, note).report
    return transparency.period_report(g, first, last, lang)


def _published_id(g: Greffier, period: str | None, note: dict[str, str] | None = None, *, publish: bool = False) -> str:
    """The id of the report that is published now, or of the newest one."""
    if publish:
        return transparency.publish(g, *parse_period(period, g.clock()), note).id
    listed = publications.listed(g)
    if not listed:
        raise UsageError("nothing was published yet", field="--published")
    return listed[0].id


def _note(given: Sequence[str] | None, *, publish: bool) -> dict[str, str] | None:
    """`LANG=TEXT` as given, one of each language."""
    if not given:
        return None
    if not publish:
        raise UsageError("says what a report that is published again corrects: give --publish", field="--note")
    texts: dict[str, str] = {}
    for one in given:
        lang, equals, text = one.partition("=")
        if not equals or not text.strip() or lang in texts:
            raise UsageError("must be LANG=TEXT, once for each language, as en=One week was missing", field="--note")
        texts[lang] = text.strip()
    return texts


def _verify(file: Path | None, home: Path | None, logs: Sequence[Path], vkey: Path | None) -> None:
    """Exit 1 with the cell's name where it does not hold; says what was checked."""
    if file is None:
        raise UsageError("name the report in its form for machines", field="FILE")
    data = report_check.read_report(file)
    alone = report_check.verify_file(data, vkey) if not logs and home is None else None
    data = report_check.report_in(data)
    if alone is not None:
        found = alone
        if vkey is None:
            progress("checked with the keys that the file brings itself: --vkey names those that you trust")
    elif logs:
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
    if alone is not None:
        progress("checked from the file alone: with --log, what entries say in clear is counted again as well")
    elif found.partial:
        progress("the log continues another: name that one first, to count again what its entries say")


def _demand_sense(
    kind: str, of: str | None, output_format: str, *, publish: bool, file: Path | None, letter: bool
) -> None:
    if kind not in KINDS:
        raise UsageError(f"must be one of {', '.join(KINDS)}, or verify", field="KIND")
    if output_format not in (*report.FORMATS, PROOF):
        raise UsageError("must be html, json, pdf or proof", field="--format")
    if output_format == PROOF and not publish:
        raise UsageError("proof is of a report that was published: give --published", field="--format")
    if kind in DOCUMENTS and (DOCUMENTS[kind].of != "agency") != bool(of):
        needs = DOCUMENTS[kind].of
        said = "is for the other documents" if needs == "agency" else f"names the {needs}"
        raise UsageError(said, field="--of")
    if publish and kind != TRANSPARENCY:
        raise UsageError("is for the transparency report", field="--publish")
    if letter and kind != LETTER:
        raise UsageError("is for the letter", field="--code, --request")
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
