"""`greffier log …`: export, fsck, gaps, publish."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from auditlog.core.checking.gaps import format_gaps, gaps_json
from cli.options import AsJson, Home, plain, print_json, print_rows, print_text, progress
from home.errors import UsageError
from service.keeping import fsck
from service.logs import export, gaps, publish
from service.wiring import open_home

AnyHome = Annotated[Path | None, typer.Option("--home", envvar="GREFFIER_HOME", help="Folder of the installation.")]

app = typer.Typer(no_args_is_help=True, help="The transparency log.")


@app.command("export")
def export_log(
    home: Home,
    to: Annotated[Path, typer.Option("--to", help="A folder that does not exist yet.")],
    number: Annotated[int | None, typer.Option("--log", help="Which log; by default the one in force.")] = None,
) -> None:
    """Write the log as a static tree with keys, README and verify.pyz."""
    with open_home(home, tolerant=True) as g:
        size = export.export_log(g, to, number=number)
    named = shlex.quote(str(to))
    progress(f"{size} entries written to {to}; check with: python {named}/verify.pyz audit {named} --vkey KEYS")


@app.command("fsck")
def check(home: Home, as_json: AsJson = False) -> int:
    """Check every column of the log's tables, the vault and the register; exit 1 when something is wrong."""
    with open_home(home, tolerant=True) as g:
        found = fsck.check_all(g)
        if g.problem is not None:
            found.insert(0, fsck.Finding("log", str(g.problem)))
        size, lost = g.log.state().size, len(fsck.content_lost(g))
    if as_json:
        print_json({"size": size, "findings": plain(found), "content_lost": lost})
    elif found:
        print_rows([plain(f) for f in found], as_json=False, columns=("place", "message"))
    else:
        progress(f"clean: {size} entries")
    if lost and not as_json:
        progress(f"content not here: {lost} records, as was stated when the log was imported; their proofs hold")
    return 1 if found else 0


@app.command("publish")
def publish_now(home: Home, as_json: AsJson = False) -> int:
    """Publish now what is recorded, cosigned as the policy demands; exit 1 when it was not (the old one stays).

    `greffier serve` does so by itself, at the pace of publish_pace_s.
    """
    with open_home(home) as g:
        publish.advance(g, at_once=True)
        state, found = publish.state(g), list(publish.findings(g))
    if as_json:
        since = state.since and state.since.isoformat(timespec="seconds")
        told = [{"place": place, "message": message} for place, message in found]
        print_json({**plain(state), "since": since, "findings": told})
    else:
        progress(f"{state.published} of {state.integrated} entries are public")
        for _, message in found:
            progress(message)
    return 1 if found else 0


@app.command("gaps")
def show_gaps(
    home: AnyHome = None,
    exported: Annotated[Path | None, typer.Option("--from", help="An exported log, instead of a home.")] = None,
    vkey: Annotated[Path | None, typer.Option(help="The export's verifier keys, from a source you trust.")] = None,
    reached: Annotated[
        list[str] | None, typer.Option(help="SOURCE=N: what the own counter of a source says; may be given again.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Per boot and source: numbers recorded, missing, refused, unfinished; then the hours in which nothing was said."""
    counters = gaps.parse_reached(reached or ())
    if exported is not None:
        found = gaps.read_export(exported, vkey, counters)
        if vkey is None:
            progress("checked with the keys that the export brings itself: --vkey names those that you trust")
    elif home is None:
        raise UsageError("name an installation, or an export with --from", field="--home")
    else:
        with open_home(home, tolerant=True) as g:
            found = gaps.read_gaps(g, counters)
    if as_json:
        print_json(gaps_json(found))
    else:
        print_text(format_gaps(found))
