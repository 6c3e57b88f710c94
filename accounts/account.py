"""A person's account: who it is, what it may, until when; what a password must have. No secret is in it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from accounts.roles import ACCOUNT_ROLES, Role, parse_role
from home.errors import UsageError

_ID_BYTES: Final = 6
_LOGIN: Final = re.compile(r"[a-z][a-z0-9._-]{0,62}[a-z0-9]\Z")
_ID: Final = re.compile(r"u[0-9a-f]{12}\Z")
_SLUG: Final = re.compile(r"[a-z0-9-]{1,64}\Z")
_MOST_NAME: Final = 100
SHORTEST: Final = 12
LONGEST: Final = 128
"""Characters of a password (NIST SP 800-63B-4, 3.1.1: length counts, and no rules about sorts of characters)."""
_FEWEST_DIFFERENT: Final = 5


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it is kept. `id` is opaque and stands in tables; `login` is what its person types, `name` what
    colleagues read. `systems` None: every system. `ends`: the last day (UTC) on which it may be used."""

    id: str
    login: str
    name: str
    role: Role
    systems: tuple[str, ...] | None
    created: datetime
    ends: date | None = None
    ended: datetime | None = None

    def in_use(self, now: datetime) -> bool:
        """Whether its person may sign in, and go on, at this moment."""
        return self.ended is None and (self.ends is None or now.date() <= self.ends)

    def reaches(self, system: str) -> bool:
        """Whether its scope holds `system`."""
        return self.systems is None or system in self.systems


def new_account(
    login: str,
    name: str,
    role: str,
    *,
    systems: Sequence[str] = (),
    ends: date | None = None,
    now: datetime,
    random: Callable[[int], bytes],
) -> Account:
    """An account with a fresh id; no systems means all of them. Raises UsageError that names the field and the fix."""
    return Account(
        id=f"u{random(_ID_BYTES).hex()}",
        login=demand_login(login),
        name=demand_name(name),
        role=demand_role(role),
        systems=demand_systems(systems),
        created=now,
        ends=demand_end(ends, now),
    )


def normal_login(text: str) -> str:
    """What was typed, as logins are kept."""
    return unicodedata.normalize("NFC", text).strip().lower()


def demand_login(text: str) -> str:
    """Raises UsageError for what is no login."""
    login = normal_login(text)
    if not _LOGIN.match(login) or _ID.match(login):
        raise UsageError(
            "has 2 to 64 small letters, digits, dots, hyphens and underscores, and begins with a letter", field="login"
        )
    return login


def demand_name(text: str) -> str:
    """Raises UsageError for an empty, too long or unprintable name."""
    name = unicodedata.normalize("NFC", text).strip()
    if not name or len(name) > _MOST_NAME or not name.isprintable():
        raise UsageError(f"has 1 to {_MOST_NAME} letters on one line", field="name")
    return name


def demand_role(text: str) -> Role:
    """Raises UsageError for a role that no person has."""
    if text not in ACCOUNT_ROLES:
        raise UsageError(f"unknown; choose one of {', '.join(ACCOUNT_ROLES)}", field="role")
    return parse_role(text)


def demand_systems(slugs: Sequence[str]) -> tuple[str, ...] | None:
    """The scope; None where none is named: every system. Raises UsageError."""
    if any(not _SLUG.match(slug) for slug in slugs):
        raise UsageError("a slug has lower-case letters, digits and hyphens, at most 64", field="systems")
    return tuple(sorted(set(slugs))) or None


def demand_end(ends: date | None, now: datetime) -> date | None:
    """Raises UsageError for a last day that has passed."""
    if ends is not None and ends < now.date():
        raise UsageError("has passed: give today or a later day", field="ends")
    return ends


def parse_day(text: str) -> date | None:
    """A last day as it is typed, YYYY-MM-DD; None where nothing is. Raises UsageError."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError("must be a day such as 2026-12-31", field="ends") from None


def demand_password(text: str, login: str) -> str:
    """The password in NFC, since keyboards differ in how they write é. Raises UsageError, which never repeats it."""
    password = unicodedata.normalize("NFC", text)
    if not SHORTEST <= len(password) <= LONGEST:
        message = f"has {SHORTEST} to {LONGEST} characters: four words or more are easy to keep"
        raise UsageError(message, field="password")
    if len(set(password)) < _FEWEST_DIFFERENT or login in password.lower():
        raise UsageError("is easy to guess: choose one without your login, of different characters", field="password")
    return password
