"""The content-addressed folder of model files: `<sha256>.gguf`, mode 0444.

A file is hashed at each start through the descriptor that llama.cpp then loads from, so that the bytes that were
hashed are the bytes that run, whatever happens to the name meanwhile. Memory mapping is off for the same reason.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from runtime.errors import ModelAltered, ModelMissing, ModelTruncated, NotGguf, RuntimeFault
from runtime.models.gguf import Scalar, read_header

_CHUNK = 1 << 20
_UNFINISHED = ".adding-"
_LEFT_S = 60.0  # younger than this, an unfinished file may just have been made by someone who has yet to lock it

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file in the folder. `sha256` in lower-case hex, `size` in bytes, `metadata` the header's scalar keys."""

    sha256: str
    size: int
    path: Path
    metadata: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class OpenModel:
    """A model file, hashed and still open. `load_path` names the descriptor, not the file."""

    sha256: str
    size: int
    fd: int
    stamp: Stamp

    @property
    def load_path(self) -> str:
        """A path to the very descriptor that was hashed."""
        return f"/proc/self/fd/{self.fd}" if Path("/proc/self/fd").exists() else f"/dev/fd/{self.fd}"

    def verify_untouched(self) -> None:
        """Raises ModelAltered if someone wrote to the file since it was opened (a change time cannot be set back)."""
        if _stamp(os.fstat(self.fd)) != self.stamp:
            raise _altered(self.sha256, "was written to while it was being loaded")

    def close(self) -> None:
        """Closes the descriptor."""
        os.close(self.fd)


def model_path(folder: Path, sha256: str) -> Path:
    """Where a model of that hash lies."""
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise ModelMissing("a model is named by its SHA-256 in lower-case hex", field="model.sha256")
    return folder / f"{sha256}.gguf"


def add_model(file: Path, folder: Path) -> ModelFile:
    """Copies a GGUF file into the folder under its hash; adding the same bytes again gives the same file.

    Raises ModelMissing, NotGguf, ModelTruncated. The copy is checked, not the source, which may still be changing.
    """
    try:
        source = file.open("rb")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise ModelMissing("there is no such file", field="model", fix="give the path of a GGUF file") from error
    with source, unfinished(folder) as copy:
        _copy(source, copy)
        return adopt(folder, Path(copy.name))


@contextlib.contextmanager
def unfinished(folder: Path) -> Iterator[BinaryIO]:
    """A new file in the folder, locked while it is written, and gone afterwards unless it was adopted.

    Takes away what an earlier one left that was killed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _remove_left(folder)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=_UNFINISHED, delete=False) as fresh:
        fcntl.flock(fresh, fcntl.LOCK_EX)
        try:
            yield fresh  # type: ignore[misc]
        finally:
            Path(fresh.name).unlink(missing_ok=True)


def adopt(folder: Path, fresh: Path) -> ModelFile:
    """Gives a finished file of the folder its name, once it was found whole. Raises NotGguf, ModelTruncated."""
    fd = os.open(fresh, os.O_RDONLY)
    try:
        metadata = read_header(fd)
        digest, size = hash_file(fd), os.fstat(fd).st_size
        os.fchmod(fd, 0o444)
        os.fsync(fd)
    finally:
        os.close(fd)
    path = model_path(folder, digest)
    fresh.rename(path)
    _sync_folder(folder)
    return ModelFile(digest, size, path, metadata)


def read_model(folder: Path, sha256: str) -> ModelFile:
    """A stored model, hashed. Raises ModelMissing, ModelTruncated, NotGguf, ModelAltered."""
    opened = open_model(folder, sha256)
    try:
        return ModelFile(sha256, opened.size, model_path(folder, sha256), read_header(opened.fd))
    finally:
        opened.close()


def architecture(folder: Path, sha256: str) -> str | None:
    """The architecture that a stored file's header names; nothing is hashed. None where there is no file to read."""
    try:
        with model_path(folder, sha256).open("rb") as file:
            found = read_header(file.fileno()).get("general.architecture")
    except (RuntimeFault, OSError):
        return None
    return None if found is None else str(found)


def _remove_left(folder: Path) -> None:
    """Removes unfinished files that nobody is writing: a lock goes with its process, a file does not."""
    for path in folder.glob(f"{_UNFINISHED}*"):
        with contextlib.suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.time() - os.fstat(file.fileno()).st_mtime > _LEFT_S:
                path.unlink()


def name_of(sha256: str, metadata: Mapping[str, Scalar]) -> str:
    """The name that a file gives itself (GGUF `general.name`), or a part of its digest."""
    return str(metadata.get("general.name") or sha256[:12])


def read_name(folder: Path, sha256: str) -> str | None:
    """The name of a stored model, from its header; nothing is hashed. None where there is no file to read it from."""
    try:
        found = stamp(folder, sha256)
        return None if found is None else _read_name(folder, sha256, found)
    except (RuntimeFault, OSError):
        return None


@lru_cache(maxsize=64)
def _read_name(folder: Path, sha256: str, _stamp: Stamp) -> str:
    with model_path(folder, sha256).open("rb") as file:
        return name_of(sha256, read_header(file.fileno()))


def open_model(folder: Path, sha256: str) -> OpenModel:
    """Opens and hashes a model; the caller loads from `load_path`, then calls `verify_untouched` and `close`.

    Raises ModelMissing, ModelTruncated, NotGguf, ModelAltered.
    """
    path = model_path(folder, sha256)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError as error:
        fix = "add it with `greffier model add FILE`"
        raise ModelMissing(f"models/{sha256}.gguf is not there", field="model.sha256", fix=fix) from error
    except OSError as error:
        raise _altered(sha256, "cannot be opened as a regular file") from error
    try:
        before = os.fstat(fd)
        _verify(fd, before.st_mode, sha256)
        return OpenModel(sha256, before.st_size, fd, _stamp(before))
    except (NotGguf, ModelTruncated) as fault:
        os.close(fd)
        raise type(fault)(fault.message, field=f"models/{sha256}.gguf", fix=_RESTORE) from fault
    except BaseException:
        os.close(fd)
        raise


_RESTORE = "restore the file from its source with `greffier model add FILE`, and find out who changed it"


def _altered(sha256: str, what: str) -> ModelAltered:
    return ModelAltered(f"the model file {what}", field=f"models/{sha256}.gguf", fix=_RESTORE)


def stamp(folder: Path, sha256: str) -> Stamp | None:
    """Inode, size and change time of a model file; equal stamps mean that nobody wrote to it. None where it is gone."""
    try:
        return _stamp(model_path(folder, sha256).lstat())
    except FileNotFoundError:
        return None


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_ino, status.st_size, status.st_ctime_ns


def _verify(fd: int, mode: int, sha256: str) -> None:
    if not stat.S_ISREG(mode):
        raise _altered(sha256, "is not a regular file")
    if hash_file(fd) != sha256:
        read_header(fd)  # a sharper finding, where the header gives one
        raise _altered(sha256, "has other bytes than those that were registered")


def _copy(source: BinaryIO, target: BinaryIO) -> None:
    while chunk := source.read(_CHUNK):
        target.write(chunk)
    target.flush()


def hash_file(fd: int) -> str:
    """SHA-256 in hex of all that a descriptor's file holds, wherever the descriptor stands."""
    digest = hashlib.sha256()
    buffer = bytearray(_CHUNK)
    view = memoryview(buffer)
    offset = 0
    while count := os.preadv(fd, [buffer], offset):
        digest.update(view[:count])
        offset += count
    return digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
