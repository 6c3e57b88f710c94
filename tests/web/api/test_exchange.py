"""The public formats over HTTP: every one of a public system, none of a draft or a restricted one."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from registry.exchange.formats import FORMATS, PUBLIC
from registry.exchange.transfer import DoesNotApply
from service.systems import exchange, register

pytestmark = pytest.mark.enable_socket

CASES = Path(__file__).parents[3] / "cli" / "demo" / "cases"


def register_as(portal: Any, slug: str, **members: Any) -> None:
    file = json.loads((CASES / "health-line-aid.json").read_text("utf-8"))
    file["system"] |= {"slug": slug, **members}
    register.register(portal.g, json.dumps(file).encode())


@pytest.mark.parametrize("form", FORMATS)
def test_each_format_that_is_for_a_system_is_a_file(client: httpx.Client, portals: Any, portal: Any, form: str) -> None:
    offered = [one.format for one in exchange.offers(portal.g, portals.HELD_SYSTEM)]
    response = client.get(f"/register/{portals.HELD_SYSTEM}.{form}")
    if form == "register":
        with pytest.raises(DoesNotApply):
            exchange.export_public(portal.g, portals.HELD_SYSTEM, form)
    if form not in offered:
        assert response.status_code == 404
        return
    assert response.status_code == 200
    assert response.headers["content-type"].split(";")[0] == FORMATS[form].media.split(";")[0]
    name = f"{portals.HELD_SYSTEM}.{form}.{FORMATS[form].suffix}"
    assert response.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert response.content == exchange.export(portal.g, portals.HELD_SYSTEM, form).data


def test_the_offered_formats_are_those_of_the_system(portals: Any, portal: Any) -> None:
    offered = {one.format for one in exchange.offers(portal.g, portals.HELD_SYSTEM)}
    assert {"dutch", "csv", "xlsx", "atrs", "mlbom", "dpv", "eurocities", "annex-viii-a"} <= offered
    assert "annex-viii-b" not in offered
    assert "register" not in offered, "a register file has prompts"


def test_a_draft_has_no_file_in_any_format(client: httpx.Client, portal: Any) -> None:
    register_as(portal, "draft-of-exchange")
    for form in [*FORMATS, "json", "word"]:
        assert client.get(f"/register/draft-of-exchange.{form}").status_code == 404
    assert client.get("/register/nobody-knows.dutch").status_code == 404


def test_open_data_lists_what_can_be_had(client: httpx.Client, portals: Any) -> None:
    found = client.get("/open-data.json").json()
    assert {one["format"] for one in found["formats"]} == set(PUBLIC)
    for one in found["files"]:
        assert client.get(one["href"]).status_code in {200, 404}, one["href"]
    assert client.get("/register.json").status_code == 200
    href = next(one["href"] for one in found["formats"] if one["format"] == "csv")
    rows = list(csv.reader(io.StringIO(client.get(href.replace("{slug}", portals.SYSTEM)).text)))
    assert rows[0][0] == "slug"
    assert rows[1][0] == portals.SYSTEM
