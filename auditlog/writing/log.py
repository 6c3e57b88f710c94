"""The log's writer: one thread that commits whatever waited while the last group committed (group commit, no timer).

A caller hands in a `Unit` and gets an `Integrated` once its entries are durable, sequenced, covered by a signed
checkpoint, and the guard stands there. Several processes take turns on one database; indices stay dense.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from auditlog.core.entries.record import Entry
from auditlog.core.errors import AuditLogError, CannotRecord, Frozen, GuardError
from auditlog.core.formats.checkpoint import Checkpoint, sign_checkpoint
from auditlog.core.formats.merkle import EMPTY_ROOT
from auditlog.core.formats.note import Signer
from auditlog.store.engine import cannot_record, reading
from auditlog.store.log import Head, lock_log, read_head, write_head, write_tiles
from auditlog.store.logs import closed_at
from auditlog.writing.group import (
    FREEZE,
    ROTATION,
    RowsFailed,
    UnitFailed,
    Waiting,
    apply_rows,
    holds,
    reject_taken,
    report_failure,
    sequence,
    tell,
    until_freeze,
)
from auditlog.writing.guard import Guard
from auditlog.writing.head import EMPTY_TIP, Tip, check_prefix, read_tip
from auditlog.writing.intake import Intake
from auditlog.writing.signing import SigningKeys
from auditlog.writing.ticket import Gate, Ticket, settle
from auditlog.writing.unit import Check, Integrated, LogState, OnCommitted, Paths, Published, Sequenced, Unit

__all__ = ("Check", "Clock", "Integrated", "Log", "LogState", "OutageEntry", "Published", "Sequenced", "Unit")

Clock = Callable[[], datetime]
OutageEntry = Callable[[str, datetime, datetime], Entry]


class Log:
    """One log on one database. `start()` before the first append, `close()` at the end.

    `before_commit` is called once a group (the key store syncs there); `outage_entry(cause, began, ended)` builds the
    `outage/1` entry; `trace` is told each numbered point of a commit and exists for crash tests. `told` hears what each
    integrated group added, before its callers do. While the log cannot record it tries again with every group, and
    every `retry_seconds` without one.
    """

    def __init__(
        self,
        engine: Engine,
        keys: SigningKeys,
        guard: Guard,
        *,
        outage_entry: OutageEntry,
        clock: Clock,
        number: int = 1,
        before_commit: Callable[[], None] = lambda: None,
        queue_limit: int = 4096,
        retry_seconds: float = 1.0,
        trace: Callable[[int], None] = lambda _: None,
        told: OnCommitted = lambda _counted, _entries: None,
    ) -> None:
        self.origin = keys.origin
        self.number = number
        self._engine = engine
        self._keys = keys
        self._signers: tuple[Signer, ...] = ()
        self._guard = guard
        self._before_commit = before_commit
        self._outage_entry = outage_entry
        self._clock = clock
        self._intake = Intake(queue_limit)
        self._retry_seconds = retry_seconds
        self._trace = trace
        self._told = told
        self._over: Frozen | None = None
        self._thread: threading.Thread | None = None
        self._connection: Connection | None = None
        self._tip: Tip = EMPTY_TIP
        self._guarded: tuple[int, bytes] = (0, EMPTY_ROOT)
        self._state = LogState(False, None, None, 0, EMPTY_ROOT)

    def start(self) -> None:
        """Check database and guard against each other, then start the writer.

        Raises GuardError when the database lies below the guard or differs from it, CannotRecord when it cannot be
        read. Either way nothing was signed.
        """
        try:
            tip = self._check_start()
        except (SQLAlchemyError, AuditLogError) as error:
            failure = cannot_record(error)
            # What was read and holds can be looked at, though nothing may be added to it.
            tip = self._tip
            self._state = LogState(False, failure.cause, self._clock(), tip.size, tip.root)
            raise failure from error
        self._guarded = (tip.size, tip.root)
        self._state = LogState(True, None, None, tip.size, tip.root)
        self._intake.open()
        self._thread = threading.Thread(target=self._run, name="greffier-log", daemon=True)
        self._thread.start()

    def append(self, unit: Unit) -> Ticket[Integrated]:
        """Queue a unit, from any thread or event loop. Its ticket (`result()`, or `await` in coroutines) yields
        Integrated, or raises CannotRecord, or what the unit's `apply` raised.

        After CannotRecord the entries may still stand in the log (the commit's answer was lost), but nobody was told.
        Raises CannotRecord at once, cause "busy" or "closed" (neither is an outage), when the unit was not queued.
        """
        return self._intake.put(unit)

    def demand_room(self) -> None:
        """Raise CannotRecord, cause "busy", where a unit would not be queued now: to be asked before costly work."""
        self._intake.demand_room()

    def state(self) -> LogState:
        """The present state; never blocks."""
        return self._state

    def close(self) -> None:
        """Commit what waits, then end the writer. A second call does nothing."""
        self._intake.close()
        if self._thread is not None:
            self._thread.join()

    # --- the writer's thread --------------------------------------------------------------------------------------

    def _run(self) -> None:
        ended = False
        while not ended:
            group, gate, ended = self._intake.take(None if self._state.recording else self._retry_seconds)
            try:
                self._record(group)
            finally:
                gate.open()
        self._drop_connection()

    def _record(self, group: list[Waiting]) -> None:
        """Commit a group; units that fail on their own are told so, and the others are committed without them."""
        if self._over is None:
            group, late = until_freeze(group)
            self._record_all(group)
            group = late
        if group:
            self._fail(group, self._over or Frozen())

    def _record_all(self, group: list[Waiting]) -> None:
        singly = False
        while group or not self._state.recording:
            try:
                self._commit(group, singly=singly)
            except RowsFailed:
                singly = True
                continue
            except UnitFailed as failed:
                group = [waiting for waiting in group if waiting is not failed.waiting]
                settle([(failed.waiting.ticket, failed.error)])
                continue
            except IntegrityError as error:
                group, before = reject_taken(self._engine, group), group
                if len(group) < len(before):
                    continue
                self._fail(group, error)
            except Exception as error:
                self._fail(group, error)
                if isinstance(error, Frozen):
                    self._end(error)
            return

    def _commit(self, group: list[Waiting], *, singly: bool = False) -> None:
        """One group, from the queue to its callers. A crash at point …

        1 (nothing done) loses units that nobody was told about.
        2 (turn taken, head and guard checked) and 3 (entries inserted), 4 (rows and tiles written) the same: the
          database rolls back.
        5 (key store synced, checkpoint signed, head swapped, not committed) the same; the signature left no memory,
          and keys that no row names stay behind as unused slots.
        6 (committed) leaves durable entries above the guard that nobody was told about: `start` recomputes the root
          at the guard's size, then raises the guard.
        7 (guard raised) leaves integrated entries that nobody was told about: as if the answer was lost on its way.
        8 (outcomes set) loses nothing.
        """
        self._trace(1)
        if not self._state.recording:
            group = [self._outage(), *group]
        conn = self._connected()
        with conn.begin():
            lock_log(conn, self.number)
            tip = self._current_tip(conn)
            self._trace(2)
            growth = sequence(conn, group, tip, log=self.number, origin=self.origin)
            self._trace(3)
            counted = apply_rows(conn, group, singly=singly)
            write_tiles(conn, self.number, growth.tiles)
            self._trace(4)
            self._sync_keys()
            root = growth.root
            signers = self._keys.at(conn, growth.size) if holds(group, ROTATION) else self._signers
            head = Head(growth.size, sign_checkpoint(Checkpoint(self.origin, growth.size, root), signers))
            if not write_head(conn, self.number, head, old=tip.head):
                raise CannotRecord("another writer took this turn: try again", cause="database")
            self._trace(5)
        self._tip, self._signers = Tip(growth.size, root, growth.edge, head, growth.rows), signers
        self._trace(6)
        self._guard.raise_to(growth.size, root, prove=self._prove)
        self._guarded = (growth.size, root)
        self._trace(7)
        self._state = LogState(True, None, None, growth.size, root)
        tell(self._told, counted, group)
        paths = Paths(growth)
        settle([(w.ticket, Integrated(w.sequenced, head.note, growth.size, root, paths)) for w in group])
        if holds(group, FREEZE):
            self._end(Frozen())
        self._trace(8)

    # --- parts of the above ---------------------------------------------------------------------------------------

    def _check_start(self) -> Tip:
        # The guard is read first: it never leads the database, so a later snapshot can only be further.
        guarded: tuple[int, bytes] | None = None
        damaged: GuardError | None = None
        try:
            guarded = self._guard.require(self.origin) if self._guard.exists() else None
        except GuardError as error:
            damaged = error
        with reading(self._engine) as conn:
            self._tip = tip = read_tip(conn, self.number, self._keys.ring(conn), origin=self.origin)
            if damaged is not None:
                raise damaged
            if guarded is None:
                if tip.size == 0:
                    self._guard.create(self.origin)
                guarded = self._guard.require(self.origin)
            check_prefix(conn, self.number, tip, *guarded)
            if closed_at(conn, self.number) is not None:
                raise Frozen
            self._signers = self._keys.at(conn, tip.size)
        # A crash between commit and guard left the database ahead: the guard follows before anything is served.
        self._guard.raise_to(tip.size, tip.root, prove=self._prove)
        return tip

    def _current_tip(self, conn: Connection) -> Tip:
        """The tip under the lock; read anew, and held against what was known, when another process moved it."""
        tip = self._tip
        moved = read_head(conn, self.number) != tip.head
        # Asked each time: where its end is a loss that another process stated, the head stands as it was.
        if closed_at(conn, self.number) is not None:
            raise Frozen
        if moved:
            tip = read_tip(conn, self.number, self._keys.ring(conn), origin=self.origin)
            self._signers = self._keys.at(conn, tip.size)
            check_prefix(conn, self.number, tip, self._tip.size, self._tip.root)
        guarded = self._guard.require(self.origin)
        if guarded not in (self._guarded, (tip.size, tip.root)):
            check_prefix(conn, self.number, tip, *guarded)
        self._guarded = guarded
        return tip

    def _prove(self, size: int, root: bytes) -> None:
        """Raise GuardError unless the line that `raise_to` finds is of this database's tree.

        It may have moved since the group looked: by another process here, or by one on a copy of the database.
        """
        if (size, root) != self._guarded:
            with reading(self._engine) as conn:
                tip = read_tip(conn, self.number, self._keys.ring(conn), origin=self.origin)
                check_prefix(conn, self.number, tip, size, root)

    def _end(self, reason: Frozen) -> None:
        """Nothing may follow: take no more units, and tell those that wait."""
        state = self._state
        if self._intake.close(reason):
            self._over = reason
        self._state = LogState(False, reason.cause, self._clock(), state.size, state.root)

    def _sync_keys(self) -> None:
        try:
            self._before_commit()
        except (OSError, AuditLogError) as error:
            raise CannotRecord(f"the key store cannot be written: {error}", cause="key_store") from error

    def _outage(self) -> Waiting:
        state = self._state
        now = self._clock()
        entry = self._outage_entry(state.cause or "unknown", state.since or now, now)
        return Waiting(Unit((entry,)), len(entry.data), Ticket(Gate()))

    def _fail(self, group: list[Waiting], error: Exception) -> None:
        """Nobody of this group is served; the state says why, from the first failure on."""
        failure = cannot_record(error)
        report_failure(failure, error)
        state = self._state
        if state.recording or state.cause is None:
            self._state = LogState(False, failure.cause, self._clock(), state.size, state.root)
        self._drop_connection()
        settle([(waiting.ticket, failure) for waiting in group])

    def _connected(self) -> Connection:
        """The writer's own connection, kept between groups: taking one from the pool costs more than a small group."""
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(writing=True)
        return self._connection

    def _drop_connection(self) -> None:
        conn, self._connection = self._connection, None
        if conn is not None:
            conn.invalidate()
            conn.close()
