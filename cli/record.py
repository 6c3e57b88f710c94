"""`greffier record`: decisions made elsewhere, from a file of lines."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import typer

from auditlog.core.errors import CannotRecord
from cli.options import AsJson, Home, how_many, print_json, print_text, progress
from home.errors import UsageError
from home.greffier import Greffier
from service.external import import_records
from service.external.stream import Lines, Numbered
from service.wiring import open_home

_CHUNK: Final = 1 << 20
_EVERY_S: Final = 5.0
_SHOWN: Final = 1000


def add_commands(app: typer.Typer) -> None:
    """Register this file's command."""
    app.command("record")(record)


def record(
    home: Home,
    slug: Annotated[str, typer.Argument(help="The system's slug; its capture is external.")],
    source: Annotated[
        Path, typer.Option("--from", metavar="FILE", help="One JSON object a line; - for standard input.")
    ],
    committed: Annotated[
        bool, typer.Option("--committed", help="Take commitments only: no line may hold content.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Record decisions that were made elsewhere; exit 1 when some lines were not taken, each is named.

    Run it again after an interruption or a correction: what is recorded is not recorded twice.
    """
    tally = _Tally()
    with _opened(source) as file, open_home(home) as g:
        import_records.demand_system(g, slug)
        for batch in _batches(file):
            _record(g, batch, tally, slug, committed_only=committed)
    _print(tally, as_json=as_json)
    return 1 if tally.failed else 0


@dataclass(slots=True)
class _Tally:
    """What became of the lines so far. `problems`: (line, message), the first thousand."""

    lines: int = 0
    recorded: int = 0
    repeated: int = 0
    failed: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)
    size: int | None = None
    at: float = field(default_factory=time.monotonic)


def _record(g: Greffier, batch: list[Numbered], tally: _Tally, slug: str, *, committed_only: bool) -> None:
    try:
        done = import_records.record(g, [value for _, value in batch], system=slug, committed_only=committed_only)
    except CannotRecord as error:
        after = f"after {how_many(tally.lines, 'line')}; run it again, what is recorded is not recorded twice"
        message = f"{error} ({after})"
        raise CannotRecord(message, cause=error.cause) from error
    tally.size = done.size
    for (number, _), result in zip(batch, done.results, strict=True):
        tally.lines += 1
        if isinstance(result, Exception):
            tally.failed += 1
            if len(tally.problems) < _SHOWN:
                tally.problems.append((number, str(result)))
        else:
            tally.repeated += result.repeated
            tally.recorded += not result.repeated
    if time.monotonic() - tally.at >= _EVERY_S:
        tally.at = time.monotonic()
        progress(f"{how_many(tally.lines, 'line')}: {_sum(tally)}")


def _sum(tally: _Tally) -> str:
    return f"{tally.recorded} recorded, {tally.repeated} recorded before, {tally.failed} not taken"


def _print(tally: _Tally, *, as_json: bool) -> None:
    if as_json:
        counts = {name: getattr(tally, name) for name in ("lines", "recorded", "repeated", "failed")}
        print_json(
            {**counts, "problems": [{"line": n, "message": text} for n, text in tally.problems], "size": tally.size}
        )
        return
    for number, text in tally.problems:
        progress(f"line {number}: {text}")
    if tally.failed > len(tally.problems):
        progress(f"and {tally.failed - len(tally.problems)} more lines that were not taken")
    print_text(f"{how_many(tally.lines, 'line')}: {_sum(tally)}")


def _batches(file: BinaryIO) -> Iterator[list[Numbered]]:
    lines = Lines()
    while True:
        try:
            chunk = file.read(_CHUNK)
        except OSError as error:
            raise UsageError(f"cannot be read: {error.strerror}", field="--from") from None
        if not chunk:
            yield from lines.end()
            return
        yield from lines.add(chunk)


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[BinaryIO]:
    if str(source) == "-":
        yield sys.stdin.buffer
        return
    try:
        file = source.open("rb")
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", field="--from") from None
    with file:
        yield file
