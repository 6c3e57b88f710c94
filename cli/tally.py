"""`greffier tally …`: committed sums of what the log holds, and the recount of them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.options import AsJson, Home, how_many, print_json, print_text, progress
from service.figures import recount, tallies
from service.wiring import open_home

app = typer.Typer(no_args_is_help=True, help="Committed sums of what the log holds.")


@app.command("run")
def run_tallies(home: Home) -> None:
    """Tally everything that the log holds and no tally covers."""
    with open_home(home) as g:
        made = tallies.tally_pending(g)
    progress(f"{how_many(made, 'tally was', 'tallies were')} recorded")


@app.command("recount")
def run_recount(
    home: Home,
    everything: Annotated[bool, typer.Option("--all", help="All tallies, also those that agreed before.")] = False,
    as_json: AsJson = False,
) -> int:
    """Hold tallies against live records, and sums over periods against their tallies; exit 1 where they differ."""
    with open_home(home, tolerant=True) as g:
        of_days, of_periods = recount.recount(g, everything=everything), recount.recount_periods(g)
    differences = [*of_days.differences, *of_periods.differences]
    if as_json:
        print_json(
            {
                "days": {"tallies": of_days.tallies, "partial": of_days.partial},
                "periods": {"tallies": of_periods.tallies},
                "differences": [_plain(one) for one in differences],
            }
        )
    else:
        said = f"{how_many(of_days.tallies, 'tally', 'tallies')} of days against records"
        if of_days.partial:
            said += f" (of {of_days.partial} some records were erased)"
        print_text(f"{said}, {of_periods.tallies} of periods against those of days")
        for one in differences:
            row = one.tally
            place = f"{row.system or 'no system'}, {row.first} to {row.last}, {one.cell}"
            print_text(f"differs: {place}: the tally says {one.stated}, counted {one.counted} ({row.id})")
    return 1 if differences else 0


def _plain(one: recount.Difference) -> dict[str, Any]:
    row = one.tally
    days = {"first": row.first, "last": row.last}
    return {"tally": row.id, "system": row.system or None, **days, "cell": one.cell, "stated": one.stated,
            "counted": one.counted}  # fmt: skip
