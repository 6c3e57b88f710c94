"""`greffier sample …`: decisions to be checked, drawn so that neither side can choose them."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from auditlog.core.checking.sample import NONCE_SIZE, nonce_hash
from auditlog.core.entries.record import parse_time
from auditlog.core.errors import FormatError
from cli.options import AsJson, Home, plain, print_json, print_rows, progress, read_file
from home.errors import UsageError
from service.proving import samples
from service.wiring import open_home

app = typer.Typer(no_args_is_help=True, help="Samples that neither the agency nor the auditor can choose.")

SampleId = Annotated[str, typer.Argument(metavar="SAMPLE", help="Id of the sample.")]
COLUMNS = ("id", "state", "system", "population", "count", "witness", "not_before", "checkpoint", "drawn")


@app.command("begin")
def begin(
    home: Home,
    count: Annotated[int, typer.Option(min=1, help="How many decisions to draw.")],
    witness: Annotated[str, typer.Option(help="Name of an outside witness of the policy, as its keys bear it.")],
    not_before: Annotated[str, typer.Option(help="From when on its cosignature counts, YYYY-MM-DDTHH:MMZ.")],
    system: Annotated[str | None, typer.Option(help="Slug of a system; by default all.")] = None,
    since: Annotated[str | None, typer.Option(help="From this minute on, YYYY-MM-DDTHH:MMZ or a date.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this minute.")] = None,
    nonce_file: Annotated[
        Path | None, typer.Option("--nonce-file", help="Draw a nonce and write it to this new file: keep it.")
    ] = None,
    hidden: Annotated[
        str | None, typer.Option("--nonce-hash", help="SHA-256 (hex) of 32 random bytes that the auditor keeps.")
    ] = None,
) -> None:
    """Fix population, number, witness and time, and the hash of a nonce, in the log."""
    if (nonce_file is None) == (hidden is None):
        raise UsageError(
            "give either a new file, or --nonce-hash from an auditor who keeps the nonce", field="--nonce-file"
        )
    try:
        time = parse_time(not_before)
    except FormatError as error:
        raise UsageError(str(error).removeprefix("time: "), field="--not-before") from None
    with open_home(home) as g, _nonce(nonce_file, hidden) as hashed:
        found = samples.begin(
            g,
            count=count,
            witness=witness,
            not_before=time,
            nonce_hash=hashed,
            system=system,
            since=_minute(since),
            until=_minute(until),
        )
    print_json(plain(found))
    progress(f"{found.count} of {found.population} decisions will be drawn: greffier sample draw {found.id}")


@app.command("draw")
def draw(
    home: Home,
    sample: SampleId,
    nonce_file: Annotated[Path, typer.Option("--nonce-file", help="The nonce: 64 hex digits. - is standard input.")],
    as_json: AsJson = False,
) -> None:
    """Reveal the nonce and draw; refused until the witness has cosigned in time."""
    text = read_file(nonce_file, "--nonce-file").strip()
    if re.fullmatch(rb"[0-9a-f]{64}", text) is None:
        raise UsageError(f"must hold 64 lower-case hex digits, which are {NONCE_SIZE} bytes", field="--nonce-file")
    with open_home(home) as g:
        drawn = samples.draw(g, sample, bytes.fromhex(text.decode("ascii")))
    print_rows([plain(one) for one in drawn], as_json=as_json)


@app.command("list")
def list_samples(home: Home, as_json: AsJson = False) -> None:
    """All samples and how far they are."""
    with open_home(home, tolerant=True) as g:
        found = samples.list_all(g)
    print_rows([plain(one) for one in found], as_json=as_json, columns=COLUMNS)


@app.command("show")
def show(home: Home, sample: SampleId) -> None:
    """One sample, and what was drawn: place in the draw, index in the log, id."""
    with open_home(home, tolerant=True) as g:
        found = samples.find(g, sample)
        drawn = samples.chosen(g, sample) if found.drawn is not None else []
    print_json({**plain(found), "decisions": plain(drawn)})


@contextlib.contextmanager
def _nonce(path: Path | None, hidden: str | None) -> Iterator[str]:
    """The hash of the nonce. One drawn here is in its file before the log has its hash, and goes where that fails."""
    if path is None:
        yield hidden or ""
        return
    nonce = secrets.token_bytes(NONCE_SIZE)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"cannot be made: {error.strerror}; name a new file", field="--nonce-file") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(nonce.hex().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        yield nonce_hash(nonce)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _minute(text: str | None) -> str | None:
    """A date as its first minute, UTC; anything else as it is, for the action to judge."""
    return f"{text}T00:00Z" if text is not None and re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) else text
