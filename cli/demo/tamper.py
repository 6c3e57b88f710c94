"""What the demo breaks on purpose, each put back afterwards."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from auditlog.core.formats.tiles import entry_bundles_of_size, format_entries_path, parse_entry_bundle

BUNDLE = 256


@contextlib.contextmanager
def change_model_byte(models: Path) -> Iterator[None]:
    """Change one byte in the middle of the model file, in place, and restore its times."""
    path = next(models.glob("*.gguf"))
    with _changed(path, path.stat().st_size // 2):
        yield


@contextlib.contextmanager
def change_byte_of_entry(tree: Path, index: int) -> Iterator[None]:
    """Change the last byte but one of an entry in an exported tree."""
    size = int((tree / "checkpoint").read_text(encoding="utf-8").split("\n")[1])
    width = dict(entry_bundles_of_size(size))[index // BUNDLE]
    path = tree / format_entries_path(index // BUNDLE, width)
    entries = parse_entry_bundle(path.read_bytes())
    offset = sum(2 + len(entry) for entry in entries[: index % BUNDLE + 1]) - 2
    with _changed(path, offset):
        yield


@contextlib.contextmanager
def _changed(path: Path, offset: int) -> Iterator[None]:
    stat = path.stat()
    path.chmod(0o600)
    _flip(path, offset, stat)
    try:
        yield
    finally:
        _flip(path, offset, stat)
        path.chmod(stat.st_mode)


def _flip(path: Path, offset: int, stat: os.stat_result) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
