"""The operator's pages: figures of the systems within their scope, and nothing about anybody."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.enable_socket


@pytest.fixture(scope="module")
def operator(portal: Any) -> Iterator[httpx.Client]:
    with portal.client() as client:
        client.headers.update(portal.staff("operator"))
        yield client


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def test_the_operator_begins_with_the_live_figures(operator: httpx.Client, portals: Any) -> None:
    assert operator.get("/console").headers["location"] == "/operator/live"
    page = operator.get("/operator/live").text
    assert f'href="/operator/systems/{portals.SYSTEM}?' in page
    assert "records; " in words(page)


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_each_page_is_there_in_each_language(operator: httpx.Client, portals: Any, lang: str) -> None:
    for path in ("/operator/live", f"/operator/systems/{portals.SYSTEM}", "/operator/devices"):
        answer = operator.get(path, params={"lang": lang})
        assert answer.status_code == 200
        assert f'<html lang="{lang}">' in answer.text
        assert "None" not in words(answer.text)


def test_no_page_names_a_record_an_outcome_or_a_person(operator: httpx.Client, portal: Any, portals: Any) -> None:
    records = (portal.records.given, portal.records.held, portal.records.erased)
    for path in ("/operator/live", f"/operator/systems/{portals.HELD_SYSTEM}", "/operator/devices"):
        page = operator.get(path).text
        assert not [one for one in (*records, portals.SUBJECT, portals.INPUT["message"]) if one in page]
        assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-4", page)
        assert "refuse" not in words(page).lower().replace("refused", "")


def test_a_scope_hides_other_systems(portal: Any, portals: Any) -> None:
    headers = portal.staff("operator", portals.SYSTEM)
    with portal.client() as client:
        page = client.get("/operator/live", headers=headers).text
        assert portals.SYSTEM in page
        assert portals.HELD_SYSTEM not in page
        assert client.get(f"/operator/systems/{portals.SYSTEM}", headers=headers).status_code == 200
        for path in (f"/operator/systems/{portals.HELD_SYSTEM}", "/operator/systems/none-of-this-name"):
            assert client.get(path, headers=headers).status_code == 403


def test_a_system_that_is_not_there_and_a_month_that_is_none(operator: httpx.Client, portals: Any) -> None:
    assert operator.get("/operator/systems/none-of-this-name").status_code == 404
    for path in ("/operator/live", f"/operator/systems/{portals.SYSTEM}"):
        for none in ("2026-13", "9999-12", "0000-01"):
            assert operator.get(path, params={"month": none}).status_code == 422
        for empty in ("0001-01", "0999-12"):
            assert operator.get(path, params={"month": empty}).status_code == 200
        assert operator.get(path, params={"month": "2020-02"}).status_code == 200


def test_the_month_by_prices_that_one_types(operator: httpx.Client, portals: Any) -> None:
    path = f"/operator/systems/{portals.SYSTEM}"
    page = operator.get(path, params={"price_month": "25,5", "by": "second"}).text
    assert "as you typed them" in page
    assert "€25.50" in words(page)
    page = operator.get(path).text
    assert "as you typed them" not in page
    for wrong in ("-1", "much", "1e99", "0.1234567", "NaN", "Infinity", '"><script>'):
        answer = operator.get(path, params={"price_request": wrong})
        assert answer.status_code == 422
        assert 'href="#price_request"' in answer.text
        assert "<script>" not in answer.text


def test_devices_say_so_where_no_worker_runs(operator: httpx.Client, portal: Any) -> None:
    page = words(operator.get("/operator/devices").text)
    running = portal.g.runtime.boot is not None
    assert ("is not running" in page) == (not running)
