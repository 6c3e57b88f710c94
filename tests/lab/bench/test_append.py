"""The benchmark runs on both databases, states what it did, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from auditlog.store.engine import open_engine, reading
from lab.bench import KINDS, processes
from lab.bench.append import STEPS


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
        assert list(run["steps_ms"]) == list(STEPS)
        assert all(took >= 0 for took in run["steps_ms"].values())
        assert run["cpu_us"] > 0
    assert result["runs"][0]["entries_per_group"] == 1
    if result["yardstick"] is not None:
        assert [run["batch"] for run in result["yardstick"]["runs"]] == [1, 16, 64, 256]
        assert all(run["per_second"] > 0 for run in result["yardstick"]["runs"])


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


def test_whole_decisions_in_a_log_that_was_grown(here):
    told: list[str] = []
    result = KINDS["append"]([2], 0.3, None, decisions=True, grow=5000, report=told.append)
    assert result["what"].startswith("decisions of 8 fields")
    assert result["grown"]["entries"] == 5000
    assert result["grown"]["bytes"] > 5000 * 1024
    assert result["runs"][0]["entries"] > 0
    assert told == [] or "of 5,000 entries" in told[0]
    assert list(here.iterdir()) == []


def test_processes_that_share_a_log_lose_nothing(url):
    result = processes.run(2, 4, 3.0, None if url.startswith("sqlite") else url)
    assert result["entries"] > 0
    assert result["lost"] == 0
    assert result["dense"] is True
