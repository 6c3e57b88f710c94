"""`greffier invoice check`: what records and tariff explain of a bill, and every line that they do not."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from home.errors import UsageError
from home.greffier import Greffier
from lab.bench import records_scene
from lab.bench.records_scene import line
from service.external import import_records
from service.invoices import check as invoice
from service.invoices.findings import Invoice
from service.invoices.parse import parse_bill
from service.systems import register
from service.wiring import open_home

INPUT, REQUEST = Decimal("2"), Decimal("0.0001")
"""The scene's tariff: € 2 a million tokens of input, € 0.0001 a request."""


@dataclass
class Month:
    """A month with decisions on its days 3 and 4, at 10 and 11 o'clock."""

    g: Greffier
    home: Path
    first: datetime
    tokens: dict[tuple[int, int], int] = field(default_factory=dict)
    requests: dict[tuple[int, int], int] = field(default_factory=dict)

    def at(self, day: int, hour: int = 0) -> str:
        """A time of this month; day 32 is the first of the next one."""
        if day == 32:
            return (self.first + timedelta(days=32)).replace(day=1).strftime("%Y-%m-%dT00:00:00Z")
        return self.first.replace(day=day, hour=hour).strftime("%Y-%m-%dT%H:00:00Z")

    @property
    def all_tokens(self) -> int:
        return sum(self.tokens.values())

    @property
    def all_requests(self) -> int:
        return sum(self.requests.values())

    def charge(self, **changes: Any) -> dict[str, Any]:
        """A line for the input tokens of the whole month, as it is right."""
        right = {
            "ProviderName": "Test supplier",
            "ServiceName": "Models",
            "ChargeCategory": "Usage",
            "ChargeDescription": "m-1 input tokens",
            "ChargePeriodStart": self.at(1),
            "ChargePeriodEnd": self.at(32),
            "ConsumedQuantity": str(self.all_tokens),
            "ConsumedUnit": "Tokens",
            "SkuId": "m-1-input",
            "BilledCost": str(INPUT * self.all_tokens / 1_000_000),
            "BillingCurrency": "EUR",
            "EffectiveCost": "0",
        }
        return right | changes

    def fee(self, **changes: Any) -> dict[str, Any]:
        """A line for the month's requests, as it is right."""
        number = self.all_requests
        right = {"SkuId": "m-1-call", "ChargeDescription": "requests", "ConsumedUnit": "Requests"}
        right |= {"ConsumedQuantity": str(number), "BilledCost": str(REQUEST * number)}
        return self.charge(**right) | changes

    def check(self, *lines: dict[str, Any], **options: Any) -> Invoice:
        return invoice.check(self.g, io.StringIO(bill(*lines), newline=""), **options)


def bill(*lines: dict[str, Any]) -> str:
    """Lines as CSV."""
    text = io.StringIO()
    names = list(dict.fromkeys(name for one in lines for name in one))
    writer = csv.DictWriter(text, names, restval="")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    home = tmp_path_factory.mktemp("invoice") / "home"
    components = {"input": 2_000_000, "request": 100, "month": 5_000_000, "minimum": 1_000_000}
    document = json.loads(records_scene.system_file())
    document["system"]["tariff"]["components"] = components
    records_scene.make_home(home)
    clock = [(datetime.now(UTC) + timedelta(days=40)).replace(day=3, hour=10, minute=5)]
    with open_home(home, clock=lambda: clock[0]) as g:
        register.register(g, json.dumps(document).encode())
        made = Month(g, home, clock[0].replace(day=1, hour=0, minute=0, second=0, microsecond=0))
        n = 1
        for day, hour, count in ((3, 10, 4), (3, 11, 2), (4, 10, 3)):
            clock[0] = clock[0].replace(day=day, hour=hour)
            lines = [line(number) for number in range(n, n + count)]
            n += count
            assert import_records.record(g, lines).results
            made.tokens[day, hour] = sum(one["usage"]["prompt_tokens"] for one in lines)
            made.requests[day, hour] = count
        clock[0] = clock[0].replace(day=28, hour=23)
        yield made


def test_a_right_bill_is_explained_to_the_millionth(month: Month) -> None:
    found = month.check(month.charge(), month.fee())
    assert found.agrees
    assert [(one.line_number, one.status, one.component) for one in found.lines] == [
        (2, "explained", "input"),
        (3, "explained", "request"),
    ]
    total = found.totals[0]
    assert total.billed == total.explained == 2 * month.all_tokens + 100 * month.all_requests
    assert (total.unexplained, total.rounding, found.unbilled, found.unfinished) == (0, 0, (), 0)


UNNAMED = {"SkuId": "", "ChargeDescription": "platform care", "ConsumedUnit": "", "ConsumedQuantity": ""}
BEFORE = {"ChargePeriodStart": "2025-06-01T00:00:00Z", "ChargePeriodEnd": "2025-07-01T00:00:00Z"}


def cost(tokens: int) -> str:
    """What so many tokens of input cost."""
    return str(INPUT * tokens / 1_000_000)


def on_the_third(month: Month) -> dict[str, Any]:
    """A line for the tokens of that day."""
    tokens = month.tokens[3, 10] + month.tokens[3, 11]
    time = {"ChargePeriodStart": month.at(3), "ChargePeriodEnd": month.at(4)}
    return month.charge(**time, ConsumedQuantity=str(tokens), BilledCost=cost(tokens))


def with_more(month: Month, more: int) -> dict[str, Any]:
    """A line for more tokens than there were."""
    tokens = month.all_tokens + more
    return month.charge(ConsumedQuantity=str(tokens), BilledCost=cost(tokens))


HIDDEN: dict[str, tuple[Callable[[Month], list[dict[str, Any]]], str]] = {
    "a fee that no tariff has": (lambda m: [m.charge(**UNNAMED)], "component"),
    "more tokens than were recorded": (lambda m: [with_more(m, 500)], "quantity"),
    "a dearer token": (lambda m: [m.charge(BilledCost=str(INPUT * m.all_tokens / 900_000))], "price"),
    "the same usage twice": (lambda m: [m.charge(), m.charge()], "claimed"),
    "the same usage under another time": (lambda m: [m.charge(), on_the_third(m)], "claimed"),
    "another provider": (lambda m: [m.charge(ProviderName="Somebody else")], "provider"),
    "another system": (lambda m: [m.charge(x_System="not-this-one")], "system"),
    "another currency": (lambda m: [m.charge(BillingCurrency="USD")], "currency"),
    "a time before the tariff": (lambda m: [m.charge(**BEFORE)], "tariff"),
    "half an hour": (lambda m: [m.charge(ChargePeriodStart=m.at(3, 10).replace("00:00Z", "30:00Z"))], "period"),
    "tax without a rate": (lambda m: [m.charge(), m.charge(ChargeCategory="Tax", BilledCost="0.001")], "tax"),
    "an adjustment": (lambda m: [m.charge(ChargeCategory="Adjustment", BilledCost="0.5")], "adjustment"),
    "output that is not priced": (lambda m: [m.charge(SkuId="m-1-output", ChargeDescription="")], "component"),
    "a monthly fee twice": (lambda m: 2 * [m.charge(**UNNAMED | {"SkuId": "monthly", "BilledCost": "5"})], "claimed"),
    "a monthly fee for a week": (lambda m: [m.charge(x_Component="month", ChargePeriodEnd=m.at(8))], "period"),
    "each line rounded up to a cent": (lambda m: [m.fee(ConsumedQuantity="1", BilledCost="0.01")], "price"),
    "a unit that nobody knows": (lambda m: [m.charge(ConsumedUnit="credits")], "component"),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_line_that_is_not_explained_is_named_with_the_reason(month: Month, name: str) -> None:
    make, reason = HIDDEN[name]
    lines = make(month)
    found = month.check(*lines)
    assert not found.agrees
    wrong = [one for one in found.lines if one.status == "unexplained"]
    assert [one.reason for one in wrong] == [reason]
    total = found.totals[0]
    assert total.unexplained == sum(one.unexplained for one in wrong) > 0
    assert total.billed == total.explained + total.unexplained + total.credits - total.less + total.rounding


def test_how_much_of_a_line_is_not_explained(month: Month) -> None:
    (one,) = month.check(with_more(month, 500)).lines
    assert (one.explained, one.unexplained) == (2 * month.all_tokens, 1000)
    first, second = month.check(month.charge(), month.charge()).lines
    assert (first.status, second.line) == ("explained", 2)


def test_lines_by_day_hour_and_part_are_explained_together(month: Month) -> None:
    def part(start: str, end: str, tokens: int) -> dict[str, Any]:
        time = {"ChargePeriodStart": start, "ChargePeriodEnd": end}
        return month.charge(**time, ConsumedQuantity=str(tokens), BilledCost=cost(tokens))

    first, second, third = month.tokens[3, 10], month.tokens[3, 11], month.tokens[4, 10]
    hours = [
        part(month.at(3, 10), month.at(3, 11), first - 100),
        part(month.at(3, 10), month.at(3, 11), 100),
        part(month.at(3, 11), month.at(3, 12), second),
        part(month.at(4), month.at(5), third),
    ]
    assert month.check(*hours).agrees
    # The line of a whole month comes first in the file, and leaves the others what is theirs.
    days = [part(month.at(1), month.at(32), first + second), part(month.at(4), month.at(5), third)]
    assert month.check(*days).agrees
    wrong = month.check(part(month.at(3, 11), month.at(3, 12), first))
    assert [one.reason for one in wrong.lines] == ["quantity"]


def test_fees_of_a_month_are_explained_once(month: Month) -> None:
    spent = 2 * month.all_tokens + 100 * month.all_requests
    least = Decimal(1_000_000 - spent) / 1_000_000
    fees = [
        month.charge(x_Component="month", BilledCost="5.00"),
        month.charge(x_Component="minimum", BilledCost=str(least)),
    ]
    found = month.check(month.charge(), month.fee(), *fees)
    assert found.agrees
    assert found.totals[0].explained == 6_000_000


def test_tax_is_held_against_the_rate_that_is_named(month: Month) -> None:
    net = INPUT * month.all_tokens / 1_000_000
    tax = {"ChargeCategory": "Tax", "BilledCost": f"{net * 21 / 100:.2f}"}
    assert month.check(month.charge(), month.charge(**tax), tax_percent=Fraction(21)).agrees
    assert not month.check(
        month.charge(), month.charge(**tax | {"BilledCost": "1.00"}), tax_percent=Fraction(21)
    ).agrees


def test_less_and_credits_are_no_fault_and_hide_nothing(month: Month) -> None:
    found = month.check(
        month.charge(BilledCost="0"),
        month.charge(ChargeCategory="Credit", BilledCost="-100"),
        month.charge(ProviderName="Somebody else", BilledCost="3"),
    )
    assert [one.status for one in found.lines] == ["less", "credit", "unexplained"]
    assert (found.totals[0].unexplained, found.totals[0].credits) == (3_000_000, -100_000_000)
    assert not found.agrees


def test_usage_that_was_not_billed_is_said(month: Month) -> None:
    (left,) = month.check(month.charge()).unbilled
    assert (left.counted, left.quantity) == ("request", month.all_requests)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_split_of_recorded_usage_is_explained_and_any_token_more_is_not(month: Month, data: st.DataObject) -> None:
    parts: list[tuple[str, str, int]] = []
    for (day, hour), tokens in month.tokens.items():
        cut = data.draw(st.integers(0, tokens))
        whole = data.draw(st.booleans())
        time = (month.at(day), month.at(day + 1)) if whole else (month.at(day, hour), month.at(day, hour + 1))
        parts += [(*time, cut), (month.at(1), month.at(32), tokens - cut)]
    parts = data.draw(st.permutations(parts))

    def lines(more: int) -> list[dict[str, Any]]:
        return [
            month.charge(
                ChargePeriodStart=start,
                ChargePeriodEnd=end,
                ConsumedQuantity=str(tokens + (more if place == 0 else 0)),
                BilledCost=cost(tokens + (more if place == 0 else 0)),
            )
            for place, (start, end, tokens) in enumerate(parts)
        ]

    assert month.check(*lines(0)).agrees
    found = month.check(*lines(1))
    assert found.totals[0].unexplained == 2


BROKEN: dict[str, str] = {
    "no columns": "a,b\n1,2\n",
    "nothing": "",
    "cells": "ProviderName,BilledCost,BillingCurrency,ChargeCategory,ChargePeriodStart,ChargePeriodEnd\nSECRET\n",
    "column twice": "ProviderName,ProviderName\n",
    "quotes": 'ProviderName,"Billed',
    **{
        name: "ProviderName,BilledCost,BillingCurrency,ChargeCategory,ChargePeriodStart,ChargePeriodEnd,x_Component,"
        f"ConsumedQuantity\n{row}\n"
        for name, row in {
            "cost": "S,SECRET,EUR,Usage,2026-11-01T00:00:00Z,2026-12-01T00:00:00Z,,",
            "infinite": "S,Infinity,EUR,Usage,2026-11-01T00:00:00Z,2026-12-01T00:00:00Z,,",
            "huge": "S,1E999999999,EUR,Usage,2026-11-01T00:00:00Z,2026-12-01T00:00:00Z,,",
            "quantity": "S,1,EUR,Usage,2026-11-01T00:00:00Z,2026-12-01T00:00:00Z,,SECRET",
            "currency": "S,1,SECRET,Usage,2026-11-01T00:00:00Z,2026-12-01T00:00:00Z,,",
            "category": "S,1,EUR,SECRET,2026-11-01T00:00:00Z,2026-12-01T00:00:00Z,,",
            "time": "S,1,EUR,Usage,SECRET,2026-12-01T00:00:00Z,,",
            "no zone": "S,1,EUR,Usage,2026-11-01T00:00:00,2026-12-01T00:00:00Z,,",
            "backwards": "S,1,EUR,Usage,2026-12-01T00:00:00Z,2026-11-01T00:00:00Z,,",
            "component": "S,1,EUR,Usage,2026-11-01T00:00:00Z,2026-12-01T00:00:00Z,SECRET,",
        }.items()
    },
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_no_bill_is_refused_and_nothing_of_it_is_quoted(name: str) -> None:
    with pytest.raises(UsageError) as refused:
        list(parse_bill(io.StringIO(BROKEN[name], newline="")))
    assert "SECRET" not in str(refused.value)


def test_a_bill_over_years_is_refused(month: Month) -> None:
    with pytest.raises(UsageError, match="400 days"):
        month.check(month.charge(ChargePeriodEnd="2999-01-01T00:00:00Z"))


def test_the_command_ends_with_1_where_a_line_is_not_explained(month: Month, command: Any, tmp_path: Path) -> None:
    file = tmp_path / "bill.csv"
    file.write_bytes(b"\xef\xbb\xbf" + bill(month.charge(), month.fee()).encode())  # as spreadsheets write it
    told = command("invoice", "check", file, "--home", month.home, "--json")
    assert told.code == 0
    assert json.loads(told.out)["agrees"] is True
    file.write_text(bill(month.charge(), month.charge()), "utf-8")
    told = command("invoice", "check", file, "--home", month.home)
    assert told.code == 1
    assert "(line 2)" in told.out
    file.write_bytes(b"ProviderName\xff\n")
    assert command("invoice", "check", file, "--home", month.home).code == 2
    assert command("invoice", "check", tmp_path / "none.csv", "--home", month.home).code == 2
    assert command("invoice", "check", file, "--tax", "much", "--home", month.home).code == 2
