"""The worker processes under a process that is tested, found by what their command line says, and ended."""

import contextlib
import os
import signal
from pathlib import Path


def children(pid: int | None = None, *, saying: bytes = b"") -> list[int]:
    """
    The processes that the threads of `pid` started and whose command line has `saying` in it.

    Threads and children end while they are listed: what is gone by then is passed over.
    """
    found = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in list(Path(f"/proc/{pid or os.getpid()}/task").iterdir()):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found.extend(int(child) for child in (task / "children").read_text().split())
    return [child for child in found if saying in command(child)]


def kill(pid: int | None = None, *, saying: bytes = b"") -> int:
    """Ends each of them by SIGKILL; gives how many there were."""
    ended = 0
    for child in children(pid, saying=saying):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
            ended += 1
    return ended


def is_running(pid: int) -> bool:
    """Not ended, nor a zombie that nobody has waited for."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def command(pid: int) -> bytes:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
