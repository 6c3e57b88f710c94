"""Usage as it is recorded, and what it costs: tokens and times from the runtime, energy with its method, the tariff.

All prices and costs are whole millionths of the currency. Two costs are told apart:

*Marginal*: what one more result adds to the bill. It stands in the record.
    request + input × (prompt − cached) + cached × cached + output × output tokens, per million tokens each,
    + device_hour × the result's share of the device's time (`busy_us`; where that is not known, `total_us`).
    `cached` counts where the tariff has a price for it; else those tokens cost as others do. Each of the two sums, of
    tokens and of time, is rounded half up once.

*Full*: what a month costs, however little is asked. It is a figure over many records, so it stands in none.
    max(minimum, the sum of marginal costs) + month + idle,
    idle = max(0, device_hour × hours − what of the sum of marginal costs is neither request nor tokens), for a device
    that is there at all hours; a GPU that is rented by the second costs nothing while it rests. A result's part of it
    is full / results, rounded half up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from auditlog.canonical import Json
from registry.system import AISystem, Tariff
from runtime.capture import Usage

MILLION: Final = 1_000_000
HOUR_US: Final = 3_600 * MILLION
BY_THE_SECOND: Final = frozenset({"serverless_gpu"})
"""Kinds of host (`registry.system.HOSTS`) that cost nothing while nothing is asked."""


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


def full_cost(tariff: Tariff, host: str | None, summed: Mapping[str, int], *, us: int) -> FullCost:
    """The full cost of the results of one calendar month, as above.

    `summed`: their cells (`auditlog.cells`); `us`: how much of the month has passed while the tariff was valid, in µs.
    In the result `minimum` is what is missing to the month's least amount.
    """
    parts = tariff.components
    priced = summed.get(f"records.cost.{tariff.currency}", 0)
    marginal = summed.get(f"cost.{tariff.currency}", 0)
    tokens = summed.get("tokens.prompt", 0) * (parts.input or 0) + summed.get("tokens.output", 0) * (parts.output or 0)
    device = max(0, marginal - priced * (parts.request or 0) - _rounded(tokens, MILLION))
    missing = max(0, (parts.minimum or 0) - marginal)
    idle = 0 if host in BY_THE_SECOND else max(0, _rounded(us * (parts.device_hour or 0), HOUR_US) - device)
    month = parts.month or 0
    full = marginal + missing + month + idle
    share = _rounded(full, priced) if priced else None
    return FullCost(tariff.currency, marginal, missing, month, idle, full, share)


def _rounded(value: int, by: int) -> int:
    return (2 * value + by) // (2 * by)
