"""Columns and indices that auditors' questions read; saved views."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_DECISION, _REVIEW, _CELL = "auditlog_decision", "auditlog_review", "auditlog_rollup_cell"
# Lists run from the newest minute down; the place in the log tells entries of one minute apart.
_PLACE = ("minute", "log", "idx")
_INDICES: tuple[tuple[str, tuple[str, ...], str | None], ...] = (
    ("auditlog_decision_minute", _PLACE, None),
    ("auditlog_decision_system", ("system", *_PLACE), None),
    ("auditlog_decision_outcome", ("system", "outcome", *_PLACE), None),
    ("auditlog_decision_boot", ("boot", *_PLACE), "boot IS NOT NULL"),
    ("auditlog_decision_source", ("source", *_PLACE), "source IS NOT NULL"),
    ("auditlog_decision_reviewed", ("system", "review", *_PLACE), "review IS NOT NULL"),
    ("auditlog_decision_waiting", ("system", *_PLACE), "review IS NULL"),
)
_OLD_INDICES = (
    ("auditlog_decision_minute", ("minute",)),
    ("auditlog_decision_system", ("system", "log", "idx")),
    ("auditlog_decision_outcome", ("outcome", "log", "idx")),
)


def _new_columns() -> list[sa.Column[str | int | None]]:
    return [
        sa.Column("capture", sa.Text(), nullable=False, server_default="runtime"),
        sa.Column("boot", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("n", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("content", sa.Text(), nullable=False, server_default="held"),
        sa.Column("review", sa.Text(), nullable=True),
        sa.Column("reviewed", sa.Text(), nullable=True),
        sa.Column("waited", sa.BigInteger(), nullable=True),
    ]


def upgrade() -> None:
    for column in _new_columns():
        op.add_column(_DECISION, column)
    op.add_column(_REVIEW, sa.Column("minute", sa.Text(), nullable=False, server_default=""))
    _fill_columns()
    for name, _ in _OLD_INDICES:
        op.drop_index(name, table_name=_DECISION)
    for name, columns, where in _INDICES:
        only = None if where is None else sa.text(where)
        op.create_index(name, _DECISION, list(columns), unique=False, sqlite_where=only, postgresql_where=only)
    op.create_index(
        _CELL, "auditlog_rollup", ["cell", "day"], unique=False, postgresql_ops={"cell": "text_pattern_ops"}
    )
    op.create_table(
        "auditlog_view",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="auditlog_view_pkey"),
    )


def downgrade() -> None:
    op.drop_table("auditlog_view")
    op.drop_index(_CELL, table_name="auditlog_rollup")
    for name, _, _ in _INDICES:
        op.drop_index(name, table_name=_DECISION)
    for name, columns in _OLD_INDICES:
        op.create_index(name, _DECISION, list(columns), unique=False)
    op.drop_column(_REVIEW, "minute")
    for column in reversed(_new_columns()):
        op.drop_column(_DECISION, column.name)


def _fill_columns() -> None:
    """What the entries of rows that are there say."""
    parse = "convert_from(e.data, 'UTF8')::json ->> '{}'"
    if op.get_bind().dialect.name == "sqlite":
        parse = "json_extract(CAST(e.data AS TEXT), '$.{}')"

    def said(name: str, of: str, type_: str) -> str:
        return f"(SELECT CAST({parse.format(name)} AS {type_}) FROM auditlog_entry e WHERE e.id = {of}.id)"

    op.execute(f"UPDATE {_REVIEW} SET minute = {said('time', _REVIEW, 'TEXT')}")
    members = {"capture": "TEXT", "boot": "TEXT", "source": "TEXT", "n": "BIGINT"}
    sets = ", ".join(f"{name} = {said(name, _DECISION, type_)}" for name, type_ in members.items())
    op.execute(f"UPDATE {_DECISION} SET {sets}")
    _fill_reviews()


def _fill_reviews() -> None:
    latest = "(SELECT r.{} FROM {} r WHERE r.decision_id = {}.id ORDER BY r.log DESC, r.idx DESC LIMIT 1)"
    sets = ", ".join(
        f"{name} = {latest.format(column, _REVIEW, _DECISION)}"
        for name, column in (("review", "action"), ("reviewed", "minute"))
    )
    op.execute(f"UPDATE {_DECISION} SET {sets}")
    first = f"(SELECT r.minute FROM {_REVIEW} r WHERE r.decision_id = {_DECISION}.id ORDER BY r.log, r.idx LIMIT 1)"
    seconds = "EXTRACT(EPOCH FROM CAST({} AS TIMESTAMPTZ))"
    if op.get_bind().dialect.name == "sqlite":
        seconds = "CAST(strftime('%s', {}) AS INTEGER)"
    minutes = f"({seconds.format(first)} - {seconds.format('minute')}) / 60"
    waited = f"CASE WHEN {minutes} < 0 THEN 0 ELSE {minutes} END"
    op.execute(f"UPDATE {_DECISION} SET waited = {waited} WHERE review IS NOT NULL")
