"""The roles and THE table route × role: the guard of every route, the OpenAPI texts and the tests read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from app.errors import UsageError

Role = Literal["client", "officer", "auditor", "operator"]

ROLES: Final[Mapping[Role, str]] = {
    "client": "a case system that asks for results",
    "officer": "a member of staff who decides with the help of a result",
    "auditor": "someone who checks: reads decisions, changes nothing",
    "operator": "someone who keeps the installation running: sees figures, no person's data",
}


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call a route. `roles` empty: everyone. `opens`: roles for which it shows more than everyone may see."""

    roles: frozenset[Role] = frozenset()
    opens: frozenset[Role] = frozenset()
    loopback: bool = False  # without a key from this machine, where the settings allow it

    @property
    def public(self) -> bool:
        return not self.roles


_EVERYONE: Final = Access()

# Method and path template as FastAPI has them. A route that is missing here does not start.
ROUTES: Final[Mapping[str, Access]] = {
    "GET /": _EVERYONE,
    "GET /register": _EVERYONE,
    "GET /register.json": _EVERYONE,
    "GET /register.csv": _EVERYONE,
    "GET /register/{slug}": _EVERYONE,
    "GET /register/{slug}.json": _EVERYONE,
    "GET /register/{slug}/history": _EVERYONE,
    "GET /register/{slug}/history.json": _EVERYONE,
    "GET /check": _EVERYONE,
    "POST /check": _EVERYONE,
    "GET /reports": _EVERYONE,
    "GET /reports.json": _EVERYONE,
    "GET /log/{number}/checkpoint": _EVERYONE,
    "GET /log/{number}/tile/{path:path}": _EVERYONE,
    "GET /mirror/{origin_hash}/checkpoint": _EVERYONE,
    "GET /mirror/{origin_hash}/tile/{path:path}": _EVERYONE,
    "GET /api/systems": _EVERYONE,
    "GET /api/systems/{slug}": _EVERYONE,
    # An operator gets technical columns alone.
    "GET /api/decisions": Access(roles=frozenset({"auditor", "operator"})),
    "GET /api/questions": Access(roles=frozenset({"auditor", "operator"})),
    "GET /api/questions/{name}": Access(roles=frozenset({"auditor", "operator"})),
    "POST /api/decisions": Access(roles=frozenset({"client", "officer"})),
    "POST /v1/chat/completions": Access(roles=frozenset({"client", "officer"})),
    "POST /v1/completions": Access(roles=frozenset({"client", "officer"})),
    "GET /v1/models": Access(roles=frozenset({"client", "officer"})),
    "GET /v1/models/{slug}": Access(roles=frozenset({"client", "officer"})),
    "POST /api/decisions/batch": Access(roles=frozenset({"client", "officer"})),
    "GET /api/decisions/{id}": Access(roles=frozenset({"client", "officer"})),
    "POST /api/records": Access(roles=frozenset({"client"})),
    "GET /api/records/{source}": Access(roles=frozenset({"client", "auditor"})),
    # Everyone with the reference gets entry and proof; what was put in and came out needs a role.
    "GET /api/receipts/{id}": Access(opens=frozenset({"client", "officer", "auditor"})),
    # Find my decisions: the reference in the body.
    "POST /api/lookups": Access(roles=frozenset({"officer", "auditor"})),
    "POST /api/replays": Access(roles=frozenset({"auditor", "officer"})),
    "GET /api/replays": Access(roles=frozenset({"auditor", "officer", "operator"})),
    "GET /api/replays/{id}": Access(roles=frozenset({"auditor", "officer"})),
    "GET /health": _EVERYONE,
    "GET /metrics": Access(roles=frozenset({"operator"}), loopback=True),
    # Sums by system and device; no record is named.
    "GET /operator": Access(roles=frozenset({"operator"})),
    "GET /openapi.json": _EVERYONE,
}


def parse_role(text: str) -> Role:
    """The role of that name. Raises UsageError that lists the roles there are."""
    for role in ROLES:
        if role == text:
            return role
    raise UsageError(f"unknown; choose one of {', '.join(ROLES)}", field="role")
