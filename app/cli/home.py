"""`greffier init`, `migrate`, `doctor`, `key`, `serve`, `demo`, `bench`: the installation itself."""

from __future__ import annotations

import logging
import re
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from app import bench as benches
from app.access import keys
from app.actions.keeping import migrate, older_homes
from app.actions.logs import log
from app.bench import shared
from app.cli.options import AsJson, Home, plain, print_json, print_rows, progress
from app.database import open_database
from app.demo import run as demo_run
from app.errors import UsageError
from app.wiring import create_home, open_home


def add_commands(app: typer.Typer) -> None:
    """Register this file's commands."""
    app.command("init")(init)
    app.command("migrate")(migrate_database)
    app.command("doctor")(doctor)
    app.command("serve")(serve)
    app.command("demo")(demo)
    app.command("bench")(bench)
    app.add_typer(_key_app(), name="key")


def init(
    home: Home,
    agency: Annotated[str, typer.Option(help="Slug of the agency.")],
    origin: Annotated[str, typer.Option(help="Name of the log, a schema-less URL such as waterveen.example/log.")],
    database_url: Annotated[str | None, typer.Option(help="PostgreSQL URL; SQLite in the home by default.")] = None,
) -> None:
    """Make an installation: settings, keys, guard, database and the log's first entry."""
    settings = create_home(home, agency, origin, database_url=database_url)
    progress(f"made {home}: log {settings.origin_of(1)}. Keep keys/ and the guard apart from the database's backups.")


def migrate_database(home: Home) -> None:
    """Bring the database to the schema of this program."""
    with open_database(home) as engine:
        progress(f"database at revision {migrate.migrate(engine)}")
    with open_home(home, tolerant=True) as g:
        if older_homes.fill(g):
            progress("figures and rows of an older database were made from its entries")


def doctor(home: Home, as_json: AsJson = False) -> int:
    """Look for what an operator should mend; exit 1 when something was found."""
    with open_home(home, tolerant=True) as g:
        found = log.doctor(g)
    if not found:
        progress("nothing to mend")
        return 0
    print_rows([plain(f) for f in found], as_json=as_json, columns=("place", "message"))
    return 1


def serve(
    home: Home,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
) -> None:
    """Serve the portal and the API."""
    from app.http import server  # noqa: PLC0415 (no other command needs what serves pages, which takes long to load)

    with server.listening(host, port) as listener, open_home(home, tolerant=True, served=True) as g:
        logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
        progress(f"Greffier on http://{host}:{port}/")
        server.serve(g, listener)


def demo(home: Annotated[Path, typer.Option("--home", help="Folder to leave the demo in.")] = Path("demo")) -> int:
    """The main job end to end on a real model; leaves a home to look at."""
    return demo_run.run(home)


def bench(
    what: Annotated[str, typer.Argument(help=", ".join(benches.NAMES))],
    writers: Annotated[str, typer.Option(help="Numbers of writers, with commas.")] = "1,16,64",
    seconds: Annotated[float, typer.Option(min=0.2, max=600)] = 5.0,
    database_url: Annotated[
        str | None, typer.Option(help="PostgreSQL URL; a temporary SQLite file by default.")
    ] = None,
    decisions: Annotated[bool, typer.Option(help="Whole sealed decisions of 8 fields instead of entries.")] = False,
    grow: Annotated[int, typer.Option(min=0, help="Fill the log to so many entries first.")] = 0,
    processes: Annotated[int, typer.Option(min=1, max=64, help="So many processes, each with the writers.")] = 1,
    entries: Annotated[
        int | None,
        typer.Option(min=10, max=20_000_000, help="Size of the log that is audited or asked; decisions replayed."),
    ] = None,
    server: Annotated[str | None, typer.Option(help="The program llama-server, to compare with.")] = None,
    rounds: Annotated[int, typer.Option(min=1, max=50, help="Rounds of decide, replay and explain.")] = 3,
    cases: Annotated[int, typer.Option(min=1, max=250, help="Cases of each rule that explain is held against.")] = 200,
    slots: Annotated[str, typer.Option(help="Numbers of requests at once, with commas.")] = "1,4,8,16",
) -> None:
    """Measure; prints JSON with medians and spread, and for append the device's fsync time."""
    if what in ("decide", "replay", "explain"):
        from app.bench import decide, explain, replay  # noqa: PLC0415 (nobody else here holds llama.cpp in memory)

        if what == "decide":
            print_json(decide.run(server, _numbers(slots, "--slots"), rounds, report=progress))
        elif what == "explain":
            print_json(explain.run(cases, rounds, report=progress))
        else:
            print_json(replay.run(entries or 0, rounds, report=progress))
        return
    if what in benches.ALONE:
        measure_alone = import_module(f"app.bench.{what}").run
        print_json(measure_alone(entries or benches.ALONE[what], database_url, report=progress))
        return
    entries = 160_000 if entries is None else entries
    if what in benches.OF_SIZE:
        print_json(benches.OF_SIZE[what](entries))
        return
    if what in benches.ON_DATABASE:
        print_json(benches.ON_DATABASE[what](entries, database_url, report=progress))
        return
    if what in benches.OVER_HTTP:
        print_json(benches.OVER_HTTP[what](seconds, database_url, report=progress))
        return
    if what not in benches.KINDS:
        raise UsageError(f"must be one of {', '.join(benches.NAMES)}", field="what")
    counts = _numbers(writers, "--writers")
    if processes > 1:
        print_json([shared.run(processes, count, seconds, database_url) for count in counts])
        return
    measure = benches.KINDS[what]
    print_json(measure(counts, seconds, database_url, decisions=decisions, grow=grow, report=progress))


def _numbers(text: str, option: str) -> list[int]:
    if not re.fullmatch(r"[1-9]\d{0,3}(,[1-9]\d{0,3})*", text):
        raise UsageError("must be numbers with commas, such as 1,16,64", field=option)
    return [int(n) for n in text.split(",")]


def _key_app() -> typer.Typer:
    app = typer.Typer(no_args_is_help=True, help="API keys.")

    @app.command("add")
    def add(
        home: Home,
        role: Annotated[str, typer.Option(help="client, officer, auditor or operator.")],
        system: Annotated[list[str] | None, typer.Option(help="Only these systems.")] = None,
    ) -> None:
        """Make a key; it is shown once and kept as a digest."""
        with open_home(home, tolerant=True) as g:
            made = keys.create_key(g.engine, role=role, systems=tuple(system or ()), now=g.clock())
        print_json({"key": made.secret, "prefix": made.prefix, "role": role})

    @app.command("list")
    def list_all(home: Home, as_json: AsJson = False) -> None:
        """All keys by prefix; the keys themselves are not kept."""
        with open_home(home, tolerant=True) as g:
            rows = [
                {
                    "prefix": key.prefix,
                    "role": key.role,
                    "systems": "all" if key.systems is None else ", ".join(key.systems),
                    "created": key.created.isoformat(timespec="minutes"),
                    "revoked": key.revoked.isoformat(timespec="minutes") if key.revoked else None,
                }
                for key in keys.list_keys(g.engine)
            ]
        print_rows(rows, as_json=as_json)

    @app.command("revoke")
    def revoke(home: Home, prefix: Annotated[str, typer.Argument(help="The key's prefix.")]) -> None:
        """Withdraw a key at once."""
        with open_home(home, tolerant=True) as g:
            keys.revoke_key(g.engine, prefix, now=g.clock())
        progress(f"{prefix} is withdrawn")

    return app
