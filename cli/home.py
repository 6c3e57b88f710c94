"""`greffier init`, `migrate`, `doctor`, `key`, `serve`, `demo`: the installation itself."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from accounts import api_keys
from cli.demo import run as demo_run
from cli.options import AsJson, Home, plain, print_json, print_rows, progress
from home.database import open_database
from service.keeping import backfill, doctor, migrate
from service.wiring import create_home, open_home


def add_commands(app: typer.Typer) -> None:
    """Register this file's commands."""
    app.command("init")(init)
    app.command("migrate")(migrate_database)
    app.command("doctor")(look)
    app.command("serve")(serve)
    app.command("demo")(demo)
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
        if backfill.fill(g):
            progress("figures and rows of an older database were made from its entries")


def look(home: Home, as_json: AsJson = False) -> int:
    """Look for what an operator should mend; exit 1 when something was found."""
    with open_home(home, tolerant=True) as g:
        found = doctor.doctor(g)
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
    from web import server  # noqa: PLC0415 (no other command needs what serves pages, which takes long to load)

    with server.listening(host, port) as listener, open_home(home, tolerant=True, served=True) as g:
        logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
        progress(f"Greffier on http://{host}:{port}/")
        server.serve(g, listener)


def demo(home: Annotated[Path, typer.Option("--home", help="Folder to leave the demo in.")] = Path("demo")) -> int:
    """The main job end to end on a real model; leaves a home to look at."""
    return demo_run.run(home)


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
            made = api_keys.create_key(g.engine, role=role, systems=tuple(system or ()), now=g.clock())
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
                for key in api_keys.list_keys(g.engine)
            ]
        print_rows(rows, as_json=as_json)

    @app.command("revoke")
    def revoke(home: Home, prefix: Annotated[str, typer.Argument(help="The key's prefix.")]) -> None:
        """Withdraw a key at once."""
        with open_home(home, tolerant=True) as g:
            api_keys.revoke_key(g.engine, prefix, now=g.clock())
        progress(f"{prefix} is withdrawn")

    return app
