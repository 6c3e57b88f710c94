"""Results that nobody decided upon: those that a person must look at before they count are among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select

from auditlog.core.counting.figures import COUNTED_MODES
from auditlog.store.decisions import ORDER, decision_table

_columns = decision_table.c
_NOBODY = _columns.review.is_(None)
_PASSED_ON = _columns.review == "refer"


def systems_with_unreviewed(conn: Connection) -> list[str]:
    """Slugs of the systems that have such results, in rising order."""
    passed_on = _columns.review.is_not(None) & _PASSED_ON
    return sorted({*_systems(conn, _NOBODY), *_systems(conn, passed_on)})


def unreviewed(conn: Connection, system: str, outcomes: Sequence[str], *, limit: int) -> list[dict[str, Any]]:
    """Rows of a system's results with one of these outcomes, on real people, without a review or with a referral as the
    latest; the oldest first."""
    statement = select(decision_table).where(
        _columns.system == system,
        _columns.outcome.in_(outcomes),
        _columns.mode.in_(COUNTED_MODES),
        or_(_NOBODY, _PASSED_ON),
    )
    statement = statement.order_by(*(_columns[name] for name in ORDER)).limit(limit)
    return [dict(row) for row in conn.execute(statement).mappings()]


def _systems(conn: Connection, condition: ColumnElement[bool]) -> Iterator[str]:
    """One look into the index a system: to go through all rows for their few systems would take as long as there are
    rows."""
    last = ""
    while True:
        statement = select(func.min(_columns.system)).where(condition, _columns.system > last)
        found = conn.execute(statement).scalar_one()
        if found is None:
            return
        last = str(found)
        yield last
