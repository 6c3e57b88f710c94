"""Units that give their rows: inserted together, asked for once, and taken one by one when one of them is at fault."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import BigInteger, Column, MetaData, PrimaryKeyConstraint, Table, Text, event, text
from sqlalchemy.exc import IntegrityError

from auditlog.core.errors import CannotRecord, FormatError
from auditlog.store.engine import reading
from auditlog.store.insert import RowInsert, insert_rows
from auditlog.store.log import read_head
from auditlog.writing.log import Check, Unit

NOTE = Table(
    "note",
    MetaData(),
    Column("id", Text, nullable=False),
    Column("idx", BigInteger, nullable=False),
    Column("word", Text, nullable=True),
    PrimaryKeyConstraint("id"),
)
insert_note = RowInsert(NOTE)


@pytest.fixture
def notes(database):
    NOTE.metadata.create_all(database.engine)
    return database


def noting(make, *, id_=None, word="x", check=None, entry=None):
    entry = entry or make()

    def rows(sequenced):
        return [(insert_note, {"id": id_ or one.entry.id, "idx": one.index, "word": word}) for one in sequenced]

    return Unit((entry,), rows=rows, check=check)


def together(log, make, units):
    """These units in one group: the writer is held up until all of them wait."""
    held, running = threading.Event(), threading.Event()
    log.append(Unit((make(),), lambda conn, s: (running.set(), held.wait(60))))
    assert running.wait(60)
    tickets = [log.append(unit) for unit in units]
    held.set()
    return [ticket.exception(20) for ticket in tickets], tickets


def stored(database):
    with reading(database.engine) as conn:
        rows = conn.execute(text("SELECT id, idx, word FROM note ORDER BY idx")).all()
        return [tuple(row) for row in rows], read_head(conn, 1).size


def statements(database, seen):
    def note(conn, cursor, statement, *_):
        if "INTO note" in statement:
            seen.append(statement.split()[0])

    event.listen(database.engine, "before_cursor_execute", note)


@pytest.mark.parametrize("count", [1, 2, 150])
def test_rows_of_many_units_are_few_statements(notes, make, count):
    log = notes.started()
    seen = []
    statements(notes, seen)
    units = [noting(make, word=None if number % 3 else "ärger") for number in range(count)]
    errors, tickets = together(log, make, units)
    assert errors == [None] * count
    # SQLite takes 128, 32 or 8 rows a statement, then the rest together: 150 are 128 + 8 + 8 + 6.
    several = count == 150 and notes.engine.dialect.name == "sqlite"
    assert seen == ["INSERT"] * (4 if several else 1)
    rows, size = stored(notes)
    assert size == count + 1
    assert rows == [
        (ticket.result().sequenced[0].entry.id, number + 1, None if number % 3 else "ärger")
        for number, ticket in enumerate(tickets)
    ]


def test_the_unit_at_fault_goes_alone(notes, make):
    log = notes.started()
    taken = noting(make, id_="one")
    units = [noting(make), taken, noting(make, id_="one"), noting(make)]

    def broken(_):
        raise FormatError("of its own", field="outcome")

    units.append(Unit((make(),), rows=broken))
    errors, tickets = together(log, make, units)
    assert [type(error) for error in errors] == [type(None), type(None), IntegrityError, type(None), FormatError]
    assert [tickets[n].result().sequenced[0].index for n in (0, 1, 3)] == [1, 2, 3]
    rows, size = stored(notes)
    assert (len(rows), size) == (3, 4)
    assert log.state().recording


def test_a_table_that_is_missing_fails_its_unit_alone(notes, make):
    gone = RowInsert(Table("gone", MetaData(), Column("id", Text), Column("word", Text)))
    log = notes.started()
    units = [noting(make), Unit((make(),), rows=lambda s: [(gone, {"id": "x", "word": None})]), noting(make)]
    errors, _ = together(log, make, units)
    assert [type(error) for error in errors] == [type(None), CannotRecord, type(None)]
    assert log.state().recording
    assert stored(notes)[1] == 3


def test_equal_checks_are_asked_once_until_something_may_have_changed(notes, make):
    log = notes.started()
    asked = []

    def check(key):
        return Check(
            key, lambda conn: asked.append((key, conn.execute(text("SELECT count(*) FROM note")).scalar_one()))
        )

    def change(conn, sequenced):
        insert_rows(conn, [(insert_note, {"id": "changed", "idx": 0, "word": None})])

    units = [noting(make, check=check(key)) for key in "aab"]
    units += [Unit((make(),), change)]
    units += [noting(make, check=check("a")) for _ in range(2)]
    errors, _ = together(log, make, units)
    assert errors == [None] * 6
    assert asked == [("a", 0), ("b", 0), ("a", 4)], "what came before a change is there when it is asked again"


def test_what_a_check_refuses_goes_alone(notes, make):
    log = notes.started()

    def closed(conn):
        raise FormatError("was stopped", field="system")

    units = [
        noting(make),
        noting(make, check=Check("stopped", closed)),
        noting(make, check=Check("on", lambda c: None)),
    ]
    errors, _ = together(log, make, units)
    assert [type(error) for error in errors] == [type(None), FormatError, type(None)]
    assert (len(stored(notes)[0]), stored(notes)[1]) == (2, 3)
