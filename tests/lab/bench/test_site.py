"""The bench of the site runs, and no page of it weighs more than it may."""

from __future__ import annotations

import pytest

from lab.bench import site

pytestmark = pytest.mark.enable_socket


def test_every_page_is_answered_and_light(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "TIMES", 2)
    found = site.run(12)
    assert found["systems"] == 12
    assert set(found["pages"]) >= {"home", "register", "search", "system", "past_day", "check", "ask"}
    assert 0 < found["heaviest_bytes"] <= site.TARGET_BYTES
    assert all(page["page_bytes"] < page["transferred_bytes"] for page in found["pages"].values())
