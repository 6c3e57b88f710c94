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

from app.actions.elsewhere import external
from app.actions.elsewhere.external_stream import Lines, Numbered
from app.cli.options import AsJson, Home, how_many, print_json, print_text, progress
from app.errors import UsageError
from app.home import Greffier
from app.wiring import open_home
from auditlog.errors import CannotRecord

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
    told = _Told()
    with _opened(source) as file, open_home(home) as g:
        external.demand_system(g, slug)
        for batch in _batches(file):
            _record(g, batch, told, slug, committed_only=committed)
    _print(told, as_json=as_json)
    return 1 if told.failed else 0


@dataclass(slots=True)
class _Told:
    """What became of the lines so far. `problems`: (line, message), the first thousand."""

    lines: int = 0
    recorded: int = 0
    repeated: int = 0
    failed: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)
    size: int | None = None
    at: float = field(default_factory=time.monotonic)


def _record(g: Greffier, batch: list[Numbered], told: _Told, slug: str, *, committed_only: bool) -> None:
    try:
        done = external.record(g, [value for _, value in batch], system=slug, committed_only=committed_only)
    except CannotRecord as error:
        after = f"after {how_many(told.lines, 'line')}; run it again, what is recorded is not recorded twice"
        message = f"{error} ({after})"
        raise CannotRecord(message, cause=error.cause) from error
    told.size = done.size
    for (number, _), result in zip(batch, done.results, strict=True):
        told.lines += 1
        if isinstance(result, Exception):
            told.failed += 1
            if len(told.problems) < _SHOWN:
                told.problems.append((number, str(result)))
        else:
            told.repeated += result.repeated
            told.recorded += not result.repeated
    if time.monotonic() - told.at >= _EVERY_S:
        told.at = time.monotonic()
        progress(f"{how_many(told.lines, 'line')}: {_sum(told)}")


def _sum(told: _Told) -> str:
    return f"{told.recorded} recorded, {told.repeated} recorded before, {told.failed} not taken"


def _print(told: _Told, *, as_json: bool) -> None:
    if as_json:
        counts = {name: getattr(told, name) for name in ("lines", "recorded", "repeated", "failed")}
        print_json(
            {**counts, "problems": [{"line": n, "message": text} for n, text in told.problems], "size": told.size}
        )
        return
    for number, text in told.problems:
        progress(f"line {number}: {text}")
    if told.failed > len(told.problems):
        progress(f"and {told.failed - len(told.problems)} more lines that were not taken")
    print_text(f"{how_many(told.lines, 'line')}: {_sum(told)}")


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
