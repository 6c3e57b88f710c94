"""`greffier log rotate` and `greffier log succeed`: new keys, and the next log."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from auditlog.core.formats.note import format_vkey
from cli.options import Home, progress
from service.logs import rotation, succession
from service.wiring import open_home, succeed_home

Reason = Literal["year", "keys", "other", "loss"]


def rotate(
    home: Home, finish: Annotated[bool, typer.Option("--finish", help="Retire the old keys and destroy them.")] = False
) -> None:
    """Give the log new keys: from now on old and new ones sign; with --finish only the new ones."""
    with open_home(home) as g:
        keys = rotation.finish(g) if finish else rotation.begin(g)
        listed = g.key_folder.folder / "log.vkey"
    done = "retired, and the private keys destroyed" if finish else "signs from now on, beside the old one"
    for key in keys:
        progress(f"{done}: {format_vkey(key)[:80]}")
    progress(f"give {listed} to all who check this log, and to its witnesses")


def succeed(
    home: Home,
    reason: Annotated[Reason, typer.Option(help="year, keys, other; loss: what the guard vouches for is gone.")],
    announce: Annotated[bool, typer.Option("--announce", help="Only make the next log's keys, for witnesses.")] = False,
) -> None:
    """End this log and open the next one. Old receipts keep verifying; a running server must be restarted."""
    if announce:
        with open_home(home) as g:
            origin, listed = succession.announce(g), g.key_folder.folder / "log.vkey"
        progress(f"{origin} is prepared: its keys are in {listed}; give them to the witnesses before it begins")
        return
    origin = succeed_home(home, reason)
    progress(f"the log in force is {origin}; restart servers that run over this home")


def add_commands(app: typer.Typer) -> None:
    """Add these commands to `greffier log`."""
    app.command("rotate")(rotate)
    app.command("succeed")(succeed)
