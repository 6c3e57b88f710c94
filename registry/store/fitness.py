"""Reports of a version's tests and overrides in SQL, each by the entry that names its digest.

A row says nothing by itself: whoever lets a version through by it holds it against that entry first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import Connection, Row, Select, insert, select

from registry.canonical import digest
from registry.gate_report import FitnessReport, format_statement, parse_report
from registry.store.history import Place
from registry.store.tables import FITNESS, OVERRIDE
from registry.values import Words


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A report as it stands in the register. `log` and `index`: where its entry stands; `text`: canonical JSON."""

    slug: str
    version: int
    log: int
    index: int
    text: str

    @property
    def place(self) -> Place:
        """Number of the log, and index in it."""
        return self.log, self.index

    @property
    def digest(self) -> str:
        """`sha256:…` of the stored text, as its `fitness/1` entry carries it."""
        return digest(self.text.encode())

    @property
    def report(self) -> FitnessReport:
        """The report itself. Raises FormatError for a text that is none."""
        return parse_report(self.text.encode())


@dataclass(frozen=True, slots=True)
class StoredOverride:
    """An override as it stands in the register. `fitness`: digest of the report that it overrides, None without one;
    `text`: canonical JSON of the reasons by language."""

    slug: str
    version: int
    log: int
    index: int
    fitness: str | None
    ground: str
    text: str
    role: str

    @property
    def digest(self) -> str:
        """`sha256:…` of the stored reasons, as its `override/1` entry carries it."""
        return digest(self.text.encode())

    @property
    def statement(self) -> Words:
        """The reasons by language; to be read where the digest is that of the entry."""
        words: dict[str, str] = json.loads(self.text)
        return words


def add_report(conn: Connection, slug: str, version: int, place: Place, text: str) -> None:
    """Keep a report, in the transaction that wrote its entry at `place`."""
    conn.execute(insert(FITNESS).values(slug=slug, version=version, log=place[0], idx=place[1], report=text))


def add_override(
    conn: Connection,
    slug: str,
    version: int,
    place: Place,
    *,
    fitness: str | None,
    ground: str,
    statement: Words | str,
    role: str,
) -> None:
    """Keep an override, in the transaction that wrote its entry at `place`. `statement`: words, or canonical JSON."""
    text = statement if isinstance(statement, str) else format_statement(statement).decode()
    values = {"fitness": fitness, "ground": ground, "statement": text, "role": role}
    conn.execute(insert(OVERRIDE).values(slug=slug, version=version, log=place[0], idx=place[1], **values))


def newest_report(conn: Connection, slug: str, version: int) -> StoredReport | None:
    """The last report on a version; None where it was never tested."""
    found = conn.execute(_reports(slug, version).limit(1)).one_or_none()
    return None if found is None else _report(found)


def reports(conn: Connection, slug: str, version: int | None = None) -> list[StoredReport]:
    """All reports on a system, or on one version of it, the newest first."""
    return [_report(row) for row in conn.execute(_reports(slug, version))]


def overrides(conn: Connection, slug: str) -> list[StoredOverride]:
    """All overrides of a system, the newest first."""
    columns = OVERRIDE.c
    query = select(OVERRIDE).where(columns.slug == slug).order_by(columns.log.desc(), columns.idx.desc())
    return [_override(row) for row in conn.execute(query)]


def all_reports(conn: Connection) -> dict[Place, StoredReport]:
    """Every report by the place of its entry, for a full check."""
    return {(row.log, row.idx): _report(row) for row in conn.execute(select(FITNESS))}


def all_overrides(conn: Connection) -> dict[Place, StoredOverride]:
    """Every override by the place of its entry, for a full check."""
    return {(row.log, row.idx): _override(row) for row in conn.execute(select(OVERRIDE))}


def _reports(slug: str, version: int | None) -> Select[tuple[object, ...]]:
    columns = FITNESS.c
    query = select(FITNESS).where(columns.slug == slug).order_by(columns.log.desc(), columns.idx.desc())
    return query if version is None else query.where(columns.version == version)


def _report(row: Row[tuple[object, ...]]) -> StoredReport:
    return StoredReport(row.slug, row.version, row.log, row.idx, row.report)


def _override(row: Row[tuple[object, ...]]) -> StoredOverride:
    return StoredOverride(
        row.slug, row.version, row.log, row.idx, row.fitness, row.ground, row.statement, row.role
    )  # fmt: skip
