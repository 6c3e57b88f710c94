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

from auditlog.core.counting import figures
from auditlog.core.counting.figures import Cells
from auditlog.store import amounts as store
from auditlog.store.amounts import Place, Timings
from home import health
from home.errors import UsageError
from home.greffier import Greffier
from home.telemetry import BOUNDS_MS, TIMES, Snapshot, Times
from registry.lifecycle import MODES
from registry.parts.money import Tariff
from registry.store import systems as register_store
from registry.store.systems import Registered
from service.deciding import costs
from service.deciding.costs import FullCost
from service.figures.devices import Runtime, runtime

IN_USE: Final = frozenset(MODES) | {"suspended"}
"""States of a system whose device is paid for."""
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


@dataclass(frozen=True, slots=True)
class _Sums:
    """What the database says of a month."""

    registered: Mapping[str, Registered]
    amounts: Mapping[Place, Cells]
    unfinished: Mapping[tuple[str, str], int]
    full: Mapping[str, FullCost]
    times: Mapping[str, Timings]


def operations(g: Greffier, month: str | None = None, *, systems: Collection[str] | None = None) -> Operations:
    """Everything, or some systems alone. `month`: YYYY-MM, by default the present one. Raises UsageError for none."""
    now = g.clock()
    days = period(f"{now:%Y-%m}" if month is None else month)
    snapshot = g.telemetry.snapshot()
    sums = _sums(g, snapshot, days, systems, now)
    state = health.health(g)
    return Operations(
        month=days[0][:7],
        since=None if snapshot.since is None else _second(snapshot.since),
        now=_second(now),
        log=LogOperations(state.recording, state.cause, state.since, state.size),
        runtime=runtime(g),
        systems=tuple(_system(slug, snapshot, sums) for slug in sorted(sums.times)),
    )


def _sums(
    g: Greffier, snapshot: Snapshot, days: tuple[str, str], systems: Collection[str] | None, now: datetime
) -> _Sums:
    with g.reading() as conn:
        registered = {one.system.slug: one for one in register_store.list_systems(conn)}
        amounts = store.amounts(conn, *days, CELLS)
        unfinished = store.unfinished(conn, *days)
        slugs = {*registered, *(place[0] for place in amounts), *(place[0] for place in unfinished)}
        slugs |= {*(place[0] for place in snapshot.cells), *(place[0] for place in snapshot.unfinished)}
        times = {}
        for slug in slugs if systems is None else slugs & set(systems):
            target = _target_ms(registered.get(slug))
            times[slug] = store.timings(conn, slug, *days, target_us=None if target is None else target * 1000)
    return _Sums(registered, amounts, unfinished, _full_costs(registered.values(), amounts, days, now), times)


def _system(slug: str, snapshot: Snapshot, sums: _Sums) -> SystemOperations:
    one, mine = sums.registered.get(slug), _of(sums.amounts, slug)
    ended = {reason: number for (of, reason), number in sums.unfinished.items() if of == slug}
    return SystemOperations(
        system=slug,
        state=one.state if one else None,
        version=one.running_version if one else None,
        target_ms=_target_ms(one),
        process=_process(snapshot, slug, _target_ms(one)),
        records=Records(
            _amounts(figures.add(mine.values()), ended), tuple(_versions(mine)), sums.times[slug], sums.full.get(slug)
        ),
    )


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
        raise UsageError("must be a month, such as 2026-11", field="month") from None
    return first.date().isoformat(), after.date().isoformat()


def _process(snapshot: Snapshot, slug: str, target_ms: int | None) -> Process:
    mine = _of(snapshot.cells, slug)
    ended: dict[str, int] = {}
    for (system, _, reason), number in snapshot.unfinished.items():
        if system == slug:
            ended[reason] = ended.get(reason, 0) + number
    times = {name: _latency(snapshot.times[slug, name]) for name in TIMES if (slug, name) in snapshot.times}
    missed = None if target_ms is None else snapshot.missed.get(slug, 0)
    return Process(_amounts(figures.add(mine.values()), ended), tuple(_versions(mine)), times, missed)


def _of(summed: Mapping[Place, Cells], slug: str) -> dict[Place, Cells]:
    return {place: cells for place, cells in summed.items() if place[0] == slug}


def _full_costs(
    systems: Iterable[Registered], summed: Mapping[Place, Cells], days: tuple[str, str], now: datetime
) -> dict[str, FullCost]:
    used = []
    for one in systems:
        tariff, cells = one.system.tariff, figures.add(_of(summed, one.system.slug).values())
        if tariff is not None and (one.state in IN_USE or "decisions" in cells):
            used.append(costs.Used(one.system, tariff, cells, _passed(tariff, days, now)))
    return costs.full_costs(used)


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


def _target_ms(one: Registered | None) -> int | None:
    return one.system.target_latency_ms if one else None


def _passed(tariff: Tariff, days: tuple[str, str], now: datetime) -> int:
    """How much of a month has passed while a tariff was valid, in µs."""
    begin = max(_midnight(days[0]), _midnight(tariff.valid_from.isoformat()))
    return max(0, (min(_midnight(days[1]), now) - begin) // timedelta(microseconds=1))


def _midnight(day: str) -> datetime:
    return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)


def _second(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
