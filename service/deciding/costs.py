"""Usage as it is recorded, and what it costs: tokens and times from the runtime, energy with its method, the tariff.

All prices and costs are whole millionths of the currency. Two costs are told apart:

*Marginal*: what one more result adds to the bill. It stands in the record.
    request + input × (prompt − cached) + cached × cached + output × output tokens, per million tokens each,
    + device_hour × the result's share of the device's time (`busy_us`; where that is not known, `total_us`).
    `cached` counts where the tariff has a price for it; else those tokens cost as others do. Each of the two sums, of
    tokens and of time, is rounded half up once.

*Full*: what a month costs, however little is asked. It is a figure over many records, so it stands in none.
    max(minimum, the sum of marginal costs) + month + the system's share of what its device costs while it rests.
    A device that is there at all hours rests for device_hour × hours − what its systems' marginal costs have of it (all
    that is neither request nor tokens). Systems with the same host (kind and place) and price share one device, and
    divide that by what each has of it, so that their costs sum to the device's. A GPU that is rented by the second
    costs nothing while it rests. A result's part of the full cost is full / results, rounded half up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from auditlog.core.formats.canonical import Json
from registry.parts.money import Tariff
from registry.system import AISystem
from runtime.capture import Usage
from runtime.engine.usage import shares

MILLION: Final = 1_000_000
HOUR_US: Final = 3_600 * MILLION
BY_THE_SECOND: Final = frozenset({"serverless_gpu"})
"""Kinds of host (`registry.parts.hosting.HOSTS`) that cost nothing while nothing is asked."""


def usage(system: AISystem, measured: Usage) -> dict[str, Json]:
    """The `usage` value of a record: tokens, µs, µJ with method, cost in millionths with the tariff's date.

    An energy of method `estimated` comes from the watts that the system's host declares.
    """
    tariff = system.tariff
    more = {"busy_us": measured.busy_us, "cached_tokens": measured.cached_tokens}
    return {
        "prompt_tokens": measured.prompt_tokens,
        "output_tokens": measured.output_tokens,
        "queue_us": measured.queue_us,
        "first_us": measured.first_us,
        "total_us": measured.total_us,
        "energy_uj": measured.energy_uj,
        "energy_method": measured.energy_method,
        "cost_millionths": cost_millionths(tariff, measured) if tariff else None,
        "currency": tariff.currency if tariff else None,
        "tariff_valid_from": tariff.valid_from.isoformat() if tariff and tariff.valid_from else None,
        **{name: value for name, value in more.items() if value is not None},
    }


def cost_millionths(tariff: Tariff, measured: Usage) -> int:
    """Marginal cost of one result, as above."""
    parts = tariff.components
    cached = 0 if parts.cached is None else min(measured.cached_tokens or 0, measured.prompt_tokens)
    tokens = (measured.prompt_tokens - cached) * (parts.input or 0) + cached * (parts.cached or 0)
    tokens += measured.output_tokens * (parts.output or 0)
    device = device_us(measured.busy_us, measured.total_us) * (parts.device_hour or 0)
    return (parts.request or 0) + _rounded(tokens, MILLION) + _rounded(device, HOUR_US)


def device_us(busy_us: int | None, total_us: int) -> int:
    """The device's time that a result is charged for, in µs."""
    return total_us if busy_us is None else busy_us


def per_token_us(measured: Mapping[str, Json]) -> int | None:
    """The time from one token to the next in a record's usage, in µs; None where there are not two of them."""
    first, total, tokens = (measured.get(name) for name in ("first_us", "total_us", "output_tokens"))
    if type(first) is not int or type(total) is not int or type(tokens) is not int or tokens < 2:
        return None
    return max(0, total - first) // (tokens - 1)


@dataclass(frozen=True, slots=True)
class FullCost:
    """What some results cost in all, in millionths of `currency`; the parts sum to `full`.

    `share` is the part of one result, rounded half up; None where there was none.
    """

    currency: str
    marginal: int
    minimum: int
    month: int
    idle: int
    full: int
    share: int | None


@dataclass(frozen=True, slots=True)
class Used:
    """What a system with a tariff used in one calendar month: its cells (`auditlog.core.counting.cells`), and how much
    of the month has passed while the tariff was valid, in µs."""

    system: AISystem
    tariff: Tariff
    cells: Mapping[str, int]
    us: int

    @property
    def marginal(self) -> int:
        """The sum of the marginal costs."""
        return self.cells.get(f"cost.{self.tariff.currency}", 0)

    @property
    def priced(self) -> int:
        """How many results have one."""
        return self.cells.get(f"records.cost.{self.tariff.currency}", 0)

    @property
    def device(self) -> int:
        """What of them is the device's."""
        parts = self.tariff.components
        tokens = self.cells.get("tokens.prompt", 0) * (parts.input or 0)
        tokens += self.cells.get("tokens.output", 0) * (parts.output or 0)
        return max(0, self.marginal - self.priced * (parts.request or 0) - _rounded(tokens, MILLION))

    @property
    def shares_with(self) -> tuple[str, str, str, int] | None:
        """What systems on one device have in common; None where nothing is paid while it rests."""
        host, price = self.system.host, self.tariff.components.device_hour
        if host is None or not price or host.kind in BY_THE_SECOND:
            return None
        return host.kind, host.place, self.tariff.currency, price


def full_costs(used: Sequence[Used]) -> dict[str, FullCost]:
    """Slug → the full cost of a system's results of one month, as above. `used`: all systems in use in it.

    In a result `minimum` is what is missing to the month's least amount, `idle` the share of a device at rest.
    """
    idle: dict[str, int] = {}
    devices: dict[tuple[str, str, str, int], list[Used]] = {}
    for one in used:
        if one.shares_with is not None:
            devices.setdefault(one.shares_with, []).append(one)
    for (*_, price), mine in devices.items():
        weights = [one.device for one in mine]
        resting = max(0, _rounded(max(one.us for one in mine) * price, HOUR_US) - sum(weights))
        parts = shares(resting, weights if any(weights) else [1] * len(mine))
        idle |= {one.system.slug: part for one, part in zip(mine, parts, strict=True)}
    return {one.system.slug: _full(one, idle.get(one.system.slug, 0)) for one in used}


def _full(one: Used, idle: int) -> FullCost:
    parts = one.tariff.components
    missing, month = max(0, (parts.minimum or 0) - one.marginal), parts.month or 0
    full = one.marginal + missing + month + idle
    share = _rounded(full, one.priced) if one.priced else None
    return FullCost(one.tariff.currency, one.marginal, missing, month, idle, full, share)


def _rounded(value: int, by: int) -> int:
    return (2 * value + by) // (2 * by)
