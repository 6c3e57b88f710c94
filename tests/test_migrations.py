"""One linear history: up from nothing, down to nothing, nothing left to autogenerate, on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from auditlog.store.log import open_engine, writing
from home.errors import SettingsError
from service.keeping import migrate


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    yield engine
    engine.dispose()


def tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names()) - {"alembic_version"}


def test_the_history_is_linear_with_one_head():
    script = ScriptDirectory.from_config(migrate.config())
    assert script.get_heads() == [migrate.head()]
    assert script.get_bases() == ["0001"]
    assert all(not revision.is_branch_point for revision in script.walk_revisions())


def test_up_from_nothing_and_down_to_nothing(engine):
    with pytest.raises(SettingsError, match="run `greffier migrate`"):
        migrate.check(engine)
    assert migrate.migrate(engine) == migrate.head()
    migrate.check(engine)
    assert {"auditlog_entry", "auditlog_sealed", "registry_system", "access_key"} <= tables(engine)
    assert migrate.migrate(engine) == migrate.head(), "a second run changes nothing"
    with writing(engine) as conn:
        command.downgrade(migrate.config(conn), "base")
    assert tables(engine) == set()
    migrate.migrate(engine)
    migrate.check(engine)


def test_the_tables_are_those_of_the_code(engine):
    migrate.migrate(engine)
    with writing(engine) as conn:
        command.check(migrate.config(conn))


def test_a_newer_database_is_refused(engine):
    migrate.migrate(engine)
    with writing(engine) as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SettingsError, match="version of the program that wrote it"):
        migrate.check(engine)


def test_a_migration_that_fails_leaves_nothing(engine):
    with writing(engine) as conn:
        conn.execute(text("CREATE TABLE access_key (prefix TEXT)"))
    with pytest.raises(SettingsError, match="restore it"):
        migrate.migrate(engine)
    assert tables(engine) == {"access_key"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE auditlog_entry SET data = 'y'",
        "UPDATE auditlog_entry SET idx = 1",
        "DELETE FROM auditlog_entry",
        "TRUNCATE auditlog_entry",
        "INSERT OR REPLACE INTO auditlog_entry VALUES (1, 0, 'b', 'z')",
    ],
)
def test_the_database_refuses_to_change_entries(engine, statement):
    if ("OR REPLACE" in statement and engine.dialect.name != "sqlite") or (
        "TRUNCATE" in statement and engine.dialect.name == "sqlite"
    ):
        pytest.skip("the other database's dialect")
    migrate.migrate(engine)
    with writing(engine) as conn:
        conn.execute(text("INSERT INTO auditlog_entry VALUES (1, 0, 'a', 'x')"))
    with pytest.raises(DBAPIError, match="never changed or deleted"), writing(engine) as conn:
        conn.execute(text(statement))
    with writing(engine) as conn:
        assert conn.execute(text("SELECT id FROM auditlog_entry")).scalar_one() == "a"
