"""Every cell of the table route × role, over HTTP."""

from __future__ import annotations

from typing import Any, get_args

import httpx
import pytest
from fastapi import APIRouter

from app.access import keys
from app.access.roles import ROUTES, Role
from app.http import demand_access_rows

pytestmark = pytest.mark.enable_socket

ROLES = get_args(Role)
KNOWN = {"slug": "tax-question-reply", "number": "1", "path": "0/000", "id": "1b4e28ba-2fa1-4d2b-883f-0016d3cca427"}


def address(template: str) -> str:
    path = template
    for name, value in KNOWN.items():
        path = path.replace("{" + name + ":path}", value).replace("{" + name + "}", value)
    return path


@pytest.fixture(scope="module")
def headers(portal: Any) -> dict[str, dict[str, str]]:
    return {role: portal.key(role) for role in ROLES}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("route", ROUTES)
def test_a_role_reaches_exactly_the_routes_of_its_row(
    client: httpx.Client, headers: dict[str, dict[str, str]], route: str, role: Role
) -> None:
    method, _, template = route.partition(" ")
    access = ROUTES[route]
    status = client.request(method, address(template), headers=headers[role]).status_code
    allowed = access.public or role in access.roles
    assert (status not in {401, 403}) == allowed
    assert status < 500


@pytest.mark.parametrize("route", ROUTES)
def test_without_a_key_only_public_routes_and_local_metrics_answer(client: httpx.Client, route: str) -> None:
    method, _, template = route.partition(" ")
    response = client.request(method, address(template))
    assert (response.status_code != 401) == (ROUTES[route].public or ROUTES[route].loopback)
    if response.status_code == 401:
        assert response.headers["www-authenticate"].startswith("Bearer")
        own = "application/json" if template.startswith("/v1/") else "application/problem+json"
        assert response.headers["content-type"] == own


@pytest.mark.parametrize(
    "header",
    [
        {"x-forwarded-for": "203.0.113.9"},
        {"forwarded": "for=203.0.113.9"},
        {"via": "1.1 proxy"},
        {"host": "portal.example"},
    ],
)
def test_what_came_through_a_proxy_is_not_local(client: httpx.Client, header: dict[str, str]) -> None:
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", headers=header).status_code == 401


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer x", "Basic eDp5", "grf_x", "Bearer grf_000000000000_" + "A" * 43]
)
@pytest.mark.parametrize("path", ["/api/decisions", "/metrics", "/register.json"])
def test_a_key_that_is_sent_is_always_checked(client: httpx.Client, path: str, value: str) -> None:
    response = client.get(path, headers={"authorization": value})
    assert response.status_code == 401
    assert "A" * 43 not in response.text


def test_a_withdrawn_key_is_out_at_once(client: httpx.Client, portal: Any) -> None:
    header = portal.key("auditor")
    assert client.get("/api/decisions", headers=header).status_code == 200
    keys.revoke_key(portal.g.engine, header["authorization"].split("_")[1], now=portal.g.clock())
    assert client.get("/api/decisions", headers=header).status_code == 401


def test_the_program_does_not_start_with_a_route_that_has_no_row() -> None:
    router = APIRouter()
    router.add_api_route("/secret", lambda: None)
    with pytest.raises(RuntimeError, match="GET /secret"):
        demand_access_rows((router,))
