"""Passwords: argon2id (RFC 9106), and as much work for an account that does not exist as for one that does."""

from __future__ import annotations

import functools
import threading
import unicodedata
from typing import TYPE_CHECKING, Final

from accounts.account import LONGEST

if TYPE_CHECKING:
    from argon2 import PasswordHasher

# 19 MiB, two passes, one lane: OWASP's first choice for argon2id. Each check needs the memory for some 30 ms.
_MEMORY_KIB: Final = 19_456
_PASSES: Final = 2
# So that a flood of sign-ins takes neither all memory nor all processors of the portal.
_AT_ONCE: Final = threading.BoundedSemaphore(2)
_NOBODY: Final = "nobody has this password"


@functools.cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher  # noqa: PLC0415 - commands that check no password do not wait for it

    return PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=1)


@functools.cache
def _of_nobody() -> str:
    return _hasher().hash(_NOBODY)


def hash_password(password: str) -> str:
    """The hash as it is kept (PHC string, with its salt and cost)."""
    with _AT_ONCE:
        return _hasher().hash(password)


def is_password(kept: str | None, given: str) -> bool:
    """Whether `given` is the password. None: there is none; that takes as long, and is never true."""
    from argon2.exceptions import Argon2Error, InvalidHashError  # noqa: PLC0415 - as above

    password = unicodedata.normalize("NFC", given)[: LONGEST + 1]
    with _AT_ONCE:
        try:
            same = _hasher().verify(_of_nobody() if kept is None else kept, password)
        except (Argon2Error, InvalidHashError):
            return False
    return same and kept is not None
