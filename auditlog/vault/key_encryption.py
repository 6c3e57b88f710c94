"""The key-encryption key: record keys lie masked in the key store, and a copy of the store alone opens nothing.

A slot holds `key XOR HMAC-SHA-256(K, "greffier/1/slot" 0x00 slot)`, with the slot's number as 8 bytes, the highest
first; a slot has one key in its life, so a mask is used once. Zeros stay zeros: an erased slot says so under any `K`.
The check value `HMAC-SHA-256(K, "greffier/1/kek-check" 0x00)` lies beside the store, so that a wrong `K` is noticed
when the store is opened, not when a record does not.

`K` (32 bytes, as 64 hexadecimal digits) comes from a file, from the environment, or from a program that asks a key
management service and prints it. It is held in memory and never written by us.
"""

from __future__ import annotations

import hmac
import os
import re
import shlex
import stat
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from auditlog.core.errors import VaultError
from auditlog.vault.key_store import ERASED, KEY_SIZE

SETTING: Final = "key_encryption"
SECONDS: Final = 10.0
_SLOT: Final = b"greffier/1/slot\0"
_CHECK: Final = b"greffier/1/kek-check\0"
_DIGITS: Final = re.compile(rb"[0-9a-fA-F]{64}")
_MOST: Final = 4096
_WANTED: Final = "64 hexadecimal digits, such as `openssl rand -hex 32` prints"


@dataclass(frozen=True, slots=True)
class KeyEncryptionKey:
    """`K`, 32 bytes. It shows in no message and no representation."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_SIZE:
            raise VaultError(f"must be {KEY_SIZE} bytes", field=SETTING)

    def mask(self, slot: int, content: bytes) -> bytes:
        """A key as its slot holds it, and back. An erased slot (zeros) stays as it is."""
        if content == ERASED:
            return content
        stream = hmac.digest(self.secret, _SLOT + slot.to_bytes(8, "big"), "sha256")
        return (int.from_bytes(content, "big") ^ int.from_bytes(stream, "big")).to_bytes(KEY_SIZE, "big")

    def check(self) -> str:
        """The check value, as 64 hexadecimal digits."""
        return hmac.digest(self.secret, _CHECK, "sha256").hex()


def mask(kek: KeyEncryptionKey | None, slot: int, content: bytes) -> bytes:
    """`kek.mask`, or the content as it is where there is no key-encryption key."""
    return content if kek is None else kek.mask(slot, content)


def demand_kek(kek: KeyEncryptionKey | None, check: str | None) -> None:
    """Raises VaultError unless this is the key of a store with this check value (None: not encrypted)."""
    if check is None and kek is not None:
        raise VaultError(
            "is set, but nothing beside the key store says that it is encrypted: run `greffier vault encrypt-keys "
            "--confirm`, or, if it was, put back the file with the ending .kek",
            field=SETTING,
        )
    if check is not None and kek is None:
        raise VaultError("is not set, but the key store is encrypted: put the setting back", field=SETTING)
    if check is not None and kek is not None and not hmac.compare_digest(check, kek.check()):
        raise VaultError("gives another key than the one of this key store: put back the right one", field=SETTING)


def read_kek(source: str | None, home: Path, environment: Mapping[str, str] = os.environ) -> KeyEncryptionKey | None:
    """The key that the setting names: `file:PATH` (mode 0600), `env:NAME`, or `command:PROGRAM ARGUMENTS`.

    A program is started without a shell and has 10 seconds. Raises VaultError; what was read is never repeated.
    """
    if source is None:
        return None
    kind, colon, rest = source.partition(":")
    readers: dict[str, Callable[[], bytes]] = {
        "file": lambda: _read_file(home / rest),
        "env": lambda: _read_environment(rest, environment),
        "command": lambda: _ask(rest),
    }
    if not colon or not rest or kind not in readers:
        raise VaultError("must be file:PATH, env:NAME or command:PROGRAM", field=SETTING)
    given = readers[kind]().strip(b" \t\r\n")
    if _DIGITS.fullmatch(given) is None:
        raise VaultError(f"{kind}: gives something else than {_WANTED}", field=SETTING)
    return KeyEncryptionKey(bytes.fromhex(given.decode("ascii")))


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISREG(mode) and mode & 0o077:
                raise VaultError("others can read its file: set its mode to 0600", field=SETTING)
            return file.read(_MOST)
    except OSError as error:
        raise VaultError(f"its file cannot be read ({error.strerror}): put it back", field=SETTING) from None


def _read_environment(name: str, environment: Mapping[str, str]) -> bytes:
    value = environment.get(name)
    if value is None:
        raise VaultError(f"the environment has no {name}: set it to {_WANTED}", field=SETTING)
    return value.encode("utf-8", "surrogateescape")


def _ask(command: str) -> bytes:
    try:
        arguments = shlex.split(command)
        if not arguments:
            raise VaultError("must be file:PATH, env:NAME or command:PROGRAM", field=SETTING)
        done = subprocess.run(
            arguments, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False, close_fds=True
        )
    except ValueError:
        raise VaultError("its command has an open quote", field=SETTING) from None
    except subprocess.TimeoutExpired:
        raise VaultError(
            f"its program gave no key within {SECONDS:.0f} seconds: see whether the key service answers", field=SETTING
        ) from None
    except OSError as error:
        raise VaultError(f"its program cannot be started ({error.strerror}): correct the path", field=SETTING) from None
    if done.returncode != 0:
        raise VaultError(
            f"its program ended with {done.returncode}: run it by hand to see what the key service says", field=SETTING
        )
    return done.stdout[:_MOST]
