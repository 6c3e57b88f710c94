"""The ticker of `serve`: whatever is wrong, it goes on."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from service.logs import publish
from service.wiring import create_home, open_home
from web.tlog.publishing import publishing


def test_a_policy_file_that_the_system_refuses_does_not_end_publishing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREFFIER_PUBLISH_PACE_S", "0")
    home = tmp_path / "home"
    create_home(home, "waterveen", "waterveen.example/log")
    monkeypatch.setenv("GREFFIER_POLICY_FILE", "x" * 300)  # longer than any file system takes
    with open_home(home, tolerant=True) as g, publishing(g) as first:
        assert first.wait(60)
        time.sleep(0.3)
        assert "greffier-publish" in [thread.name for thread in threading.enumerate()]
        assert "cannot be read" in str(publish.try_advance(g))
