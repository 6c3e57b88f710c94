"""`greffier log …`: export, fsck, gaps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.actions import log
from app.cli.options import AsJson, Home, plain, print_json, print_rows, print_text, progress
from app.wiring import open_home
from auditlog import gaps

app = typer.Typer(no_args_is_help=True, help="The transparency log.")


@app.command("export")
def export_log(home: Home, to: Annotated[Path, typer.Option("--to", help="A folder that does not exist yet.")]) -> None:
    """Write the log as a static tree with keys, README and verify.pyz."""
    with open_home(home, tolerant=True) as g:
        size = log.export_log(g, to)
    progress(f"{size} entries written to {to}; check with: python {to}/verify.pyz audit {to} --vkey KEYS")


@app.command("fsck")
def fsck(home: Home, as_json: AsJson = False) -> int:
    """Check every column of the log's tables, the vault and the register; exit 1 when something is wrong."""
    with open_home(home, tolerant=True) as g:
        found = log.check_all(g)
        if g.problem is not None:
            found.insert(0, log.Finding("log", str(g.problem)))
        size = g.log.state().size
    if as_json:
        print_json({"size": size, "findings": plain(found)})
    elif found:
        print_rows([plain(f) for f in found], as_json=False, columns=("place", "message"))
    else:
        progress(f"clean: {size} entries")
    return 1 if found else 0


@app.command("gaps")
def show_gaps(home: Home, as_json: AsJson = False) -> None:
    """Per boot: numbers recorded, missing, refused, unfinished, and whether it was closed."""
    with open_home(home, tolerant=True) as g:
        found = log.read_gaps(g)
    if as_json:
        print_json(gaps.gaps_json(found))
    else:
        print_text(gaps.format_gaps(found))
