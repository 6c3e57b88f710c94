"""What was recorded once about a system, each by the entry that brought it: its record as it was, which account took a
step, and what a new version changes.

A record as it was, and the reasons of a modification, say nothing by themselves: whoever shows one holds it against its
entry first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from registry.canonical import digest
from registry.store.history import Place
from registry.store.tables import MODIFICATION, RECORD, STEP
from registry.values import Words


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A public record as it was from its entry on. `text`: canonical JSON."""

    slug: str
    log: int
    index: int
    text: str

    @property
    def digest(self) -> str:
        """`sha256:…` of the text, as its `system/1` entry carries it."""
        return digest(self.text.encode())


@dataclass(frozen=True, slots=True)
class StoredModification:
    """An answer to the question of AI Act 3(23). `substantial`: yes or no; `text`: the reasons, canonical JSON."""

    slug: str
    version: int
    log: int
    index: int
    substantial: str
    text: str
    role: str

    @property
    def place(self) -> Place:
        """Number of the log, and index in it."""
        return self.log, self.index

    @property
    def digest(self) -> str:
        """`sha256:…` of the reasons, as its `modification/1` entry carries it."""
        return digest(self.text.encode())

    @property
    def statement(self) -> Words:
        """The reasons by language; to be read where the digest is that of the entry."""
        words: dict[str, str] = json.loads(self.text)
        return words


def add_record(conn: Connection, slug: str, place: Place, text: str) -> None:
    """Keep a record, in the transaction that wrote its `system/1` entry at `place`."""
    conn.execute(insert(RECORD).values(slug=slug, log=place[0], idx=place[1], record=text))


def record_at(conn: Connection, place: Place) -> StoredRecord | None:
    """The record that the entry at `place` brought; None of one from before they were kept."""
    row = conn.execute(select(RECORD).where(RECORD.c.log == place[0], RECORD.c.idx == place[1])).one_or_none()
    return None if row is None else StoredRecord(row.slug, row.log, row.idx, row.record)


def all_records(conn: Connection) -> dict[Place, tuple[str, str]]:
    """System and digest of every record by the place of its entry, for a full check."""
    rows = conn.execute(select(RECORD))
    return {(row.log, row.idx): (row.slug, digest(str(row.record).encode())) for row in rows}


def add_steps(conn: Connection, slug: str, log: int, indices: Iterable[int], account: str | None) -> None:
    """Note which account took the steps whose entries stand there (None: the command line, without one)."""
    conn.execute(insert(STEP), [{"slug": slug, "log": log, "idx": index, "account": account} for index in indices])


def accounts(conn: Connection, slug: str) -> dict[Place, str | None]:
    """Which account took each step of a system, by the place of its entry. For staff, never in public."""
    rows = conn.execute(select(STEP.c.log, STEP.c.idx, STEP.c.account).where(STEP.c.slug == slug))
    return {(row.log, row.idx): row.account for row in rows}


def all_steps(conn: Connection) -> dict[Place, str]:
    """The system of every step by the place of its entry, for a full check."""
    return {(row.log, row.idx): row.slug for row in conn.execute(select(STEP.c.log, STEP.c.idx, STEP.c.slug))}


def add_modification(
    conn: Connection, slug: str, version: int, place: Place, *, substantial: str, statement: str, role: str
) -> None:
    """Keep an answer, in the transaction that wrote its `modification/1` entry. `statement`: canonical JSON."""
    values = {"substantial": substantial, "statement": statement, "role": role}
    conn.execute(insert(MODIFICATION).values(slug=slug, version=version, log=place[0], idx=place[1], **values))


def modifications(conn: Connection, slug: str) -> list[StoredModification]:
    """All answers about a system's versions, the oldest first."""
    columns = MODIFICATION.c
    query = select(MODIFICATION).where(columns.slug == slug).order_by(columns.log, columns.idx)
    return [_modification(row) for row in conn.execute(query)]


def all_modifications(conn: Connection) -> dict[Place, StoredModification]:
    """Every answer by the place of its entry, for a full check."""
    return {(row.log, row.idx): _modification(row) for row in conn.execute(select(MODIFICATION))}


def _modification(row: object) -> StoredModification:
    names = ("slug", "version", "log", "idx", "substantial", "statement", "role")
    return StoredModification(*(getattr(row, name) for name in names))
