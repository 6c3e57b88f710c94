"""Incidents: opened, told to others in the order of the law, closed (AI Act 26(5), 73).

Each step is an entry; what happened is sealed, and read under an access of its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from auditlog.core.entries.record import format_time
from auditlog.core.errors import Erased
from auditlog.core.formats.canonical import Json
from auditlog.writing.log import Sequenced, Unit
from home.errors import Refused, UnknownRecord, UsageError
from home.greffier import Greffier
from registry import declaration, incident
from registry.errors import Conflict, TransitionRefused
from registry.incident import IncidentFacts, Notification
from registry.lifecycle import MODES
from registry.store import incidents as store
from registry.store import systems as system_store
from registry.store.incidents import IncidentStep
from registry.system import AISystem
from service.records import reading
from service.records.accesses import STAFF
from service.systems import lifecycle
from service.systems.incident_clock import Incident, gathered, zone_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

Facts = IncidentFacts
__all__ = (
    "Facts",
    "Incident",
    "IncidentFile",
    "close",
    "find",
    "list_incidents",
    "open_incident",
    "read",
    "tell",
    "today",
)


@dataclass(frozen=True, slots=True)
class IncidentFile:
    """An incident with its content: the facts as they were last told, and the notes of each telling in order."""

    incident: Incident
    system: AISystem
    facts: Facts
    notes: tuple[str, ...]


def open_incident(
    g: Greffier,
    slug: str,
    *,
    duty: str,
    severity: str,
    aware: datetime,
    facts: Facts,
    role: str,
    account: str | None = None,
    stop: bool = False,
) -> Incident:
    """Note that something happened of which others must know. `stop`: suspend the system first, at once.

    Raises FormatError, UsageError for a time to come, RegistryError where it cannot be stopped.
    """
    incident.DUTIES.parse(duty, "duty")
    incident.SEVERITIES.parse(severity, "severity")
    checked = _facts_json(facts)
    if aware.astimezone(UTC) > g.clock():
        raise UsageError("is to come: write when the agency knew", field="aware")
    with g.reading() as conn:
        registered = system_store.read_system(conn, slug)
    _demand_role(registered.system, duty)
    version = registered.running_version
    if stop and registered.state in MODES:
        lifecycle.stop(g, slug, reason="incident", role=role, account=account)
    new = Incident(str(uuid.uuid4()), slug, version, duty, severity, aware.astimezone(UTC), (), (), False, (), ())
    _append(g, _step(new, "opened", role, account), {"facts": checked, "told": None})
    return find(g, new.id)


def _demand_role(system: AISystem, duty: str) -> None:
    """Article 73 is the provider's; 26(5) the deployer's."""
    wanted = "provider" if duty == "provider" else "deployer"
    if system.role not in {wanted, "both"}:
        raise TransitionRefused(
            f"is a duty of the {wanted}, which this agency is not for this system; see `role` in its record",
            field="duty",
        )


def tell(
    g: Greffier,
    incident_id: str,
    *,
    recipient: str,
    day: date,
    reached: bool = True,
    note: str = "",
    role: str,
    account: str | None = None,
    seen: int | None = None,
) -> Incident:
    """Note that somebody was told, or could not be reached. `seen`: steps that the incident had when it was looked at.

    Raises TransitionRefused where the order of 26(5) is not kept, FormatError for a day before the agency knew,
    UsageError for a day to come, Conflict for an incident that is closed, or has other steps than `seen`.
    """
    found, now = _open(g, incident_id, seen), Notification(recipient, day, reached)
    if day > today(g):
        raise UsageError("is to come: write the day on which it was done", field="day")
    incident.check_notification(found.duty, found.told, now, _local_day(g, found.aware))
    told: Json = {"recipient": recipient, "day": day.isoformat(), "reached": reached, "note": note[:4000]}
    step = replace(_step(found, "told", role, account), recipient=recipient, day=day.isoformat(), reached=reached)
    _append(g, step, {"facts": None, "told": told}, expected=len(found.entries))
    return find(g, incident_id)


def close(
    g: Greffier, incident_id: str, *, facts: Facts, role: str, account: str | None = None, seen: int | None = None
) -> Incident:
    """Note what came of it. Raises Conflict where somebody must still be told, it is closed, or other than `seen`."""
    found = _open(g, incident_id, seen)
    left = incident.open_tellings(found.clock)
    if left:
        names = ", ".join(incident.RECIPIENTS.text(due.recipient, "en") for due in left)
        raise Conflict(f"is not closed before these are told: {names} (`greffier incident told`)", field="incident")
    content: dict[str, Json] = {"facts": _facts_json(facts), "told": None}
    _append(g, _step(found, "closed", role, account), content, expected=len(found.entries))
    return find(g, incident_id)


def find(g: Greffier, incident_id: str) -> Incident:
    """One incident, without its content. Raises UnknownRecord."""
    with g.reading() as conn:
        steps = store.steps_of(conn, incident_id)
    if not steps:
        raise UnknownRecord("there is no incident of this id: see `greffier incident list`")
    return gathered(steps, zone_of(g))[0]


def list_incidents(g: Greffier, slug: str | None = None) -> tuple[Incident, ...]:
    """All incidents, or those of a system, the newest last; without content."""
    with g.reading() as conn:
        return gathered(store.list_steps(conn, slug), zone_of(g))


def read(g: Greffier, reader: reading.Reader, incident_id: str) -> IncidentFile:
    """An incident with its content, for the notice to provider and authority; the access is in the log first.

    Raises UnknownRecord, Erased, and Refused for a role that is given no content.
    """
    if reader.role not in STAFF:
        raise Refused("what happened is shown to staff only", reason="role", field="role")
    found = find(g, incident_id)
    with g.reading() as conn:
        steps = store.steps_of(conn, incident_id)
        system = system_store.read_system(conn, found.system).system
    records = reading.open_many(g, reader, "evidence", [step.id for step in steps])
    known: list[Any] = [record.values["facts"] for record in records if record.values["facts"] is not None]
    told: list[Any] = [record.values["told"] for record in records if record.values["told"] is not None]
    if not known:
        raise Erased("what happened was erased; its entries remain", field="incident")
    facts = declaration.parse_object(IncidentFacts, known[-1]["text"], "facts")
    return IncidentFile(found, system, facts, tuple(str(item["note"]) for item in told))


def _open(g: Greffier, incident_id: str, seen: int | None) -> Incident:
    found = find(g, incident_id)
    if found.closed:
        raise Conflict("is closed: open another one where something new happened", field="incident")
    if seen is not None and seen != len(found.entries):
        raise _changed()
    return found


def _changed() -> Conflict:
    return Conflict("changed meanwhile: look at it again, then repeat", field="incident")


def _append(g: Greffier, begun: IncidentStep, content: Mapping[str, Json], *, expected: int = 0) -> None:
    """The entry, its sealed content and its row in one unit. Raises Conflict where another step came in between."""
    entry_id = str(uuid.uuid4())
    prepared = g.vault.prepare(entry_id, _sealed(begun, content))
    entry = g.make(
        "incident/1",
        id=entry_id,
        system=begun.slug,
        version=begun.version,
        incident=begun.incident,
        duty=begun.duty,
        step=begun.step,
        role=begun.role,
        commitments=prepared.commitments,
    )

    def rows(conn: Connection, sequenced: tuple[Sequenced, ...]) -> None:
        if len(store.steps_of(conn, begun.incident)) != expected:
            raise _changed()
        prepared.insert(conn)
        store.add_step(conn, replace(begun, id=entry_id, log=sequenced[0].log, idx=sequenced[0].index))

    g.log.append(Unit((entry,), rows)).result()


def _sealed(begun: IncidentStep, content: Mapping[str, Json]) -> dict[str, Json]:
    """The content with what the row says beyond the entry: the row is checked by it (`incident_check`)."""
    facts, told = content["facts"], content["told"]
    of_row: dict[str, Json] = {"severity": begun.severity, "aware": begun.aware, "account": begun.account}
    return {
        "facts": None if facts is None else {**of_row, "text": facts},
        "told": {**told, "account": begun.account} if isinstance(told, dict) else None,
    }


def _facts_json(facts: Facts) -> Json:
    """Checked as a file is: lengths, control characters. Raises FormatError with the member."""
    value = declaration.format_object(facts)
    declaration.parse_object(IncidentFacts, value, "facts")
    return value


def _step(found: Incident, step: str, role: str, account: str | None) -> IncidentStep:
    """The next step of an incident, before its entry has a place."""
    return IncidentStep(
        log=0,
        idx=0,
        id="",
        slug=found.system,
        incident=found.id,
        version=found.version,
        duty=found.duty,
        step=step,
        severity=found.severity,
        aware=format_time(found.aware),
        recipient=None,
        day=None,
        reached=None,
        role=role,
        account=account,
    )


def today(g: Greffier) -> date:
    """The day now, where the agency is."""
    return _local_day(g, g.clock())


def _local_day(g: Greffier, time: datetime) -> date:
    return time.astimezone(zone_of(g)).date()
