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
