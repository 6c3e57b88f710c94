"""Which records are the turns of a conversation: the blind index beside the query rows, in the order of the log."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Select, select

from auditlog.store.decisions import decision_table
from auditlog.store.vault import subject_table


def turns_of(conn: Connection, tags: Sequence[bytes], system: str) -> list[str]:
    """Ids of the turns that a system recorded under one of these tags, oldest first."""
    columns = decision_table.c
    rows = conn.execute(_turns(tags, system).order_by(columns.log, columns.idx))
    return list(dict.fromkeys(row.id for row in rows))


def last_turn(conn: Connection, tags: Sequence[bytes], system: str) -> str | None:
    """The id of the newest of them, or None where there is none."""
    columns = decision_table.c
    newest = _turns(tags, system).order_by(columns.log.desc(), columns.idx.desc()).limit(1)
    row = conn.execute(newest).one_or_none()
    return None if row is None else row.id


def _turns(tags: Sequence[bytes], system: str) -> Select[str]:
    joined = subject_table.join(decision_table, decision_table.c.id == subject_table.c.id)
    mine = subject_table.c.tag.in_(tags), decision_table.c.system == system
    return select(decision_table.c.id).select_from(joined).where(*mine)
