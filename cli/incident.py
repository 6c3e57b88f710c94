"""`greffier incident …`: what happened, whom the law wants told, and until when (AI Act 26(5), 73)."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from auditlog.core.entries.record import parse_time
from auditlog.core.errors import FormatError
from cli.options import Account, AsJson, Home, ReadAs, plain, print_json, print_rows, progress, read_file, reader_as
from cli.system import Slug
from home.errors import UsageError
from registry import declaration
from registry.canonical import parse_json
from registry.incident import DUTIES, RECIPIENTS, SEVERITIES, IncidentFacts, open_tellings
from service.systems import incidents
from service.wiring import open_home

app = typer.Typer(no_args_is_help=True, help="Incidents that others must be told of.")

_OVERDUE = 1
IncidentId = Annotated[str, typer.Argument(metavar="INCIDENT", help="Id of the incident.")]
By = Annotated[str, typer.Option("--role", help="Role code of who does it.")]
FactsFile = Annotated[
    Path, typer.Option("--facts", help='{"what", "harm", "persons", "cause", "measures"}: no person\'s name in it.')
]


@app.command("open")
def open_incident(
    home: Home,
    slug: Slug,
    duty: Annotated[str, typer.Option(help=f"{', '.join(DUTIES.codes)}: what asks for it.")],
    aware: Annotated[str, typer.Option(help="When the agency knew, YYYY-MM-DDTHH:MMZ.")],
    facts: FactsFile,
    severity: Annotated[str, typer.Option(help=", ".join(SEVERITIES.codes))] = "other",
    stop: Annotated[bool, typer.Option("--stop", help="Suspend the system first, at once.")] = False,
    role: By = "officer",
    account: Account = None,
) -> None:
    """Note that something happened; with --stop, the system is suspended before anything else."""
    try:
        time: datetime = parse_time(aware)
    except FormatError as error:
        raise UsageError(str(error).removeprefix("time: "), field="--aware") from None
    known = _facts(facts)
    with open_home(home) as g:
        found = incidents.open_incident(
            g, slug, duty=duty, severity=severity, aware=time, facts=known, role=role, account=account, stop=stop
        )
    print_json(_shown(found))
    if duty == "risk" and not stop:
        progress("a risk under 79(1) asks that the use is suspended: `greffier stop`, or --stop")
    _tell_who(found)


@app.command("told")
def told(
    home: Home,
    incident: IncidentId,
    recipient: Annotated[str, typer.Option("--to", help=", ".join(RECIPIENTS.codes))],
    day: Annotated[str, typer.Option(help="On which day, YYYY-MM-DD.")],
    unreached: Annotated[bool, typer.Option("--unreached", help="It could not be reached.")] = False,
    note_file: Annotated[Path | None, typer.Option("--note-file", help="How, and what it said; sealed.")] = None,
    role: By = "officer",
    account: Account = None,
) -> None:
    """Note that somebody was told, in the order of Article 26(5)."""
    try:
        on = date.fromisoformat(day)
    except ValueError:
        raise UsageError("is no day: write it as 2026-12-31", field="--day") from None
    note = read_file(note_file, "--note-file").decode("utf-8", "replace").strip() if note_file else ""
    with open_home(home) as g:
        found = incidents.tell(
            g, incident, recipient=recipient, day=on, reached=not unreached, note=note, role=role, account=account
        )
    print_json(_shown(found))
    _tell_who(found)


@app.command("close")
def close(home: Home, incident: IncidentId, facts: FactsFile, role: By = "officer", account: Account = None) -> None:
    """Note what came of it, once everybody was told."""
    known = _facts(facts)
    with open_home(home) as g:
        found = incidents.close(g, incident, facts=known, role=role, account=account)
    print_json(_shown(found))


@app.command("list")
def list_incidents(
    home: Home,
    slug: Annotated[str | None, typer.Argument(metavar="[SLUG]", help="Of a system; by default all.")] = None,
    as_json: AsJson = False,
) -> int:
    """All incidents with their clocks, without what happened; exit 1 where a last day has passed."""
    with open_home(home, tolerant=True) as g:
        found, today = incidents.list_incidents(g, slug), incidents.today(g)
    if as_json:
        print_json([_shown(one) for one in found])
    else:
        print_rows([_row(one) for one in found], as_json=False)
    overdue = any(due.overdue(today) for one in found if not one.closed for due in one.clock)
    return _OVERDUE if overdue else 0


@app.command("show")
def show(home: Home, incident: IncidentId, read_as: ReadAs = "officer") -> None:
    """One incident with what happened; the reading is in the log first."""
    reader = reader_as(read_as)
    with open_home(home) as g:
        found = incidents.read(g, reader, incident)
    facts = declaration.format_object(found.facts)
    print_json({**_shown(found.incident), "facts": facts, "notes": list(found.notes)})


def _facts(path: Path) -> IncidentFacts:
    found: IncidentFacts = declaration.parse_object(
        IncidentFacts, parse_json(read_file(path, "--facts"), what="facts"), "facts"
    )
    return found


def _shown(found: incidents.Incident) -> dict[str, Any]:
    shown: dict[str, Any] = plain(found)
    shown["aware"] = found.aware.isoformat(timespec="minutes")
    shown["told"] = [{**plain(one), "day": one.day.isoformat()} for one in found.told]
    shown["clock"] = [
        {**plain(due), "by": due.by and due.by.isoformat(), "done": due.done and due.done.isoformat()}
        for due in found.clock
    ]
    return shown


def _row(found: incidents.Incident) -> dict[str, Any]:
    left = open_tellings(found.clock)
    tell = ", ".join(f"{due.recipient}{f' by {due.by.isoformat()}' if due.by else ' now'}" for due in left)
    return {
        "incident": found.id,
        "system": found.system,
        "duty": found.duty,
        "severity": found.severity,
        "aware": found.aware.isoformat(timespec="minutes"),
        "to_tell": tell,
        "state": "closed" if found.closed else "open",
    }


def _tell_who(found: incidents.Incident) -> None:
    for due in open_tellings(found.clock):
        until = f", at the latest on {due.by.isoformat()}" if due.by else ""
        how = "immediately" if due.immediately else "without undue delay"
        progress(f"tell {RECIPIENTS.text(due.recipient, 'en')} {how}{until} (AI Act {due.article})")
