"""What an operator watches: per system what was used and how fast, per device how busy it is, and the log's state.

Two sums stand side by side. `process` is what this process has recorded since it began: `/metrics` tells the same
numbers. `records` is the sum over all records of a calendar month (UTC), whoever wrote them, erased ones included. No
figure is by outcome, and none names a record.
"""

from __future__ import annotations

import calendar
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from app.actions import costs
from app.actions import log as log_action
from app.actions.costs import FullCost
from app.actions.devices import Runtime, runtime
from app.errors import UsageError
from app.home import Greffier
from app.telemetry import BOUNDS_MS, TIMES, Snapshot, Times
from auditlog import figures
from auditlog.figures import Cells
from auditlog.store import amounts as store
from auditlog.store.amounts import Place, Timings
from registry.store import systems as register_store
from registry.store.systems import Registered
from registry.system import AISystem

CELLS: Final = (
    *("decisions", "tokens.prompt", "tokens.output", "records.tokens", "refusals"),
    *("energy.", "records.energy.", "cost.", "records.cost.", "refusals."),
)
"""Cells that are summed over records (see `auditlog.store.amounts`)."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """What some records used. Cost in millionths by currency, energy in µJ by method, refusals and unfinished decisions
    by reason; `energy.not_measured` and `cost.unknown` stand in `without`, as numbers of records."""

    decisions: int
    prompt_tokens: int
    output_tokens: int
    cost_millionths: dict[str, int]
    energy_uj: dict[str, int]
    without: dict[str, int]
    refused: dict[str, int]
    unfinished: dict[str, int]


@dataclass(frozen=True, slots=True)
class VersionAmounts:
    """The amounts of one version and mode; both None for requests that were refused before one was known."""

    version: int | None
    mode: str | None
    amounts: Amounts


@dataclass(frozen=True, slots=True)
class Latency:
    """Times of this process: number, sum in µs, numbers by upper end of their bucket in ms (`longer`: above all)."""

    count: int
    sum_us: int
    buckets_ms: dict[str, int]


@dataclass(frozen=True, slots=True)
class Process:
    """What this process recorded of one system. `missed`: answers that took longer than the target, if there is one."""

    amounts: Amounts
    versions: tuple[VersionAmounts, ...]
    times: dict[str, Latency]
    missed: int | None


@dataclass(frozen=True, slots=True)
class Records:
    """The sum over the records of the month. `times` are those of records that were not erased; `full`: see `costs`."""

    amounts: Amounts
    versions: tuple[VersionAmounts, ...]
    times: Timings
    full: FullCost | None


@dataclass(frozen=True, slots=True)
class SystemOperations:
    """One system of the register, or (`system` empty) requests that named none of it."""

    system: str
    state: str | None
    version: int | None
    target_ms: int | None
    process: Process
    records: Records


@dataclass(frozen=True, slots=True)
class LogOperations:
    """As `/health` has it, with the size."""

    recording: bool
    cause: str | None
    since: str | None
    size: int


@dataclass(frozen=True, slots=True)
class Operations:
    """All of it. `month`: YYYY-MM; `since`: when this process began; `now`: when this was read, both UTC."""

    month: str
    since: str | None
    now: str
    log: LogOperations
    runtime: Runtime
    systems: tuple[SystemOperations, ...] = field(default=())


def operations(g: Greffier, month: str | None = None, *, systems: Collection[str] | None = None) -> Operations:
    """Everything, or some systems alone. `month`: YYYY-MM, by default the present one. Raises UsageError for none."""
    now = g.clock()
    first, until = period(month or f"{now:%Y-%m}")
    snapshot = g.telemetry.snapshot()
    with g.reading() as conn:
        registered = {one.system.slug: one for one in register_store.list_systems(conn)}
        summed = store.amounts(conn, first, until, CELLS)
        ended = store.unfinished(conn, first, until)
        slugs = {*registered, *(place[0] for place in (*summed, *snapshot.cells, *snapshot.unfinished))}
        chosen = sorted(slugs if systems is None else slugs & set(systems))
        times = {
            slug: store.timings(conn, slug, first, until, target_us=_target_us(registered, slug)) for slug in chosen
        }
    found = tuple(
        SystemOperations(
            slug,
            one.state if one else None,
            one.running_version if one else None,
            one.system.target_latency_ms if one else None,
            _process(snapshot, slug, one.system.target_latency_ms if one else None),
            _records(
                one.system if one else None,
                {place: cells for place, cells in summed.items() if place[0] == slug},
                {reason: number for (of, reason), number in ended.items() if of == slug},
                times[slug],
                _passed(one, first, until, now),
            ),
        )
        for slug in chosen
        for one in [registered.get(slug)]
    )
    health = log_action.health(g)
    log = LogOperations(health.recording, health.cause, health.since, health.size)
    since = None if snapshot.since is None else _second(snapshot.since)
    return Operations(first[:7], since, _second(now), log, runtime(g), found)


def targets(g: Greffier) -> dict[str, int]:
    """Slug → target latency in ms, of the systems that have one."""
    with g.reading() as conn:
        systems = [one.system for one in register_store.list_systems(conn)]
    return {one.slug: one.target_latency_ms for one in systems if one.target_latency_ms is not None}


def period(month: str) -> tuple[str, str]:
    """The first day of a month, and the first of the next one. Raises UsageError for what is no month."""
    try:
        first = datetime.strptime(f"{month}-01", "%Y-%m-%d").replace(tzinfo=UTC)
        after = first + timedelta(days=calendar.monthrange(first.year, first.month)[1])
    except (ValueError, OverflowError):
        raise UsageError("must be a month, YYYY-MM", field="month") from None
    return f"{first:%Y-%m-%d}", f"{after:%Y-%m-%d}"


def _process(snapshot: Snapshot, slug: str, target_ms: int | None) -> Process:
    mine = {place: cells for place, cells in snapshot.cells.items() if place[0] == slug}
    ended: dict[str, int] = {}
    for (system, _, reason), number in snapshot.unfinished.items():
        if system == slug:
            ended[reason] = ended.get(reason, 0) + number
    times = {name: _latency(snapshot.times[slug, name]) for name in TIMES if (slug, name) in snapshot.times}
    missed = None if target_ms is None else snapshot.missed.get(slug, 0)
    return Process(_amounts(figures.add(mine.values()), ended), tuple(_versions(mine)), times, missed)


def _records(
    system: AISystem | None, mine: Mapping[Place, Cells], ended: dict[str, int], times: Timings, passed: int
) -> Records:
    cells = figures.add(mine.values())
    full = None
    if system is not None and system.tariff is not None:
        full = costs.full_cost(system.tariff, system.host.kind if system.host else None, cells, us=passed)
    return Records(_amounts(cells, ended), tuple(_versions(mine)), times, full)


def _versions(mine: Mapping[Place, Cells]) -> Iterable[VersionAmounts]:
    def order(place: Place) -> tuple[int, str]:
        return -1 if place[1] is None else place[1], place[2]

    for place in sorted(mine, key=order):
        yield VersionAmounts(place[1], place[2] or None, _amounts(mine[place], {}))


def _amounts(cells: Cells, ended: dict[str, int]) -> Amounts:
    return Amounts(
        decisions=cells.get("decisions", 0),
        prompt_tokens=cells.get("tokens.prompt", 0),
        output_tokens=cells.get("tokens.output", 0),
        cost_millionths=_coded(cells, "cost.", but="unknown"),
        energy_uj=_coded(cells, "energy.", but="not_measured"),
        without={name: cells[name] for name in ("cost.unknown", "energy.not_measured") if name in cells},
        refused=_coded(cells, "refusals."),
        unfinished=dict(sorted(ended.items())),
    )


def _coded(cells: Cells, head: str, *, but: str = "") -> dict[str, int]:
    """Code → number of the cells that begin with `head`."""
    found = {name.removeprefix(head): number for name, number in sorted(cells.items()) if name.startswith(head)}
    found.pop(but, None)
    return found


def _latency(times: Times) -> Latency:
    names = [*(str(bound) for bound in BOUNDS_MS), "longer"]
    return Latency(times.count, times.sum_us, dict(zip(names, times.buckets, strict=True)))


def _target_us(registered: Mapping[str, Registered], slug: str) -> int | None:
    one = registered.get(slug)
    target = one.system.target_latency_ms if one else None
    return None if target is None else target * 1000


def _passed(one: Registered | None, first: str, until: str, now: datetime) -> int:
    """How much of a month has passed while the system's tariff was valid, in µs."""
    if one is None or one.system.tariff is None:
        return 0
    begin = max(_midnight(first), _midnight(one.system.tariff.valid_from.isoformat()))
    return max(0, (min(_midnight(until), now) - begin) // timedelta(microseconds=1))


def _midnight(day: str) -> datetime:
    return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)


def _second(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
