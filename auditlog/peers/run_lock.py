"""One run at a time over a folder that remembers what a log signed: of two at once, one would forget what is newer."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from auditlog.peers.fetch import Unreachable

LOCK: Final = ".lock"


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder until the block is left; a kill lets go of it. Raises Unreachable while another run holds it."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unreachable("another run works on this folder: try again when it is done") from None
        yield
    finally:
        os.close(lock)
