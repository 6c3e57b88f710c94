"""The tables of a key store that is a PostgreSQL database, whose it is, and what its errors mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Engine,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    func,
    insert,
    inspect,
    make_url,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from auditlog.core.errors import AuditLogError, CannotRecord, FormatError, VaultError
from auditlog.store.engine import open_engine, outage_cause
from auditlog.vault.key_store import MISSING

KEK: Final = "kek"
_OWNER: Final = "owner"
_FIELD: Final = "key_store"
_NO_TABLE: Final = "42P01"
_AT_ONCE: Final = 500

metadata: Final = MetaData()
# Room on each page for the second version of a row that is erased: vacuuming then moves other rows over the first.
key_table: Final = Table(
    "greffier_key",
    metadata,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
    postgresql_with={"fillfactor": 80},
)
about_table: Final = Table(
    "greffier_key_store",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

_NOT_APART: Final = (
    "names the log's own database, and its backups would hold the keys: give the keys a database of their own"
)
_ANOTHERS: Final = "is the key store of {}: name the one of this installation"
# One round trip: whose store this is, under which key-encryption key, and the slot.
READ: Final = (
    "SELECT (SELECT value FROM greffier_key_store WHERE name = 'owner'), "
    "(SELECT value FROM greffier_key_store WHERE name = 'kek'), "
    "(SELECT content FROM greffier_key WHERE slot = %s)"
)


def is_url(setting: str) -> bool:
    """Whether the setting `key_store` names a database and not a file."""
    return setting.startswith(("postgresql:", "postgresql+", "postgres:"))


def demand_apart(key_store: str, database_url: str) -> None:
    """Raises VaultError where the keys would lie in the log's own database, whose backups they must not be in."""
    try:
        mine, its = make_url(key_store), make_url(database_url)
    except ArgumentError:
        return  # the one that is wrong is named when it is opened
    if its.get_backend_name() == "postgresql" and _place(mine) == _place(its):
        raise VaultError(_NOT_APART, field=_FIELD)


def _place(url: Any) -> tuple[object, ...]:
    return url.host or url.query.get("host"), url.port or 5432, url.database or url.username


def open_store(url: str) -> Engine:
    """The engine of a key store. Raises VaultError for a URL that is none."""
    try:
        return open_engine(url)
    except FormatError:
        raise VaultError("must be a path, or postgresql://USER@HOST/NAME", field=_FIELD) from None


def make_tables(conn: Connection, owner: str, check: str | None) -> None:
    """An empty key store in an empty database; one that is there already is taken if it is this owner's and empty."""
    if inspect(conn).has_table(about_table.name):
        _demand_unused(conn, owner)
        return
    demand_no_log(conn)
    metadata.create_all(conn)
    conn.execute(insert(about_table), {"name": _OWNER, "value": owner})
    if check is not None:
        conn.execute(insert(about_table), {"name": KEK, "value": check})


def demand_owner(found: str | None, owner: str) -> None:
    """Raises VaultError for a key store of another installation."""
    if found != owner:
        raise VaultError(_ANOTHERS.format(found), field=_FIELD)


def _demand_unused(conn: Connection, owner: str) -> None:
    found = conn.execute(select(about_table.c.value).where(about_table.c.name == _OWNER)).scalar_one_or_none()
    demand_owner(found, owner)
    if conn.execute(select(key_table.c.slot).limit(1)).first() is not None:
        raise VaultError("there is a key store already; it is never replaced", field=_FIELD)


def demand_no_log(conn: Connection) -> None:
    """Raises VaultError where the log's own tables are here, too."""
    if inspect(conn).has_table("auditlog_entry"):
        raise VaultError(_NOT_APART, field=_FIELD)


def among(slots: Iterable[int]) -> ColumnElement[bool]:
    """The condition on `slot`."""
    return key_table.c.slot == func.any(bindparam("slots", list(slots), type_=postgresql.ARRAY(BigInteger)))


def parts(slots: Sequence[int]) -> Iterator[Sequence[int]]:
    """So many at a time as one statement takes."""
    for low in range(0, len(slots), _AT_ONCE):
        yield slots[low : low + _AT_ONCE]


@contextmanager
def database_errors() -> Iterator[None]:
    """What the database says, as VaultError: never its own words, which may quote a key."""
    try:
        yield
    except SQLAlchemyError as error:
        if getattr(getattr(error, "orig", None), "sqlstate", None) == _NO_TABLE:
            raise VaultError(MISSING, field=_FIELD) from error
        cause = outage_cause(error) or type(error).__name__
        raise VaultError(
            f"cannot be used now ({cause}): check that its server runs and has space", field=_FIELD
        ) from error


@contextmanager
def recording() -> Iterator[None]:
    """Without its key store an installation can record nothing."""
    try:
        yield
    except CannotRecord:
        raise
    except AuditLogError as error:
        full = error.__cause__ is not None and outage_cause(error.__cause__) == "disk_full"
        raise CannotRecord(str(error), cause="disk_full" if full else "key_store") from error
