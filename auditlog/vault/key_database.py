"""The key store as a PostgreSQL database of its own, for several hosts over one log.

One row a key, under a random slot number of 47 bits, so that hosts need not agree and numbers tell no order. Keys are
made ready 64 at a time, in a committed transaction: no record waits for its own. `sync`, once a group, asks whether the
keys that were given out are (still) there, and writes again those that a fail-over to a replica lost. Erasing writes
zeros and then vacuums the table, so that the row's old version goes as well.

The database is replicated by streaming and never archived or dumped: a dump would hold keys that were erased. What
overwriting cannot reach (write-ahead log until it is recycled, replicas that are behind) is stated in `docs/trust.md`.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError

from auditlog.core.errors import Erased, VaultError
from auditlog.store.engine import reading, writing
from auditlog.store.key_rows import (
    KEK,
    READ,
    about_table,
    among,
    database_errors,
    demand_apart,
    demand_no_log,
    demand_owner,
    is_url,
    key_table,
    make_tables,
    open_store,
    parts,
    recording,
)
from auditlog.vault.key_encryption import KeyEncryptionKey, demand_kek, mask
from auditlog.vault.key_store import ERASED, KEY_SIZE, lacks

__all__ = ("AHEAD", "SLOT_BITS", "DatabaseKeys", "demand_apart", "is_url")

logger = logging.getLogger(__name__)

SLOT_BITS: Final = 47
AHEAD: Final = 64
_AT_ONCE: Final = 500
_FIELD: Final = "key_store"


class DatabaseKeys:
    """The open key store. Threads and processes may share it; close it at the end."""

    def __init__(
        self,
        url: str,
        owner: str,
        *,
        kek: KeyEncryptionKey | None = None,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """`owner`: the installation's name, which the store bears as well. Raises VaultError."""
        self._engine = open_store(url)
        self._owner = owner
        self._kek = kek
        self._random = random
        self._threads = threading.Lock()
        self._syncing = threading.Lock()
        self._ready: list[tuple[int, bytes]] = []
        self._unsynced: dict[int, bytes] = {}
        try:
            with database_errors(), reading(self._engine) as conn:
                self._demand_mine(conn)
                demand_no_log(conn)
        except BaseException:
            self._engine.dispose()
            raise

    @classmethod
    def create(cls, url: str, owner: str, *, kek: KeyEncryptionKey | None = None) -> None:
        """Make an empty key store in an empty database. One that holds keys, or is another's, is never touched."""
        engine = open_store(url)
        try:
            with database_errors(), writing(engine) as conn:
                make_tables(conn, owner, None if kek is None else kek.check())
        finally:
            engine.dispose()

    def close(self) -> None:
        """Take back the keys that were made ready and not used, and let go of the database."""
        with self._threads:
            ready, self._ready = self._ready, []
        try:
            if ready:
                with writing(self._engine) as conn:
                    conn.execute(delete(key_table).where(key_table.c.slot.in_([slot for slot, _ in ready])))
        except SQLAlchemyError:
            pass  # a key that no record uses harms nobody
        self._engine.dispose()

    def allocate(self) -> tuple[int, bytes]:
        """A new slot with its key, durable already. Raises CannotRecord."""
        with self._threads:
            if not self._ready:
                with recording(), database_errors():
                    self._ready = self._make(AHEAD)
            slot, key = self._ready.pop()
            self._unsynced[slot] = key
        return slot, key

    def sync(self) -> None:
        """Make sure that the keys given out since the last call are there. Raises CannotRecord."""
        # Who finds nothing waiting must not return before the one who took it is done.
        with self._syncing:
            with self._threads:
                waiting, self._unsynced = self._unsynced, {}
            if not waiting:
                return
            try:
                with recording(), database_errors(), writing(self._engine) as conn:
                    self._demand_mine(conn)
                    here = set(conn.execute(select(key_table.c.slot).where(among(waiting))).scalars())
                    self._insert(conn, [(slot, key) for slot, key in waiting.items() if slot not in here])
            except BaseException:
                with self._threads:
                    self._unsynced.update(waiting)
                raise

    def read(self, slot: int) -> bytes:
        """The key in a slot. Raises Erased for zeros, VaultError for a slot that the store does not have."""
        with database_errors(), self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            known = 0 <= slot < 1 << 63
            owner, check, content = conn.exec_driver_sql(READ, (slot if known else None,)).one()
        self._demand(owner, check)
        if content is None or len(content) != KEY_SIZE:
            raise VaultError(lacks(slot), field=_FIELD)
        if bytes(content) == ERASED:
            raise Erased("the content was erased; its entry and proof remain", field=f"slot {slot}")
        return mask(self._kek, slot, bytes(content))

    def overwrite(self, slots: Iterable[int]) -> None:
        """Erase: zeros into these slots, durable on return, and the old versions vacuumed. Raises VaultError."""
        slots = sorted(set(slots))
        if not slots:
            return
        with database_errors():
            with writing(self._engine) as conn:
                self._demand_mine(conn)
                self._demand_there(conn, slots)
                for some in parts(slots):
                    conn.execute(update(key_table).where(among(some)).values(content=ERASED))
            with self._threads:
                for slot in slots:
                    self._unsynced.pop(slot, None)
            self._vacuum()

    def erased(self) -> Iterator[int]:
        """The slots of zeros, in rising order. Raises VaultError."""
        statement = select(key_table.c.slot).where(key_table.c.content == ERASED).order_by(key_table.c.slot)
        with database_errors(), reading(self._engine) as conn:
            self._demand_mine(conn)
            yield from conn.execute(statement.execution_options(yield_per=_AT_ONCE)).scalars()

    def count(self) -> int:
        """How many slots there are: those erased and those made ready included."""
        with database_errors(), reading(self._engine) as conn:
            return conn.execute(select(func.count()).select_from(key_table)).scalar_one()

    def encrypt(self, new: KeyEncryptionKey) -> int:
        """Mask every slot anew, in one transaction; returns how many there are. Raises VaultError.

        Every program that has the store open must be started again, this one too.
        """
        with self._threads, database_errors(), writing(self._engine) as conn:
            conn.exec_driver_sql("LOCK TABLE greffier_key_store, greffier_key IN EXCLUSIVE MODE")
            self._demand_mine(conn)
            if self._kek is not None and self._kek.check() == new.check():
                raise VaultError("the key store is encrypted under this key already", field="key_encryption")
            count = self._mask_anew(conn, new)
            conn.execute(delete(about_table).where(about_table.c.name == KEK))
            conn.execute(insert(about_table), {"name": KEK, "value": new.check()})
        self._vacuum()
        return count

    def _mask_anew(self, conn: Connection, new: KeyEncryptionKey) -> int:
        columns = key_table.c
        change = update(key_table).where(columns.slot == bindparam("at")).values(content=bindparam("masked"))
        count, last = 0, -1
        while True:
            statement = select(columns.slot, columns.content).where(columns.slot > last)
            rows = conn.execute(statement.order_by(columns.slot).limit(_AT_ONCE)).all()
            if not rows:
                return count
            anew = [(slot, new.mask(slot, mask(self._kek, slot, bytes(content)))) for slot, content in rows]
            conn.execute(change, [{"at": slot, "masked": content} for slot, content in anew])
            count, last = count + len(rows), rows[-1].slot

    def _make(self, count: int) -> list[tuple[int, bytes]]:
        """So many keys, committed."""
        made: list[tuple[int, bytes]] = []
        with writing(self._engine) as conn:
            self._demand_mine(conn)
            while len(made) < count:
                drawn = [self._draw() for _ in range(count - len(made))]
                made += self._insert(conn, drawn)
        return made

    def _draw(self) -> tuple[int, bytes]:
        drawn = self._random(8 + KEY_SIZE)
        return int.from_bytes(drawn[:8], "big") >> (64 - SLOT_BITS), drawn[8:]

    def _insert(self, conn: Connection, keys: Sequence[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        """Those whose slot was free."""
        if not keys:
            return []
        rows = [{"slot": slot, "content": mask(self._kek, slot, key)} for slot, key in dict(keys).items()]
        statement = postgresql.insert(key_table).values(rows).on_conflict_do_nothing().returning(key_table.c.slot)
        taken = set(conn.execute(statement).scalars())
        return [(slot, key) for slot, key in dict(keys).items() if slot in taken]

    def _demand_mine(self, conn: Connection) -> None:
        """This is still the store that was opened, under the same key-encryption key."""
        owner, check, _content = conn.exec_driver_sql(READ, (None,)).one()
        self._demand(owner, check)

    def _demand(self, owner: str | None, check: str | None) -> None:
        demand_owner(owner, self._owner)
        demand_kek(self._kek, check)

    def _demand_there(self, conn: Connection, slots: Sequence[int]) -> None:
        for some in parts(slots):
            here = set(conn.execute(select(key_table.c.slot).where(among(some))).scalars())
            missing = [slot for slot in some if slot not in here]
            if missing:
                raise VaultError(lacks(missing[-1]), field=_FIELD)

    def _vacuum(self) -> None:
        """Versions that a reader still sees stay until the next time. The keys are gone for all who ask, either way."""
        try:
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
                conn.exec_driver_sql("VACUUM greffier_key")
        except SQLAlchemyError:
            logger.warning("the key store could not be vacuumed: the next erasure does it")
