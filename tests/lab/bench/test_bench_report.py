"""The benchmark of documents runs, states what it did, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from home.errors import UsageError
from lab.bench import ALONE, NAMES, report


def test_it_counts_what_it_says_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    told: list[str] = []
    result = report.run(300, report=told.append)
    # Nine in ten: the filled year begins in November, and the report is of a calendar year.
    assert 200 < result["decisions"] < 280
    assert 100 < result["tallies"] <= 300
    assert result["proven_bytes"] > 10_000
    assert result["letter_pdf_bytes"] > 10_000
    assert all(value >= 0 for name, value in result.items() if name.endswith("_s"))
    assert told[-1] == "letters"
    assert [*tmp_path.iterdir()] == []


def test_it_is_of_sqlite_alone():
    with pytest.raises(UsageError, match="--database-url"):
        report.run(10, "postgresql://nowhere")


def test_it_has_a_name():
    assert set(ALONE) <= set(NAMES)
