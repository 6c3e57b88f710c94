"""A small secret sealed under a key that lies outside the database: AES-256-GCM, a fresh nonce in front.

What it belongs to is associated data, so that it does not open in another's row.
"""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from auditlog.core.errors import VaultError

_NONCE_SIZE: Final = 12


def seal_secret(key: bytes, of: str, secret: bytes) -> bytes:
    """Nonce and ciphertext. `key`: 32 bytes; `of`: what the secret belongs to."""
    nonce = os.urandom(_NONCE_SIZE)
    return nonce + AESGCM(key).encrypt(nonce, secret, of.encode())


def open_secret(key: bytes, of: str, sealed: bytes) -> bytes:
    """The secret. Raises VaultError where it is another's, was changed, or was sealed under another key."""
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:], of.encode())
    except (InvalidTag, ValueError):
        raise VaultError("a sealed secret does not open: put back keys/ from its backup, or make a new one") from None
