"""The stored head, checked: signed by every key, computed from the tiles beside it, and grown from what was known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from auditlog.core.errors import CannotRecord, FormatError, GuardError, NotFound, VerifyError
from auditlog.core.formats.checkpoint import open_checkpoint
from auditlog.core.formats.keyring import KeyRing
from auditlog.core.formats.merkle import EMPTY_ROOT, Rows, tree_root
from auditlog.core.formats.tiles import root_from_edge
from auditlog.store.log import Head, iterate_entries, read_edge, read_head, reader

_FIX = "run `greffier log fsck`, and restore the database from a good backup"


@dataclass(frozen=True, slots=True)
class Tip:
    """The right edge of the tree: size, 32-byte root, partial tiles by level, and the stored head (None when new).

    `rows`, where they are known: the nodes inside the partial tiles.
    """

    size: int
    root: bytes
    edge: Mapping[int, bytes]
    head: Head | None
    rows: Mapping[int, Rows] = field(default_factory=dict, repr=False, compare=False)


EMPTY_TIP = Tip(0, EMPTY_ROOT, {}, None)


def read_tip(conn: Connection, log: int, ring: KeyRing, *, origin: str) -> Tip:
    """Read and check the stored head of log `log`. Raises CannotRecord (cause database) when it does not hold."""
    head = read_head(conn, log)
    if head is None:
        if _has_entries(conn, log):
            raise CannotRecord(f"entries without a signed head: {_FIX}", cause="database", field=f"log {log}")
        return EMPTY_TIP
    try:
        checkpoint = open_checkpoint(head.note, ring, origin=origin).checkpoint
        edge = read_edge(conn, log, head.size)
        root = root_from_edge(head.size, edge)
    except (FormatError, VerifyError, NotFound) as error:
        raise CannotRecord(f"the stored head does not hold ({error}): {_FIX}", cause="database") from error
    if checkpoint.size != head.size or checkpoint.root != root:
        raise CannotRecord(f"the stored head is not that of the stored tiles: {_FIX}", cause="database")
    return Tip(head.size, root, edge, head)


def check_prefix(conn: Connection, log: int, tip: Tip, size: int, root: bytes) -> None:
    """Raise GuardError unless the stored tree begins with the tree of `size` leaves and this root."""
    if size > tip.size:
        raise GuardError(
            f"the database holds {tip.size} entries, but {size} were vouched for: it was cut or restored from an older "
            "copy; restore the newest one, or open a successor log that states the loss"
        )
    try:
        found = tip.root if size == tip.size else tree_root(size, reader(conn, log, tip.size))
    except (FormatError, VerifyError, NotFound) as error:
        raise GuardError(f"the tree of {size} entries cannot be recomputed ({error}): {_FIX}") from error
    if found != root:
        raise GuardError(
            f"the first {size} entries of the database are not those that were vouched for: it was replaced or forked; "
            "restore the right database, or open a successor log that states the loss"
        )


def _has_entries(conn: Connection, log: int) -> bool:
    try:
        next(iterate_entries(conn, log, 0, 1))
    except NotFound:
        return False
    return True
