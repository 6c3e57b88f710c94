"""What `fsck` checks of the rows of samples: that they are what their entries make of them, and their checkpoints.

Whether a witness cosigned a checkpoint, and in time, is judged where the policy is: when a sample is drawn and shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict

from sqlalchemy import Connection, select

from auditlog.core.entries.record import Entry, parse_entry
from auditlog.core.errors import AuditLogError
from auditlog.core.formats.checkpoint import open_checkpoint
from auditlog.core.formats.keyring import KeyRing
from auditlog.store.log import read_entries
from auditlog.store.rollup import event_table
from auditlog.store.samples import SampleRow, list_samples, note_entry
from auditlog.vault.check import Finding

KIND = "sample/1"


def sample_sizes(conn: Connection, number: int) -> set[int]:
    """The sizes of the tree whose roots `check_samples` wants to compare."""
    return {row.size for row in list_samples(conn) if row.log == number and row.size is not None}


def check_samples(
    conn: Connection, ring: KeyRing, number: int, *, origin: str, roots: Mapping[int, bytes]
) -> Iterator[Finding]:
    """What is wrong with the rows of one log; `roots`: size → hash, of those sizes that the log has."""
    stored = {row.id: row for row in list_samples(conn) if row.log == number}
    expected = _expected(conn, number, stored)
    for id_ in sorted(stored.keys() | expected.keys()):
        place = f"auditlog_sample(id={id_})"
        row, wanted = stored.get(id_), expected.get(id_)
        if row is None or wanted is None:
            yield Finding(place, "is missing" if row is None else "belongs to no entry")
            continue
        have, want = asdict(row), asdict(wanted)
        for column in ("idx", "witness", "not_before", "drawn"):
            if have[column] != want[column]:
                yield Finding(f"{place}.{column}", f"is {have[column]}, the entry says {want[column]}")
        if wanted.size is not None and row.size != wanted.size:
            yield Finding(f"{place}.size", f"is {row.size}, the draw says {wanted.size}")
        yield from (Finding(f"{place}.{column}", message) for column, message in _note(row, ring, origin, roots))


def _expected(conn: Connection, number: int, stored: Mapping[str, SampleRow]) -> dict[str, SampleRow]:
    """What the entries make of the rows: those that the rows name, and those that the log's list of kinds names."""
    columns = event_table.c
    listed = conn.execute(select(columns.idx).where(columns.log == number, columns.kind == KIND)).scalars()
    named = {index for row in stored.values() for index in (row.idx, row.drawn) if index is not None}
    expected: dict[str, SampleRow] = {}
    for index in sorted({*listed, *named}):
        try:
            entry = parse_entry(read_entries(conn, number, index, index + 1)[0])
        except AuditLogError:
            continue  # said of the entry
        if isinstance(entry, Entry) and entry.kind == KIND:
            note_entry(expected, number, index, entry)
    return expected


def _note(row: SampleRow, ring: KeyRing, origin: str, roots: Mapping[int, bytes]) -> Iterator[tuple[str, str]]:
    """(column, what is wrong). A drawn sample may have lost its note with an old database: then it cannot be shown."""
    if row.note is None:
        if row.size is not None and row.drawn is None:
            yield "note", "is missing"
        return
    try:
        checkpoint = open_checkpoint(row.note, ring, origin=origin).checkpoint
    except AuditLogError as error:
        yield "note", str(error)
        return
    if checkpoint.size != row.size:
        yield "size", f"is {row.size}, the note says {checkpoint.size}"
    elif row.size not in roots:
        yield "note", f"covers {row.size} entries, more than the log has"
    elif roots[row.size] != checkpoint.root:
        yield "note", f"signs another root than that of the first {row.size} entries: the log was forked"
