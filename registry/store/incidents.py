"""The steps of incidents in SQL: when the agency knew, and who was told on which day. What happened is sealed.

What a row says beyond its entry is committed there (`incident/1`); the row stands in the transaction of the entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, insert, select

from registry.store.history import Place
from registry.store.tables import INCIDENT

# What a row has in common with its entry.
_TOLD: Final = ("id", "slug", "incident", "version", "duty", "step", "role")


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentStep:
    """One step. `id`: of its entry; `aware`: minute of UTC; of a telling `recipient`, `day` and `reached` are set."""

    log: int
    idx: int
    id: str
    slug: str
    incident: str
    version: int | None
    duty: str
    step: str
    severity: str
    aware: str
    recipient: str | None
    day: str | None
    reached: bool | None
    role: str
    account: str | None

    @property
    def place(self) -> Place:
        """Number of the log, and index in it."""
        return self.log, self.idx


def add_step(conn: Connection, step: IncidentStep) -> None:
    """Keep a step, in the transaction that wrote its entry."""
    values = asdict(step)
    values["reached"] = None if step.reached is None else int(step.reached)
    conn.execute(insert(INCIDENT).values(**values))


def steps_of(conn: Connection, incident: str) -> list[IncidentStep]:
    """The steps of an incident, oldest first; none where there is no such incident."""
    return _steps(conn, select(INCIDENT).where(INCIDENT.c.incident == incident))


def list_steps(conn: Connection, slug: str | None = None) -> list[IncidentStep]:
    """The steps of all incidents, or of those of a system, oldest first."""
    query = select(INCIDENT)
    return _steps(conn, query if slug is None else query.where(INCIDENT.c.slug == slug))


def logged_columns(conn: Connection) -> dict[Place, dict[str, Any]]:
    """Of every step what its entry says too, by the place of that, for a full check."""
    return {place: {name: row[name] for name in _TOLD} for place, row in stored_rows(conn).items()}


def stored_rows(conn: Connection) -> dict[Place, dict[str, Any]]:
    """Every step as it is stored, whatever it holds, for a full check."""
    return {(row["log"], row["idx"]): dict(row) for row in conn.execute(select(INCIDENT)).mappings()}


def put_back(conn: Connection, told: Mapping[Place, Mapping[str, Any]], rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows of an older database that say what their entries say, for one that is built anew."""
    for row in rows:
        known = told.get((row["log"], row["idx"]))
        if known is not None and all(row[name] == known[name] for name in _TOLD):
            conn.execute(insert(INCIDENT).values(**row))


def _steps(conn: Connection, query: Select[Any]) -> list[IncidentStep]:
    rows = conn.execute(query.order_by(INCIDENT.c.log, INCIDENT.c.idx)).mappings()
    return [
        IncidentStep(**{**row, "reached": None if row["reached"] is None else bool(row["reached"])}) for row in rows
    ]
