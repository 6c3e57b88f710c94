"""The roles and THE table route × role: the guard of every route, the OpenAPI texts and the tests read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from home.errors import UsageError

Role = Literal["client", "officer", "approver", "auditor", "operator", "administrator"]

ROLES: Final[Mapping[Role, str]] = {
    "client": "a case system that asks for results",
    "officer": "a member of staff who decides with the help of a result",
    "approver": "a member of staff who approves systems that another has put forward",
    "auditor": "someone who checks: reads decisions, changes nothing",
    "operator": "someone who keeps the installation running: sees figures, no person's data",
    "administrator": "someone who keeps the accounts of staff: sees no person's data",
}
# What a program may be, with an API key; and what a person may be, with an account. What the other two do, approve a
# system and keep the accounts, is for a person to answer for.
KEY_ROLES: Final[tuple[Role, ...]] = ("client", "officer", "auditor", "operator")
ACCOUNT_ROLES: Final[tuple[Role, ...]] = ("officer", "approver", "auditor", "operator", "administrator")


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call a route. `roles` empty: everyone. `opens`: roles for which it shows more than everyone may see."""

    roles: frozenset[Role] = frozenset()
    opens: frozenset[Role] = frozenset()
    loopback: bool = False  # without a key from this machine, where the settings allow it
    signed_in: bool = False  # for a person with an account: an API key of the role does not reach it

    @property
    def public(self) -> bool:
        return not self.roles


_EVERYONE: Final = Access()


def staff(*roles: Role) -> Access:
    """The row of a page for people of these roles who have signed in; without a role, of all."""
    return Access(roles=frozenset(roles or ACCOUNT_ROLES), signed_in=True)


# Method and path template as FastAPI has them. A route that is missing here does not start.
ROUTES: Final[Mapping[str, Access]] = {
    "GET /": _EVERYONE,
    "GET /register": _EVERYONE,
    "GET /register.json": _EVERYONE,
    "GET /register.csv": _EVERYONE,
    "GET /register/schema.json": _EVERYONE,
    "GET /register/{slug}": _EVERYONE,
    "GET /register/{slug}.json": _EVERYONE,
    # Staff are told, too, what shows that a duty is met.
    "GET /register/{slug}/duties": _EVERYONE,
    "GET /register/{slug}/duties.json": Access(opens=frozenset({"officer", "approver", "auditor", "administrator"})),
    "GET /register/{slug}.{form}": _EVERYONE,
    "GET /open-data.json": _EVERYONE,
    "GET /register/{slug}/history": _EVERYONE,
    "GET /register/{slug}/history.json": _EVERYONE,
    "GET /check": _EVERYONE,
    "POST /check": _EVERYONE,
    "POST /check/receipt": _EVERYONE,
    "GET /changes": _EVERYONE,
    "GET /reports": _EVERYONE,
    "GET /reports.json": _EVERYONE,
    "GET /reports/{id}": _EVERYONE,
    "GET /reports/{id}.json": _EVERYONE,
    "GET /reports/{id}/proof.json": _EVERYONE,
    "GET /register/{slug}/fria": _EVERYONE,
    "GET /accessibility": _EVERYONE,
    "GET /how-to-check-us/statement": _EVERYONE,
    # A person asks and follows without account: a code from paper stands in the body, and tries are limited.
    "GET /explanations": _EVERYONE,
    "POST /explanations": _EVERYONE,
    "GET /requests/{right}": _EVERYONE,
    "POST /requests/{right}": _EVERYONE,
    "GET /follow": _EVERYONE,
    "POST /follow": _EVERYONE,
    "GET /rights": _EVERYONE,
    "GET /how-to-check-us": _EVERYONE,
    "GET /open-data": _EVERYONE,
    "GET /theme.css": _EVERYONE,
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
    "POST /api/explanations": Access(roles=frozenset({"auditor", "officer"})),
    # An operator is told when and of which system, and no more.
    "GET /api/explanations": Access(roles=frozenset({"auditor", "officer", "operator"})),
    "GET /api/explanations/{id}": Access(roles=frozenset({"auditor", "officer"})),
    # A person asks and follows without account; the code is in the body. Officers see within their scope.
    "POST /api/requests": _EVERYONE,
    "POST /api/requests/status": _EVERYONE,
    "POST /api/requests/reply": _EVERYONE,
    "POST /api/requests/withdrawal": _EVERYONE,
    "GET /api/requests": Access(roles=frozenset({"officer", "approver", "auditor"})),
    "GET /api/requests/{id}": Access(roles=frozenset({"officer", "approver", "auditor"})),
    "POST /api/requests/{id}/steps": Access(roles=frozenset({"officer", "approver"})),
    "POST /api/codes": Access(roles=frozenset({"client", "officer", "approver"})),
    "GET /api/reviews": Access(roles=frozenset({"client", "officer", "approver", "auditor"})),
    "POST /api/reviews": Access(roles=frozenset({"client", "officer", "approver"})),
    # What stands of them in clear; to whom and how is committed. Who tells people records that they were told.
    "GET /api/notices": Access(roles=frozenset({"client", "officer", "approver", "auditor"})),
    "POST /api/notices": Access(roles=frozenset({"client", "officer", "approver"})),
    "GET /health": _EVERYONE,
    "GET /metrics": Access(roles=frozenset({"operator"}), loopback=True),
    # Sums by system and device; no record is named.
    "GET /operator": Access(roles=frozenset({"operator"})),
    "GET /openapi.json": _EVERYONE,
    "GET /sign-in": _EVERYONE,
    "POST /sign-in": _EVERYONE,
    # With the code from the administrator, which is asked for there; what follows has a session for that alone.
    "GET /sign-in/first": _EVERYONE,
    "POST /sign-in/first": _EVERYONE,
    "GET /sign-in/second-factor": _EVERYONE,
    "POST /sign-in/second-factor": _EVERYONE,
    "POST /sign-out": staff(),
    "GET /console": staff(),
    "GET /account": staff(),
    "POST /account/password": staff(),
    "POST /account/recovery-codes": staff(),
    "POST /account/sessions": staff(),
    "GET /console/reviews": staff("officer"),
    "POST /console/reviews": staff("officer"),
    "GET /console/reviews/{id}": staff("officer"),
    "POST /console/reviews/{id}": staff("officer"),
    "POST /console/reviews/{id}/letter": staff("officer"),
    "GET /console/requests": staff("officer"),
    "POST /console/requests": staff("officer"),
    "GET /console/requests/new": staff("officer"),
    "GET /console/requests/{id}": staff("officer"),
    "POST /console/requests/{id}": staff("officer"),
    "POST /console/requests/{id}/access-file": staff("officer"),
    # Who may take which step stands in registry.lifecycle.
    "GET /console/systems": staff("officer", "approver", "operator", "administrator"),
    "GET /console/systems/{slug}": staff("officer", "approver", "operator", "administrator"),
    "POST /console/systems/{slug}": staff("officer", "approver", "operator", "administrator"),
    # Who decides or approves records what the law wants others told of; who checks reads it (AI Act 26(5), 73).
    "GET /console/incidents": staff("officer", "approver", "auditor"),
    "GET /console/incidents/new": staff("officer", "approver"),
    "POST /console/incidents": staff("officer", "approver"),
    "GET /console/incidents/{id}": staff("officer", "approver", "auditor"),
    "POST /console/incidents/{id}": staff("officer", "approver"),
    "POST /console/incidents/{id}/content": staff("officer", "approver", "auditor"),
    "POST /console/incidents/{id}/document": staff("officer", "approver", "auditor"),
    "GET /audit": staff("auditor"),
    "GET /audit/decisions/{id}": staff("auditor"),
    "POST /audit/decisions/{id}": staff("auditor"),
    "GET /audit/decisions/{id}/receipt.json": staff("auditor"),
    "GET /audit/evidence": staff("auditor"),
    "POST /audit/evidence": staff("auditor"),
    "GET /audit/samples": staff("auditor"),
    "POST /audit/samples": staff("auditor"),
    "GET /operator/live": staff("operator"),
    "GET /operator/systems/{slug}": staff("operator"),
    "GET /operator/devices": staff("operator"),
    "GET /admin/accounts": staff("administrator"),
    "POST /admin/accounts": staff("administrator"),
    "GET /admin/accounts/{account}": staff("administrator"),
    "POST /admin/accounts/{account}": staff("administrator"),
}


def parse_key_role(text: str) -> Role:
    """The role of that name, of those that a key may have. Raises UsageError that lists them."""
    if text not in KEY_ROLES:
        raise UsageError(f"unknown; choose one of {', '.join(KEY_ROLES)}", field="role")
    return parse_role(text)


def parse_role(text: str) -> Role:
    """The role of that name. Raises UsageError that lists the roles there are."""
    for role in ROLES:
        if role == text:
            return role
    raise UsageError(f"unknown; choose one of {', '.join(ROLES)}", field="role")
