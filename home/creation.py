"""What `init` makes, so that a failed one can take it away again: nothing half-made stays in the way of the next."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from auditlog.core.errors import AuditLogError
from auditlog.vault.record_keys import sync_directory

# Lies in the home while it is being made, and names what was there before. Nobody relies on anything in such a home.
MARKER = ".making"


def is_half_made(home: Path) -> bool:
    """Whether the making of this home was cut short."""
    return (home / MARKER).exists()


@contextlib.contextmanager
def removed_on_failure(
    home: Path, paths: Iterable[Path], found: Callable[[], Iterable[Path]] = tuple
) -> Iterator[Callable[[], None]]:
    """Where the block fails, remove those of `paths` that were not there before it. Folders stand before their files.

    `found` finds files whose names are known only afterwards. What was there before is never touched, and a folder
    stays while something else lies in it. What a block leaves that was killed, the next one removes first; the block
    calls what it is given when all is made, and from then on a kill leaves it there.
    """
    paths = list(paths)
    marker = home / MARKER
    if is_half_made(home):
        _remove(_fresh(home, [*paths, *found()], set(json.loads(marker.read_bytes()))), marker)
    old = {_name(home, path) for path in [*paths, *found()] if path.exists() or path.is_symlink()}
    try:
        home.mkdir(parents=True, exist_ok=True)
        _write(marker, json.dumps(sorted(old)).encode())
        yield lambda: _forget(marker)
    except BaseException:
        # Where names cannot be found now, all stays, and the marker with it; the block's own error is what is told.
        with contextlib.suppress(OSError, AuditLogError):
            _remove(_fresh(home, [*paths, *found()], old), marker)
        raise


def write_durably(path: Path, data: bytes, mode: int) -> None:
    """A new file, whole on the disk on return. Raises FileExistsError, OSError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _name(home: Path, path: Path) -> str:
    """So that a home that was moved, or named in another way, is known again."""
    return str(path.relative_to(home)) if path.is_relative_to(home) else str(path.absolute())


def _fresh(home: Path, paths: list[Path], old: set[str]) -> list[Path]:
    return [path for path in paths if _name(home, path) not in old]


def _write(marker: Path, data: bytes) -> None:
    draft = marker.with_name(marker.name + ".new")
    draft.unlink(missing_ok=True)
    try:
        write_durably(draft, data, 0o600)
        draft.replace(marker)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    sync_directory(marker.parent)


def _forget(marker: Path) -> None:
    marker.unlink()
    sync_directory(marker.parent)


def _remove(fresh: list[Path], marker: Path) -> None:
    """Files before their folders; the marker after all but the folders that it lies in.

    Where a file cannot be removed the marker stays, so that the next one tries again.
    """
    around = [path for path in fresh if path in marker.parents]
    gone = [_gone(path) for path in reversed(fresh) if path not in around]
    if all(gone) and _gone(marker):
        for path in reversed(around):
            _gone(path)


def _gone(path: Path) -> bool:
    """Remove it. True for a folder that stays, too: something else may lie in it."""
    folder = path.is_dir() and not path.is_symlink()
    try:
        if folder:
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
    except OSError:
        return folder
    return True
