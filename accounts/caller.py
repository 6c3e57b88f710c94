"""Who calls: what an API key and a signed-in person have in common, and all that a route needs to know of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from accounts.roles import Role
from accounts.token import ApiKey


@dataclass(frozen=True, slots=True)
class Known:
    """A caller who proved who they are.

    `account`: the public id, which opens nothing: the prefix of an API key, or the id of a person's account.
    `systems` None: every system. `name`: what colleagues call the account, empty for a key. `csrf`: the token that a
    form of this session must carry, empty for a key, which no browser sends by itself.
    """

    role: Role
    account: str
    systems: tuple[str, ...] | None
    via: Literal["key", "session"]
    name: str = ""
    csrf: str = ""

    def reaches(self, system: str) -> bool:
        """Whether the scope holds `system`."""
        return self.systems is None or system in self.systems


def by_key(key: ApiKey) -> Known:
    """The caller that an API key stands for."""
    return Known(key.role, key.prefix, key.systems, "key")
