"""The database's schema: bring it to the newest revision, or say that it is not there yet."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from auditlog.store.engine import cannot_record, is_database_error, outage_cause, reading, writing
from home.errors import SettingsError
from registry.store import listing

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

FOLDER = Path(__file__).resolve().parents[2] / "migrations"


def migrate(engine: Engine) -> str:
    """Upgrade to the newest revision, in one transaction, and return it. A database that is there already is left.

    Raises SettingsError for a database of another program or version, CannotRecord where it cannot be used.
    """
    with _database_errors(), writing(engine) as conn:
        current = MigrationContext.configure(conn).get_current_revision()
        if not is_known(current):
            raise _other_revision(current)
        try:
            command.upgrade(config(conn), "head")
            listing.complete(conn)
        except Exception as error:
            if not is_database_error(error) or outage_cause(error) is not None:
                raise
            message = f"has tables that do not fit revision {current or 'none'}: restore it from a good backup"
            raise SettingsError(message, field="database") from error
    return head()


def check(engine: Engine) -> None:
    """Raises SettingsError unless the database has exactly the schema of this program; CannotRecord if it is gone."""
    with _database_errors(), reading(engine) as conn:
        current = MigrationContext.configure(conn).get_current_revision()
    if current != head():
        raise _other_revision(current)


@contextlib.contextmanager
def _database_errors() -> Iterator[None]:
    """What the database says of itself, as CannotRecord."""
    try:
        yield
    except Exception as error:
        if not is_database_error(error):
            raise
        raise cannot_record(error) from error


def _other_revision(current: str | None) -> SettingsError:
    message = f"is at revision {current or 'none'}, this program needs {head()}"
    fix = "run `greffier migrate`" if is_known(current) else "use the version of the program that wrote it"
    return SettingsError(f"{message}: {fix}", field="database")


def head() -> str:
    """The newest revision; the history has one head."""
    found = _script().get_current_head()
    assert found is not None, "the history is not empty"
    return found


def config(conn: Connection | None = None) -> Config:
    """Alembic's configuration over an open connection."""
    made = Config()
    made.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = conn
    return made


def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(config())


def is_known(revision: str | None) -> bool:
    """Whether the history of this program has that revision; None is before the first."""
    return revision is None or revision in {script.revision for script in _script().walk_revisions()}
