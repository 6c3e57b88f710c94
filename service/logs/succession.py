"""The end of one log and the beginning of the next: for a new year, for new keys, or after a loss (DESIGN §4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from auditlog.core.errors import CannotRecord, Frozen, GuardError
from auditlog.core.formats.checkpoint import open_checkpoint
from auditlog.core.formats.keyring import KeyRing, LogKey
from auditlog.peers.ask_witnesses import RolledBack
from auditlog.store import log as log_store
from auditlog.store import logs as logs_store
from auditlog.writing.log import Sequenced, Unit
from home import policy_file
from home.errors import Refused
from home.greffier import Greffier
from service.figures import tallies

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOSS = "loss"


@dataclass(frozen=True, slots=True)
class Ended:
    """A log that ended: what the genesis of its successor states. `lost` is None where its last entry froze it."""

    number: int
    origin: str
    size: int
    root: bytes
    lost: int | None
    stored: int


def announce(g: Greffier) -> str:
    """Make the keys of the next log ahead, into `log.vkey` and policy file, so that witnesses can be told. Idempotent.

    Returns the next log's origin.
    """
    origin = g.settings.origin_of(g.log.number + 1)
    ring = g.keys
    if origin not in ring.origins:
        vkeys = g.key_folder.prepare(origin, ring.vkeys)
        g.key_folder.write_ring(KeyRing((*ring.keys, *map(LogKey, vkeys))))
        policy_file.tidy(g)
    return origin


def end(g: Greffier, reason: str) -> Ended:
    """Freeze the log in force, or take note of its loss; a log that is frozen already is taken as it is.

    `reason` is a `freeze/1` code, or "loss": then the guard must say that the database is not what was vouched for.
    Raises Refused where the reason does not fit, CannotRecord where the log cannot be read or written.
    """
    _demand_no_successor(g)
    ended: Ended | None = None
    if isinstance(g.problem, Frozen):
        ended = _stored(g, lost=None)
    elif reason == LOSS:
        ended = _lost(g)
    elif g.problem is not None:
        raise g.problem
    announce(g)  # the next log's keys stand before this one is closed; a refusal has made none
    return ended or _freeze(g, reason)


def _demand_no_successor(g: Greffier) -> None:
    """A guard that vouches for the successor's entries outlived them: this database is from before the succession."""
    line = g.guard_of(g.log.number + 1).read_line()
    if line is not None and line.size > 0:
        raise Refused(
            f"{line.origin} was begun already, and this database is from before that: bring both logs back by "
            "`greffier log import`, from exports or mirrors of them",
            reason="successor_lost",
            field="log",
        )


def _freeze(g: Greffier, reason: str) -> Ended:
    tallies.tally_pending(g)  # a tally says which part of its own log it counts
    freeze = g.make("freeze/1", reason=reason, successor=g.settings.origin_of(g.log.number + 1))

    def rows(conn: Connection, sequenced: tuple[Sequenced, ...]) -> None:
        logs_store.close_log(conn, g.log.number, sequenced[0].index + 1)

    frozen = g.log.append(Unit((freeze,), rows)).result()
    return Ended(g.log.number, g.log.origin, frozen.size, frozen.root, None, frozen.size)


def begin(g: Greffier, ended: Ended, software: str) -> None:
    """The first entry of the successor, on an installation that was opened for it."""
    predecessor = {"origin": ended.origin, "size": ended.size, "root": ended.root.hex()}
    genesis = g.make(
        "genesis/1",
        origin=g.log.origin,
        log=g.log.number,
        software=software,
        predecessor=predecessor,
        lost=ended.lost,
    )

    def rows(conn: Connection, _sequenced: tuple[Sequenced, ...]) -> None:
        if ended.lost is not None:
            _demand_end(conn, ended)
            logs_store.close_log(conn, ended.number, ended.stored)
        logs_store.insert_log(conn, g.log.number, g.log.origin)

    g.log.append(Unit((genesis,), rows)).result()


def _demand_end(conn: Connection, ended: Ended) -> None:
    """Another host, whose guard is well, may have gone on with the log: with the turn to write it nobody can."""
    log_store.lock_log(conn, ended.number)
    head = log_store.read_head(conn, ended.number)
    if head is None or head.size != ended.stored:
        raise CannotRecord("grew meanwhile: stop the other programs, then try again", cause="database", field="log")


def _stored(g: Greffier, *, lost: int | None) -> Ended:
    with g.reading() as conn:
        head = log_store.read_head(conn, g.log.number)
    if head is None:
        raise CannotRecord("holds no signed head: restore it from a good backup", cause="database", field="database")
    checkpoint = open_checkpoint(head.note, g.keys, origin=g.log.origin).checkpoint
    return Ended(g.log.number, g.log.origin, checkpoint.size, checkpoint.root, lost, checkpoint.size)


def _lost(g: Greffier) -> Ended:
    """What was vouched for and is not here. Without a guard nobody can say: then no entry is known to be lost."""
    if not isinstance(g.problem, GuardError):
        raise g.problem or Refused(
            "nothing is lost: the database is what the guard vouches for", reason="not_lost", field="reason"
        )
    stored = _stored(g, lost=0)
    shown = g.problem if isinstance(g.problem, RolledBack) else None
    if shown is not None and g.guard.exists():
        # The guard was rolled back as well: what the witness shows takes its place, and nobody goes on with this log.
        g.guard.raise_to(shown.size, shown.root)
    if not g.guard.exists():
        return stored
    size, root = g.guard.require(g.log.origin)
    # Above a shorter database lies what was cut off; a database that differs holds nothing that was vouched for.
    lost = size - stored.size if stored.size < size else size
    return Ended(g.log.number, g.log.origin, size, root, lost, stored.size)
