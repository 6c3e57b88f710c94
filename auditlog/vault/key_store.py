"""What a key store is, whether it is a file of slots (`record_keys`) or a database of its own (`key_database`).

One key of 32 bytes a record, under a slot number that is never given out again. A key is durable before the entry that
needs it commits: the log calls `sync` once a group. A slot of zeros was erased.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Protocol

KEY_SIZE: Final = 32
ERASED: Final = bytes(KEY_SIZE)
MISSING: Final = (
    "the key store is missing: put back its replica, of the same age as the database or younger "
    "(setting key_store); without it no content can be read or recorded"
)


def lacks(slot: int) -> str:
    """What is wrong with a key store that lacks a slot, and what to do."""
    return f"has no slot {slot}: it is older than the database; put back a younger replica"


class KeyStore(Protocol):
    """An open key store. Threads and processes may share it; close it at the end."""

    def allocate(self) -> tuple[int, bytes]:
        """A new slot with its key; durable at the latest after `sync()`. Raises CannotRecord."""

    def sync(self) -> None:
        """Make all keys given out so far durable: before the entries that need them. Raises CannotRecord."""

    def read(self, slot: int) -> bytes:
        """The key in a slot. Raises Erased for zeros, VaultError for a slot that the store does not have."""

    def overwrite(self, slots: Iterable[int]) -> None:
        """Erase: zeros into these slots, durable on return. Doing it again changes nothing. Raises VaultError."""

    def erased(self) -> Iterator[int]:
        """The slots that were erased, in rising order. Raises VaultError."""

    def count(self) -> int:
        """How many slots there are, erased ones included."""

    def close(self) -> None:
        """Let go of it; nothing is left to write that `sync()` has not written."""
