"""The benchmark of sealing measures whole records, says where the time goes, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.bench import OF_SIZE


def test_it_states_what_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = OF_SIZE["seal"](2_000)
    assert result["records"] == 2_000
    assert 0 < result["spread_us"][0] <= result["processor_us"] <= result["spread_us"][1]
    steps = result["steps_us"]
    assert all(took > 0 for name, took in steps.items() if name != "rest")
    assert abs(sum(steps.values()) - result["processor_us"]) < 0.5
    assert result["open_processor_us"] > 0
    assert result["bytes"]["text"] < result["bytes"]["sealed"] <= result["bytes"]["text"] + 256 + 1 + 5 + 16 + 12
    assert list(tmp_path.iterdir()) == []
