"""`/console/systems`: every system with its state, what the duties say of it, and the steps that this role may take.

The stop is one button and a reason (AI Act 14(4)(e), 26(5)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from accounts.caller import Known
from home.errors import UsageError
from home.greffier import Greffier
from registry.errors import RegistryError, TransitionRefused
from registry.lifecycle import MODES, TRANSITIONS, Transition
from registry.values import Words
from service.systems import approval, gates, incidents, lifecycle, register
from web.api.systems import Slug
from web.auth import Installation, SignedIn, authorize, demand_scope
from web.pages.form_state import Filled
from web.pages.forms import Form, text_of
from web.pages.staff.console import console_page, see_other
from web.pages.staff.incident_forms import may
from web.pages.staff.incidents import rows_of

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)


@dataclass(frozen=True, slots=True)
class Row:
    """A system in the list. `warnings`: how many duties say something of it."""

    slug: str
    name: Words
    state: str
    version: int | None
    warnings: int


@router.get("/console/systems")
def list_systems(request: Request, g: Installation, staff: SignedIn) -> Response:
    """Every system that the account reaches, also those that the public does not see yet."""
    rows = [
        Row(one.system.slug, one.system.name, one.state, one.running_version, len(gates.look(g, one.system.slug)))
        for one in register.list_systems(g)
        if staff.reaches(one.system.slug)
    ]
    return console_page(request, g, staff, "systems.html", rows=rows)


@router.get("/console/systems/{slug}")
def show_system(request: Request, g: Installation, staff: SignedIn, slug: Slug) -> Response:
    """One system: its state, what the duties say, what was done so far and by whom, and the steps from here."""
    demand_scope(staff, slug)
    return _page(request, g, staff, slug, Filled())


@router.post("/console/systems/{slug}")
def take_step(request: Request, g: Installation, staff: SignedIn, slug: Slug, form: Form) -> Response:
    """A step of the table; who takes it is noted for the four eyes, and the log has the role."""
    demand_scope(staff, slug)
    to, reason = text_of(form, "to"), text_of(form, "reason")
    if not any(step.target == to for step in steps_of(g, staff, slug)):
        raise UsageError("is no step that this account may take from here", field="to")
    if to == "suspended" and not reason:
        return _page(request, g, staff, slug, Filled({}, {"reason": "choose"}), status=422)
    back = register.show(g, slug).state == "suspended" and to in MODES
    try:
        if to == "suspended":
            lifecycle.stop(g, slug, reason=reason, role=staff.role, account=staff.account)
        elif back:
            lifecycle.resume(g, slug, role=staff.role, account=staff.account)
        else:
            lifecycle.change_state(g, slug, to, reason=reason or None, role=staff.role, account=staff.account)
    except (TransitionRefused, RegistryError) as error:
        return _page(request, g, staff, slug, Filled({}, {"step": "not_yet"}), refused=str(error), status=409)
    return see_other(request, f"/console/systems/{slug}", done=to)


def steps_of(g: Greffier, staff: Known, slug: str) -> list[Transition]:
    """The steps that the role may take from the state of now; of a stopped system only the one that leads back."""
    shown = register.show(g, slug)
    found = [step for step in TRANSITIONS if step.source == shown.state and staff.role in step.roles]
    if shown.state == "suspended":
        stops = [one.what["from"] for one in approval.steps(g, slug) if one.what.get("to") == "suspended"]
        before = stops[-1] if stops else None
        found = [step for step in found if step.target not in MODES or step.target == before]
    return [step for step in found if step.source != step.target]


def _page(
    request: Request, g: Greffier, staff: Known, slug: str, form: Filled, *, refused: str = "", status: int = 200
) -> Response:
    shown = register.show(g, slug)
    steps = steps_of(g, staff, slug)
    return console_page(
        request,
        g,
        staff,
        "system_desk.html",
        status=status,
        shown=shown,
        findings=gates.look(g, slug),
        steps=[step for step in steps if step.target != "suspended"],
        stop=next((step for step in steps if step.target == "suspended"), None),
        history=approval.steps(g, slug),
        incidents=_incidents(g, staff, shown),
        form=form,
        refused=refused,
        done=request.query_params.get("done", ""),
    )


def _incidents(g: Greffier, staff: Known, shown: register.PublicSystem) -> tuple[int, int] | None:
    """How many incidents are open, and in how many of them a last day has passed; None for who is told of none."""
    if not may(staff, "GET /console/incidents"):
        return None
    slug = shown.system.slug
    rows = rows_of(g, incidents.list_incidents(g, slug), {slug: shown.system.name})
    return sum(not row.found.closed for row in rows), sum(row.late for row in rows)
