"""What changed of all systems: newest first, page by page, and nothing of those that the public may not see."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient

from lab.bench.records_scene import SYSTEM
from service.systems import changes, register
from web import create_app

MAKER, APPROVER = "eef.voorbeeld", "bo.voorbeeld"


def test_all_of_them_come_once_newest_first(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "PAGE", 2)
    monkeypatch.setattr(changes, "_CHUNK", 3)
    house.register()
    house.start()
    before, seen = None, []
    while True:
        page = changes.newest(house.g, before)
        seen += [(one.entry["log"], one.entry["index"]) for one in page.rows]
        if page.next is None:
            break
        assert len(page.rows) == 2
        before = page.next
    told = [(one["log"], one["index"]) for one in register.history(house.g, SYSTEM)]
    assert len(told) >= 5
    assert seen == sorted(told, reverse=True)


def test_a_draft_is_in_no_public_list(house: Any) -> None:
    house.register()
    assert changes.newest(house.g).rows == ()
    house.step("in_review", MAKER)
    assert changes.newest(house.g).rows == ()
    house.step("approved", APPROVER, role="approver")
    assert {one.slug for one in changes.newest(house.g).rows} == {SYSTEM}


def test_the_page_has_one_heading_for_each_day_of_the_agency(house: Any) -> None:
    house.register()
    house.now[0] = datetime(2026, 2, 3, 22, 30, tzinfo=UTC)  # in Amsterdam still 3 February
    house.step("in_review", MAKER)
    house.step("approved", APPROVER, role="approver")
    house.now[0] = datetime(2026, 2, 3, 23, 30, tzinfo=UTC)  # and now the 4th
    house.step("active", APPROVER, role="approver")
    page = TestClient(create_app(house.g)).get("/changes?lang=en").text
    headings = re.findall(r"<h2>([^<]+)</h2>", page)
    assert headings[:2] == ["4 February 2026", "3 February 2026"]
    assert len(set(headings)) == len(headings) < page.count('<li><p><strong><a href="/register/')
