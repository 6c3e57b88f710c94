"""The benchmark of `/api/records` runs on both databases, states what it did, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import inspect

from auditlog.store.engine import open_engine
from lab.bench import OVER_HTTP

pytestmark = pytest.mark.enable_socket


def test_records_over_http(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    told: list[str] = []
    result = OVER_HTTP["records"](0.3, None if url.startswith("sqlite") else url, report=told.append)
    assert result["database"] == ("sqlite" if url.startswith("sqlite") else "postgresql")
    assert set(result["runs"]) == {"sealed", "committed"}
    for run in result["runs"].values():
        assert run["records"] >= 256
        assert run["per_second"] > 0
        assert 0 < run["batch_p50_ms"] <= run["batch_p99_ms"]
        assert run["server_cpu_us"] > 0
        assert all(took > 0 for took in run["steps_us"].values())
    assert set(result["runs"]["sealed"]["steps_us"]) == {"json", "lines", "values", "seal", "make", "commit"}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("greffier-bench")]
    if not url.startswith("sqlite"):
        engine = open_engine(url)
        assert inspect(engine).get_table_names() == []
        engine.dispose()
    assert len(told) == 5
