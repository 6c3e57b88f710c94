"""The one composition root: builds everything an installation consists of, once, and takes it down again."""

from __future__ import annotations

import contextlib
import secrets
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from app.actions import boots, erase, migrate
from app.errors import SettingsError
from app.home import Clock, Greffier, utc_now
from app.settings import LOG_NUMBER, Settings, read_profile, read_settings, write_settings
from auditlog.errors import CannotRecord
from auditlog.guard import Guard
from auditlog.keys import create_keys, load_signers, read_vkeys
from auditlog.log import Log, Unit
from auditlog.publish import Publisher
from auditlog.record import Entry, make_entry
from auditlog.store.engine import open_engine
from auditlog.vault.erasure import Ledger
from auditlog.vault.record_keys import RecordKeys
from auditlog.vault.seal import Vault
from reports.render import Renderer
from runtime.supervisor import BootFacts, Supervisor

INDEX_KEY_FILE = "index.key"
ERASURES = "erasures"
PAGE_TEMPLATES = Path(__file__).parent / "http" / "pages" / "templates"
STYLESHEET = Path(__file__).parent / "static" / "greffier.css"
SOFTWARE = "greffier 0.1.0"


def create_home(
    home: Path, agency: str, origin: str, *, database_url: str | None = None, clock: Clock = utc_now
) -> Settings:
    """Make an installation: settings, keys, key store, guard, database, and the log's `genesis` entry.

    Refuses a home that already holds one; what was made before a failure is left for a look, never reused silently.
    """
    if (home / "greffier.toml").exists():
        raise SettingsError(f"{home} already holds an installation", field="home")
    home.mkdir(parents=True, exist_ok=True)
    settings = write_settings(home, agency, origin, database_url)
    for folder in ("models", "run"):
        (home / folder).mkdir(exist_ok=True)
    create_keys(home / "keys", settings.log_origin)
    _write_secret(home / "keys" / INDEX_KEY_FILE)
    RecordKeys.create(_inside(home, settings.key_store))
    _inside(home, settings.guard_dir).mkdir(exist_ok=True)
    _guard(home, settings).create(settings.log_origin)
    Ledger.create(_inside(home, settings.guard_dir) / ERASURES)
    engine = open_engine(_database_url(home, settings))
    try:
        migrate.migrate(engine)
    finally:
        engine.dispose()
    with open_home(home, clock=clock) as g:
        genesis = g.make(
            "genesis/1", origin=settings.log_origin, log=LOG_NUMBER, software=SOFTWARE, predecessor=None, lost=None
        )
        g.log.append(Unit((genesis,))).result()
    return settings


@contextlib.contextmanager
def open_home(home: Path, *, clock: Clock = utc_now, tolerant: bool = False) -> Iterator[Greffier]:
    """Open an installation. With `tolerant`, a log that may not be written (guard, disk) is opened for reading, and
    `problem` says why; without, CannotRecord is raised."""
    g = _build(home, clock)
    try:
        _start_log(g, tolerant=tolerant)
        yield g
    finally:
        _close(g)


def _build(home: Path, clock: Clock) -> Greffier:
    settings = read_settings(home)
    engine = open_engine(_database_url(home, settings))
    migrate.check(engine)
    guard = _guard(home, settings)
    record_keys = RecordKeys(_inside(home, settings.key_store))
    signers = load_signers(home / "keys")
    index_key = _read_secret(home / "keys" / INDEX_KEY_FILE)

    def outage_entry(cause: str, began: datetime, ended: datetime) -> Entry:
        return make_entry(
            "outage/1",
            id=str(uuid.uuid4()),
            agency=settings.agency,
            time=ended,
            cause=cause,
            began=began,
            ended=ended,
            boot=None,
        )

    def on_boot(facts: BootFacts) -> None:
        boots.record(g, facts)

    log = Log(
        engine,
        signers,
        guard,
        origin=settings.log_origin,
        number=LOG_NUMBER,
        before_commit=record_keys.sync,
        outage_entry=outage_entry,
        clock=clock,
    )
    g = Greffier(
        home=home,
        settings=settings,
        profile=read_profile(home),
        engine=engine,
        keys=list(read_vkeys(home / "keys" / "log.vkey")),
        guard=guard,
        record_keys=record_keys,
        ledger=Ledger(_inside(home, settings.guard_dir) / ERASURES),
        vault=Vault(record_keys, settings.log_origin, index_key),
        log=log,
        publisher=Publisher(engine, LOG_NUMBER, settings.publish_pace_s, guard=guard),
        runtime=Supervisor(home / "models", home / "run", deadline_s=settings.deadline_s, on_boot=on_boot),
        renderer=Renderer(clock, templates=(PAGE_TEMPLATES,), stylesheet=STYLESHEET.read_text("utf-8")),
        clock=clock,
    )
    return g


def _start_log(g: Greffier, *, tolerant: bool) -> None:
    try:
        g.log.start()
    except CannotRecord as error:
        if not tolerant:
            raise
        g.problem = error
        return
    erase.complete_pending(g)


def _close(g: Greffier) -> None:
    try:
        boots.close(g)
    finally:
        g.log.close()
        g.record_keys.close()
        g.engine.dispose()


def _inside(home: Path, path: Path) -> Path:
    return path if path.is_absolute() else home / path


def _guard(home: Path, settings: Settings) -> Guard:
    return Guard(_inside(home, settings.guard_dir) / f"log-{LOG_NUMBER}.guard")


def _database_url(home: Path, settings: Settings) -> str:
    url = settings.database_url
    prefix = "sqlite:///"
    if url.startswith(prefix) and not url.startswith("sqlite:////"):
        return f"sqlite:///{(home / url.removeprefix(prefix)).resolve()}"
    return url


def _write_secret(path: Path) -> None:
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(secrets.token_bytes(32))


def _read_secret(path: Path) -> bytes:
    try:
        secret = path.read_bytes()
    except FileNotFoundError:
        raise SettingsError(f"{path.name} is missing from keys/: put it back from its copy", field="keys") from None
    if len(secret) != 32:
        raise SettingsError(f"{path.name} must hold 32 bytes: put it back from its copy", field="keys")
    return secret


@contextlib.contextmanager
def open_database(home: Path) -> Iterator[Engine]:
    """Only the database of a home, whatever its schema (for `migrate`)."""
    engine = open_engine(_database_url(home, read_settings(home)))
    try:
        yield engine
    finally:
        engine.dispose()
