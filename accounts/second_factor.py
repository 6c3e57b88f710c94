"""The second factor: codes of an app (TOTP, RFC 6238), each good once, and recovery codes for when the device is gone.

The shared secret is sealed and every other code kept as a keyed digest, under keys that follow from `keys/request.key`:
who has the database, or a backup of it, has none of them.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from auditlog.vault.secret import open_secret, seal_secret
from home.vault_keys import read_request_key

if TYPE_CHECKING:
    from pyotp import TOTP

STEP_S: Final = 30
# A clock may be half a minute off, either way (RFC 6238, 5.2).
_STEPS: Final = (0, -1, 1)
_SECRET_BYTES: Final = 20
RECOVERY_CODES: Final = 8
_RECOVERY_BYTES: Final = 5
_DIGITS: Final = re.compile(r"[0-9]{6}\Z")
_SPACE: Final = re.compile(r"[\s-]+")


@dataclass(frozen=True, slots=True)
class Keys:
    """What seals and digests, for one installation."""

    _root: bytes = field(repr=False)

    def of(self, purpose: str) -> bytes:
        """The key for one purpose, 32 bytes."""
        return hmac.digest(self._root, b"greffier/1/accounts/" + purpose.encode("ascii") + b"\0", "sha256")

    def digest(self, purpose: str, account: str, text: str) -> bytes:
        """The keyed digest of a code (or of a name that was tried), bound to its account."""
        return hmac.digest(self.of(purpose), f"{account}\0{text}".encode(), "sha256")


def read_keys(home: Path) -> Keys:
    """The keys of an installation. Raises VaultError where `keys/request.key` cannot be read."""
    return Keys(read_request_key(home / "keys"))


def new_secret(random: Callable[[int], bytes]) -> bytes:
    """A shared secret (RFC 4226, 4: 160 bits)."""
    return random(_SECRET_BYTES)


def seal(keys: Keys, account: str, secret: bytes) -> bytes:
    """The shared secret as its row holds it."""
    return seal_secret(keys.of("totp"), account, secret)


def unseal(keys: Keys, account: str, sealed: bytes) -> bytes:
    """The shared secret. Raises VaultError."""
    return open_secret(keys.of("totp"), account, sealed)


def as_typed(secret: bytes) -> str:
    """The secret as an app takes it that cannot read the square: base32 in groups of four."""
    text = base64.b32encode(secret).decode("ascii")
    return " ".join(text[i : i + 4] for i in range(0, len(text), 4))


def address(secret: bytes, login: str, issuer: str) -> str:
    """The `otpauth://` address that an app reads from a square."""
    return _totp(secret).provisioning_uri(name=login, issuer_name=issuer)


def code_at(secret: bytes, now: datetime) -> str:
    """The code that an app shows at a moment."""
    return _totp(secret).generate_otp(step_of(now))


def step_of(now: datetime) -> int:
    """The number of the half minute."""
    return int(now.timestamp()) // STEP_S


def matching_step(secret: bytes, code: str, now: datetime) -> int | None:
    """The half minute whose code this is, of the present one and its neighbours; None for no code of theirs.

    All are compared, whichever it is. Whether that step was used before, the database says.
    """
    totp, present, found = _totp(secret), step_of(now), None
    given = normal_code(code)
    if not _DIGITS.match(given):
        given = "------"
    for step in _STEPS:
        if hmac.compare_digest(totp.generate_otp(present + step), given) and found is None:
            found = present + step
    return found


def normal_code(code: str) -> str:
    """A code without the spaces and hyphens that make it readable, in small letters."""
    return _SPACE.sub("", code).lower()


def new_code(random: Callable[[int], bytes], size: int) -> str:
    """A code to type once: base32 in small letters, in groups of four. `size`: bytes of chance."""
    text = base64.b32encode(random(size)).decode("ascii").rstrip("=").lower()
    return "-".join(text[i : i + 4] for i in range(0, len(text), 4))


def new_recovery_codes(random: Callable[[int], bytes]) -> tuple[str, ...]:
    """A set of them, each good once."""
    return tuple(new_code(random, _RECOVERY_BYTES) for _ in range(RECOVERY_CODES))


def recovery_digests(keys: Keys, account: str, codes: Iterable[str]) -> list[bytes]:
    """As they are kept."""
    return [keys.digest("recovery", account, normal_code(code)) for code in codes]


def _totp(secret: bytes) -> TOTP:
    from pyotp import TOTP  # noqa: PLC0415 - only who signs in waits for it

    return TOTP(base64.b32encode(secret).decode("ascii"), interval=STEP_S)
