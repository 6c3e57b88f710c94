"""The log tells of answers by their digest; a salt in each round keeps that digest from being guessed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Rounds from before have none: no entry tells of them until the system is answered again.
    op.add_column("registry_answer", sa.Column("salt", sa.String(64), nullable=True))


def downgrade() -> None:
    op.drop_column("registry_answer", "salt")
