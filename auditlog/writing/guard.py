"""The guard: size and root of the newest checkpoint that anyone may rely on, kept apart from the database.

One line, `<origin> <size> <root base64>`, which never decreases. A database that was rolled back, cut or forked
below it is noticed at start, before anything is signed (compare Sunlight's compare-and-swap store,
transparency-logs.md 2.1).
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from auditlog.core.errors import GuardError

# The line is overwritten in place by one write inside one 512-byte sector, so power loss leaves the old or the new one.
_MAX_LINE = 512
_ROOT_BYTES = 32
Prove = Callable[[int, bytes], None]
_MISSING = (
    "no guard file: put back the file of this log from guard_dir's own backup; if it is lost, compare the log with a "
    "witness or an export and open a successor log"
)


@dataclass(frozen=True, slots=True)
class GuardLine:
    """What the file says: origin, tree size, 32-byte root."""

    origin: str
    size: int
    root: bytes


def format_guard_line(line: GuardLine) -> bytes:
    """The file's content, at most 512 bytes."""
    return f"{line.origin} {line.size} {base64.b64encode(line.root).decode()}\n".encode()


def parse_guard_line(data: bytes) -> GuardLine:
    """Inverse of `format_guard_line`. Raises GuardError."""
    try:
        origin, size, root = data.decode("utf-8").split(" ")
        line = GuardLine(origin, int(size), base64.b64decode(root, validate=False))
    except (UnicodeDecodeError, ValueError, binascii.Error):
        raise GuardError("the guard file is damaged: put back a copy from guard_dir's own backup") from None
    if format_guard_line(line) != data or len(line.root) != _ROOT_BYTES or line.size < 0:
        raise GuardError("the guard file is damaged: put back a copy from guard_dir's own backup")
    return line


class Guard:
    """The guard file of one log. Every operation opens it anew, so a file that was put back counts at once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self, origin: str, *, size: int = 0, root: bytes | None = None) -> None:
        """Make the file for a new, empty log (or for a rebuilt one of `size` and `root`). GuardError if it exists."""
        empty = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        data = format_guard_line(GuardLine(origin, size, empty if root is None else root))
        if len(data) > _MAX_LINE - 20:
            raise GuardError("the origin is too long for the guard's line: at most 255 bytes", field="origin")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _write_new(self.path, data)
        except FileExistsError:
            raise GuardError("the guard file exists already: this log was created before") from None
        except OSError as error:
            raise GuardError(f"the guard file cannot be made: {error.strerror}") from error

    def exists(self) -> bool:
        """Whether there is a file."""
        return self.path.exists()

    def read_line(self) -> GuardLine | None:
        """The line, or None when there is no file. Raises GuardError when it is damaged or unreadable."""
        try:
            with self._opened(os.O_RDONLY, fcntl.LOCK_SH) as file:
                return parse_guard_line(os.pread(file, _MAX_LINE + 1, 0))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise GuardError(f"the guard file cannot be read: {error.strerror}") from error

    def read(self) -> tuple[int, bytes] | None:
        """(size, root), or None when there is no file. Raises GuardError."""
        line = self.read_line()
        return None if line is None else (line.size, line.root)

    def require(self, origin: str) -> tuple[int, bytes]:
        """(size, root) of the log `origin`. Raises GuardError when the file is missing or another log's."""
        line = self.read_line()
        if line is None:
            raise GuardError(_MISSING)
        if line.origin != origin:
            raise GuardError("the guard file belongs to another log: check guard_dir", field="guard.origin")
        return line.size, line.root

    def raise_to(self, size: int, root: bytes, *, prove: Prove | None = None) -> None:
        """Durably raise the line to (size, root); a line that another process raised further stays.

        `prove(size, root)` is asked of the line that is found, below or above: it raises GuardError unless that is of
        the same tree. Otherwise two copies of one database, which looked at the same moment, would both be vouched for.
        Raises GuardError when the file is missing, damaged or unwritable, or states another root at the same size.
        """
        try:
            with self._opened(os.O_RDWR, fcntl.LOCK_EX) as file:
                line = parse_guard_line(os.pread(file, _MAX_LINE + 1, 0))
                if line.size == size:
                    if line.root != root:
                        raise GuardError(f"the guard knows another root at size {size}: this log was forked")
                    return
                if prove is not None:
                    prove(line.size, line.root)
                if line.size > size:
                    return
                old, new = format_guard_line(line), format_guard_line(GuardLine(line.origin, size, root))
                try:
                    _write(file, new)
                    os.fdatasync(file)
                except OSError:
                    # What is not known to be durable must not be seen: the next raise writes and syncs it anew. (A
                    # shorter line would leave the end of the longer one, should the program die just here.)
                    if len(old) == len(new):
                        _put_back(file, old)
                    raise
        except FileNotFoundError:
            raise GuardError(_MISSING) from None
        except OSError as error:
            raise GuardError(f"the guard file cannot be written: {error.strerror}") from error

    def wait_for(self, size: int, *, seconds: float = 2.0) -> None:
        """Return once the line stands at `size` or above: nothing above it may be relied on.

        Between a commit and its line there is an instant in which a reader sees the commit alone. Raises GuardError
        where the line is missing, or does not get there in time.
        """
        deadline = time.monotonic() + seconds
        while True:
            line = self.read_line()
            if line is None:
                raise GuardError(_MISSING)
            if line.size >= size:
                return
            if time.monotonic() >= deadline:
                raise GuardError(f"stands at {line.size} entries, below the log's {size}: try again in a moment")
            time.sleep(0.005)

    @contextlib.contextmanager
    def _opened(self, flags: int, lock: int) -> Iterator[int]:
        file = os.open(self.path, flags | os.O_CLOEXEC)
        try:
            fcntl.flock(file, lock)
            yield file
        finally:
            os.close(file)


def _write_new(path: Path, data: bytes) -> None:
    """Make the file whole or not at all, so that a crash leaves no damaged guard. Raises FileExistsError, OSError."""
    fresh = path.with_name(path.name + ".new")
    file = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        # Of two who make it at once, the second finds the first one's.
        fcntl.flock(file, fcntl.LOCK_EX)
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        os.ftruncate(file, 0)
        _write(file, data)
        os.fsync(file)
        fresh.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
    finally:
        os.close(file)
    _sync_folder(path.parent)


def _write(file: int, data: bytes) -> None:
    if os.pwrite(file, data, 0) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _put_back(file: int, line: bytes) -> None:
    with contextlib.suppress(OSError):
        os.pwrite(file, line, 0)


def _sync_folder(folder: Path) -> None:
    """Make the file's name durable too."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
