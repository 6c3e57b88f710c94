"""`greffier reconcile`: the case system's own list against the log."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from auditlog.core.entries.record import format_time, parse_time
from auditlog.core.entries.vocabulary import PATTERNS
from auditlog.core.errors import FormatError
from cli.options import Home, demand_file, plain, print_json, progress, reader_as
from home.errors import UsageError
from service.external import reconcile
from service.external.case_list import parse_cases
from service.wiring import open_home

AGREES, DIFFERS = 0, 1


def add_commands(app: typer.Typer) -> None:
    """Register this file's command."""
    app.command("reconcile")(run)


def run(
    home: Home,
    source: Annotated[Path, typer.Option("--from", help="CSV with case, decided, and id, subject, used; - is stdin.")],
    system: Annotated[str | None, typer.Option(help="Slug of a system; by default all.")] = None,
    since: Annotated[str | None, typer.Option(help="From this minute on, YYYY-MM-DDTHH:MMZ or a date.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this minute.")] = None,
    zone: Annotated[str | None, typer.Option(help="Zone of times that name none, such as Europe/Amsterdam.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Write each difference here, as a line of JSON, for you alone."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the counts for the transparency report.")] = False,
    role: Annotated[str, typer.Option("--as", help="In which role it is read.")] = "administrator",
) -> int:
    """Count cases without a record, records without a case, and results used before review; 1 when there are any."""
    reader, period = reader_as(role), _period(since, until)
    with open_home(home) as g, _lines(source) as lines, _differences(output) as tell:
        cases = parse_cases(lines, _zone(zone))
        counts = reconcile.reconcile(g, reader, cases, system=system, since=period[0], until=period[1], tell=tell)
        kept = reconcile.keep(g, counts, system) if keep else None
    print_json({**plain(counts), "kept": kept})
    progress("list and log agree" if counts.agrees else "list and log differ")
    return AGREES if counts.agrees else DIFFERS


def _period(since: str | None, until: str | None) -> tuple[str | None, str | None]:
    first, end = _minute(since, "--since"), _minute(until, "--until")
    if first is not None and end is not None and first >= end:
        raise UsageError("must be later than --since", field="--until")
    return first, end


def _minute(text: str | None, option: str) -> str | None:
    if text is not None and re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        text = f"{text}T00:00Z"
    if text is not None and PATTERNS["time"].fullmatch(text) is None:
        raise UsageError("must be a minute, YYYY-MM-DDTHH:MMZ, or a date", field=option)
    try:
        return text and format_time(parse_time(text))
    except FormatError:
        raise UsageError("is no day or minute in the calendar", field=option) from None


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return None if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError("is no time zone that this machine knows, such as Europe/Amsterdam", field="--zone") from None


@contextlib.contextmanager
def _lines(source: Path) -> Iterator[TextIO]:
    if str(source) == "-":
        yield io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", newline="")
        return
    try:
        file = source.open(encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", field="--from") from None
    with file:
        yield file


@contextlib.contextmanager
def _differences(path: Path | None) -> Iterator[Callable[[reconcile.Line], None] | None]:
    """Writes lines to a file that its owner alone can read, whole or not at all; nothing where no file is asked for."""
    if path is None:
        yield None
        return
    demand_file(path, "-o")
    part = path.with_name(f".{path.name}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}; name another place", field="-o") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield lambda line: _write(file, line)
        part.replace(path)
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}; name another place", field="-o") from None
    finally:
        part.unlink(missing_ok=True)


def _write(file: TextIO, line: reconcile.Line) -> None:
    file.write(json.dumps(line, ensure_ascii=False) + "\n")
