"""Saved views: a question over decisions under a name of its own. Neither holds anything about a person."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Column, Connection, PrimaryKeyConstraint, Table, Text, delete, insert, select

from auditlog.core.entries.vocabulary import MEANING, PATTERNS
from auditlog.core.errors import FormatError, NotFound
from auditlog.store import metadata
from auditlog.store.cursor import DecisionFilter, format_filter, parse_filter

view_table = Table(
    "auditlog_view",
    metadata,
    Column("name", Text, nullable=False),
    Column("question", Text, nullable=False),
    PrimaryKeyConstraint("name", name="auditlog_view_pkey"),
)


@dataclass(frozen=True, slots=True)
class View:
    """A name and the filter that it stands for."""

    name: str
    where: DecisionFilter


def save_view(conn: Connection, view: View) -> None:
    """Save it, in place of one of the same name. Raises FormatError for a name that is none."""
    if PATTERNS["slug"].fullmatch(view.name) is None:
        raise FormatError(f"must be {MEANING['slug']}", field="name")
    delete_view(conn, view.name)
    conn.execute(insert(view_table), {"name": view.name, "question": format_filter(view.where)})


def delete_view(conn: Connection, name: str) -> bool:
    """Whether there was one."""
    return conn.execute(delete(view_table).where(view_table.c.name == name)).rowcount == 1


def find_view(conn: Connection, name: str) -> View:
    """Raises NotFound, and FormatError for one that this version cannot read."""
    row = conn.execute(select(view_table).where(view_table.c.name == name)).one_or_none()
    if row is None:
        raise NotFound("no view has this name; `greffier view list` shows those there are", field="name")
    return View(row.name, parse_filter(row.question))


def list_views(conn: Connection) -> list[View]:
    """All of them, by name."""
    rows = conn.execute(select(view_table).order_by(view_table.c.name))
    return [View(row.name, parse_filter(row.question)) for row in rows]
