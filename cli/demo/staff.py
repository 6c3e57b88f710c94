"""The demo's staff: five invented people with accounts, one of each role. Nobody can sign in as one without a code."""

from __future__ import annotations

from typing import Final

from accounts import administration
from accounts.account import Account
from accounts.roles import Role
from home.greffier import Greffier

# Ids are fixed here alone, so that steps of the demo's systems name them; elsewhere they are drawn.
PEOPLE: Final[tuple[tuple[str, str, str, Role], ...]] = (
    ("u000000000001", "ada.voorbeeld", "Ada Voorbeeld", "officer"),
    ("u000000000002", "bo.voorbeeld", "Bo Voorbeeld", "approver"),
    ("u000000000003", "cas.voorbeeld", "Cas Voorbeeld", "auditor"),
    ("u000000000004", "dee.voorbeeld", "Dee Voorbeeld", "operator"),
    ("u000000000005", "eef.voorbeeld", "Eef Voorbeeld", "administrator"),
)
IDS: Final = {login: id_ for id_, login, _, _ in PEOPLE}


def add(g: Greffier) -> None:
    """Add them; `greffier account reset LOGIN` gives a code for a first sign-in."""
    for id_, login, name, role in PEOPLE:
        administration.enter(g, Account(id_, login, name, role, None, g.clock()), by=None)
