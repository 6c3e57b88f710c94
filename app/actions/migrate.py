"""The database's schema: bring it to the newest revision, or say that it is not there yet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from app.errors import SettingsError
from auditlog.store.engine import cannot_record, outage_cause, reading, writing

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

FOLDER = Path(__file__).resolve().parents[2] / "migrations"


def migrate(engine: Engine) -> str:
    """Upgrade to the newest revision, in one transaction, and return it. A database that is there already is left."""
    with writing(engine) as conn:
        command.upgrade(config(conn), "head")
    return head()


def check(engine: Engine) -> None:
    """Raises SettingsError unless the database has exactly the schema of this program; CannotRecord if it is gone."""
    try:
        with reading(engine) as conn:
            current = MigrationContext.configure(conn).get_current_revision()
    except Exception as error:
        if outage_cause(error) is None:
            raise
        raise cannot_record(error) from error
    if current != head():
        message = f"is at revision {current or 'none'}, this program needs {head()}"
        fix = "run `greffier migrate`" if _is_known(current) else "use the version of the program that wrote it"
        raise SettingsError(f"{message}: {fix}", field="database")


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


def _is_known(revision: str | None) -> bool:
    return revision is None or revision in {script.revision for script in _script().walk_revisions()}
