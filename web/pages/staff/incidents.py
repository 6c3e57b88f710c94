"""`/console/incidents`: what others must be told of (AI Act 26(5), 73), by what is due when; and one to be recorded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from accounts.caller import Known
from home.errors import UsageError
from home.greffier import Greffier
from registry.errors import Conflict, TransitionRefused
from registry.incident import DAYS, Due, open_tellings
from registry.values import Words
from service.systems import incident_clock, incidents, register
from web.auth import Installation, SignedIn, authorize, demand_scope
from web.pages.form_state import Filled
from web.pages.forms import Form, text_of
from web.pages.staff.console import console_page, see_other
from web.pages.staff.incident_forms import MEMBERS, WORDS, aware_of, facts_of, may, names_of

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)
_FIELDS: Final = ("system", "duty", "severity", "aware_day", "aware_time", "stop")


@dataclass(frozen=True, slots=True)
class Row:
    """An incident in the list. `since`: the day, here, on which the agency knew; `left`: who is still to be told.

    `next`: the nearest last day, None where none is set.
    """

    found: incidents.Incident
    name: Words
    since: date
    left: tuple[Due, ...]
    next: date | None
    late: bool


@router.get("/console/incidents")
def list_incidents(request: Request, g: Installation, staff: SignedIn) -> Response:
    """All incidents that the account reaches, or those of a system; what must be done first stands first."""
    slug = request.query_params.get("system")
    if slug is not None:
        demand_scope(staff, slug)
        register.show(g, slug)
    names, today = names_of(g, staff), incidents.today(g)
    rows = rows_of(g, incidents.list_incidents(g, slug), names)
    return console_page(
        request,
        g,
        staff,
        "incidents.html",
        rows=rows,
        today=today,
        system=slug,
        name=None if slug is None else names[slug],
        may_record=may(staff, "POST /console/incidents"),
        words=WORDS,
    )


@router.get("/console/incidents/new")
def show_new(request: Request, g: Installation, staff: SignedIn) -> Response:
    """The form, for the system that the address names or one that is chosen there."""
    slug = request.query_params.get("system", "")
    return _new(request, g, staff, Filled({"system": slug, "aware_day": incidents.today(g).isoformat()}))


@router.post("/console/incidents")
def record_incident(request: Request, g: Installation, staff: SignedIn, form: Form) -> Response:
    """Record it; where that was ticked, the system is stopped before anything else."""
    given = {name: text_of(form, name) for name in _FIELDS}
    if given["system"]:
        demand_scope(staff, given["system"])
    texts, facts, wrong = facts_of(form)
    aware, missed = aware_of(g, given["aware_day"], given["aware_time"])
    mistakes = {} if given["system"] in names_of(g, staff) else {"system": "choose"}
    mistakes |= {name: "choose" for name in ("duty", "severity") if given[name] not in WORDS[name]} | missed | wrong
    given |= texts
    if mistakes or facts is None or aware is None:
        return _new(request, g, staff, Filled(given, mistakes), status=422)
    try:
        found = incidents.open_incident(
            g,
            given["system"],
            duty=given["duty"],
            severity=given["severity"],
            aware=aware,
            facts=facts,
            role=staff.role,
            account=staff.account,
            stop=given["stop"] == "yes",
        )
    except UsageError:
        return _new(request, g, staff, Filled(given, {"aware_day": "ahead"}), status=422)
    except (TransitionRefused, Conflict) as error:
        wrong = {"duty": "not_ours"} if error.field == "duty" else {"stop": "changed"}
        return _new(request, g, staff, Filled(given, wrong), status=422)
    return see_other(request, f"/console/incidents/{found.id}", done="opened")


def rows_of(g: Greffier, found: tuple[incidents.Incident, ...], names: dict[str, Words]) -> list[Row]:
    """Late ones first, then what must be told at once, then by the nearest last day, what can be closed, what is."""
    rows = [_row(g, one, names[one.system]) for one in reversed(found) if one.system in names]
    return sorted(rows, key=lambda row: (row.found.closed, not row.left, not row.late, row.next or date.min))


def _row(g: Greffier, found: incidents.Incident, name: Words) -> Row:
    left, today = () if found.closed else open_tellings(found.clock), incidents.today(g)
    days = [due.by for due in left if due.by is not None]
    since = found.aware.astimezone(incident_clock.zone_of(g)).date()
    return Row(found, name, since, left, min(days, default=None), any(due.overdue(today) for due in left))


def _new(request: Request, g: Greffier, staff: Known, form: Filled, *, status: int = 200) -> Response:
    return console_page(
        request,
        g,
        staff,
        "incident_new.html",
        status=status,
        form=form,
        systems=names_of(g, staff),
        words=WORDS,
        days=DAYS,
        members=MEMBERS,
        zone=g.settings.time_zone,
    )
