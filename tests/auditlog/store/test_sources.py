"""Numbers of sources: each has one record, in whatever order they come."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from auditlog.core.entries.record import Entry
from auditlog.store.engine import reading, writing
from auditlog.store.insert import insert_rows
from auditlog.store.sources import (
    NumberTaken,
    SourceRow,
    demand_free,
    find_numbers,
    find_source,
    insert_source,
    iterate_sources,
    numbers_of,
    source_row,
)

FIXED = ("output", "outcome", "subjects", "parent", "usage", "run", "times")


def decision(make: Any, source: str, n: int) -> Entry:
    return make(
        "decision/1",
        system="parking-permit",
        version=1,
        manifest=f"sha256:{'0' * 64}",
        capture="external",
        mode="live",
        boot=None,
        source=source,
        n=n,
        opened=None,
        commitments=dict.fromkeys(FIXED, "0" * 64),
    )


@pytest.fixture
def stored(database: Any, make: Any) -> list[Entry]:
    entries = [
        decision(make, source, n) for source, n in (("north", 1), ("north", 3), ("south", 1), ("north", 2**53 - 1))
    ]
    with writing(database.engine) as conn:
        insert_rows(
            conn, [source_row(entry, (1, index), b"x" if index == 2 else None) for index, entry in enumerate(entries)]
        )
    return entries


def test_numbers_are_found_by_source_and_by_record(database: Any, stored: list[Entry]) -> None:
    with reading(database.engine) as conn:
        found = find_numbers(conn, [("north", 3), ("north", 2), ("south", 1), ("east", 1)])
        assert {number: row.id for number, row in found.items()} == {
            ("north", 3): stored[1].id,
            ("south", 1): stored[2].id,
        }
        assert found["south", 1].committed == b"x"
        assert find_source(conn, stored[3].id) == SourceRow("north", 2**53 - 1, stored[3].id, 1, 3, None)
        assert find_source(conn, str(uuid.uuid4())) is None
        assert list(numbers_of(conn, "north")) == [1, 3, 2**53 - 1]
        assert [row.number for row in iterate_sources(conn)] == [
            ("north", 1),
            ("north", 3),
            ("north", 2**53 - 1),
            ("south", 1),
        ]


def test_a_number_is_taken_once(database: Any, make: Any, stored: list[Entry]) -> None:
    with reading(database.engine) as conn:
        demand_free(conn, [("north", 2), ("south", 3)])
        with pytest.raises(NumberTaken):
            demand_free(conn, [("north", 2), ("south", 1)])
    again = decision(make, "north", 3)
    with pytest.raises(IntegrityError), writing(database.engine) as conn:
        insert_rows(conn, [source_row(again, (1, 9))])
    with pytest.raises(IntegrityError), writing(database.engine) as conn:
        insert_source(conn, SourceRow("west", 1, stored[0].id, 1, 9, None))
