"""The public view of the log: a checkpoint that moves on at a set pace and meets the policy, and the tiles below it.

Publishing every checkpoint would show to the second when a decision was made, so the public one is replaced at a pace.
`advance` alone replaces it; everything else here only reads. Recording never waits for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from auditlog.core.checking.sample import cosigned_at
from auditlog.core.entries.record import parse_entry
from auditlog.core.errors import AuditLogError, FormatError, NotFound, SignatureError
from auditlog.core.formats.keyring import KeyRing
from auditlog.core.formats.merkle import prove_consistency
from auditlog.core.formats.policy import CLOCK_SKEW, Policy, cosigned_by, fresh_until
from auditlog.core.formats.tiles import (
    TILE_HEIGHT,
    TILE_WIDTH,
    Tile,
    format_entries_path,
    format_entry_bundle,
    format_tile_path,
)
from auditlog.peers.cosign import Cosigner, Gathered
from auditlog.store.engine import cannot_record
from auditlog.store.log import (
    Head,
    lock_log,
    read_entries,
    read_head,
    read_tile,
    reader,
    reading,
    write_head,
    writing,
)
from auditlog.store.samples import keep_checkpoint
from auditlog.writing.guard import Guard

DEFAULT_PACE = 60.0
DEFAULT_REPUBLISH = 3600.0
NO_WITNESSES = Policy(KeyRing(()))
_UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class PublicState:
    """How far the public view is: entries published and integrated, and whether the policy is met.

    `fresh`: the newest time (POSIX seconds) that a quorum of cosignatures reaches, None without one. `since`: from when
    on this process tries in vain. `missing`: which witnesses did not cosign when it last tried, and why; `refuted`:
    those that hold another tree, or a larger one.
    """

    published: int
    integrated: int
    met: bool
    fresh: int | None
    since: datetime | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    refuted: tuple[str, ...] = ()


class Publisher:
    """Serves log `number` from the database. `pace`: seconds between two public checkpoints of this process.

    `republish`: seconds after which a quiet log asks for fresh cosignatures. Without `cosigner` no witness is asked.
    `monotonic` gives seconds. A process that starts waits a whole pace before it replaces a checkpoint that is public
    already: otherwise a restart would show the moment's size.
    """

    def __init__(
        self,
        engine: Engine,
        number: int = 1,
        pace: float = DEFAULT_PACE,
        *,
        guard: Guard,
        cosigner: Cosigner | None = None,
        republish: float = DEFAULT_REPUBLISH,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._number = number
        self._pace = pace
        self._guard = guard
        self._cosigner = cosigner
        self._republish = republish
        self._monotonic = monotonic
        self._clock = clock
        self._changed = monotonic()
        self._size: int | None = _UNKNOWN
        self._since: datetime | None = None
        self._last: Gathered | None = None
        self._lock = threading.Lock()

    # --- reading ------------------------------------------------------------------------------------------------------

    def checkpoint(self) -> bytes:
        """The public checkpoint's note. Raises NotFound while there is none."""
        published = self._published()
        if published is None:
            raise NotFound("nothing is published yet", field="checkpoint")
        return published.note

    def tile(self, tile: Tile) -> bytes:
        """The hashes of a tile within the public tree. Raises NotFound (then a client asks for the full tile)."""
        size = self._public_size()
        self._require(size >> TILE_HEIGHT * tile.level, tile.index, tile.width, format_tile_path(tile))
        with reading(self._engine) as conn:
            return read_tile(conn, self._number, tile.level, tile.index, tile.width)

    def entries(self, index: int, width: int) -> bytes:
        """The entry bundle `index` of `width` entries within the public tree. Raises NotFound."""
        self._require(self._public_size(), index, width, format_entries_path(index, width))
        start = index * TILE_WIDTH
        with reading(self._engine) as conn:
            return format_entry_bundle(read_entries(conn, self._number, start, start + width))

    def state(self) -> PublicState:
        """How far the public view is. Raises FormatError for a policy that cannot be read."""
        policy = self.policy()
        with reading(self._engine) as conn:
            published = read_head(conn, self._number, "published")
            integrated = read_head(conn, self._number)
        times = self._times(policy, published)
        last = self._last
        return PublicState(
            published=0 if published is None else published.size,
            integrated=0 if integrated is None else integrated.size,
            met=published is not None and policy.met_by(times),
            fresh=fresh_until(policy, times),
            since=self._since,
            missing=last.missing if last else {},
            refuted=last.refuted if last else (),
        )

    def ended(self) -> bool:
        """Whether the log was closed: nothing follows, so its last cosignatures need not be fresh."""
        return self._heads()[2]

    # --- replacing ----------------------------------------------------------------------------------------------------

    def advance(self, *, at_once: bool = False) -> bool:
        """Replace the public checkpoint when it is time and the policy is met; whether it was replaced.

        It is time when the log has grown and the pace allows (`at_once` does not ask it, nor does a frozen log wait),
        and when a quiet log's cosignatures are old or no quorum by the present policy. Without a quorum in time the old
        one stays, and `state` says so. Raises FormatError for a policy that cannot be read.
        """
        with self._lock:
            policy = self.policy()
            published, integrated, frozen = self._heads()
            self._note_change(published)
            due = self._due(policy, published, integrated, frozen=frozen, at_once=at_once)
            if due is None:
                return False
            largest = due.size if integrated is None else integrated.size
            self._last = found = self._gather(policy, due, published, largest)
            replaced = found.met and self._replace(published, Head(due.size, found.note), policy)
            if replaced or (found.met and not found.missing):
                self._since = None
            elif self._since is None:
                self._since = self._clock()
            return replaced

    def _due(
        self, policy: Policy, published: Head | None, integrated: Head | None, *, frozen: bool, at_once: bool
    ) -> Head | None:
        """The checkpoint to publish now, or None."""
        if integrated is None or published is None:
            return integrated
        if integrated.size > published.size:
            if at_once or frozen or self._monotonic() - self._changed >= self._pace:
                return integrated
        elif integrated.size < published.size:
            return None  # a database that was cut: the log says so, and nothing of it is made public
        if policy.quorum is None:
            return None
        fresh = fresh_until(policy, self._times(policy, published))
        if fresh is None:
            return published
        # Nobody waits for news of a log that has ended: its last cosignatures say all there is to say.
        return published if not frozen and self._clock().timestamp() - fresh >= self._republish else None

    def _gather(self, policy: Policy, head: Head, published: Head | None, largest: int) -> Gathered:
        if policy.quorum is None or self._cosigner is None:
            return Gathered(head.note, met=policy.quorum is None)

        def prove(old: int) -> Sequence[bytes]:
            try:
                with reading(self._engine) as conn:
                    return prove_consistency(old, head.size, reader(conn, self._number, head.size))
            except SQLAlchemyError as error:
                raise cannot_record(error) from error

        before = None if published is None else published.note
        return self._cosigner.gather(policy, head.note, head.size, prove, before=before, largest=largest)

    def _replace(self, published: Head | None, head: Head, policy: Policy) -> bool:
        """Put `head` in the place of `published`, unless another process was first, or nothing would be better."""
        if published is not None and head.size == published.size:
            fresh, before = (fresh_until(policy, self._times(policy, one)) for one in (head, published))
            if policy.quorum is not None and before is not None and (fresh is None or fresh <= before):
                return False
        try:
            with writing(self._engine) as conn:
                lock_log(conn, self._number)
                if read_head(conn, self._number, "published") != published:
                    return False
                write_head(conn, self._number, head, old=published, name="published")
                keep_checkpoint(conn, self._number, head, cosigned_at(policy, self._times(policy, head)))
        except SQLAlchemyError:
            # A database that cannot be written must not take the public log offline: the old checkpoint stays true.
            if published is None:
                raise
            return False
        self._note_change(head)
        return True

    def _note_change(self, published: Head | None) -> None:
        """The pace counts from the last change, whichever process made it."""
        size = None if published is None else published.size
        if self._size not in {_UNKNOWN, size}:
            self._changed = self._monotonic()
        self._size = size

    # --- what there is ------------------------------------------------------------------------------------------------

    def policy(self) -> Policy:
        """What is demanded now. Raises FormatError, or what reading it raises."""
        return NO_WITNESSES if self._cosigner is None else self._cosigner.policy()

    def _times(self, policy: Policy, head: Head | None) -> dict[str, int]:
        """Witness name → time of its cosignature; none where one of them does not verify, so that it is gathered anew.

        A time in the future counts for nothing, as with verifiers: else one wrong clock would end all refreshing.
        """
        latest = self._clock().timestamp() + CLOCK_SKEW
        try:
            times = {} if head is None else cosigned_by(policy, head.note)
        except (FormatError, SignatureError):
            return {}
        return {name: time for name, time in times.items() if time <= latest}

    def _heads(self) -> tuple[Head | None, Head | None, bool]:
        """The published head, the integrated one (None when it stands above the guard), and whether the log ended."""
        with reading(self._engine) as conn:
            published = read_head(conn, self._number, "published")
            integrated = read_head(conn, self._number)
            frozen = integrated is not None and _is_frozen(conn, self._number, integrated.size)
        guarded = self._guard.read()
        if integrated is None or guarded is None or integrated.size > guarded[0]:
            return published, None, False
        return published, integrated, frozen

    def _published(self) -> Head | None:
        with reading(self._engine) as conn:
            return read_head(conn, self._number, "published")

    def _public_size(self) -> int:
        published = self._published()
        return 0 if published is None else published.size

    def _require(self, count: int, index: int, width: int, path: str) -> None:
        """Raise NotFound unless the public tree, `count` hashes wide at this level, has a tile of this width here.

        At the right edge every width up to the present one is served: earlier checkpoints needed them, and which
        those were is not kept. Once a tile is full, clients take the full one (tlog-tiles allows both).
        """
        full, rest = divmod(count, TILE_WIDTH)
        there = index < full if width == TILE_WIDTH else index == full and width <= rest
        if not there:
            raise NotFound("is not part of the public tree", field=path)


def _is_frozen(conn: Connection, number: int, size: int) -> bool:
    """Whether the last entry ends the log: nothing may follow a `freeze/1`."""
    try:
        return size > 0 and parse_entry(read_entries(conn, number, size - 1, size)[0]).kind == "freeze/1"
    except AuditLogError:
        return False
