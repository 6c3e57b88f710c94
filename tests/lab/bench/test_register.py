"""The register's benchmark runs on both databases, states what it did, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect

from auditlog.store.engine import open_engine
from lab.bench import register


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(register, "TIMES", 3)
    return tmp_path


def check(found: dict[str, Any]) -> None:
    assert (found["systems"], found["versions"]) == (6, 10)
    assert {"list", "search", "facets", "show", "as_of", "differences"} <= set(found["asked"])
    assert all(0 < one["p50_ms"] <= one["p95_ms"] for one in found["asked"].values())


def test_on_sqlite(here: Path) -> None:
    found = register.run(6)
    assert found["database"] == "sqlite"
    check(found)
    assert list(here.iterdir()) == []


def test_on_postgresql(here: Path, postgresql_url: str) -> None:
    found = register.run(6, postgresql_url)
    assert found["database"] == "postgresql"
    check(found)
    engine = open_engine(postgresql_url)
    assert inspect(engine).get_table_names() == []
    assert not [name for name in inspect(engine).get_schema_names() if name.startswith("greffier_bench")]
    engine.dispose()
