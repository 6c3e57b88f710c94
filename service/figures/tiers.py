"""The same month on another tier: what a system's results of a month would have cost by other prices, and whether as
many came as were expected.

It is counted from sums (tokens, results, time of the device), not from records, so that it tells nothing of anybody. Of
each result the cost is rounded; of a sum it is rounded once: for the tariff in force the two differ by less than half a
millionth a result. Tokens that a provider had kept (`cached`) are in no sum: they count at the full price, which is the
most that it could have been.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from auditlog.core.counting import figures
from auditlog.store import amounts as store
from home.greffier import Greffier
from registry.errors import UnknownSystem
from registry.parts.hosting import Host
from registry.parts.money import Tariff, TariffComponents, Volume
from registry.store import systems as register_store
from registry.system import AISystem
from service.deciding import costs
from service.deciding.costs import HOUR_US, MILLION, FullCost, Used
from service.figures.operations import CELLS, period

if TYPE_CHECKING:
    from sqlalchemy import Connection

TIERS: Final = 20
_DAYS: Final[Mapping[str, int]] = {"day": 1, "week": 7}


@dataclass(frozen=True, slots=True)
class Sums:
    """What a system used in a month. `device_us`: the device's time; `device_known`: it is what the results were
    charged for, else the sum of their times from beginning to end, which is more where some ran side by side."""

    results: int
    prompt_tokens: int
    output_tokens: int
    device_us: int
    device_known: bool


@dataclass(frozen=True, slots=True)
class Tier:
    """Prices to compare with: those of a system of the register, or (`system` None) others. `alone`: a device that is
    there at all hours is paid for whole."""

    system: AISystem | None
    tariff: Tariff
    host: Host | None


@dataclass(frozen=True, slots=True)
class OnTier:
    """What the month would have cost there, in millionths."""

    tier: Tier
    cost: FullCost


@dataclass(frozen=True, slots=True)
class Compared:
    """A system's month as it was (None: it has no tariff), and on other tiers, the cheapest first."""

    system: AISystem
    sums: Sums
    now: FullCost | None
    others: tuple[OnTier, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """How many results a month was to have, in all and until now, rounded half up."""

    month: int
    so_far: int


def compare(g: Greffier, slug: str, month: str | None = None, *, prices: Tier | None = None) -> Compared:
    """The month on the tiers of other systems (at most 20 different ones) and by given prices. It is as if the system
    were alone there. Raises UnknownSystem; UsageError for what is no month."""
    now = g.clock()
    days = period(f"{now:%Y-%m}" if month is None else month)
    with g.reading() as conn:
        registered = {one.system.slug: one.system for one in register_store.list_systems(conn)}
        if slug not in registered:
            raise UnknownSystem("no system of this name in the register", field="slug")
        system = registered.pop(slug)
        cells = _cells(conn, slug, days)
        total_us = store.timings(conn, slug, *days, target_us=None).total_us
    us = _passed_us(days, now)
    sums = _sums(system, cells, total_us, us)
    tiers = _tiers(system, registered.values()) + ([] if prices is None else [prices])
    others = [OnTier(tier, on_tier(system, sums, tier, us)) for tier in tiers]
    present = None
    if system.tariff is not None:
        present = costs.full_costs([Used(system, system.tariff, cells, us)])[slug]
    return Compared(system, sums, present, tuple(sorted(others, key=lambda one: one.cost.full)))


def on_tier(system: AISystem, sums: Sums, tier: Tier, us: int) -> FullCost:
    """The full cost of a month's sums by other prices. `us`: how much of the month has passed."""
    parts, currency = tier.tariff.components, tier.tariff.currency
    tokens = sums.prompt_tokens * (parts.input or 0) + sums.output_tokens * (parts.output or 0)
    marginal = sums.results * (parts.request or 0) + _rounded(tokens, MILLION)
    marginal += _rounded(sums.device_us * (parts.device_hour or 0), HOUR_US)
    cells = {
        "tokens.prompt": sums.prompt_tokens,
        "tokens.output": sums.output_tokens,
        f"cost.{currency}": marginal,
        f"records.cost.{currency}": sums.results,
    }
    there = replace(system, host=tier.host, tariff=tier.tariff)
    return costs.full_costs([Used(there, tier.tariff, cells, us)])[system.slug]


def priced(currency: str, today: date, prices: Mapping[str, int], *, by_the_second: bool) -> Tier:
    """A tier of these prices in millionths, by the names of `TariffComponents`; the rest costs nothing."""
    names = ("input", "output", "cached", "request", "minimum", "month", "device_hour")
    components = TariffComponents(**{name: prices.get(name) for name in names})
    host = Host(kind="serverless_gpu" if by_the_second else "in_house", place="–", declared_watts=None)
    return Tier(None, Tariff(currency=currency, valid_from=today, components=components), host)


def expected(volume: Volume, month: str, now: datetime) -> Expected:
    """Of a month (YYYY-MM, UTC); a month that has not begun has none so far."""
    first, until = (_midnight(day) for day in period(month))
    days = (until - first).days
    if volume.per == "month":
        each, of = volume.count, 1
    elif volume.per == "year":
        each, of = volume.count * days, 366 if calendar.isleap(first.year) else 365
    else:
        each, of = volume.count * days, _DAYS[volume.per]
    passed = min(max(now - first, timedelta()), until - first) // timedelta(seconds=1)
    return Expected(_rounded(each, of), _rounded(each * passed, of * days * 86_400))


def _tiers(system: AISystem, others: Iterable[AISystem]) -> list[Tier]:
    """Of other systems, each set of prices once, in the order of their names."""
    found: dict[tuple[TariffComponents, str, str], Tier] = {}
    mine = None if system.tariff is None else system.tariff.components
    for other in sorted(others, key=lambda one: one.slug):
        if other.tariff is None or other.tariff.components == mine:
            continue
        place = (other.tariff.components, other.tariff.currency, other.host.kind if other.host else "")
        found.setdefault(place, Tier(other, other.tariff, other.host))
    return [*found.values()][:TIERS]


def _cells(conn: Connection, slug: str, days: tuple[str, str]) -> figures.Cells:
    return figures.add(cells for place, cells in store.amounts(conn, *days, CELLS).items() if place[0] == slug)


def _sums(system: AISystem, cells: Mapping[str, int], total_us: int, us: int) -> Sums:
    tariff = system.tariff
    price = None if tariff is None else tariff.components.device_hour
    known = tariff is not None and bool(price)
    device_us = total_us
    if tariff is not None and price:
        device_us = _rounded(Used(system, tariff, cells, us).device * HOUR_US, price)
    return Sums(
        results=cells.get("decisions", 0),
        prompt_tokens=cells.get("tokens.prompt", 0),
        output_tokens=cells.get("tokens.output", 0),
        device_us=device_us,
        device_known=known,
    )


def _passed_us(days: tuple[str, str], now: datetime) -> int:
    return max(timedelta(), min(_midnight(days[1]), now) - _midnight(days[0])) // timedelta(microseconds=1)


def _midnight(day: str) -> datetime:
    return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)


def _rounded(value: int, by: int) -> int:
    return (2 * value + by) // (2 * by)
