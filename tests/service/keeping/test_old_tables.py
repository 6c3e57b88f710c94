"""On a server, every table that the migrations make is known as this program's, and nobody else's is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, inspect

from auditlog.core.errors import CannotRecord
from auditlog.store.atomic_create import demand_none
from auditlog.store.engine import open_engine, writing
from auditlog.store.replacement import moved_to, replacing
from service.keeping import migrate

STAMP = "20261126t060000z"


@pytest.fixture
def engine(postgresql_url: str) -> Iterator[Engine]:
    engine = open_engine(postgresql_url)
    migrate.migrate(engine)
    with writing(engine) as conn:
        conn.exec_driver_sql("CREATE TABLE another_program (id TEXT)")
    yield engine
    engine.dispose()


def names(engine: Engine, schema: str | None = None) -> set[str]:
    return set(inspect(engine).get_table_names(schema=schema)) - {"another_program"}


def test_all_tables_move_to_a_schema_of_their_own_and_others_stay(engine: Engine) -> None:
    every = names(engine)
    with replacing(engine, STAMP, keep=True):
        pass
    assert names(engine) == set()
    assert inspect(engine).has_table("another_program")
    assert names(engine, moved_to(engine, STAMP).rpartition(" ")[2]) == every
    demand_none(engine)


def test_any_one_table_that_is_left_is_a_database_already(engine: Engine) -> None:
    for name in sorted(names(engine)):
        with writing(engine) as conn:
            for other in sorted(names(engine) - {name}):
                conn.exec_driver_sql(f"ALTER TABLE {other} RENAME TO left_{other}")
        with pytest.raises(CannotRecord, match=f"holds {name} already"):
            demand_none(engine)
        with writing(engine) as conn:
            for other in inspect(conn).get_table_names():
                if other.startswith("left_"):
                    conn.exec_driver_sql(f"ALTER TABLE {other} RENAME TO {other.removeprefix('left_')}")
