"""The tables of the register. Every constraint has a name, so that a migration can find it."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from registry.lifecycle import STATES

metadata = MetaData()

_STATES = ", ".join(f"'{state}'" for state in STATES)

SYSTEM = Table(
    "registry_system",
    metadata,
    Column("slug", String(64), nullable=False),
    Column("record", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("state_before", String(16), nullable=True),
    Column("running_version", Integer, nullable=True),
    PrimaryKeyConstraint("slug", name="pk_registry_system"),
    CheckConstraint(f"state IN ({_STATES})", name="ck_registry_system_state"),
    CheckConstraint("(state = 'suspended') = (state_before IS NOT NULL)", name="ck_registry_system_state_before"),
)

VERSION = Table(
    "registry_version",
    metadata,
    Column("slug", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("manifest", Text, nullable=False),
    PrimaryKeyConstraint("slug", "version", name="pk_registry_version"),
    ForeignKeyConstraint(["slug"], ["registry_system.slug"], name="fk_registry_version_slug"),
    CheckConstraint("version > 0", name="ck_registry_version_version"),
)

MODEL = Table(
    "registry_model",
    metadata,
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("derived_from", String(64), nullable=True),
    Column("quantization", String(40), nullable=True),
    PrimaryKeyConstraint("sha256", name="pk_registry_model"),
    CheckConstraint("size > 0", name="ck_registry_model_size"),
)

CHANGE = Table(
    "registry_change",
    metadata,
    Column("log", Integer, nullable=False, autoincrement=False),
    Column("idx", BigInteger, nullable=False, autoincrement=False),
    Column("slug", String(64), nullable=False),
    PrimaryKeyConstraint("log", "idx", name="pk_registry_change"),
    ForeignKeyConstraint(["slug"], ["registry_system.slug"], name="fk_registry_change_slug"),
    Index("ix_registry_change_slug", "slug", "log", "idx"),
)

FITNESS = Table(
    "registry_fitness",
    metadata,
    Column("log", Integer, nullable=False, autoincrement=False),
    Column("idx", BigInteger, nullable=False, autoincrement=False),
    Column("slug", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("report", Text, nullable=False),
    PrimaryKeyConstraint("log", "idx", name="pk_registry_fitness"),
    ForeignKeyConstraint(["slug"], ["registry_system.slug"], name="fk_registry_fitness_slug"),
    Index("ix_registry_fitness_slug", "slug", "version", "log", "idx"),
)

OVERRIDE = Table(
    "registry_override",
    metadata,
    Column("log", Integer, nullable=False, autoincrement=False),
    Column("idx", BigInteger, nullable=False, autoincrement=False),
    Column("slug", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("fitness", String(71), nullable=True),
    Column("ground", String(40), nullable=False),
    Column("statement", Text, nullable=False),
    Column("role", String(40), nullable=False),
    PrimaryKeyConstraint("log", "idx", name="pk_registry_override"),
    ForeignKeyConstraint(["slug"], ["registry_system.slug"], name="fk_registry_override_slug"),
    Index("ix_registry_override_slug", "slug", "log", "idx"),
)

RECORD = Table(
    "registry_record",
    metadata,
    Column("log", Integer, nullable=False, autoincrement=False),
    Column("idx", BigInteger, nullable=False, autoincrement=False),
    Column("slug", String(64), nullable=False),
    Column("record", Text, nullable=False),
    PrimaryKeyConstraint("log", "idx", name="pk_registry_record"),
    ForeignKeyConstraint(["slug"], ["registry_system.slug"], name="fk_registry_record_slug"),
    Index("ix_registry_record_slug", "slug", "log", "idx"),
)

STEP = Table(
    "registry_step",
    metadata,
    Column("log", Integer, nullable=False, autoincrement=False),
    Column("idx", BigInteger, nullable=False, autoincrement=False),
    Column("slug", String(64), nullable=False),
    Column("account", String(64), nullable=True),
    PrimaryKeyConstraint("log", "idx", name="pk_registry_step"),
    ForeignKeyConstraint(["slug"], ["registry_system.slug"], name="fk_registry_step_slug"),
    Index("ix_registry_step_slug", "slug", "log", "idx"),
)

MODIFICATION = Table(
    "registry_modification",
    metadata,
    Column("log", Integer, nullable=False, autoincrement=False),
    Column("idx", BigInteger, nullable=False, autoincrement=False),
    Column("slug", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("substantial", String(3), nullable=False),
    Column("statement", Text, nullable=False),
    Column("role", String(40), nullable=False),
    PrimaryKeyConstraint("log", "idx", name="pk_registry_modification"),
    ForeignKeyConstraint(["slug"], ["registry_system.slug"], name="fk_registry_modification_slug"),
    Index("ix_registry_modification_slug", "slug", "version"),
)

LISTING = Table(
    "registry_listing",
    metadata,
    Column("slug", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("running_version", Integer, nullable=True),
    Column("hidden", Integer, nullable=False),
    Column("role", String(16), nullable=False),
    Column("capture", String(16), nullable=False),
    Column("owner", Text, nullable=False),
    Column("themes", Text, nullable=False),
    Column("risks", Text, nullable=False),
    Column("head", Text, nullable=False),
    PrimaryKeyConstraint("slug", name="pk_registry_listing"),
    ForeignKeyConstraint(["slug"], ["registry_system.slug"], name="fk_registry_listing_slug"),
)

# Words are compared by their bytes on both databases, so that a range of them is what begins alike.
_WORD = String(40).with_variant(String(40, collation="C"), "postgresql")

WORD = Table(
    "registry_word",
    metadata,
    Column("word", _WORD, nullable=False),
    Column("slug", String(64), nullable=False),
    Column("named", Integer, nullable=False),
    PrimaryKeyConstraint("word", "slug", name="pk_registry_word"),
    ForeignKeyConstraint(["slug"], ["registry_system.slug"], name="fk_registry_word_slug"),
    Index("ix_registry_word_slug", "slug"),
)

ANSWER = Table(
    "registry_answer",
    metadata,
    Column("slug", String(64), nullable=False),
    Column("number", Integer, nullable=False, autoincrement=False),
    Column("rules", String(20), nullable=False),
    Column("digest", String(71), nullable=False),
    Column("minute", String(17), nullable=False),
    Column("role", String(40), nullable=False),
    Column("account", String(64), nullable=True),
    Column("answers", Text, nullable=False),
    Column("salt", String(64), nullable=True),
    PrimaryKeyConstraint("slug", "number", name="pk_registry_answer"),
    ForeignKeyConstraint(["slug"], ["registry_system.slug"], name="fk_registry_answer_slug"),
)

INCIDENT = Table(
    "registry_incident",
    metadata,
    Column("log", Integer, nullable=False, autoincrement=False),
    Column("idx", BigInteger, nullable=False, autoincrement=False),
    Column("id", String(36), nullable=False),
    Column("slug", String(64), nullable=False),
    Column("incident", String(36), nullable=False),
    Column("version", Integer, nullable=True),
    Column("duty", String(16), nullable=False),
    Column("step", String(16), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("aware", String(17), nullable=False),
    Column("recipient", String(16), nullable=True),
    Column("day", String(10), nullable=True),
    Column("reached", Integer, nullable=True),
    Column("role", String(40), nullable=False),
    Column("account", String(64), nullable=True),
    PrimaryKeyConstraint("log", "idx", name="pk_registry_incident"),
    ForeignKeyConstraint(["slug"], ["registry_system.slug"], name="fk_registry_incident_slug"),
    CheckConstraint("step IN ('opened', 'told', 'closed')", name="ck_registry_incident_step"),
    Index("ix_registry_incident_slug", "slug", "incident"),
)
