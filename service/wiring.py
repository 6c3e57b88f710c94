"""The one composition root: builds everything an installation consists of, once, and takes it down again."""

from __future__ import annotations

import contextlib
import functools
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from auditlog.core.entries.record import Entry, make_entry
from auditlog.core.errors import AuditLogError, CannotRecord, GuardError
from auditlog.store.engine import cannot_record, database_file, demand_file, reading
from auditlog.store.logs import insert_log, read_logs
from auditlog.vault.blobs import open_objects
from auditlog.vault.erasure import Ledger
from auditlog.vault.index_keys import IndexKeys
from auditlog.vault.key_store import KeyStore
from auditlog.vault.seal import Vault
from auditlog.writing.guard import Guard
from auditlog.writing.keys import VKEY_FILE, KeyFolder
from auditlog.writing.log import Log, Sequenced, Unit
from auditlog.writing.signing import SigningKeys
from home.creation import is_half_made, removed_on_failure
from home.database import engine_of
from home.errors import SettingsError
from home.greffier import Clock, Greffier, guard_name, utc_now
from home.key_secrets import unlock_of
from home.settings import SETTINGS_FILE, Settings, new_settings, read_profile, read_settings, write_settings
from home.telemetry import Telemetry
from home.theme import STYLESHEET, read_theme
from home.vault_keys import (
    INDEX_KEY_FILE,
    REQUEST_KEY_FILE,
    create_key_store,
    key_store_files,
    open_key_store,
    read_request_key,
    write_tag_keys,
)
from reports.render import Renderer
from runtime.gateway.gateway import Gateway
from service.deciding import boots
from service.keeping import migrate
from service.logs import publish, start, succession
from service.model_process import make_supervisor

ERASURES = "erasures"
PAGE_TEMPLATES = Path(__file__).parents[1] / "web" / "pages" / "templates"
SOFTWARE = "greffier 0.1.0"


def create_home(
    home: Path, agency: str, origin: str, *, database_url: str | None = None, clock: Clock = utc_now
) -> Settings:
    """Make an installation: settings, keys, key store, guard, database, and the log's `genesis` entry.

    Refuses a home that already holds one. When it fails, what it made is taken away again, so that it can be repeated;
    a schema that it made on a server stays, and is used by the next one. So is what a killed one left.
    """
    if (home / SETTINGS_FILE).exists() and not is_half_made(home):
        raise SettingsError(
            f"{home} already holds an installation: name another folder, or use the one that is there", field="home"
        )
    settings = new_settings(agency, origin, database_url)
    engine = engine_of(home, settings)
    try:
        with removed_on_failure(home, _parts(home, settings, engine), KeyFolder(home / "keys").files) as made:
            _make_files(home, settings, database_url)
            migrate.migrate(engine)
            engine.dispose()
            made()
            with open_home(home, clock=clock):
                """Opening an empty log begins it."""
    except OSError as error:
        raise SettingsError(f"cannot be made in {home}: {error.strerror}", field="home") from error
    except CannotRecord:
        raise
    except AuditLogError as error:
        raise SettingsError(f"{error}; move it away, or name another folder", field="home") from error
    finally:
        engine.dispose()
    return settings


def _parts(home: Path, settings: Settings, engine: Engine) -> list[Path]:
    """Every folder and file of a new installation, folders first."""
    keys, guard_dir = home / "keys", _inside(home, settings.guard_dir)
    folders = [*reversed(home.parents), home, home / "models", home / "run", keys, guard_dir]
    files = [keys / name for name in (VKEY_FILE, INDEX_KEY_FILE, REQUEST_KEY_FILE)]
    files += [
        home / settings.policy_file,
        *key_store_files(home, settings),
        _guard(home, settings, 1).path,
        guard_dir / ERASURES,
    ]
    database = database_file(engine)
    if database is not None:
        files += [database, *(database.with_name(database.name + end) for end in ("-wal", "-shm", "-journal"))]
    return [*folders, *files, home / SETTINGS_FILE]


def _make_files(home: Path, settings: Settings, database_url: str | None) -> None:
    for folder in (home, home / "models", home / "run"):
        folder.mkdir(parents=True, exist_ok=True)
    KeyFolder(home / "keys", unlock_of(home, settings)).begin(settings.origin_of(1))
    write_tag_keys(home / "keys")
    create_key_store(home, settings)
    _inside(home, settings.guard_dir).mkdir(exist_ok=True)
    try:
        _guard(home, settings, 1).create(settings.origin_of(1))
    except GuardError as error:
        raise SettingsError(f"{error}; move it away, or name another guard_dir") from error
    Ledger.create(_inside(home, settings.guard_dir) / ERASURES)
    write_settings(home, settings.agency, settings.origin, database_url)


def _begin_log(g: Greffier) -> None:
    """The first entry of the first log, where it is not there: `init` was killed just before it."""
    log = g.log
    if log.state().size or log.number != 1:
        return
    genesis = g.make("genesis/1", origin=log.origin, log=log.number, software=SOFTWARE, predecessor=None, lost=None)

    def rows(conn: Connection, _sequenced: tuple[Sequenced, ...]) -> None:
        insert_log(conn, log.number, log.origin)

    # Another process may have begun it at this moment.
    with contextlib.suppress(IntegrityError):
        log.append(Unit((genesis,), rows)).result()


def succeed_home(home: Path, reason: str, *, clock: Clock = utc_now) -> str:
    """End the log in force and begin its successor (`succession.end` has the reasons); returns the new origin.

    What a crash interrupts, a second call completes: a frozen log without a successor is taken as it is.
    """
    with open_home(home, clock=clock, tolerant=True, served=True) as g:
        ended = succession.end(g, reason)
    g = _build(home, clock, ended.number + 1)
    try:
        _start_log(g, tolerant=False)
        succession.begin(g, ended, SOFTWARE)
        return g.log.origin
    finally:
        _close(g)


@contextlib.contextmanager
def open_home(
    home: Path, *, clock: Clock = utc_now, tolerant: bool = False, served: bool = False
) -> Iterator[Greffier]:
    """Open an installation. With `tolerant`, a log that may not be written (guard, disk) is opened for reading, and
    `problem` says why; without, CannotRecord is raised. Who records, or is `served`, asks the witnesses first."""
    if is_half_made(home):
        raise SettingsError(f"{home} was not made to its end: run `greffier init` again", field="home")
    g = _build(home, clock, served=served)
    try:
        _start_log(g, tolerant=tolerant, ask=served or not tolerant)
        if g.problem is None:
            _begin_log(g)
        yield g
    finally:
        _close(g)


def _build(home: Path, clock: Clock, number: int | None = None, *, served: bool = False) -> Greffier:
    """Everything of one home; `number` is a log that is to begin (by default, the newest that there is).

    Where it is `served`, the runtime comes up with the models of the running versions loaded and measured.
    """
    settings, profile = read_settings(home), read_profile(home)
    engine = engine_of(home, settings)
    try:
        demand_file(engine)
        migrate.check(engine)
        numbers = _numbers(engine, settings)
        number = number or numbers[-1]
        origin = settings.origin_of(number)
        with start.needed_to_record():
            key_folder = KeyFolder(home / "keys", unlock_of(home, settings))
            key_folder.check(origin)
            keys = _signing_keys(key_folder, origin)
            record_keys, index_keys, vault = _open_vault(home, settings)
    except BaseException:
        engine.dispose()
        raise

    def before_commit() -> None:
        index_keys.refresh(vault.use_index_keys)
        record_keys.sync()

    telemetry = Telemetry(clock())
    log = Log(
        engine,
        keys,
        _guard(home, settings, number),
        number=number,
        before_commit=before_commit,
        outage_entry=_outage_entry(settings.agency),
        clock=clock,
        told=telemetry.recorded,
    )
    g = Greffier(
        home=home,
        settings=settings,
        profile=profile,
        engine=engine,
        key_folder=key_folder,
        guard=_guard(home, settings, number),
        record_keys=record_keys,
        ledger=Ledger(_inside(home, settings.guard_dir) / ERASURES),
        vault=vault,
        log=log,
        publishers=publish.make_publishers(
            home, settings, engine, {k: _guard(home, settings, k) for k in sorted({*numbers, number})}, clock
        ),
        runtime=make_supervisor(home, settings, lambda: g, served=served),
        gateway=Gateway(home / "run", on_boot=lambda facts: boots.record(g, facts)),
        renderer=Renderer(
            clock, templates=(PAGE_TEMPLATES,), stylesheet=STYLESHEET.read_text("utf-8") + read_theme(home, settings)
        ),
        clock=clock,
        telemetry=telemetry,
    )
    return g


def _open_vault(home: Path, settings: Settings) -> tuple[KeyStore, IndexKeys, Vault]:
    """The vault and the keys behind it. The key store comes last: nothing fails after it that would leave it open."""
    index_keys, request_key = IndexKeys(home / "keys"), read_request_key(home / "keys")
    objects = open_objects(settings.payload_store)
    record_keys = open_key_store(home, settings)
    vault = Vault(
        record_keys,
        settings.origin,
        index_keys.current,
        previous_key=index_keys.previous,
        request_key=request_key,
        objects=objects,
    )
    return record_keys, index_keys, vault


def _outage_entry(agency: str) -> Callable[[str, datetime, datetime], Entry]:
    def make(cause: str, began: datetime, ended: datetime) -> Entry:
        members = {"cause": cause, "began": began, "ended": ended, "boot": None}
        return make_entry("outage/1", id=str(uuid.uuid4()), agency=agency, time=ended, **members)

    return make


def _start_log(g: Greffier, *, tolerant: bool, ask: bool = True) -> None:
    try:
        start.start(g, ask=ask)
    except CannotRecord as error:
        if not tolerant:
            raise
        g.problem, g.problem_since = error, g.clock()


def _close(g: Greffier) -> None:
    try:
        boots.close(g)
    finally:
        g.log.close()
        g.record_keys.close()
        g.engine.dispose()


def _inside(home: Path, path: Path | str) -> Path:
    return home / path  # an absolute path stays as it is


def _guard(home: Path, settings: Settings, number: int) -> Guard:
    return Guard(_inside(home, settings.guard_dir) / guard_name(number))


def _numbers(engine: Engine, settings: Settings) -> list[int]:
    """The numbers of the logs, or that of the first. Raises SettingsError where they bear another name."""
    try:
        with reading(engine) as conn:
            logs = read_logs(conn)
    except SQLAlchemyError as error:
        raise cannot_record(error) from error
    for row in logs:
        if row.origin != settings.origin_of(row.number):
            message = f"is {settings.origin}, but this database holds the log {row.origin}: put back the setting"
            raise SettingsError(message, field="origin")
    return [row.number for row in logs] or [1]


def _signing_keys(folder: KeyFolder, origin: str) -> SigningKeys:
    held = functools.partial(folder.signers, origin)
    return SigningKeys(held(), origin=origin, ring=folder.ring().of(origin), held=held)
