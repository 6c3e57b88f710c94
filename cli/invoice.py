"""`greffier invoice check`: a provider's bill against recorded usage and tariff."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Annotated, TextIO

import typer

from cli.options import AsJson, Home, how_many, print_json, print_rows, progress
from home.errors import UsageError
from service.invoices import check as invoice
from service.invoices.findings import Checked
from service.wiring import open_home

AGREES, DIFFERS = 0, 1
_COLUMNS = ("line", "status", "component", "systems", "billed", "explained", "unexplained", "why")

app = typer.Typer(no_args_is_help=True, help="A provider's bill.")


@app.callback()
def _group() -> None:
    """Its commands keep their names, also while there is one."""


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="CSV with the columns of FOCUS 1.2; - is stdin.")],
    home: Home,
    tax: Annotated[str | None, typer.Option(help="Rate of tax in percent that lines of tax are held against.")] = None,
    as_json: AsJson = False,
) -> int:
    """Hold each line against recorded usage of the gateway and the register's tariff; 1 when one is not explained."""
    rate = _percent(tax)
    with open_home(home, tolerant=True) as g, _lines(file) as lines:
        found = invoice.check(g, lines, tax_percent=rate)
    if as_json:
        print_json(found)
    else:
        print_rows([_row(one) for one in found.lines], as_json=False, columns=_COLUMNS)
    for total in found.totals:
        progress(
            f"{total.currency}: {how_many(total.lines, 'line')}, billed {_money(total.billed)}, explained "
            f"{_money(total.explained)}, unexplained {_money(total.unexplained)}, credits {_money(total.credits)}"
        )
    for left in found.unbilled:
        progress(f"{left.system} version {left.version}: {left.quantity:,} recorded ({left.counted}), not billed here")
    if found.unfinished:
        progress(f"{how_many(found.unfinished, 'request')} began and ended without an answer: they may be billed too")
    progress("bill and records agree" if found.agrees else "the bill asks for more than records and tariff explain")
    return AGREES if found.agrees else DIFFERS


def _row(one: Checked) -> dict[str, object]:
    why = one.why if one.line is None else f"{one.why} (line {one.line})"
    return {
        "line": one.line_number,
        "status": one.status,
        "component": one.component,
        "systems": " ".join(one.systems),
        "billed": _money(one.billed),
        "explained": _money(one.explained),
        "unexplained": _money(one.unexplained),
        "why": why,
    }


def _money(millionths: int) -> str:
    return str(Decimal(millionths).scaleb(-6).quantize(Decimal("0.000001")))


def _percent(text: str | None) -> Fraction | None:
    try:
        value = None if text is None else Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if value is not None and not (value.is_finite() and 0 <= value <= 100):
        raise UsageError("must be a percentage, such as 21", field="--tax")
    return None if value is None else Fraction(value)


@contextlib.contextmanager
def _lines(source: Path) -> Iterator[TextIO]:
    if str(source) == "-":
        yield io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", newline="")
        return
    try:
        file = source.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror}): give the path of a CSV file", field="FILE") from None
    with file:
        yield file
