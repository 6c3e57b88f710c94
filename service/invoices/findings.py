"""What a check of a bill finds: lines with the part that is explained, totals, and usage that was not billed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from service.invoices.usage import Used

Status = Literal["explained", "unexplained", "less", "credit"]
REASONS: Final = {
    "provider": "no version in the register is run by this provider",
    "system": "the system that it names is not run by this provider",
    "component": "name and unit do not say what it is for, or the tariff has no price for that: see x_Component",
    "quantity": "more was billed than was recorded",
    "claimed": "other lines of this bill claim the same usage",
    "price": "the price is above the tariff's",
    "period": "its time is not one of whole hours of UTC, or for a monthly fee not one month",
    "tariff": "the register has no tariff for that time",
    "prices": "its provider has several prices in the register, and it names no model or system",
    "currency": "the tariff is in another currency",
    "tax": "no rate of tax was named, or it is above that rate",
    "adjustment": "an adjustment follows from no record",
}
"""Reason → in words. The first that applies is named."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One line: number, tariff component, systems that it may be for; amounts in millionths, rounded half up.

    `reason` is one of `REASONS`; `line`: that which claimed the same usage before.
    """

    line_number: int
    status: Status
    component: str | None
    systems: tuple[str, ...]
    currency: str
    billed: int
    explained: int
    unexplained: int
    reason: str | None = None
    why: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Total:
    """Sums of one currency, in millionths. `billed` = explained + unexplained + credits − less + rounding."""

    currency: str
    lines: int
    billed: int
    explained: int
    unexplained: int
    less: int
    credits: int
    rounding: int


@dataclass(frozen=True, slots=True)
class Unbilled:
    """Recorded usage of the bill's time that no line claimed: tokens or requests of one version."""

    system: str
    version: int
    counted: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """What a check found. `unfinished`: requests of these systems that began and gave no record of usage, which a
    provider may have billed."""

    agrees: bool
    since: str | None
    until: str | None
    lines: tuple[Checked, ...]
    totals: tuple[Total, ...]
    unbilled: tuple[Unbilled, ...]
    unfinished: int


def totals(lines: Sequence[Checked]) -> Iterable[Total]:
    """The sums of each currency."""
    for currency in sorted({one.currency for one in lines}):
        mine = [one for one in lines if one.currency == currency]
        charged = [one for one in mine if one.status != "credit"]
        billed, explained = sum(one.billed for one in mine), sum(one.explained for one in charged)
        unexplained = sum(one.unexplained for one in charged)
        less = sum(one.explained - one.billed for one in charged if one.status == "less")
        credits_ = sum(one.billed for one in mine if one.status == "credit")
        rounding = billed - explained - unexplained - credits_ + less
        yield Total(currency, len(mine), billed, explained, unexplained, less, credits_, rounding)


def unbilled(used: Sequence[Used]) -> Iterable[Unbilled]:
    """What is left of the usage that has a price."""
    for one in used:
        parts = one.tariff.components if one.tariff else None
        for name, cell, priced in (
            ("input", "tokens.prompt", parts and parts.input),
            ("output", "tokens.output", parts and parts.output),
            ("request", "decisions", parts and parts.request),
        ):
            left = sum((slot.left[cell] for slot in one.slots), Fraction(0))
            if priced and left:
                yield Unbilled(one.system, one.version, name, int(left))
