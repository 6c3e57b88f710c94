"""`greffier system export` and `import`: the register in the formats of others."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.options import Account, AsJson, Home, print_json, print_rows, progress, read_file, write_file
from home.errors import UsageError
from registry.exchange.formats import FORMATS
from registry.exchange.transfer import HOW, SOURCES, Exported
from service.systems import exchange
from service.wiring import open_home

_OK, _NOT_TAKEN = 0, 1
_NAMES = ", ".join(FORMATS)

To = Annotated[str, typer.Option("--to", metavar="FORMAT", help=f"One of {_NAMES}.")]
From = Annotated[str, typer.Option("--from", metavar="FORMAT", help=f"One of {_NAMES}.")]


def add_commands(app: typer.Typer) -> None:
    """Register this file's commands."""
    app.command("export")(export_system)
    app.command("import")(import_systems)


def export_system(
    home: Home,
    to: To,
    slug: Annotated[str | None, typer.Argument(help="The system's slug; leave it out with --all.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File; by default standard output.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All systems, as csv or xlsx.")] = False,
    whole: Annotated[bool, typer.Option(help="With members that are withheld from the public.")] = False,
    lang: Annotated[
        str | None, typer.Option(metavar="CODE", help="Language, for a format of one; the first of the settings.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a system in another format; what that still asks for and what is lost is said, never guessed."""
    if everything == (slug is not None):
        raise UsageError("give the slug of a system, or --all", field="SLUG")
    with open_home(home, tolerant=True) as g:
        if slug is None:
            exported = exchange.export_all(g, to, whole=whole)
        else:
            exported = exchange.export(g, slug, to, whole=whole, lang=lang)
    if output is None:
        sys.stdout.buffer.write(exported.data)
        sys.stdout.flush()
        for row in _rows(exported):
            progress(f"{row['what']}: {row['field']} ({row['why']})")
        return
    write_file(output, exported.data, "-o")
    print_rows(_rows(exported), as_json=as_json, columns=("what", "field", "why"))


def _rows(exported: Exported) -> list[dict[str, Any]]:
    missing = [
        {
            "what": "missing",
            "field": f"{one.field} {one.label}",
            "why": one.member or "the register has no member for it",
        }
        for one in exported.missing
    ]
    return missing + [{"what": "lost", "field": one.what, "why": HOW[one.how]["en"]} for one in exported.lost]


def import_systems(
    home: Home,
    file: Annotated[Path, typer.Argument(help="The file; - is standard input.")],
    source: From,
    slug: Annotated[str | None, typer.Option(help="Short name of the system, for a file that gives none.")] = None,
    fill: Annotated[Path | None, typer.Option(help="JSON object of members for what the file leaves open.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would come of it, and write nothing.")] = False,
    account: Account = None,
    as_json: AsJson = False,
) -> int:
    """Take systems out of a file in another format: new ones as drafts; known ones, by slug, change. All or none."""
    filling = None if fill is None else read_file(fill, "--fill")
    with open_home(home) as g:
        report = exchange.import_file(
            g, read_file(file, "FILE"), source, slug=slug, filling=filling, dry_run=dry_run, account=account
        )
    if as_json:
        print_json({"registered": report.registered, "systems": list(report.outcomes)})
    else:
        _print(report)
    return _NOT_TAKEN if report.refused else _OK


def _print(report: exchange.Report) -> None:
    for one in report.outcomes:
        if one.faults or one.missing or one.left_out or one.lost or one.unknown:
            place = "" if one.line is None else f"line {one.line}: "
            progress(f"{place}{one.slug or 'a system without a slug'}: {one.action}")
        for fault in one.faults:
            progress(f"  wrong: {fault.field} {fault.message}")
        for missing in one.missing:
            progress(f"  missing: {missing.member} ({missing.label})")
        for name in one.left_out:
            progress(f"  left out until it is whole: {name}")
        for lost in one.lost:
            progress(f"  not taken over: {lost.what} ({SOURCES[lost.how]['en']})")
        for name in one.unknown:
            progress(f"  unknown: {name}")
    rows = [
        {"slug": one.slug, "line": one.line, "action": one.action, "members": ", ".join(one.members)}
        for one in report.outcomes
    ]
    print_rows(rows, as_json=False, columns=("slug", "line", "action", "members"))
