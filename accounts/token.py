"""API keys: 32 random bytes, shown once, kept as SHA-256 digest.

A plain digest is enough, since nobody can guess 256 random bits; a slow password hash would only slow the server.
A key reads `grf_<prefix>_<secret>`: the prefix finds the row and may be shown in lists, the secret proves possession.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from accounts.roles import Role
from home.errors import AppError, UsageError

_PREFIX_BYTES: Final = 6
_SECRET_BYTES: Final = 32
_TOKEN: Final = re.compile(r"grf_([0-9a-f]{12})_([A-Za-z0-9_-]{43})\Z")
_SLUG: Final = re.compile(r"[a-z0-9-]{1,64}\Z")


class AccessError(AppError):
    """Base of the family: who asks may not."""


class KeyRejected(AccessError):
    """No key, or none that is valid: the caller is not known."""


class NotSignedIn(KeyRejected):
    """No session, or one that is over: sign in again."""


class SignInRefused(KeyRejected):
    """Something of what was given to sign in is wrong; nobody is told what."""


class Forbidden(AccessError):
    """The caller is known, but the role or the scope of the key does not reach this."""


class ForeignForm(Forbidden):
    """A request with a session that did not come from a form of that session."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is kept. `systems` None: every system. Times are aware and in UTC."""

    prefix: str
    digest: bytes
    role: Role
    systems: tuple[str, ...] | None
    created: datetime
    revoked: datetime | None = None

    def reaches(self, system: str) -> bool:
        """Whether the scope of this key holds `system`."""
        return self.systems is None or system in self.systems


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key with its secret, which exists only here: show it once, then forget it."""

    key: ApiKey
    secret: str

    @property
    def prefix(self) -> str:
        """What names the key in lists."""
        return self.key.prefix


def issue_key(
    role: Role, *, systems: Sequence[str] | None = None, now: datetime, random: Callable[[int], bytes]
) -> IssuedKey:
    """Make a key; `random(n)` gives n random bytes (os.urandom). Raises UsageError for a system that is no slug."""
    for slug in systems or ():
        if not _SLUG.match(slug):
            raise UsageError("a slug has lower-case letters, digits and hyphens, at most 64", field="systems")
    if systems is not None and not systems:
        raise UsageError("name at least one system, or leave the scope out", field="systems")
    prefix = random(_PREFIX_BYTES).hex()
    secret = base64.urlsafe_b64encode(random(_SECRET_BYTES)).rstrip(b"=").decode("ascii")
    token = f"grf_{prefix}_{secret}"
    scope = None if systems is None else tuple(sorted(set(systems)))
    return IssuedKey(ApiKey(prefix, _digest(token), role, scope, now), token)


def parse_prefix(token: str) -> str:
    """The prefix of a token, by which its row is found. Raises KeyRejected."""
    match = _TOKEN.match(token)
    if match is None:
        raise KeyRejected("the API key is malformed: it reads grf_<12 hex digits>_<43 characters>")
    return match.group(1)


def verify_token(token: str, key: ApiKey | None) -> ApiKey:
    """`key` itself; raises KeyRejected unless `token` is the one that it was issued with and it is not revoked.

    One message for unknown, wrong and revoked keys, so that a caller learns nothing about keys that are not theirs.
    """
    expected = key.digest if key is not None else bytes(32)
    same = hmac.compare_digest(_digest(token), expected)
    if key is None or not same or key.revoked is not None:
        raise KeyRejected("the API key is unknown or was withdrawn: ask the administrator for a new one")
    return key


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("ascii")).digest()
