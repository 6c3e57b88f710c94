"""`/operator/…`: what an operator watches, as pages: live figures, one system's month, the worker and its devices.

No record is named and no figure is by outcome (`service.figures.operations`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response

from home.errors import UsageError
from home.greffier import Greffier
from registry.system import AISystem
from service.figures import devices, operations, tiers
from service.figures.operations import IN_USE, Operations
from service.figures.tiers import Expected, Tier
from service.systems import register
from web.api.systems import Slug
from web.auth import Installation, SignedIn, authorize, demand_scope
from web.pages.staff.console import console_page

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)
Month = Annotated[str | None, Query(max_length=20)]
# What one may type a price for, in whole units of the currency; the rest of a tariff is rarely compared.
PRICES: Final = ("input", "output", "request", "minimum", "month", "device_hour")
_MOST: Final = Decimal(10) ** 9
_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class Line:
    """A system's month in the list. `late` of `timed` results took longer than the target; `missed`: of those of this
    process, which are timed until their record is integrated. `system` None: it is in no register."""

    slug: str
    system: AISystem | None
    state: str
    results: int
    expected: Expected | None
    target_ms: int | None
    timed: int
    late: int
    missed: int
    refused: int
    unfinished: int
    full: tuple[int, str] | None


@router.get("/operator/live")
def show_live(request: Request, g: Installation, staff: SignedIn, month: Month = None) -> Response:
    """Every system in use or with results in the month, what is late first, and the state of log and worker."""
    found = operations.operations(g, month, systems=staff.systems)
    lines = _lines(g, found)
    return console_page(
        request,
        g,
        staff,
        "operator_live.html",
        found=found,
        lines=sorted(lines, key=lambda one: (-one.late - one.missed, one.slug)),
        late=sum(1 for one in lines if one.late or one.missed),
    )


@router.get("/operator/systems/{slug}")
def show_system(request: Request, g: Installation, staff: SignedIn, slug: Slug, month: Month = None) -> Response:
    """One system's month: use against what was expected, times, what it used, and the same month on other tiers."""
    demand_scope(staff, slug)
    registered = register.show(g, slug)
    asked = _asked(request)
    try:
        prices, field = _prices(g, registered.system, asked), ""
    except UsageError as error:
        prices, field = None, str(error.field)
    found = operations.operations(g, month, systems=[slug])
    (one,), (line,) = found.systems, _lines(g, found, everything=True)
    answered = one.process.times.get("answered")
    return console_page(
        request,
        g,
        staff,
        "operator_system.html",
        status=422 if field else 200,
        found=found,
        one=one,
        line=line,
        compared=tiers.compare(g, slug, found.month, prices=prices),
        buckets=[(name, number) for name, number in (answered.buckets_ms if answered else {}).items() if number],
        asked=asked,
        prices=PRICES,
        field=field,
    )


@router.get("/operator/devices")
def show_devices(request: Request, g: Installation, staff: SignedIn) -> Response:
    """The worker as it is now: what waits, what runs, how busy each device is. It serves every system."""
    return console_page(request, g, staff, "operator_devices.html", runtime=devices.runtime(g))


def _lines(g: Greffier, found: Operations, *, everything: bool = False) -> list[Line]:
    systems = {one.system.slug: one.system for one in register.list_systems(g)}
    shown = []
    for one in found.systems:
        amounts = one.records.amounts
        refused, unfinished = sum(amounts.refused.values()), sum(amounts.unfinished.values())
        if not (everything or one.state in IN_USE or amounts.decisions or refused or unfinished):
            continue
        system, full = systems.get(one.system), one.records.full
        volume = None if system is None else system.expected_volume
        shown.append(
            Line(
                slug=one.system,
                system=system,
                state=one.state or "",
                results=amounts.decisions,
                expected=None if volume is None else tiers.expected(volume, found.month, g.clock()),
                target_ms=one.target_ms,
                timed=one.records.times.decisions,
                late=one.records.times.slower,
                missed=one.process.missed or 0,
                refused=refused,
                unfinished=unfinished,
                full=None if full is None else (full.full, full.currency),
            )
        )
    return shown


def _asked(request: Request) -> dict[str, str]:
    """What was typed into the form of prices; `month` is a price and, without `price_`, the month that is asked for."""
    query = request.query_params
    return {name: query.get(f"price_{name}", "")[:20].strip() for name in PRICES} | {"by": query.get("by", "")[:20]}


def _prices(g: Greffier, system: AISystem, asked: Mapping[str, str]) -> Tier | None:
    """The tier of the form; None where no price was typed. Raises UsageError that names the field."""
    given = {name: _millionths(name, asked[name]) for name in PRICES if asked[name]}
    if not given:
        return None
    currency = "EUR" if system.tariff is None else system.tariff.currency
    return tiers.priced(currency, g.clock().date(), given, by_the_second=asked["by"] == "second")


def _millionths(name: str, text: str) -> int:
    try:
        amount = Decimal(text.replace(",", "."))
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or not 0 <= amount <= _MOST or amount != round(amount, _DIGITS):
        raise UsageError("must be an amount such as 0.15, with at most six decimals", field=name)
    return int(amount * 1_000_000)
