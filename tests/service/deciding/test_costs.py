"""What a result costs, and a month: the formulae of `service.deciding.costs`."""

from __future__ import annotations

import dataclasses
import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.demo.run import CASES
from registry.parts.money import Tariff, TariffComponents
from registry.system import AISystem, parse_system
from runtime.capture import Usage
from service.deciding import costs

HOUR = costs.HOUR_US


def tariff(**components: int) -> Tariff:
    named = dict.fromkeys(one.name for one in dataclasses.fields(TariffComponents)) | components
    return Tariff(currency="EUR", valid_from=date(2026, 1, 1), components=TariffComponents(**named))


def usage(prompt: int = 1000, output: int = 100, total_us: int = 2_000_000, **more: Any) -> Usage:
    return Usage(prompt, output, 10, 20, total_us, None, "not_measured", **more)


@pytest.fixture(scope="module")
def system() -> AISystem:
    return parse_system(json.loads((CASES / "social-loan-check.json").read_bytes())["system"])


@pytest.mark.parametrize(
    ("components", "more", "expected"),
    [
        ({"input": 150_000, "output": 600_000, "request": 200}, {}, 200 + 150 + 60),
        ({"input": 150_000, "cached": 15_000}, {"cached_tokens": 800}, 30 + 12),
        ({"input": 150_000}, {"cached_tokens": 800}, 150),
        ({"input": 150_000, "cached": 15_000}, {"cached_tokens": 5000}, 15),
        ({"device_hour": 180_000}, {}, 100),
        ({"device_hour": 180_000}, {"busy_us": 500_000}, 25),
        ({"minimum": 25_000_000, "month": 5_000_000}, {}, 0),
        ({"input": 500}, {}, 1),  # 0.5 is rounded up
    ],
)
def test_the_marginal_cost(components: dict[str, int], more: dict[str, int], expected: int) -> None:
    assert costs.cost_millionths(tariff(**components), usage(**more)) == expected


def test_what_is_not_known_is_no_member_of_a_record(system: AISystem) -> None:
    plain = costs.usage(system, usage())
    assert "busy_us" not in plain
    known = costs.usage(system, usage(busy_us=5, cached_tokens=7))
    assert known == plain | {"busy_us": 5, "cached_tokens": 7, "cost_millionths": known["cost_millionths"]}


def test_the_time_between_tokens() -> None:
    measured: dict[str, Any] = {"first_us": 100, "total_us": 1100, "output_tokens": 5}
    assert costs.per_token_us(measured) == 250
    assert costs.per_token_us(measured | {"output_tokens": 1}) is None
    assert costs.per_token_us(measured | {"first_us": None}) is None


def test_a_month_has_its_fee_and_its_least_amount(system: AISystem) -> None:
    priced = tariff(request=100, minimum=25_000, month=3_000)
    cells = {"records.cost.EUR": 10, "cost.EUR": 1000}
    found = costs.full_costs([costs.Used(system, priced, cells, 5 * HOUR)])[system.slug]
    assert (found.marginal, found.minimum, found.month, found.idle) == (1000, 24_000, 3_000, 0)
    assert (found.full, found.share) == (28_000, 2_800)
    nothing = costs.full_costs([costs.Used(system, priced, {}, 5 * HOUR)])[system.slug]
    assert (nothing.full, nothing.share) == (28_000, None)


def test_a_device_that_rests_is_paid_and_one_by_the_second_is_not(system: AISystem) -> None:
    priced = tariff(device_hour=1000)
    used = costs.Used(system, priced, {"records.cost.EUR": 2, "cost.EUR": 1500}, 5 * HOUR)
    assert costs.full_costs([used])[system.slug].full == 5000
    assert system.host is not None
    rented = dataclasses.replace(system, host=dataclasses.replace(system.host, kind="serverless_gpu"))
    assert costs.full_costs([dataclasses.replace(used, system=rented)])[system.slug].full == 1500


@given(st.lists(st.integers(0, 2000), min_size=1, max_size=5), st.integers(0, 20))
def test_the_costs_of_systems_on_one_device_sum_to_the_devices(spent: list[int], hours: int) -> None:
    system = parse_system(json.loads((CASES / "social-loan-check.json").read_bytes())["system"])
    priced = tariff(device_hour=1000)
    used = [
        costs.Used(
            dataclasses.replace(system, slug=f"s{n}"), priced, {"records.cost.EUR": 1, "cost.EUR": one}, hours * HOUR
        )
        for n, one in enumerate(spent)
    ]
    found = costs.full_costs(used)
    assert sum(one.full for one in found.values()) == max(sum(spent), 1000 * hours)
    assert all(one.full >= mine for one, mine in zip(found.values(), spent, strict=True))
