"""`greffier reviews …`: what waits for a person, who works on it, and first judgements."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.options import Account, AsJson, Home, ReadAs, plain, print_json, print_rows, read_file, reader_as
from home.errors import UsageError
from service.cases import first_judgement, notification, worklist
from service.records.reading import Reader
from service.wiring import open_home

app = typer.Typer(no_args_is_help=True, help="What waits for a person.")
COLUMNS = ("record", "system", "version", "kind", "since", "due", "overdue", "account", "assignment")
_OVERDUE = 1

RecordId = Annotated[str, typer.Argument(metavar="ID", help="Id of the decision.")]


@app.command("list")
def list_waiting(
    home: Home,
    system: Annotated[str | None, typer.Option(help="Slug of a system; by default all.")] = None,
    account: Annotated[str | None, typer.Option(help="Those on which this account works.")] = None,
    read_as: ReadAs = "officer",
    as_json: AsJson = False,
) -> int:
    """Results that are held, that a colleague passed on, or that must be decided anew; exit 1 where one is overdue."""
    with open_home(home) as g:
        scope = None if system is None else (system,)
        found = worklist.queue(g, reader_as(read_as), systems=scope, account=account)
    rows: list[dict[str, Any]] = [
        {name: str(value) if isinstance(value, date) else value for name, value in plain(one).items()} for one in found
    ]
    print_rows(rows, as_json=as_json, columns=COLUMNS)
    return _OVERDUE if any(one.overdue for one in found) else 0


@app.command("assign")
def assign(
    home: Home,
    record: RecordId,
    assignment: Annotated[int, typer.Option(help="Its number in the list.")],
    to: Annotated[str | None, typer.Option(help="Account that works on it; without it, nobody.")] = None,
    read_as: ReadAs = "officer",
) -> None:
    """Say who works on a case."""
    with open_home(home) as g:
        worklist.assign(g, reader_as(read_as), record, to=to, assignment=assignment)


@app.command("first")
def judge_first(
    home: Home,
    record: RecordId,
    outcome: Annotated[str, typer.Option(help="What you make of the case, as an outcome of the version.")],
    reasons_file: Annotated[Path, typer.Option("--reasons-file", help="Why; - for standard input.")],
    read_as: ReadAs = "officer",
    account: Account = None,
) -> None:
    """Judge a drawn case before its result is shown; then it is shown."""
    try:
        reasons = read_file(reasons_file, "--reasons-file").decode("utf-8").strip()
    except UnicodeDecodeError:
        raise UsageError("is not UTF-8 text", field="--reasons-file") from None
    with open_home(home) as g:
        print_json(
            first_judgement.first_judgement(g, Reader(reader_as(read_as).role, account), record, outcome, reasons)
        )


@app.command("agreement")
def show_agreement(
    home: Home,
    first_day: Annotated[str, typer.Option("--first", help="First day, YYYY-MM-DD.")],
    last_day: Annotated[str, typer.Option("--last", help="Last day.")],
    system: Annotated[str | None, typer.Option(help="Slug of a system; by default all.")] = None,
    read_as: ReadAs = "officer",
    as_json: AsJson = False,
) -> None:
    """How first judgements and results compare; small numbers stay closed."""
    with open_home(home, tolerant=True) as g:
        begin, end = _day(first_day, "--first"), _day(last_day, "--last")
        found = first_judgement.agreement(g, reader_as(read_as), begin, end, system=system)
    print_rows([plain(one) for one in found], as_json=as_json)


@app.command("notify")
def notify(
    home: Home, record: RecordId, day: Annotated[str, typer.Option(help="When the person was told, YYYY-MM-DD.")]
) -> None:
    """Record on which day the person was told of the decision; from then on they may see the result."""
    with open_home(home) as g:
        print_json({"review": notification.notify(g, record, _day(day, "--day")), "record": record})


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError("must be a date, YYYY-MM-DD", field=option) from None
