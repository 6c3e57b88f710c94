"""`greffier witness …`: cosign other people's logs, and have one's own cosigned."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from auditlog.peers.introduction import About, format_about
from cli.options import AsJson, Home, plain, print_json, print_rows, print_text, progress, read_file
from home.greffier import Greffier
from home.settings import SETTINGS_FILE
from service.logs import witness as action
from service.wiring import open_home

app = typer.Typer(no_args_is_help=True, help="A witness: it cosigns logs that only ever grow.")

PublicUrl = Annotated[
    str | None,
    typer.Option("--url", help="The address that others shall use, where it is another one, such as behind a proxy."),
]


@app.command("init")
def init(home: Home, name: Annotated[str, typer.Option(help="Its name for ever, a schema-less URL of yours.")]) -> None:
    """Make the witness of this home: keys and memory. It can never be restored from a backup."""
    about = action.create(home, name)
    _show(about)
    progress(f"keep {home}/witness.db out of every backup: a witness that forgets must be retired")


@app.command("serve")
def serve(
    home: Home,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8001,
    url: PublicUrl = None,
) -> None:
    """Serve the witness; a program of its own beside `greffier serve`."""
    from web.server import listening  # noqa: PLC0415 (see `greffier serve`)
    from web.tlog.witness import serve_witness  # noqa: PLC0415

    with action.opened(home) as witness, listening(host, port) as listener:
        logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
        progress(f"witness {witness.name} on http://{host}:{port}/")
        serve_witness(witness, lambda: format_about(action.about(home, witness, url)), listener)


@app.command("show")
def show(home: Home, as_json: AsJson = False) -> None:
    """Its keys, and the fingerprint that an operator reads out to another one."""
    with action.opened(home) as witness:
        about = action.about(home, witness)
    if as_json:
        print_json({**format_about(about), "name": about.name, "fingerprint": about.fingerprint})
    else:
        _show(about)


@app.command("trust")
def trust(home: Home, file: Annotated[Path, typer.Argument(help="A log.vkey, or a policy with log lines.")]) -> None:
    """Cosign the logs of this file. It names all of their keys: give it again when a log has new ones."""
    with action.opened(home) as witness:
        origins = action.trust(witness, read_file(file, "FILE"))
    for origin in origins:
        progress(f"cosigns {origin}")


@app.command("distrust")
def distrust(home: Home, origin: Annotated[str, typer.Argument(help="The log's origin.")]) -> None:
    """Cosign this log no longer; what was cosigned stays known."""
    with action.opened(home) as witness:
        witness.distrust(origin)
    progress(f"no longer cosigns {origin}")


@app.command("logs")
def logs(home: Home, as_json: AsJson = False) -> int:
    """What it has seen of each log, and when; exit 1 where a log contradicted itself."""
    with action.opened(home) as witness:
        rows = action.logs(witness)
    if rows or as_json:
        print_rows([plain(row) for row in rows], as_json=as_json)
    else:
        progress("it cosigns no log yet: greffier witness trust FILE, or greffier witness peer URL")
    return 1 if any(row.contradictions for row in rows) else 0


@app.command("evidence")
def evidence(home: Home) -> None:
    """Every contradiction that a log has signed, as JSON: two checkpoints of one size."""
    with action.opened(home) as witness:
        found = witness.evidence()
    print_json(
        [
            {"origin": one.origin, "time": one.time, "cosigned": one.cosigned.decode(), "refused": one.refused.decode()}
            for one in found
        ]
    )


@app.command("peer")
def peer(
    home: Home,
    url: Annotated[str, typer.Argument(help="Address of the other installation's `greffier witness serve`.")],
    expect: Annotated[
        str | None, typer.Option("--expect", help="Fingerprint that its operator told you; else it is believed once.")
    ] = None,
) -> None:
    """Witness each other: let that witness cosign our log, and cosign its installation's. Run it on both sides."""
    with action.opened(home) as witness, _installation(home) as g:
        told = action.introduce_peer(g, witness, url, expect=expect)
    print_text(f"witness      {told.name}\nfingerprint  {told.fingerprint}")
    for origin in told.logs:
        print_text(f"log          {origin}")
    for line in told.done or ("nothing to change",):
        progress(line)
    if expect is None:
        progress("believed as it was found: compare the fingerprint with its operator (`greffier witness show`)")


def _show(about: About) -> None:
    for key in format_about(about)["vkeys"]:
        print_text(key)
    print_text(f"fingerprint {about.fingerprint}")


@contextlib.contextmanager
def _installation(home: Path) -> Iterator[Greffier | None]:
    """The home's installation, or None where there is a witness alone."""
    if not (home / SETTINGS_FILE).exists():
        yield None
        return
    with open_home(home, tolerant=True) as g:
        yield g
