"""Time-stamped checkpoints of a log: the files beside an export, and what `fsck` checks of their rows.

A time stamp is a sidecar: it says when a checkpoint existed at the latest, in the words of somebody else. Nothing in
the log depends on it, and which authority is believed is the reader's choice, so no certificates are judged here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from auditlog.core.errors import AuditLogError
from auditlog.core.formats.checkpoint import open_checkpoint
from auditlog.core.formats.keyring import KeyRing
from auditlog.peers import tsa
from auditlog.store.timestamps import StampedNote, iterate_timestamps
from auditlog.vault.check import Finding

FOLDER: Final = "timestamps"


def format_time(moment: datetime) -> str:
    """How a row says its time: UTC to the second; parts of a second are cut."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def timestamp_files(conn: Connection, number: int, size: int) -> Iterator[tuple[str, bytes]]:
    """(path, content) of the files beside an export of `size` entries: each stamped note, and the token over it."""
    for row in iterate_timestamps(conn, number):
        if row.size <= size:
            yield f"{FOLDER}/{row.size}.checkpoint", row.note
            yield f"{FOLDER}/{row.size}.tsr", row.token


def timestamp_sizes(conn: Connection, number: int) -> set[int]:
    """The sizes of the tree whose roots `check_timestamps` wants to compare."""
    return {row.size for row in iterate_timestamps(conn, number)}


def check_timestamps(
    conn: Connection, ring: KeyRing, number: int, *, origin: str, roots: Mapping[int, bytes]
) -> Iterator[Finding]:
    """What is wrong with the rows of one log: its signature, size, root (of `roots`, size → hash), imprint and time."""
    for row in iterate_timestamps(conn, number):
        place = f"auditlog_timestamp(log={row.log},size={row.size})"
        yield from (Finding(f"{place}.{column}", message) for column, message in _problems(row, ring, origin, roots))


def _problems(row: StampedNote, ring: KeyRing, origin: str, roots: Mapping[int, bytes]) -> Iterator[tuple[str, str]]:
    """(column, what is wrong)."""
    try:
        checkpoint = open_checkpoint(row.note, ring, origin=origin).checkpoint
    except AuditLogError as error:
        yield "note", str(error)
    else:
        if checkpoint.size != row.size:
            yield "size", f"is {row.size}, the note says {checkpoint.size}"
        elif row.size not in roots:
            yield "note", f"covers {row.size} entries, more than the log has"
        elif roots[row.size] != checkpoint.root:
            yield "note", f"signs another root than that of the first {row.size} entries: the log was forked"
    try:
        tsa.check_unchanged(row.token, row.note)
        said = format_time(tsa.describe_token(row.token).time)
    except AuditLogError as error:
        yield "token", str(error)
    else:
        if said != row.time:
            yield "time", f"is {row.time}, the token says {said}"
