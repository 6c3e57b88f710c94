"""`greffier log timestamp`, `timestamps`, `timestamp-verify`, and the time-stamped receipt: when it was, by others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from auditlog.core.entries.receipt import format_receipt
from cli.options import AsJson, Home, plain, print_json, print_rows, print_text, progress, read_file, write_file
from home.errors import SettingsError, UsageError
from home.greffier import Greffier
from service.logs import timestamp, trust
from service.records.reading import Reader
from service.wiring import open_home

RECEIPT_ENDING = ".receipt.json"


def add_commands(app: typer.Typer) -> None:
    """Register this file's commands below `greffier log`."""
    app.command("timestamp")(take)
    app.command("timestamps")(list_all)
    app.command("timestamp-verify")(verify)


def take(
    home: Home,
    now: Annotated[bool, typer.Option("--now", help="Do not wait for the interval (timestamp_every_s).")] = False,
) -> None:
    """Have the authority at timestamp_url stamp the newest published checkpoint, when it is time."""
    with open_home(home, tolerant=True) as g:
        if g.settings.timestamp_url is None:
            raise SettingsError("is not set: name a time-stamping authority (RFC 3161)", field="timestamp_url")
        taken = timestamp.stamp(g, now=now)
    for made in taken:
        progress(f"log {made.log}, {made.size} entries: {made.time}, by {made.authority or 'an unnamed authority'}")
    if not taken:
        progress("nothing to stamp: the published checkpoint has its token, or it is not time yet (see --now)")


def list_all(home: Home, as_json: AsJson = False) -> None:
    """All time-stamped checkpoints, oldest first."""
    with open_home(home, tolerant=True) as g:
        rows = [plain(made) for made in timestamp.stamps(g)]
    print_rows(rows, as_json=as_json, columns=("log", "size", "time", "authority", "serial"))


def verify(
    checkpoint: Annotated[Path, typer.Option(help="The checkpoint's note, as an export or a receipt has it.")],
    token: Annotated[Path, typer.Option(help="The token over it: FILE.tsr.")],
    ca: Annotated[Path, typer.Option(help="Certificate of the authority's CA, PEM or DER, from a source you trust.")],
    vkey: Annotated[Path | None, typer.Option(help="The log's keys: also check the checkpoint's signatures.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check a token offline: that the checkpoint existed at its time; exit 1 when it does not hold."""
    ring = None if vkey is None else trust.read_keys(vkey)
    found = timestamp.verify(
        read_file(checkpoint, "--checkpoint"), read_file(token, "--token"), read_file(ca, "--ca"), ring
    )
    if as_json:
        print_json(found)
        return
    signed = "" if found.signed else " (whose own signatures were not checked: give --vkey)"
    print_text(f"OK: at {found.time} the log {found.origin} had {found.size} entries{signed}")
    print_text(f"Authority: {found.authority or 'not named in the token'}")


def write_stamped_receipt(g: Greffier, record_id: str, output: Path, *, openings: Reader | None) -> None:
    """Write X.receipt.json, and beside it X.receipt.checkpoint and X.receipt.tsr."""
    if not output.name.endswith(RECEIPT_ENDING):
        raise UsageError(f"must end in {RECEIPT_ENDING} with --time-stamped", field="-o")
    made = timestamp.stamped_receipt(g, record_id, openings=openings)
    for path, data in (
        (output.with_suffix(".checkpoint"), made.checkpoint),
        (output.with_suffix(".tsr"), made.token),
        (output, format_receipt(made.receipt)),
    ):
        write_file(path, data, "-o", private=path == output and openings is not None)
    progress(f"in the log at {made.time}; check with: greffier log timestamp-verify, or openssl ts -verify")
