"""Who calls: the API key of a request, held against the table route × role before the route runs."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Final, cast

from fastapi import Depends, Request

from app.access.keys import known_key
from app.access.roles import ROUTES, Access
from app.access.token import ApiKey, Forbidden, KeyRejected
from app.actions.reading import Reader
from app.home import Greffier

# A proxy on this machine makes everyone look local: what came through one is not.
_PROXY_HEADERS: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
_LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


def greffier(request: Request) -> Greffier:
    """The installation that this server serves."""
    return cast(Greffier, request.app.state.greffier)


Installation = Annotated[Greffier, Depends(greffier)]


def authorize(request: Request, g: Installation) -> ApiKey | None:
    """The caller's key, or None for a route that everyone may call. Raises KeyRejected, Forbidden.

    A key that is sent is always checked, also where none is needed: a withdrawn key never passes unnoticed.
    """
    access = access_of(request)
    token = _bearer(request)
    if token is None:
        if access.public or (access.loopback and g.settings.metrics_on_loopback and _is_local(request)):
            return None
        raise KeyRejected("send an API key as `Authorization: Bearer grf_…`")
    key = known_key(g.engine, token)
    if not access.public and key.role not in access.roles:
        raise Forbidden(f"this needs a key with role {' or '.join(sorted(access.roles))}")
    return key


Caller = Annotated[ApiKey | None, Depends(authorize)]


def access_of(request: Request) -> Access:
    """The row of the table for the route that was matched."""
    return ROUTES[f"{request.method} {request.scope['route'].path}"]


def demand_scope(key: ApiKey | None, system: str) -> None:
    """Raise Forbidden where the key does not reach the system."""
    if key is None or not key.reaches(system):
        raise Forbidden("this key does not reach that system", field="system")


def reader_of(caller: ApiKey) -> Reader:
    """Who reads content with this key: its role, and its public id as the account."""
    return Reader(caller.role, caller.prefix)


def _bearer(request: Request) -> str | None:
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise KeyRejected("send the API key as `Authorization: Bearer grf_…`")
    return token.strip()


def _is_local(request: Request) -> bool:
    if any(name in request.headers for name in _PROXY_HEADERS) or request.client is None:
        return False
    if request.headers.get("host", "").rsplit(":", 1)[0] not in _LOCAL_NAMES:
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
