"""What was written in the course of a request, opened for somebody whose access is in the log already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import cast

from auditlog.core.formats.canonical import Json
from auditlog.store.record_events import find_about
from casework.request import Step
from home.errors import Refused
from home.greffier import Greffier
from service.cases.request_steps import KIND, facts
from service.records import reading


@dataclass(frozen=True, slots=True)
class StepShown:
    """One step. `text`: what was written in it; `explanation`: the id of the one that an answer gives; `account`: who
    took it, for staff alone, None for the person."""

    step: Step
    day: date
    ground: str | None
    text: str | None = field(repr=False)
    explanation: str | None
    account: str | None


@dataclass(frozen=True, slots=True)
class Story:
    """All steps, oldest first; how the person is reached, as the first one says; the system that was named in it
    without a record; and whether any named a record."""

    steps: tuple[StepShown, ...]
    contact: Mapping[str, Json] = field(repr=False)
    asked_about: str | None
    referred: bool

    @property
    def text(self) -> str:
        """What the person asked."""
        return self.steps[0].text or ""


def open_story(g: Greffier, reader: reading.Reader, request_id: str, *, purpose: reading.Purpose = "request") -> Story:
    """The steps of a request; the access is in the log when this returns.

    Raises UnknownRecord, Erased, Refused for what is no request, CannotRecord.
    """
    if reading.find(g, request_id).entry.kind != KIND:
        raise Refused("is no request: take an id that the list gives", reason="not_a_request", field="id")
    record = reading.open(g, reader, purpose, request_id)
    with g.reading() as conn:
        later = [row.id for row in find_about(conn, request_id, KIND)]
    opened = [record, *reading.behind(g, record, later)]
    contact = record.values.get("contact")
    referred = any(one.values.get("reference") is not None for one in opened)
    named = record.values.get("system") if record.values.get("reference") is None else None
    return Story(
        tuple(_shown(one.values) for one in opened),
        contact if isinstance(contact, dict) else {},
        named if isinstance(named, str) else None,
        referred,
    )


def _shown(values: Mapping[str, Json]) -> StepShown:
    taken, text = facts(values), values.get("text")
    return StepShown(taken.step, taken.day, taken.ground, cast("str | None", text), taken.explanation, taken.account)
