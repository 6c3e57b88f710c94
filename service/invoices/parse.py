"""A provider's bill: CSV with the columns of FOCUS 1.2 (focus.finops.org), one charge a line. Pure.

Read are the columns in `REQUIRED` and `OPTIONAL`, whatever their order; others are left alone. `x_Component` and
`x_System` may name what a line is for; without them it is told from category, unit and names.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final

from home.errors import UsageError

REQUIRED: Final = (
    *("ProviderName", "BilledCost", "BillingCurrency", "ChargeCategory"),
    *("ChargePeriodStart", "ChargePeriodEnd"),
)
OPTIONAL: Final = (
    *("InvoiceIssuerName", "PublisherName", "ServiceName", "ChargeDescription", "ConsumedQuantity", "ConsumedUnit"),
    *("SkuId", "SkuMeter", "ResourceId", "ResourceName", "x_Component", "x_System"),
)
CATEGORIES: Final = ("usage", "purchase", "tax", "credit", "adjustment")
COMPONENTS: Final = ("input", "output", "cached", "request", "minimum", "month", "device_hour")
"""The components of a tariff (`registry.parts.money.TariffComponents`)."""
MAX_LINES: Final = 1_000_000

_LONGEST: Final = 40
"""A number with more characters is none that a bill has."""
_UNIT: Final = re.compile(r"(\d{1,9})? ?(k|m|thousand|million)? ?(token|request|call|hour|second|month)s?", re.ASCII)
_OTHER: Final = "another"
_UNITS: Final = {
    **dict.fromkeys(("input", "output", "cached"), "token"),
    **dict.fromkeys(("minimum", "month"), "month"),
    "request": "request",
    "device_hour": "hour",
}
"""Component → the unit in which it is counted."""
_FEES: Final = ("minimum", "month")
_SCALES: Final = {None: 1, "k": 1000, "thousand": 1000, "m": 1_000_000, "million": 1_000_000}
# The first that is found counts: cached input is both.
_WORDS: Final = (
    ("cached", ("cached", "cache read", "cache-read")),
    ("output", ("output", "completion", "generated")),
    ("input", ("input", "prompt")),
    ("minimum", ("minimum", "commitment", "commit fee")),
    ("month", ("monthly", "per month", "subscription", "base fee")),
    ("request", ("request", "api call")),
    ("device_hour", ("gpu hour", "gpu-hour", "device hour", "device-hour")),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One charge. `number` counts from 2, as a spreadsheet does; `component` is one of a tariff's, None where nothing
    says which; `quantity` in tokens, requests or hours. `half`: half of the last digit that the cost is printed with,
    at most half a cent, since some programs leave zeros out.
    """

    number: int
    provider: frozenset[str]
    names: str
    system: str | None
    category: str
    component: str | None
    start: datetime
    end: datetime
    quantity: Fraction | None
    cost: Fraction
    half: Fraction
    currency: str


def parse_bill(lines: Iterable[str]) -> Iterator[Line]:
    """The charges of a bill in their order. Raises UsageError that names line and column, and quotes nothing."""
    rows = csv.reader(lines, strict=True)
    try:
        head = next(rows, [])
        columns = {name.strip(): place for place, name in enumerate(head)}
        missing = [name for name in REQUIRED if name not in columns]
        if missing:
            what = f"lacks the columns {', '.join(missing)}: export it in FOCUS 1.2, with commas"
            raise UsageError(what, field="invoice")
        if len(columns) != len(head):
            raise UsageError("names a column twice", field="invoice")
        number = 1
        for row in rows:
            number += 1
            if not any(row):
                continue
            if len(row) != len(head):
                what = "has another number of cells than the first line: quote a cell that holds a comma"
                raise UsageError(what, field=f"line {number}")
            if number > MAX_LINES:
                raise UsageError(f"has more than {MAX_LINES:,} lines: check it in parts", field="invoice")
            yield _line(number, {name: row[place].strip() for name, place in columns.items()})
    except csv.Error:
        raise UsageError("is not readable as CSV: quotes or line ends are wrong", field="invoice") from None
    except UnicodeDecodeError:
        raise UsageError("is not UTF-8 text: save it as UTF-8", field="invoice") from None


def _line(number: int, row: Mapping[str, str]) -> Line:
    def told(*names: str) -> list[str]:
        return [row[name].casefold() for name in names if row.get(name)]

    category = row["ChargeCategory"].casefold()
    if category not in CATEGORIES:
        raise UsageError(f"must be one of {', '.join(CATEGORIES)}", field=f"line {number}, ChargeCategory")
    cost, half = _money(row["BilledCost"], number)
    start, end = (_moment(row[name], number, name) for name in ("ChargePeriodStart", "ChargePeriodEnd"))
    if end <= start:
        raise UsageError("must be later than ChargePeriodStart", field=f"line {number}, ChargePeriodEnd")
    currency = row["BillingCurrency"]
    if re.fullmatch(r"[A-Z]{3}", currency, re.ASCII) is None:
        raise UsageError("must be three letters, such as EUR", field=f"line {number}, BillingCurrency")
    names = " ".join(told("SkuId", "SkuMeter", "ResourceId", "ResourceName", "ServiceName", "ChargeDescription"))
    unit, scale = _unit(row.get("ConsumedUnit", ""))
    component = _component(row.get("x_Component", ""), names, unit, number)
    quantity = _quantity(row.get("ConsumedQuantity", ""), number)
    return Line(
        number=number,
        provider=frozenset(told("ProviderName", "InvoiceIssuerName", "PublisherName")),
        names=names,
        system=row.get("x_System") or None,
        category=category,
        component=component if unit in {None, _UNITS.get(component or "")} or component in _FEES else None,
        start=start,
        end=end,
        quantity=None if quantity is None or unit is None else max(Fraction(0), quantity * scale),
        cost=cost,
        half=half,
        currency=currency,
    )


def _component(said: str, names: str, unit: str | None, number: int) -> str | None:
    if said:
        if said not in COMPONENTS:
            raise UsageError(f"must be one of {', '.join(COMPONENTS)}", field=f"line {number}, x_Component")
        return said
    if unit == _OTHER:
        return None
    for name, words in _WORDS:
        if unit in {None, _UNITS.get(name)} and any(word in names for word in words):
            return name
    return {"request": "request", "hour": "device_hour", "month": "month"}.get(unit or "")


def _unit(text: str) -> tuple[str | None, Fraction]:
    """The unit, and how many of it one of the bill's is; seconds are parts of hours. None where none is named."""
    found = _UNIT.fullmatch(text.casefold())
    if found is None:
        return _OTHER if text else None, Fraction(1)
    scale = Fraction(int(found[1] or 1)) * _SCALES[found[2]]
    unit = {"call": "request"}.get(found[3], found[3])
    return ("hour", scale / 3600) if unit == "second" else (unit, scale)


def _money(text: str, number: int) -> tuple[Fraction, Fraction]:
    amount = _decimal(text, f"line {number}, BilledCost")
    exponent = amount.as_tuple().exponent
    assert isinstance(exponent, int)
    return Fraction(amount), Fraction(1, 2) * Fraction(10) ** min(exponent, -2)


def _quantity(text: str, number: int) -> Fraction | None:
    return Fraction(_decimal(text, f"line {number}, ConsumedQuantity")) if text else None


def _decimal(text: str, field: str) -> Decimal:
    try:
        value = Decimal(text) if len(text) <= _LONGEST else None
    except InvalidOperation:
        value = None
    if value is None or not value.is_finite() or not -30 <= value.adjusted() <= 18:
        raise UsageError("must be a decimal number with a point, such as 12.34", field=field)
    return value


def _moment(text: str, number: int, name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not 2000 <= moment.year <= 2999:
        raise UsageError("must be a time with its zone, such as 2026-11-01T00:00:00Z", field=f"line {number}, {name}")
    return moment.astimezone(UTC)
