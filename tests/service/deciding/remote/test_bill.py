"""A provider's bill for decisions that the gateway made: further calls, and what was begun and not ended, included."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import Any

import pytest

from home.errors import Unfinished
from service.deciding import decide
from service.figures import operations
from service.invoices import check

pytestmark = pytest.mark.enable_socket

TAX = "tax-question-reply"
INPUT = {"message": "May I pay next month instead of now?", "bill_year": 2026}
COLUMNS = (
    *("ProviderName", "BilledCost", "BillingCurrency", "ChargeCategory", "ChargePeriodStart", "ChargePeriodEnd"),
    *("ConsumedQuantity", "ConsumedUnit", "SkuMeter", "ResourceId"),
)
PRICES = {"input": Decimal("0.15"), "output": Decimal("0.60"), "request": Decimal("200")}
"""Of the demo's tariff: in € a million tokens, and in millionths a request."""


def bill(g: Any, *counts: tuple[str, int, int]) -> io.StringIO:
    """A line each for (component, quantity, quantity that is paid) of this month."""
    first, until = operations.period(f"{g.clock():%Y-%m}")
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for component, quantity, paid in counts:
        cost = PRICES[component] * paid / 1_000_000
        unit = "Requests" if component == "request" else "Tokens"
        row = ["Voorbeeld AI (invented)", str(cost), "EUR", "Usage", f"{first}T00:00:00Z", f"{until}T00:00:00Z"]
        writer.writerow([*row, str(quantity), unit, component, "voorbeeld-small-2"])
    text.seek(0)
    return text


def test_a_bill_for_the_gateway_is_explained_and_a_token_more_is_not(remote_stand: Any, opened: Any) -> None:
    good = remote_stand.says(json.dumps({"result": "payment"}), "You can pay in ten parts.")
    failed = remote_stand.sends(remote_stand.response(b"{}", status="503 Busy"))
    with remote_stand.serving(*good, *good, good[0], failed) as endpoint, opened(endpoint.url) as home:
        for _ in range(2):
            decide.decide(home.g, TAX, INPUT)
        with pytest.raises(Unfinished):
            decide.decide(home.g, TAX, INPUT)
        # Each call is of 40 and 5 tokens: two decisions of two calls, and the first call of the third.
        right = [("input", 200, 200), ("output", 25, 25), ("request", 6, 6)]
        found = check.check(home.g, bill(home.g, *right))
        assert found.agrees, found.lines
        assert (found.unfinished, found.unbilled) == (1, ())
        assert {one.systems for one in found.lines} == {(TAX,)}
        for place, (component, quantity, paid) in enumerate(right):
            more = [*right[:place], (component, quantity + 1, paid + 1), *right[place + 1 :]]
            wrong = check.check(home.g, bill(home.g, *more)).lines
            assert [one.reason for one in wrong if one.status == "unexplained"] == ["quantity"]
            dearer = [*right[:place], (component, quantity, paid * 2), *right[place + 1 :]]
            wrong = check.check(home.g, bill(home.g, *dearer)).lines
            assert [one.reason for one in wrong if one.status == "unexplained"] == ["price"]
        mine = operations.operations(home.g).systems[0]
        assert mine.process.amounts == mine.records.amounts
        assert (mine.records.amounts.prompt_tokens, mine.records.amounts.output_tokens) == (160, 20)
        assert mine.records.amounts.cost_millionths == {"EUR": 2 * 418}
        assert sum(mine.records.amounts.unfinished.values()) == 1
        assert mine.records.full is not None
        assert mine.records.full.full == 25_000_000
