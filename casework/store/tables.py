"""The tables of casework. Every constraint has a name, so that a migration can find it.

`casework_request` and `casework_judgement` follow from entries of the log and their sealed content, and are made again
from them. The others hold what nothing else has: digests of codes, tries, and who works on which result.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

# Days are ISO 8601 text: both databases then keep and compare the same bytes.
request_table: Final = Table(
    "casework_request",
    metadata,
    Column("id", Text, nullable=False),
    Column("right_code", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("received", Text, nullable=False),
    Column("due", Text, nullable=False),
    Column("extended", Boolean, nullable=False),
    Column("reference", Text, nullable=True),
    Column("system", Text, nullable=True),
    Column("account", Text, nullable=True),
    Column("lang", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("identity", Text, nullable=False),
    Column("delay", Text, nullable=True),
    Column("refusal", Text, nullable=True),
    Column("closed", Text, nullable=True),
    PrimaryKeyConstraint("id", name="casework_request_pkey"),
    Index("casework_request_due", "state", "due", "id"),
    Index("casework_request_received", "received"),
    Index("casework_request_reference", "reference"),
)

tracking_table: Final = Table(
    "casework_tracking",
    metadata,
    Column("request", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    PrimaryKeyConstraint("request", name="casework_tracking_pkey"),
    UniqueConstraint("digest", name="casework_tracking_digest"),
)

code_table: Final = Table(
    "casework_code",
    metadata,
    Column("record", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    PrimaryKeyConstraint("record", name="casework_code_pkey"),
)

try_table: Final = Table(
    "casework_try",
    metadata,
    Column("bucket", LargeBinary, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    PrimaryKeyConstraint("bucket", name="casework_try_pkey"),
    Index("casework_try_since", "since"),
)

assignment_table: Final = Table(
    "casework_assignment",
    metadata,
    Column("record", Text, nullable=False),
    Column("account", Text, nullable=True),
    Column("version", Integer, nullable=False),
    PrimaryKeyConstraint("record", name="casework_assignment_pkey"),
)

judgement_table: Final = Table(
    "casework_judgement",
    metadata,
    Column("record", Text, nullable=False),
    Column("access", Text, nullable=False),
    Column("day", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("account", Text, nullable=True),
    PrimaryKeyConstraint("record", name="casework_judgement_pkey"),
    Index("casework_judgement_day", "day"),
)

# What goes when a record, or a request, is erased, and by which column.
ABOUT_A_RECORD: Final[tuple[tuple[Table, str], ...]] = (
    (request_table, "id"),
    (tracking_table, "request"),
    (code_table, "record"),
    (assignment_table, "record"),
    (judgement_table, "record"),
)
