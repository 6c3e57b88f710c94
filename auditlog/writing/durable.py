"""Small files that must survive a crash: written new, replaced whole, or overwritten before they lose their name."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path


def write_new(path: Path, data: bytes, mode: int) -> None:
    """Create, write and sync; the mode is set before the first byte is written. Nothing is left where that fails.

    FileExistsError where there is a file. The folder is the caller's to sync.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with removed_on_error([path]), open(descriptor, "wb") as file:  # noqa: PTH123 (the descriptor is open)
        os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def replace(path: Path, data: bytes, mode: int) -> None:
    """Put a file in the place of another, or of none: after a crash there is the old one or the new one, whole."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    write_new(new, data, mode)
    with removed_on_error([new]):
        new.replace(path)
    sync_folder(path.parent)


def wipe(path: Path) -> None:
    """Overwrite a file in place, sync it, and take its name away; no error where there is none."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.pwrite(descriptor, bytes(os.fstat(descriptor).st_size), 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    path.unlink()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def removed_on_error(made: Sequence[Path]) -> Iterator[None]:
    """Take away what was made when the block fails."""
    try:
        yield
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
        raise
