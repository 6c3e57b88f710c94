"""`greffier backup` and `greffier restore`: the database, apart from its keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from auditlog.core.errors import Frozen
from cli.options import AsJson, Home, plain, print_json, print_text, progress
from service.damaged_home import open_damaged
from service.keeping import backup as backups
from service.keeping import restore as restores
from service.keeping.restore import Restored
from service.wiring import open_home

CHECK_FAILED = 1
_EVERY = 100_000


def add_commands(app: typer.Typer) -> None:
    """Register this file's commands."""
    app.command("backup")(backup)
    app.command("restore")(restore)


def backup(
    home: Home,
    to: Annotated[Path, typer.Option("--to", help="New file; one that is there is never written over.")],
    as_json: AsJson = False,
) -> None:
    """Write one file with the log, the register and the sealed content, while the server goes on."""
    with open_home(home, tolerant=True) as g:
        written = backups.write(g, to, _tell)
    if as_json:
        print_json({"file": str(to), **plain(written)})
        return
    for log in written.manifest.logs:
        print_text(f"log {log.origin}: {log.size} entries, root {log.root}")
    print_text(f"{to}: {written.bytes} bytes, SHA-256 {written.sha256}")
    if written.manifest.payloads != "database":
        print_text(f"large contents lie in {written.manifest.payloads.partition(':')[0]}: they are not in this file")
    progress("keys/, guard and key store are not in it, and must never be kept with it")


def restore(
    home: Home,
    source: Annotated[Path, typer.Option("--from", help="A file that `greffier backup` wrote.")],
    database_url: Annotated[
        str | None, typer.Option(help="PostgreSQL URL, for a home without settings; SQLite in the home by default.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Build a lost database from a backup; what was erased since is erased again before the log opens."""
    with (
        restores.opened_backup(source) as saved,
        restores.settled_home(home, saved.manifest, database_url),
        open_damaged(home) as damaged,
    ):
        restored = restores.restore(damaged, saved, _tell)
    if restored.complete:
        _open(home)
    if as_json:
        print_json({**plain(restored), "complete": restored.complete})
    else:
        for line in _lines(restored):
            print_text(line)
    return 0 if restored.complete and not restored.register else CHECK_FAILED


def _open(home: Path) -> None:
    """Opening completes what is left to do."""
    try:
        with open_home(home):
            pass
    except Frozen:
        progress("the log is closed: `greffier log succeed` opens the next one")


def _lines(restored: Restored) -> list[str]:
    lines = [f"restored from the backup of {restored.created}: {restored.opened} sealed contents open"]
    if restored.erased or restored.erased_with_them:
        lines.append(
            f"erased again: {restored.erased} records, and {restored.erased_with_them} contents that were about them"
        )
    for log in restored.logs:
        lines.append(f"log {log.origin}: {log.size} entries")
        if log.missing:
            lines.append(
                f"  {log.missing} entries that the guard vouches for are not in this backup, and the log stays closed: "
                "bring them from a copy (`greffier log import`, from a mirror or a witness's keeper); if there is "
                "none, `greffier log succeed --reason loss` states that they are lost"
            )
    lines += [f"register, {place}: {message}" for place, message in restored.register]
    lines.append(
        "no API keys are in a backup: make them anew with `greffier key add`; model files: `greffier model add`; "
        "accounts of staff are, but not what opens them: `greffier account reset`"
    )
    return lines


def _tell(table: str, done: int, whole: int) -> None:
    if done % _EVERY == 0:
        progress(f"{table}: {done} of {whole} rows")
