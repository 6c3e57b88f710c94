"""Options that every command shares, and how results are printed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from auditlog.core.entries.vocabulary import READERS
from auditlog.core.formats.canonical import printable
from home.errors import UsageError
from service.records.reading import Reader

PIPE_WIDTH = 240

Home = Annotated[Path, typer.Option("--home", envvar="GREFFIER_HOME", help="Folder of the installation.")]
ReadAs = Annotated[str, typer.Option("--as", metavar="ROLE", help="In which role it is read; it stands in the log.")]
Account = Annotated[
    str | None, typer.Option(metavar="ID", help="Whose step it is: four eyes are two accounts. Never in the log.")
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(plain(value), ensure_ascii=False, indent=2) + "\n")


def print_text(text: str) -> None:
    """A text on stdout."""
    sys.stdout.write(printable(text if text.endswith("\n") else f"{text}\n"))


def print_rows(rows: Sequence[dict[str, Any]], *, as_json: bool, columns: Sequence[str] = ()) -> None:
    """Rows as a table, or as JSON."""
    if as_json:
        print_json(list(rows))
        return
    names = list(columns) or (list(rows[0]) if rows else [])
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        # Text and not str: brackets in a name are no markup.
        table.add_row(*(Text("" if row.get(name) is None else printable(str(row.get(name)))) for name in names))
    # A file or a pipe has no width: rows stay whole there.
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)


def plain(value: Any) -> Any:
    """Dataclasses and paths as JSON has them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value


def read_file(path: Path, option: str) -> bytes:
    """A file named on the command line (`-` is standard input); UsageError names the option."""
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", field=option) from None


def write_file(path: Path, data: bytes, option: str, *, private: bool = False) -> None:
    """Write a result whole or not at all, `private` for its owner alone; UsageError names the option."""
    with reserved_file(path, option, private=private) as write:
        write(data)


@contextlib.contextmanager
def reserved_file(path: Path, option: str, *, private: bool = False) -> Iterator[Callable[[bytes], None]]:
    """A way to write a result whole or not at all, made sure of before the work that leads to it begins.

    UsageError names the option. Nothing is left behind where the block does not write, or fails. `private`: from its
    first byte on it is the owner's alone.
    """
    with _writing(option):
        demand_file(path, option)
    temporary = path.with_name(f".{path.name}.part")

    def write(data: bytes) -> None:
        with _writing(option):
            temporary.write_bytes(data)
            temporary.replace(path)

    with _writing(option):
        temporary.touch()
        if private:
            temporary.chmod(0o600)
    try:
        yield write
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def streamed_file(path: Path, option: str) -> Iterator[IO[bytes]]:
    """A file of its owner's alone to write to bit by bit; it stands at `path` once the block ended well, or not at all.

    UsageError names the option.
    """
    with _writing(option):
        demand_file(path, option)
        temporary = path.with_name(f".{path.name}.part")
        opened = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with _writing(option), os.fdopen(opened, "wb") as file:
            yield file
        with _writing(option):
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def demand_file(path: Path, option: str) -> None:
    """Raise UsageError for what a file cannot take the place of: a folder, or a device, which would be gone."""
    if not path.name or path.is_dir():
        raise UsageError("is a folder: give the path of a file", field=option)
    if path.exists() and not path.is_file():
        raise UsageError("is a device or a pipe: give the path of a file", field=option)


@contextlib.contextmanager
def _writing(option: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}; name another place", field=option) from None


def reader_as(role: str) -> Reader:
    """Who reads content by a command: the machine's owner, in the role that `--as` names."""
    if role not in READERS:
        raise UsageError(f"must be one of {', '.join(READERS)}", field="--as")
    return Reader(role, None)


def how_many(number: int, one: str, more: str = "") -> str:
    """A number with its noun: 1 record, 2 records; `more` where the plural is another word than `one` with an s."""
    return f"{number:,} {one if number == 1 else more or f'{one}s'}"


def progress(text: str) -> None:
    """A line about long work, on stderr."""
    sys.stderr.write(f"{printable(text)}\n")
    sys.stderr.flush()
