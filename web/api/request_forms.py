"""Requests as JSON: to the person without ids and accounts, to staff with both."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any, Final

from casework.request import Request
from service.cases.officer_requests import Shown
from service.cases.public_requests import Status
from service.cases.request_texts import StepShown

_STAFFS: Final = ("id", "reference", "account", "version")


def shown(request: Request, *, staff: bool = True) -> dict[str, Any]:
    """A request without what was written."""
    return {name: _plain(value) for name, value in asdict(request).items() if staff or name not in _STAFFS}


def status_shown(status: Status) -> dict[str, Any]:
    """What the person is told."""
    members = {name: _plain(value) for name, value in asdict(status).items() if name != "steps"}
    return {**members, "steps": [_step(one, staff=False) for one in status.steps]}


def story_shown(found: Shown) -> dict[str, Any]:
    """What an officer is shown."""
    return {
        **shown(found.request),
        "text": found.text,
        "contact": found.contact,
        "hint": found.hint,
        "overdue": found.overdue,
        "steps": [_step(one, staff=True) for one in found.steps],
    }


def _step(one: StepShown, *, staff: bool) -> dict[str, Any]:
    return {name: _plain(value) for name, value in asdict(one).items() if staff or name != "account"}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
