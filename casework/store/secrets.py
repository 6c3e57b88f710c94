"""Digests of access and tracking codes, and how many wrong ones were tried. Functions take a connection.

Digests are keyed by the caller, so that nobody can try codes against a copy of the database.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from casework.store.tables import code_table, request_table, tracking_table, try_table


def put_code(conn: Connection, record: str, digest: bytes) -> None:
    """The access code of a record; it takes the place of an earlier one."""
    conn.execute(delete(code_table).where(code_table.c.record == record))
    conn.execute(insert(code_table).values(record=record, digest=digest))


def find_code(conn: Connection, record: str) -> bytes | None:
    """The digest of a record's access code; None where it has none."""
    found = conn.execute(select(code_table.c.digest).where(code_table.c.record == record)).scalar_one_or_none()
    return None if found is None else bytes(found)


def insert_tracking(conn: Connection, request: str, digest: bytes) -> None:
    """The tracking code of a new request."""
    conn.execute(insert(tracking_table).values(request=request, digest=digest))


def find_tracking(conn: Connection, digest: bytes) -> tuple[str, bytes] | None:
    """The request that a digest belongs to, and the digest as it is kept; None for one that opens nothing."""
    columns = tracking_table.c
    row = conn.execute(select(columns.request, columns.digest).where(columns.digest == digest)).one_or_none()
    return None if row is None else (row.request, bytes(row.digest))


def drop_without_request(conn: Connection) -> int:
    """Delete tracking codes whose request is not there; returns how many there were."""
    gone = tracking_table.c.request.not_in(select(request_table.c.id))
    return conn.execute(delete(tracking_table).where(gone)).rowcount


def records_with_code(conn: Connection) -> list[str]:
    """The records that have an access code."""
    return [*conn.execute(select(code_table.c.record).order_by(code_table.c.record)).scalars()]


def delete_codes(conn: Connection, records: Iterable[str]) -> None:
    """Withdraw the access codes of these records."""
    for record in records:
        conn.execute(delete(code_table).where(code_table.c.record == record))


def count_try(conn: Connection, bucket: bytes, *, now: int, window: int) -> tuple[int, int]:
    """Count one try in a bucket; returns how many it has now, and in how many seconds it begins anew.

    `now`: seconds since 1970; a bucket counts for `window` seconds from its first try. Buckets that ended go.
    """
    columns = try_table.c
    conn.execute(delete(try_table).where(columns.since <= now - window))
    raised = update(try_table).where(columns.bucket == bucket).values(count=columns.count + 1)
    if not conn.execute(raised).rowcount:
        try:
            with conn.begin_nested():
                conn.execute(insert(try_table).values(bucket=bucket, since=now, count=1))
        except IntegrityError:  # another try at this moment was the first one
            conn.execute(raised)
        else:
            return 1, window
    number, since = conn.execute(select(columns.count, columns.since).where(columns.bucket == bucket)).one()
    return number, max(1, since + window - now)


def take_back_try(conn: Connection, bucket: bytes) -> None:
    """The right code was given: it counts as no try."""
    columns = try_table.c
    conn.execute(update(try_table).where(columns.bucket == bucket, columns.count > 0).values(count=columns.count - 1))
