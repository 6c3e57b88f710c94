"""An exported log on disk: which files it must hold, their SHA256SUMS, and the audit of all of it.

SHA256SUMS covers the files that the tree of hashes does not (README, keys, verifier, checkpoint). It finds damage and a
careless hand, no more: who rewrites such a file can rewrite its line. Only signatures, under keys that one got
elsewhere, hold against intent.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from auditlog.core.checking.audit import CHECKPOINT, AuditResult, ReadFile, audit
from auditlog.core.errors import FormatError, NotFound, VerifyError
from auditlog.core.formats.keyring import KeyRing
from auditlog.core.formats.policy import Policy
from auditlog.core.formats.tiles import entry_bundles_of_size, format_entries_path, format_tile_path, tiles_of_size

SUMS: Final = "SHA256SUMS"
# What every export holds beside tiles; later files (a policy, time stamps) are listed in SHA256SUMS as well.
REQUIRED: Final = (CHECKPOINT, "log.vkey", "README.txt", "verify.pyz")
_LINE = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9_][A-Za-z0-9._-]{0,99}(?:/[A-Za-z0-9_][A-Za-z0-9._-]{0,99})*)\Z")


def format_sums(digests: Mapping[str, str]) -> bytes:
    """`sha256sum`'s format, sorted by name."""
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()


def parse_sums(data: bytes) -> dict[str, str]:
    """Name → lower-case SHA-256. Raises FormatError("SHA256SUMS line N: …")."""
    digests: dict[str, str] = {}
    for number, line in enumerate(data.decode("latin-1").split("\n")[:-1], 1):
        match = _LINE.match(line)
        if match is None:
            raise FormatError("must be a SHA-256, two spaces and a file name", field=f"{SUMS} line {number}")
        digests[match[2]] = match[1]
    if format_sums(digests) != data:
        raise FormatError("must list each file once, sorted by name, a line each", field=SUMS)
    return digests


def audit_tree(
    folder: Path,
    ring: KeyRing,
    *,
    origin: str | None = None,
    strict: bool = True,
    predecessor: AuditResult | None = None,
    policy: Policy | None = None,
) -> AuditResult:
    """`audit` over a folder, and besides: SHA256SUMS holds, no file is missing, none is there that should not be.

    Raises VerifyError whose text begins with the file or the entry.
    """
    found = _find_files(folder)
    read = _reader(folder, found)
    result = audit(read, ring, origin=origin, strict=strict, predecessor=predecessor, policy=policy)
    expected = {SUMS, *_check_sums(folder, found), *tile_files(result.size)}
    _refuse(expected - found, "this file is missing")
    _refuse(found - expected, "this file does not belong to the export")
    return result


def tree_reader(folder: Path) -> ReadFile:
    """Reads the files of an export by their path. Raises NotFound."""
    return _reader(folder, _find_files(folder))


def _reader(folder: Path, found: set[str]) -> ReadFile:
    return lambda path: _read_file(folder, path, found)


def tile_files(size: int) -> set[str]:
    """The paths of all tiles and entry bundles of a log of `size` entries."""
    bundles = {format_entries_path(index, width) for index, width in entry_bundles_of_size(size)}
    return bundles | {format_tile_path(tile) for tile in tiles_of_size(size)}


def _check_sums(folder: Path, found: set[str]) -> set[str]:
    try:
        digests = parse_sums(_read_file(folder, SUMS, found))
    except NotFound:
        raise VerifyError("this file is missing", field=SUMS) from None
    except FormatError as error:
        raise VerifyError(str(error)) from error
    if misplaced := sorted(name for name in digests if name == SUMS or name.startswith("tile/")):
        raise VerifyError(f"must not list {misplaced[0]}", field=SUMS)
    if unlisted := sorted(set(REQUIRED) - set(digests)):
        raise VerifyError(f"does not list {unlisted[0]}", field=SUMS)
    for name, digest in sorted(digests.items()):
        if name not in found:
            raise VerifyError(f"this file is missing, or {SUMS} names it wrongly", field=name)
        if sha256(_read_file(folder, name, found)).hexdigest() != digest:
            raise VerifyError(f"its bytes are not those that {SUMS} lists", field=name)
    return set(digests)


def _find_files(folder: Path) -> set[str]:
    """Every file below `folder`, its path with slashes. Links and special files are refused: they lead elsewhere."""
    found = set()
    for base, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(base, name)
            relative = path.relative_to(folder).as_posix()
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise VerifyError("is a link or a special file, which an export never holds", field=_plain(relative))
            if name in files:
                found.add(relative)
    return found


def _read_file(folder: Path, path: str, found: set[str]) -> bytes:
    if path not in found:
        raise NotFound("no such file", field=path)
    try:
        return (folder / path).read_bytes()
    except OSError as error:
        raise VerifyError(f"cannot be read: {error.strerror}", field=path) from error


def _refuse(paths: set[str], sentence: str) -> None:
    if paths:
        more = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
        raise VerifyError(sentence + more, field=_plain(min(paths)))


def _plain(path: str) -> str:
    """A stranger's file name, made safe for a terminal."""
    return path.encode("unicode_escape", "backslashreplace").decode("ascii")
