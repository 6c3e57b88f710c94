"""The tables of what opens an account: password, second factor, recovery codes. No backup has them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    LargeBinary,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from accounts.api_key_table import format_time, metadata, parse_time

secret_table: Final = Table(
    "access_secret",
    metadata,
    Column("account", String(13), ForeignKey("access_account.id", name="fk_access_secret_account"), primary_key=True),
    Column("password", Text, nullable=True),
    Column("totp", LargeBinary, nullable=True),
    Column("totp_step", BigInteger, nullable=False),
    Column("setup", LargeBinary, nullable=True),
    Column("setup_until", String(20), nullable=True),
)
recovery_table: Final = Table(
    "access_recovery",
    metadata,
    Column("account", String(13), ForeignKey("access_account.id", name="fk_access_recovery_account"), primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
)


@dataclass(frozen=True, slots=True)
class Secret:
    """What an account has. `password`: its hash; `totp`: the sealed shared secret, whose codes count from the half
    minute after `totp_step` on; `setup`: the digest of the code for the first sign-in, good until `setup_until`."""

    password: str | None = field(default=None, repr=False)
    totp: bytes | None = field(default=None, repr=False)
    totp_step: int = 0
    setup: bytes | None = field(default=None, repr=False)
    setup_until: datetime | None = None


NONE: Final = Secret()


def read_secret(conn: Connection, account: str) -> Secret:
    """What an account has, `NONE` where it has nothing."""
    row = conn.execute(select(secret_table).where(secret_table.c.account == account)).one_or_none()
    if row is None:
        return NONE
    return Secret(
        password=row.password,
        totp=None if row.totp is None else bytes(row.totp),
        totp_step=row.totp_step,
        setup=None if row.setup is None else bytes(row.setup),
        setup_until=None if row.setup_until is None else parse_time(row.setup_until),
    )


def begin(conn: Connection, account: str, setup: bytes, until: datetime) -> None:
    """Take away all that opened the account; from now on the set-up code is the only thing that does."""
    end(conn, account)
    conn.execute(insert(secret_table).values(account=account, totp_step=0, setup=setup, setup_until=format_time(until)))


def end(conn: Connection, account: str) -> None:
    """Nothing opens the account any more."""
    conn.execute(delete(recovery_table).where(recovery_table.c.account == account))
    conn.execute(delete(secret_table).where(secret_table.c.account == account))


def change(conn: Connection, account: str, **values: Any) -> None:
    """Replace some columns."""
    conn.execute(update(secret_table).where(secret_table.c.account == account).values(**values))


def use_step(conn: Connection, account: str, step: int) -> bool:
    """Use the code of a half minute up; False where it, or a later one, was used before."""
    unused = (secret_table.c.account == account) & (secret_table.c.totp_step < step)
    return conn.execute(update(secret_table).where(unused).values(totp_step=step)).rowcount == 1


def use_recovery(conn: Connection, account: str, digest: bytes) -> bool:
    """Use a recovery code up; False where there is no such code, or it was used before."""
    columns = recovery_table.c
    found = conn.execute(delete(recovery_table).where(columns.account == account, columns.digest == digest))
    return found.rowcount == 1


def replace_recovery(conn: Connection, account: str, digests: Iterable[bytes]) -> None:
    """A new set of recovery codes; the old ones are gone."""
    conn.execute(delete(recovery_table).where(recovery_table.c.account == account))
    conn.execute(insert(recovery_table), [{"account": account, "digest": digest} for digest in digests])


def count_recovery(conn: Connection, account: str) -> int:
    """How many recovery codes are left."""
    where = recovery_table.c.account == account
    return int(conn.execute(select(func.count()).select_from(recovery_table).where(where)).scalar_one())
