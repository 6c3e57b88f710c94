"""The benchmark runs on both databases, states what it did, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from app.bench import KINDS
from auditlog.store.engine import open_engine, reading


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def check(result: dict) -> None:
    assert result["fsync"] is True
    assert 0 < result["device_fsync_ms"]["p50"] <= result["device_fsync_ms"]["p99"]
    assert [run["writers"] for run in result["runs"]] == [1, 4]
    for run in result["runs"]:
        assert 0 < run["p50_ms"] <= run["p99_ms"]
        assert 3 <= run["groups"] <= run["entries"]
        assert run["spread_per_second"][0] <= run["per_second"] <= run["spread_per_second"][1]
    assert result["runs"][0]["entries_per_group"] == 1


def test_on_sqlite(here):
    result = KINDS["append"]([1, 4], 0.3, None)
    assert (result["database"], result["entry_bytes"]) == ("sqlite", 1024)
    check(result)
    assert list(here.iterdir()) == []


def test_on_postgresql(here, postgresql_url):
    result = KINDS["append"]([1, 4], 0.3, postgresql_url)
    assert result["database"] == "postgresql"
    check(result)
    engine = open_engine(postgresql_url)
    with reading(engine) as conn:
        left = conn.execute(text("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'greffier%'")).all()
    assert (left, inspect(engine).get_table_names()) == ([], [])
    engine.dispose()
