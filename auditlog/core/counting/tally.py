"""What a `tally/1` entry commits to: cells, each opened alone, and the tallies that were summed.

A tally has a random secret `t` of 32 bytes of its own. For a cell `c` with the number `n`, written in decimal digits:

    salt_c     = HMAC-SHA-256(t, "greffier/1/cell-salt" 0x00 c)
    commitment = HMAC-SHA-256(salt_c, "greffier/1/cell" 0x00 c 0x00 n)

The commitments in the order of their cells' names (by code point; each 32 bytes) are the leaves of a Merkle tree as in
RFC 9162; its root is the tally's value `cells`. A cell that is not there is 0. Opening a cell reveals (c, n, salt_c);
of a cell that stays closed the name and the commitment are shown, and nothing helps to guess its number: the salt has
32 bytes. The value `parts` is the SHA-256 of the ids of the tallies that were summed, in rising order, each followed by
a line feed, in 64 hex digits; null where none were. The value `content` keeps cells and secret, and stays closed.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import cast

from auditlog.core.counting.figures import Cells
from auditlog.core.errors import FormatError
from auditlog.core.formats.canonical import Json
from auditlog.core.formats.merkle import leaf_hash, root_hash

SECRET_SIZE = 32
MAX_NUMBER_DIGITS = 19
_SALT = b"greffier/1/cell-salt\0"
_CELL = b"greffier/1/cell\0"
_HEX_DIGITS = 64
_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


@dataclass(frozen=True, slots=True)
class OpenedCell:
    """A cell with its number, and the salt (64 hex digits) that opens it."""

    cell: str
    number: int
    salt: str


@dataclass(frozen=True, slots=True)
class ClosedCell:
    """A cell that is not shown: its commitment (64 hex digits)."""

    cell: str
    commitment: str


def cell_salt(secret: bytes, cell: str) -> bytes:
    """The salt of a cell, 32 bytes."""
    if len(secret) != SECRET_SIZE:
        raise FormatError(f"must be {SECRET_SIZE} bytes", field="secret")
    return hmac.digest(secret, _SALT + _name(cell), "sha256")


def commit_cell(salt: bytes, cell: str, number: int) -> bytes:
    """The commitment to a cell, 32 bytes."""
    if number < 0 or len(str(number)) > MAX_NUMBER_DIGITS:
        raise FormatError(f"must be 0 or more, of at most {MAX_NUMBER_DIGITS} digits", field="number")
    return hmac.digest(salt, _CELL + _name(cell) + b"\0" + str(number).encode("ascii"), "sha256")


def cells_root(cells: Cells, secret: bytes) -> str:
    """The value `cells` of a tally: 64 hex digits."""
    return _root([commit_cell(cell_salt(secret, cell), cell, cells[cell]) for cell in sorted(cells)])


def root_of(shown: Sequence[OpenedCell | ClosedCell]) -> str:
    """The root that opened and closed cells give together. Raises FormatError where they are not in order."""
    names = [one.cell for one in shown]
    if names != sorted(set(names)):
        raise FormatError("must stand in the order of their names, each once", field="cells")
    commitments = []
    for one in shown:
        if isinstance(one, ClosedCell):
            _name(one.cell)
            commitments.append(_hash_bytes(one.commitment, one.cell))
        else:
            commitments.append(commit_cell(_hash_bytes(one.salt, one.cell), one.cell, one.number))
    return _root(commitments)


def parts_digest(ids: Iterable[str]) -> str:
    """The value `parts` of a tally over others."""
    return sha256("".join(f"{id_}\n" for id_ in sorted(ids)).encode("ascii")).hexdigest()


def format_content(cells: Cells, secret: bytes, days: Mapping[str, Cells] | None = None) -> dict[str, Json]:
    """The value `content`: numbers as decimal digits, since sums may exceed what JSON numbers hold exactly.

    `days`: where cells of several days stand in one tally, the cells of each, from which a roll-up is made again.
    """
    content: dict[str, Json] = {"secret": secret.hex(), "cells": _digits(cells)}
    return content if days is None else {**content, "days": {day: _digits(of) for day, of in days.items()}}


def parse_content(value: Json) -> tuple[Cells, bytes, dict[str, Cells] | None]:
    """Cells, secret and days of a value `content`. Raises FormatError where it is none."""
    if not isinstance(value, dict) or value.keys() | {"days"} != {"secret", "cells", "days"}:
        raise FormatError("is no content of a tally", field="content")
    secret, days = value["secret"], value.get("days")
    if not isinstance(secret, str) or len(secret) != 2 * SECRET_SIZE:
        raise FormatError("is no content of a tally", field="content")
    named = {day: _numbers(of) for day, of in days.items()} if isinstance(days, dict) else None
    return _numbers(value["cells"]), bytes.fromhex(secret), named


def _digits(cells: Cells) -> dict[str, Json]:
    return {cell: str(number) for cell, number in cells.items()}


def _numbers(value: Json) -> Cells:
    if not isinstance(value, dict) or not all(
        isinstance(number, str) and number.isdigit() for number in value.values()
    ):
        raise FormatError("is no content of a tally", field="content")
    return {cell: int(cast("str", number)) for cell, number in value.items()}


def _root(commitments: Sequence[bytes]) -> str:
    return root_hash([leaf_hash(one) for one in commitments]).hex()


def _name(cell: str) -> bytes:
    """Names are ASCII: a NUL or a line feed in one could make two cells look alike."""
    if not cell or not _ALLOWED.issuperset(cell):
        raise FormatError("holds a cell's name with other signs than letters, digits, _, . and -", field="cells")
    return cell.encode("ascii")


def _hash_bytes(text: str, cell: str) -> bytes:
    if len(text) != _HEX_DIGITS or not set("0123456789abcdef").issuperset(text):
        raise FormatError("must be 64 lower-case hex digits", field=f"cells.{cell}")
    return bytes.fromhex(text)
