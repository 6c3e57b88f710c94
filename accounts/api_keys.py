"""Make, find, list and withdraw API keys over a database engine. What a key is stands in `accounts/token.py`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from accounts import api_key_table
from accounts.roles import parse_key_role
from accounts.token import ApiKey, IssuedKey, issue_key, parse_prefix, verify_token
from home.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Engine


def create_key(
    engine: Engine,
    *,
    role: str,
    systems: Sequence[str] = (),
    now: datetime,
    random: Callable[[int], bytes] = os.urandom,
) -> IssuedKey:
    """Make and keep a key; no systems means all of them. Its secret is in the answer and nowhere else.

    Raises UsageError for an unknown role or a name that is no slug.
    """
    issued = issue_key(parse_key_role(role), systems=systems or None, now=now, random=random)
    with engine.begin() as connection:
        api_key_table.insert_key(connection, issued.key)
    return issued


def known_key(engine: Engine, secret: str) -> ApiKey:
    """The key that `secret` belongs to. Raises KeyRejected."""
    prefix = parse_prefix(secret)
    with engine.connect() as connection:
        key = api_key_table.find_key(connection, prefix)
    return verify_token(secret, key)


def list_keys(engine: Engine) -> list[ApiKey]:
    """All keys, the oldest first, withdrawn ones too."""
    with engine.connect() as connection:
        return api_key_table.list_keys(connection)


def revoke_key(engine: Engine, prefix: str, *, now: datetime) -> None:
    """Withdraw a key at once. Raises UsageError where no key of that prefix is in use."""
    with engine.begin() as connection:
        if not api_key_table.revoke_key(connection, prefix, now):
            raise UsageError("no key with this prefix is in use: `list_keys` shows them", field="prefix")
