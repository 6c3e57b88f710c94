"""Results of a version's tests, and overrides of what they held back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "registry_fitness",
        sa.Column("log", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("slug", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("log", "idx", name="pk_registry_fitness"),
        sa.ForeignKeyConstraint(["slug"], ["registry_system.slug"], name="fk_registry_fitness_slug"),
    )
    op.create_index("ix_registry_fitness_slug", "registry_fitness", ["slug", "version", "log", "idx"])
    op.create_table(
        "registry_override",
        sa.Column("log", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("slug", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("fitness", sa.String(71), nullable=True),
        sa.Column("ground", sa.String(40), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("role", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("log", "idx", name="pk_registry_override"),
        sa.ForeignKeyConstraint(["slug"], ["registry_system.slug"], name="fk_registry_override_slug"),
    )
    op.create_index("ix_registry_override_slug", "registry_override", ["slug", "log", "idx"])


def downgrade() -> None:
    op.drop_index("ix_registry_override_slug", "registry_override")
    op.drop_table("registry_override")
    op.drop_index("ix_registry_fitness_slug", "registry_fitness")
    op.drop_table("registry_fitness")
