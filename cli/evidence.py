"""`greffier evidence`: what an auditor takes away about one decision, a sample, or a system in a period."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.options import Home, progress, reader_as
from home.errors import UsageError
from service.proving import evidence, files, samples
from service.wiring import open_home


def add_commands(app: typer.Typer) -> None:
    """Register this file's command."""
    app.command("evidence")(write_evidence)


def write_evidence(
    home: Home,
    reference: Annotated[
        str, typer.Argument(metavar="ID", help="Id of a decision, of a sample that was drawn, or slug of a system.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="A new folder, or a new file that ends in .zip.")],
    role: Annotated[str, typer.Option("--as", help="In which role it is read.")] = "administrator",
    with_log: Annotated[
        bool, typer.Option("--log/--no-log", help="Whether a sample or a system comes with a copy of the log.")
    ] = True,
    since: Annotated[str | None, typer.Option(help="Of a system: the first day, YYYY-MM-DD.")] = None,
    until: Annotated[str | None, typer.Option(help="Of a system: the last day, YYYY-MM-DD.")] = None,
) -> None:
    """Entries, openings, manifests, proofs, policy, verifier and one page of text, in a folder or a zip."""
    reader = reader_as(role)
    files.demand_new(output)
    days = parse_days(since, until)
    with open_home(home) as g:
        if days is not None:
            pack = evidence.of_period(g, reader, reference, days, with_log=with_log)
        elif any(sample.id == reference for sample in samples.list_all(g)):
            pack = evidence.of_sample(g, reader, reference, with_log=with_log)
        else:
            pack = evidence.of_record(g, reader, reference)
        write = files.write_zip if output.suffix == ".zip" else files.write_folder
        write(g, pack, output)
    progress(f"{output}: read evidence.en.txt or evidence.nl.txt in it first")


def parse_days(since: str | None, until: str | None) -> tuple[date, date] | None:
    """The first and the last day of a system's period; None where neither is given. Raises UsageError."""
    if since is None and until is None:
        return None
    if since is None or until is None:
        raise UsageError("give both, the first day and the last", field="--since" if since is None else "--until")
    return _day(since, "--since"), _day(until, "--until")


def _day(text: str, field: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise UsageError("must be a day, YYYY-MM-DD", field=field) from None
