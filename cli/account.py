"""`greffier account`: the accounts of staff, by the machine's owner. The first administrator is made here."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from accounts import administration
from accounts.account import parse_day
from accounts.administration import Condition, Issued
from cli.options import AsJson, Home, print_json, print_rows, progress
from service.wiring import open_home

app = typer.Typer(no_args_is_help=True, help="Accounts of staff.")

Login = Annotated[str, typer.Argument(help="The account's login.")]
Systems = Annotated[list[str] | None, typer.Option("--system", help="Only these systems.")]
Ends = Annotated[str | None, typer.Option("--ends", metavar="YYYY-MM-DD", help="The last day (UTC) of its use.")]


@app.command("add")
def add(
    home: Home,
    login: Login,
    name: Annotated[str, typer.Option(help="What colleagues call the person.")],
    role: Annotated[str, typer.Option(help="officer, approver, auditor, operator or administrator.")],
    system: Systems = None,
    ends: Ends = None,
) -> None:
    """Make an account; the code for the first sign-in is shown once, and good for three days."""
    with open_home(home, tolerant=True) as g:
        issued = administration.add(
            g, login=login, name=name, role=role, systems=system or (), ends=_day(ends), by=None
        )
    _print_issued(issued)


@app.command("list")
def list_all(home: Home, as_json: AsJson = False) -> None:
    """All accounts, ended ones too. Nothing that opens one is shown."""
    with open_home(home, tolerant=True) as g:
        rows = [_row(one) for one in administration.conditions(g)]
    print_rows(rows, as_json=as_json)


@app.command("change")
def change(
    home: Home,
    login: Login,
    role: Annotated[str | None, typer.Option(help="Another role.")] = None,
    system: Systems = None,
    all_systems: Annotated[bool, typer.Option("--all-systems", help="No limit to some systems.")] = False,
    ends: Ends = None,
    no_end: Annotated[bool, typer.Option("--no-end", help="No last day.")] = False,
) -> None:
    """Change role, systems or last day; its sessions end."""
    with open_home(home, tolerant=True) as g:
        systems = () if all_systems else system or None
        administration.change(g, login, role=role, systems=systems, ends=_day(ends), forever=no_end, by=None)
    progress(f"{login} is changed, and signed out everywhere")


@app.command("end")
def end(home: Home, login: Login) -> None:
    """End an account and its sessions at once. What was done with it stays."""
    with open_home(home, tolerant=True) as g:
        administration.end(g, login, by=None)
    progress(f"{login} has ended")


@app.command("reset")
def reset(home: Home, login: Login) -> None:
    """Take password and second factor away; a new code for a first sign-in is shown once."""
    with open_home(home, tolerant=True) as g:
        issued = administration.reset(g, login, by=None)
    _print_issued(issued)


def _day(text: str | None) -> date | None:
    return None if text is None else parse_day(text)


def _print_issued(issued: Issued) -> None:
    account = issued.account
    print_json(
        {
            "account": account.id,
            "login": account.login,
            "role": account.role,
            "code": issued.code,
            "until": issued.until.isoformat(timespec="minutes"),
        }
    )
    progress("sign in for the first time at /sign-in/first with login and code; the code is not shown again")


def _row(one: Condition) -> dict[str, str | None]:
    account = one.account
    state = "ended" if not one.in_use else "in use" if one.ready else "waits for the first sign-in"
    return {
        "login": account.login,
        "name": account.name,
        "role": account.role,
        "systems": "all" if account.systems is None else ", ".join(account.systems),
        "state": state,
        "ends": None if account.ends is None else account.ends.isoformat(),
        "account": account.id,
    }
