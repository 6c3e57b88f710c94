"""A month by other prices, worked out by hand; and what was to be expected of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from cli.demo.run import CASES
from registry.parts.money import Volume
from registry.system import AISystem, parse_system
from service.figures import tiers
from service.figures.tiers import Sums

pytestmark = pytest.mark.enable_socket

HOUR_US = 3_600_000_000
NOW = datetime(2026, 11, 16, tzinfo=UTC)  # half of November has passed
MONTH_US = 30 * 24 * HOUR_US
TODAY = date(2026, 11, 1)


def system() -> AISystem:
    return parse_system(json.loads((CASES / "tax-question-reply.json").read_bytes())["system"])


def cost(sums: Sums, *, by_the_second: bool = True, us: int = MONTH_US, **prices: int) -> Any:
    return tiers.on_tier(system(), sums, tiers.priced("EUR", TODAY, prices, by_the_second=by_the_second), us)


SUMS = Sums(results=1000, prompt_tokens=2_000_000, output_tokens=500_000, device_us=HOUR_US, device_known=True)


def test_tokens_requests_and_the_months_minimum() -> None:
    found = cost(SUMS, input=150_000, output=600_000, request=200, minimum=25_000_000)
    # € 0.30 read, € 0.30 written, € 0.20 for requests; the rest to € 25.
    assert (found.marginal, found.minimum, found.full) == (800_000, 24_200_000, 25_000_000)
    assert found.share == 25_000


def test_a_fixed_amount_comes_on_top() -> None:
    found = cost(SUMS, input=150_000, month=10_000_000)
    assert (found.marginal, found.month, found.full) == (300_000, 10_000_000, 10_300_000)


def test_a_device_costs_its_time_by_the_second_and_every_hour_where_it_stays() -> None:
    assert cost(SUMS, device_hour=180_000).full == 180_000
    found = cost(SUMS, device_hour=180_000, by_the_second=False)
    assert found.full == 720 * 180_000
    assert (found.marginal, found.idle) == (180_000, 719 * 180_000)


def test_of_the_present_month_only_what_has_passed() -> None:
    assert cost(SUMS, device_hour=180_000, by_the_second=False, us=MONTH_US // 2).full == 360 * 180_000


def test_a_month_without_results_costs_what_is_fixed() -> None:
    nothing = Sums(0, 0, 0, 0, device_known=False)
    assert cost(nothing, input=150_000, request=200).full == 0
    found = cost(nothing, minimum=25_000_000)
    assert (found.full, found.share) == (25_000_000, None)


@pytest.mark.parametrize(
    ("count", "per", "month", "so_far"),
    [
        (300, "month", 300, 150),
        (10, "day", 300, 150),
        (70, "week", 300, 150),
        (3650, "year", 300, 150),
        (0, "day", 0, 0),
        (1, "year", 0, 0),
    ],
)
def test_what_was_expected_of_a_month_and_until_now(count: int, per: str, month: int, so_far: int) -> None:
    found = tiers.expected(Volume(count=count, per=per), "2026-11", NOW)
    assert (found.month, found.so_far) == (month, so_far)


def test_a_month_that_is_over_is_whole_and_one_that_comes_has_none() -> None:
    volume = Volume(count=366, per="year")
    assert tiers.expected(volume, "2028-02", datetime(2028, 3, 5, tzinfo=UTC)).so_far == 29
    assert tiers.expected(volume, "2028-02", NOW).so_far == 0


def test_the_tariff_in_force_gives_what_the_records_say(portal: Any, portals: Any) -> None:
    found = tiers.compare(portal.g, portals.HELD_SYSTEM)
    assert found.now is not None
    assert found.sums.results >= 1
    assert found.sums.device_known
    assert found.system.tariff is not None
    us = tiers._passed_us(tiers.period(f"{portal.g.clock():%Y-%m}"), portal.g.clock())
    same = tiers.on_tier(found.system, found.sums, tiers.Tier(None, found.system.tariff, found.system.host), us)
    assert abs(same.marginal - found.now.marginal) <= found.sums.results / 2 + 1


def test_tiers_of_others_come_once_and_the_cheapest_first(portal: Any, portals: Any) -> None:
    prices = [tiers.priced("EUR", TODAY, {"month": amount}, by_the_second=True) for amount in (1, 10**9)]
    for tier in prices:
        found = tiers.compare(portal.g, portals.SYSTEM, prices=tier)
        full = [one.cost.full for one in found.others]
        assert full == sorted(full)
        assert [one.tier.system for one in found.others].count(None) == 1
        mine = replace(found.system.tariff).components if found.system.tariff else None
        assert all(one.tier.tariff.components != mine for one in found.others)
