"""Rows of decisions that are there get their new columns from entries and reviews, as `row_from` would give them."""

from __future__ import annotations

import json
import uuid

import pytest
from alembic import command
from sqlalchemy import text

from auditlog.core.entries.record import parse_entry
from auditlog.store.decisions import find_decision, find_reviews, reviewed_row, row_from
from auditlog.store.engine import open_engine, reading, writing
from auditlog.store.log import find_entry
from service.keeping import migrate

IDS = [str(uuid.UUID(int=n, version=4)) for n in range(6)]
OLD = "id, log, idx, system, version, mode, minute, outcome"


def decision(n: int, *, boot: str | None) -> bytes:
    names = ("output", "outcome", "subjects", "parent", "usage", "run", "times")
    members = {"capture": "runtime" if boot else "external", "boot": boot, "source": None if boot else "cases", "n": n}
    members |= {"system": "credit", "version": 1, "manifest": f"sha256:{'0' * 64}", "mode": "live", "opened": None}
    members |= {"kind": "decision/1", "id": IDS[n], "agency": "waterveen", "time": "2026-11-24T08:15Z"}
    members["commitments"] = dict.fromkeys(names, "a" * 64)
    return json.dumps(members, sort_keys=True, separators=(",", ":")).encode()


def review(n: int, time: str) -> bytes:
    names = ("action", "decision", "effect", "notified", "reasons", "reference", "text")
    members = {"kind": "review/1", "id": IDS[n], "agency": "waterveen", "time": time}
    return json.dumps(
        members | {"commitments": dict.fromkeys(names, "b" * 64)}, sort_keys=True, separators=(",", ":")
    ).encode()


@pytest.fixture
def engine(url):
    engine = open_engine(url)
    with writing(engine) as conn:
        command.upgrade(migrate.config(conn), "0005")
        times = ("2026-11-24T09:15Z", "2026-11-26T08:15Z", "2026-11-24T08:00Z")
        entries = [decision(n, boot=(None, IDS[0], None)[n]) for n in range(3)]
        entries += [review(n, time) for n, time in zip((3, 4, 5), times, strict=True)]
        for n, data in enumerate(entries):
            place = {"n": n, "id": IDS[n], "data": data}
            conn.execute(text("INSERT INTO auditlog_entry (log, idx, id, data) VALUES (1, :n, :id, :data)"), place)
        for n in range(3):
            values = {"id": IDS[n], "n": n}
            row = "(:id, 1, :n, 'credit', 1, 'live', '2026-11-24T08:15Z', 'grant')"
            conn.execute(text(f"INSERT INTO auditlog_decision ({OLD}) VALUES {row}"), values)
        for n, of, action in ((3, 0, "refer"), (4, 0, "override"), (5, 2, "confirm")):
            row = "(:id, 1, :n, :of, :action)"
            values = {"id": IDS[n], "n": n, "of": IDS[of], "action": action}
            conn.execute(text(f"INSERT INTO auditlog_review (id, log, idx, decision_id, action) VALUES {row}"), values)
    yield engine
    engine.dispose()


def test_the_columns_are_filled(engine):
    migrate.migrate(engine)
    with reading(engine) as conn:
        for n in range(3):
            entry = parse_entry(find_entry(conn, IDS[n]).data)
            reviews = find_reviews(conn, IDS[n])
            wanted = reviewed_row(row_from(entry, {"outcome": "grant", "usage": None}, (1, n)), reviews)
            assert find_decision(conn, IDS[n]) == wanted
        shown = [find_decision(conn, IDS[n]) for n in range(3)]
        assert [(row["review"], row["reviewed"], row["waited"]) for row in shown] == [
            ("override", "2026-11-26T08:15Z", 60),
            (None, None, None),
            ("confirm", "2026-11-24T08:00Z", 0),
        ]
        assert [(row["capture"], row["source"], row["boot"]) for row in shown[:2]] == [
            ("external", "cases", None),
            ("runtime", None, IDS[0]),
        ]
        assert [row["minute"] for row in find_reviews(conn, IDS[0])] == ["2026-11-24T09:15Z", "2026-11-26T08:15Z"]
