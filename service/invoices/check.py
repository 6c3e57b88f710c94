"""`greffier invoice check`: a provider's bill held against recorded usage and the register's tariff, line by line.

A line is explained as far as records and tariff give its amount: recorded tokens or requests of its time that no other
line claimed, at the tariff's price; a month's fixed fee or least amount once; tax at a rate that is named. What is
left of its amount is unexplained, with the reason. Amounts are compared as fractions, and a difference below the last
printed digit is rounding, unless more was counted than recorded. A bill that asks for less than was used is said to be
so, and is no fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

from home.errors import UsageError
from home.greffier import Greffier
from registry.parts.money import Tariff
from service.invoices.findings import REASONS, Checked, Invoice, Status, totals, unbilled
from service.invoices.parse import Line, parse_bill
from service.invoices.usage import CELL_OF, Used, claim, claimed_by, of_remotes

_NO_ROUNDING: Final = frozenset({"quantity", "claimed"})
"""Reasons that no rounding of amounts explains: more was counted."""
_MILLION: Final = 1_000_000


@dataclass(slots=True)
class _Bill:
    """What was claimed so far, and the lines that were judged."""

    used: list[Used]
    tax: Fraction | None
    fees: dict[tuple[str, str, str], int] = field(default_factory=dict)
    taxable: dict[str, Fraction] = field(default_factory=dict)
    taxed: Fraction = Fraction(0)


class _No(Exception):
    """A line that nothing explains, with its reason."""


def check(g: Greffier, lines: Iterable[str], *, tax_percent: Fraction | None = None) -> Invoice:
    """Hold a bill against the records. Raises UsageError for a file that is no bill in FOCUS 1.2."""
    bill = list(parse_bill(lines))
    if not bill:
        return Invoice(True, None, None, (), (), (), 0)
    first = min(line.start for line in bill).date()
    last = max(line.end for line in bill)
    until = (last + timedelta(days=1) - timedelta(microseconds=1)).date()
    if (until - first).days > 400:
        raise UsageError("covers more than 400 days: check it in parts", field="invoice")
    hourly = any(not _is_midnight(moment) for line in bill for moment in (line.start, line.end))
    used, unfinished = of_remotes(g, first, until, hourly=hourly)
    state = _Bill(used, None if tax_percent is None else tax_percent / 100)
    # The one that ends first takes first, of the earliest time: so no line takes what another one needs more. Tax comes
    # last, since it is on what the others ask for.
    order = sorted(bill, key=lambda line: (line.category == "tax", line.end, -line.start.timestamp(), line.number))
    judged = sorted((_judge(state, line) for line in order), key=lambda pair: pair[0].number)
    checked = tuple(one for _, one in judged)
    return Invoice(
        agrees=not any(one.status == "unexplained" for one in checked),
        since=f"{first}",
        until=f"{until}",
        lines=checked,
        totals=tuple(totals(checked)),
        unbilled=tuple(unbilled(used)),
        unfinished=unfinished,
    )


def _judge(state: _Bill, line: Line) -> tuple[Line, Checked]:
    systems: tuple[str, ...] = ()
    explained, reason, other = Fraction(0), None, None
    try:
        if line.category == "tax":
            explained, reason = _tax(state, line), "tax"
        elif line.category == "adjustment":
            reason = "adjustment"
        elif line.cost >= 0:
            scope = _scope(state.used, line)
            systems = tuple(sorted({one.system for one in scope}))
            explained, reason, other = _explain(state, line, scope)
    except _No as no:
        reason = str(no)
    checked = _checked(line, systems, explained, (reason, other))
    if line.category != "tax":
        base = explained if checked.status == "unexplained" else line.cost
        state.taxable[line.currency] = state.taxable.get(line.currency, Fraction(0)) + base
    return line, checked


def _checked(line: Line, systems: tuple[str, ...], explained: Fraction, why: tuple[str | None, int | None]) -> Checked:
    more = line.cost - explained
    status: Status = "explained"
    if line.cost < 0:
        status, explained = "credit", Fraction(0)
    elif more > (0 if why[0] in _NO_ROUNDING else line.half):
        status = "unexplained"
    elif more < -line.half:
        status = "less"
    reason, other = why if status == "unexplained" else (None, None)
    return Checked(
        line_number=line.number,
        status=status,
        component=line.component if line.category in {"usage", "purchase"} else None,
        systems=systems,
        currency=line.currency,
        billed=_millionths(line.cost),
        explained=_millionths(explained),
        unexplained=_millionths(more) if status == "unexplained" else 0,
        reason=reason,
        why=None if reason is None else REASONS[reason],
        line=other,
    )


def _scope(used: Sequence[Used], line: Line) -> list[Used]:
    """The versions that a line may be for: of its provider, of the model or the system that it names."""
    found = [one for one in used if one.remote.provider.strip().casefold() in line.provider]
    if not found:
        raise _No("provider")
    if line.system is not None:
        found = [one for one in found if one.system == line.system]
        if not found:
            raise _No("system")
    named = [one for one in found if one.remote.model.casefold() in line.names]
    # A name may be the beginning of another: the longest that fits is meant.
    longest = max((len(one.remote.model) for one in named), default=0)
    return [one for one in named if len(one.remote.model) == longest] or found


def _explain(state: _Bill, line: Line, scope: Sequence[Used]) -> tuple[Fraction, str | None, int | None]:
    """The amount that records and tariff give, why it is not more, and the line that claimed the same."""
    if line.component is None:
        raise _No("component")
    if line.component in {"minimum", "month"}:
        return (*_fee(state, line, scope), None)
    if line.component not in CELL_OF:
        raise _No("component")
    price = _price(line, scope)
    if not _is_hour(line.start) or not _is_hour(line.end):
        raise _No("period")
    before = claimed_by(scope, line.component, line.start, line.end)
    cell = CELL_OF[line.component]
    wanted, taken = line.quantity, Fraction(0)
    for slot in claim(scope, line.component, line.start, line.end, line.number):
        part = slot.left[cell] if wanted is None else min(slot.left[cell], wanted - taken)
        slot.left[cell] -= part
        taken += part
        if wanted is not None and taken >= wanted:
            break
    explained = taken * price
    if wanted is None or taken >= wanted:
        return explained, "price", None
    return explained, "quantity" if before is None else "claimed", before


def _price(line: Line, scope: Sequence[Used]) -> Fraction:
    """The tariff's price of one token or request, in whole units of the currency."""
    found: set[Fraction] = set()
    for one in scope:
        price = _component(_tariff(one, line), line.component or "")
        if price is not None:
            found.add(Fraction(price, _MILLION) / (1 if line.component == "request" else _MILLION))
    if not found:
        raise _No("component")
    if len(found) > 1:
        raise _No("prices")
    return found.pop()


def _fee(state: _Bill, line: Line, scope: Sequence[Used]) -> tuple[Fraction, str]:
    """What is fixed for a month, or is missing to its least amount: once a system and month; and why it is not more."""
    month = f"{line.start:%Y-%m}"
    whole = _is_midnight(line.start) and _is_midnight(line.end) and line.start.day == line.end.day == 1
    if not whole or not timedelta(days=28) <= line.end - line.start <= timedelta(days=31):
        raise _No("period")
    component, amount, reason = line.component or "", 0, ""
    spent: dict[str, int] = {}
    for one in state.used:
        spent[one.system] = spent.get(one.system, 0) + one.spent.get(month, 0)
    for one in {one.system: one for one in scope}.values():
        price = _component(_tariff(one, line), component)
        if price is None:
            continue
        if state.fees.setdefault((one.system, component, month), line.number) == line.number:
            amount += price if component == "month" else max(0, price - spent[one.system])
            reason = reason or "price"
        else:
            reason = "claimed"
    if not reason:
        raise _No("component")
    return Fraction(amount, _MILLION), reason


def _tax(state: _Bill, line: Line) -> Fraction:
    """The named rate on what is explained of the other lines, as far as no line of tax has it already."""
    if state.tax is None:
        raise _No("tax")
    left = max(Fraction(0), state.taxable.get(line.currency, Fraction(0)) * state.tax - state.taxed)
    explained = line.cost if line.cost - left <= line.half else left
    state.taxed += explained
    return explained


def _tariff(one: Used, line: Line) -> Tariff:
    if one.tariff is None or line.start.date() < one.tariff.valid_from:
        raise _No("tariff")
    if one.tariff.currency != line.currency:
        raise _No("currency")
    return one.tariff


def _component(tariff: Tariff, name: str) -> int | None:
    value = getattr(tariff.components, name)
    return value if isinstance(value, int) else None


def _is_midnight(moment: datetime) -> bool:
    return moment.timetz().replace(tzinfo=None).isoformat() == "00:00:00"


def _is_hour(moment: datetime) -> bool:
    return not (moment.minute or moment.second or moment.microsecond)


def _millionths(amount: Fraction) -> int:
    return (amount * _MILLION * 2 + 1).__floor__() // 2
