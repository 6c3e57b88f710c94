"""The log tells of accounts: by a random name that stands in it alone, and a salted digest of the row."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Accounts from before have neither until they are changed: no entry tells of them.
    op.add_column("access_account", sa.Column("pseudonym", sa.String(36), nullable=True))
    op.add_column("access_account", sa.Column("salt", sa.String(64), nullable=True))


def downgrade() -> None:
    op.drop_column("access_account", "salt")
    op.drop_column("access_account", "pseudonym")
