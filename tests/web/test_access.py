"""Every cell of the table route × role, over HTTP: by key for a program, by session for a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter

from accounts import api_keys
from accounts.roles import ACCOUNT_ROLES, KEY_ROLES, ROLES, ROUTES, Role
from web import demand_access_rows

pytestmark = pytest.mark.enable_socket

KNOWN = {
    "slug": "tax-question-reply",
    "number": "1",
    "path": "0/000",
    "id": "1b4e28ba-2fa1-4d2b-883f-0016d3cca427",
    "account": "u000000000000",
}
SAFE = {"GET", "HEAD"}
# These end the session that asks.
ENDING = {"POST /sign-out"}


def address(template: str) -> str:
    path = template
    for name, value in KNOWN.items():
        path = path.replace("{" + name + ":path}", value).replace("{" + name + "}", value)
    return path


def turned_away(response: httpx.Response) -> bool:
    """Not let in: told so, or sent to sign in."""
    return response.status_code in {401, 403} or response.headers.get("location", "").startswith("/sign-in?next=")


def ask(client: httpx.Client, route: str, headers: dict[str, str]) -> httpx.Response:
    method, _, template = route.partition(" ")
    client.cookies.clear()
    return client.request(method, address(template), headers=headers)


@pytest.fixture(scope="module")
def client(portal: Any) -> Iterator[httpx.Client]:
    """One for all cells: to make one takes longer than to ask."""
    with portal.client() as client:
        yield client


@pytest.fixture(scope="module")
def by_key(portal: Any) -> dict[str, dict[str, str]]:
    return {role: portal.key(role) for role in KEY_ROLES}


@pytest.fixture(scope="module")
def by_session(portal: Any) -> Callable[[str, str], dict[str, str]]:
    made = {role: portal.staff(role) for role in ACCOUNT_ROLES}
    return lambda route, role: portal.staff(role) if route in ENDING else made[role]


def test_every_role_is_a_programs_or_a_persons() -> None:
    assert {*KEY_ROLES, *ACCOUNT_ROLES} == set(ROLES)


@pytest.mark.parametrize("role", KEY_ROLES)
@pytest.mark.parametrize("route", ROUTES)
def test_a_key_reaches_exactly_the_routes_of_its_role(
    client: httpx.Client, by_key: dict[str, dict[str, str]], route: str, role: Role
) -> None:
    access = ROUTES[route]
    response = ask(client, route, by_key[role])
    allowed = access.public or (role in access.roles and not access.signed_in)
    assert turned_away(response) != allowed
    assert response.status_code < 500


@pytest.mark.parametrize("role", ACCOUNT_ROLES)
@pytest.mark.parametrize("route", ROUTES)
def test_a_person_reaches_exactly_the_routes_of_their_role(
    client: httpx.Client, by_session: Callable[[str, str], dict[str, str]], route: str, role: Role
) -> None:
    access = ROUTES[route]
    response = ask(client, route, by_session(route, role))
    # The sign-in form asks everyone for a cookie of its own.
    allowed = access.public or role in access.roles
    assert turned_away(response) != allowed
    assert response.status_code < 500


@pytest.mark.parametrize("route", [route for route, access in ROUTES.items() if access.roles])
def test_a_person_changes_nothing_without_the_token_of_their_own_forms(
    client: httpx.Client, portal: Any, by_session: Callable[[str, str], dict[str, str]], route: str
) -> None:
    role = next(iter(sorted(ROUTES[route].roles & set(ACCOUNT_ROLES))), None)
    if role is None or route.split(maxsplit=1)[0] in SAFE:
        return
    mine, other = by_session(route, role), portal.staff(role)
    for token in ({}, {"x-csrf-token": ""}, {"x-csrf-token": "x"}, {"x-csrf-token": other["x-csrf-token"]}):
        assert ask(client, route, {"cookie": mine["cookie"], **token}).status_code == 403
    foreign = {**mine, "sec-fetch-site": "cross-site"}
    assert ask(client, route, foreign).status_code == 403
    assert ask(client, route, mine).status_code != 403


@pytest.mark.parametrize("route", ROUTES)
def test_without_key_or_session_only_public_routes_and_local_metrics_answer(client: httpx.Client, route: str) -> None:
    access, template = ROUTES[route], route.split()[1]
    response = ask(client, route, {})
    assert turned_away(response) != (access.public or access.loopback)
    if access.signed_in:
        page = route.startswith("GET ") and not template.endswith(".json")
        assert response.status_code == (303 if page else 401)
    elif response.status_code == 401:
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
    api_keys.revoke_key(portal.g.engine, header["authorization"].split("_")[1], now=portal.g.clock())
    assert client.get("/api/decisions", headers=header).status_code == 401


def test_a_key_beside_a_session_is_the_one_that_counts(client: httpx.Client, portal: Any) -> None:
    both = portal.staff("auditor") | portal.key("client")
    assert client.get("/api/decisions", headers=both).status_code == 403
    assert client.get("/account", headers=both).status_code == 403


def test_the_program_does_not_start_with_a_route_that_has_no_row() -> None:
    router = APIRouter()
    router.add_api_route("/secret", lambda: None)
    with pytest.raises(RuntimeError, match="GET /secret"):
        demand_access_rows((router,))
