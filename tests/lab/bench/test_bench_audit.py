"""The benchmark of the verifier measures an audit that holds, states what it did, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.bench import OF_SIZE


def test_it_states_what_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = OF_SIZE["audit"](300)
    assert (result["entries"], result["rounds"]) == (300, 3)
    assert 900 < result["entry_bytes"] < 1200
    for name in ("hashes_only", "strict"):
        one = result[name]
        assert 0 < one["spread_seconds"][0] <= one["seconds"] <= one["spread_seconds"][1] < one["command_seconds"]
        assert 5 < one["peak_mb"] < 200
    assert result["strict"]["processor_seconds"] > result["hashes_only"]["processor_seconds"]
    assert result["verify_cold_start"]["processor_seconds"] > 0
    assert list(tmp_path.iterdir()) == []
