"""Decisions to be run again, drawn so that anyone who has the log can draw them again.

The population are the decisions of a system (or of all) made on real people among the first `size` entries of the log;
the order of the draw is that of `auditlog.core.checking.sample.draw` under the seed

    SHA-256("greffier/1/replay" 0x00 || root || day || 0x00 || slug)

with the root of these entries, the day (UTC, YYYY-MM-DD) and the system's slug, empty for all. Each night the last one
of these entries is the last that bears an earlier day: nobody picks it. Those whose content was erased (the log has
their tombstone) or may not be used (GDPR 18) are passed over, and the next ones taken.

Whoever writes the log could write it until the draw suits him; a sample that he cannot bend is `greffier sample`.
"""

from __future__ import annotations

import logging
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Final

from auditlog.core.checking import sample as rule
from auditlog.core.errors import AuditLogError, CannotRecord, Erased
from auditlog.core.formats.merkle import tree_root
from auditlog.store import log as log_store
from auditlog.store import record_events as about_store
from auditlog.store.replays import REPLAY
from home.errors import AppError, UsageError
from home.greffier import Greffier
from registry.store import systems as register_store
from runtime.errors import RuntimeFault
from service.records import reading
from service.records.accesses import Reader
from service.records.blind_review import is_due
from service.replaying import replay
from service.replaying.order import PURPOSE, How, Wait, patient
from service.replaying.replay import Verdict

logger = logging.getLogger(__name__)

PROGRAM: Final = Reader("program", None)
FOR_A_SAMPLE: Final = How(cause="sample")
MAX_COUNT: Final = 10_000
# So many are looked at for each one that is wanted, before the night is given up on a system.
_PASSED_OVER: Final = 50
_SALT: Final = b"greffier/1/replay\0"
_TIME: Final = b'"time":"'


@dataclass(frozen=True, slots=True)
class SamplingFrame:
    """From what was drawn: the first `size` entries of log `log`, with this root (hex), for `day`, a system or all."""

    log: int
    size: int
    root: str
    day: str
    system: str | None
    population: int


@dataclass(frozen=True, slots=True)
class Sampled:
    """Decisions that were run again, in the order of the draw; `erased` and `restricted` ones were passed over."""

    drawn: SamplingFrame
    erased: int
    restricted: int
    verdicts: tuple[Verdict, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Verdict → how many."""
        found: dict[str, int] = {}
        for one in self.verdicts:
            found[one.verdict] = found.get(one.verdict, 0) + 1
        return found


def seed_of(root: bytes, day: str, system: str | None) -> bytes:
    """The seed of a draw: see above. Pure."""
    return sha256(_SALT + root + day.encode() + b"\0" + (system or "").encode()).digest()


def sample(
    g: Greffier,
    reader: Reader,
    count: int,
    *,
    system: str | None = None,
    how: How = FOR_A_SAMPLE,
    told: Callable[[Verdict], None] = lambda _: None,
) -> Sampled:
    """Run `count` decisions of a system, or of all, again: drawn from what the log holds now.

    Raises UsageError where there are none to draw from, UnknownSystem, and as `replay.replay`.
    """
    drawn, ids = draw(g, count, system)
    wait, verdicts, erased, restricted = patient(g), list[Verdict](), 0, 0
    for id_ in ids:
        if len(verdicts) == count:
            break
        if _is_erased(g, id_):
            erased += 1
        elif reading.withheld(g, reader, PURPOSE, [id_]) or is_due(g, reader, id_):
            restricted += 1
        else:
            verdicts.append(replay.replay(g, reader, id_, how, wait))
            told(verdicts[-1])
    return Sampled(drawn, erased, restricted, tuple(verdicts))


def draw(g: Greffier, count: int, system: str | None) -> tuple[SamplingFrame, Iterator[str]]:
    """From the whole log as it is now: the ids of its decisions in the order of the draw, enough to leave some out."""
    if not 1 <= count <= MAX_COUNT:
        raise UsageError(f"must be 1 to {MAX_COUNT}", field="--sample")
    with g.reading() as conn:
        if system is not None:
            register_store.read_system(conn, system)
        _, checkpoint = reading.head(g, conn)
        indices = rule.population(log_store.iterate_entries(conn, g.log.number, 0, checkpoint.size), system)
    if not indices:
        raise UsageError("no decision made on real people (live or pilot) to draw from", field="--system")
    drawn = SamplingFrame(
        g.log.number, checkpoint.size, checkpoint.root.hex(), g.clock().date().isoformat(), system, len(indices)
    )
    return drawn, _ids(g, drawn, indices, count)


def nightly(g: Greffier, day: date, wait: Wait, *, running: Callable[[], bool] = lambda: True) -> list[Verdict]:
    """The day's replays: `replay_daily` decisions of each system that runs models here, of the entries before `day`.

    What was replayed for the day already (before a restart) counts. Stops where `running` says no more. A system that a
    rule refuses is told to the operator. Raises CannotRecord.
    """
    made: list[Verdict] = []
    wanted = g.settings.replay_daily
    systems = _systems(g) if wanted else []
    if not systems:
        return made
    size, root, populations = _before(g, day, systems)
    for system in systems:
        indices = populations[system]
        if not indices or not running():
            continue
        drawn = SamplingFrame(g.log.number, size, root, day.isoformat(), system, len(indices))
        try:
            for one in _night_of(g, _ids(g, drawn, indices, wanted), wanted, day, wait):
                made.append(one)
                if not running():
                    break
        except CannotRecord:
            raise
        except (AppError, AuditLogError, RuntimeFault) as error:
            # Errors name fields and fixes, never what a record holds.
            logger.warning("replays of %s were given up for today: %s", system, error)
    return made


def _night_of(g: Greffier, ids: Iterable[str], wanted: int, day: date, wait: Wait) -> Iterator[Verdict]:
    done = 0
    for id_ in ids:
        if done == wanted:
            return
        if _is_erased(g, id_) or reading.withheld(g, PROGRAM, PURPOSE, [id_]):
            continue
        done += 1
        if not _done_today(g, id_, day):
            yield replay.judge(g, id_, _own_reading(g, id_), How(cause="daily"), wait)


def _own_reading(g: Greffier, id_: str) -> replay.Read:
    """The program compares, and writes a verdict that says nothing of the content: nobody is given any."""

    def read() -> reading.Record:
        for record in reading.recount(g, [id_]):
            return record
        raise Erased("the content was erased; its entry and proof remain", field="id")

    return read


def _done_today(g: Greffier, id_: str, day: date) -> bool:
    with g.reading() as conn:
        rows = about_store.find_about(conn, id_, REPLAY)
    return any(row.action == "daily" and row.minute >= day.isoformat() for row in rows)


def _is_erased(g: Greffier, id_: str) -> bool:
    try:
        reading.find_live(g, id_)
    except Erased:
        return True
    return False


def _systems(g: Greffier) -> list[str]:
    """Those that had a version with a model of its own, in the order of their slugs."""
    with g.reading() as conn:
        return [
            one.system.slug
            for one in register_store.list_systems(conn)
            if any(version.model for version in register_store.list_versions(conn, one.system.slug))
        ]


def _before(g: Greffier, day: date, systems: Iterable[str]) -> tuple[int, str, dict[str, array[int]]]:
    """Size and root (hex) of the log up to its last entry of an earlier day, and the populations in it."""
    number = g.log.number
    found = {system: array("Q") for system in systems}
    size = 0

    def watched() -> Iterator[tuple[int, bytes]]:
        nonlocal size
        for index, data in log_store.iterate_entries(conn, number):
            if day_of(data) < day.isoformat():
                size = index + 1
            yield index, data

    with g.reading() as conn:
        for index, one in rule.sampled(watched(), None):
            if one.system in found:
                found[one.system].append(index)
        root = tree_root(size, log_store.reader(conn, number, size)) if size else b""
    return size, root.hex(), {system: indices[: bisect_left(indices, size)] for system, indices in found.items()}


def day_of(data: bytes) -> str:
    """The day (YYYY-MM-DD) of an entry, from its canonical bytes: no other member of that name comes after. Pure."""
    at = data.rfind(_TIME) + len(_TIME)
    return data[at : at + 10].decode("ascii", "replace")


def _ids(g: Greffier, drawn: SamplingFrame, indices: array[int], count: int) -> Iterator[str]:
    seed = seed_of(bytes.fromhex(drawn.root), drawn.day, drawn.system)
    order = rule.draw(seed, indices, min(len(indices), count * _PASSED_OVER))
    for index in order:
        with g.reading() as conn:
            yield reading.entry_at(conn, drawn.log, index).id
