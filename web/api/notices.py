"""`/api/notices`: that people were told about a system (AI Act 26(7), 26(11), 50)."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from auditlog.core.entries.vocabulary import NOTICE_DUTIES
from auditlog.store.cursor import DecisionFilter
from home.errors import UsageError, asked
from service.deciding import idempotency
from service.disclosing import notices
from service.records import public_lists
from web.api.decisions import KEY_PARAMETER, key_of
from web.auth import Installation, SignedIn, authorize, demand_scope
from web.json_body import Sent, read_body, taking

router: Final = APIRouter(dependencies=[Depends(authorize)], tags=["notices"])

_SLUG: Final = r"^[a-z0-9-]{1,64}$"
_UUID4: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
_DAY: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_MINUTE: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}Z$"
_NO_STORE: Final = {"cache-control": "no-store"}
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "No valid key"},
    403: {"description": "Role or scope of the key does not reach this"},
    422: {"description": "Not valid; field and fix are named"},
}


class NoticeGiven(BaseModel):
    """That people were told."""

    model_config = ConfigDict(extra="forbid", strict=True)

    system: Annotated[str, Field(pattern=_SLUG, description="the system that they were told about")]
    duty: Annotated[str, Field(max_length=40, description=f"what asks for it: {', '.join(NOTICE_DUTIES)}")]
    channel: Annotated[str, Field(max_length=40, description=f"how: {', '.join(notices.CHANNELS)}; sealed")]
    day: Annotated[str, Field(pattern=_DAY, description="on which day they were told; not one to come; sealed")]
    reference: Annotated[
        str | None,
        Field(pattern=_UUID4, description="id of the result, for affected_person and no other duty; sealed"),
    ] = None
    text: Annotated[
        str | None,
        Field(max_length=notices.MAX_TEXT, description="what was said, if not the notice of the version; sealed"),
    ] = None


class Wanted(BaseModel):
    """Which notices are listed."""

    model_config = ConfigDict(extra="forbid")

    system: Annotated[str | None, Field(pattern=_SLUG)] = None
    since: Annotated[str | None, Field(pattern=_MINUTE, description="minute of the entry, included")] = None
    until: Annotated[str | None, Field(pattern=_MINUTE, description="minute of the entry, excluded")] = None
    cursor: Annotated[str | None, Field(max_length=200, description="`next` of the page before")] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


@router.get("/api/notices", response_class=JSONResponse, responses=_PROBLEMS)
def list_notices(g: Installation, caller: SignedIn, wanted: Annotated[Wanted, Query()]) -> Response:
    """Notices by minute of their entries, the newest first, with what stands of them in clear: system and duty."""
    system = wanted.system
    if caller.systems is not None:
        system = caller.systems[0] if system is None and len(caller.systems) == 1 else system
        demand_scope(caller, system or "")
    with asked():
        where = DecisionFilter(kind=public_lists.NOTICE, system=system, since=wanted.since, until=wanted.until)
    page = public_lists.list_page(g, where, wanted.cursor, wanted.limit)
    return JSONResponse({"notices": page.rows, "next": page.next}, headers=_NO_STORE)


@router.post(
    "/api/notices",
    status_code=201,
    response_class=JSONResponse,
    responses={
        **_PROBLEMS,
        404: {"description": "No such system, or no such result"},
        409: {"description": "The key was used for another notice"},
        410: {"description": "The result was erased"},
        503: {"description": "The log cannot record now, so nothing was recorded"},
    },
    openapi_extra=taking(NoticeGiven, KEY_PARAMETER),
)
def record_notice(
    g: Installation, caller: SignedIn, body: Sent, key: Annotated[idempotency.Key | None, Depends(key_of)]
) -> Response:
    """Record that people were told. Repeated under its key it is recorded once."""
    given = read_body(NoticeGiven, body)
    demand_scope(caller, given.system)
    notice_id = notices.given(
        g,
        given.system,
        duty=given.duty,
        channel=given.channel,
        day=_day(given.day),
        reference=given.reference,
        text=given.text,
        key=key,
    )
    return JSONResponse({"notice": notice_id, "system": given.system}, status_code=201, headers=_NO_STORE)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError("is no day of the calendar: write it as 2026-11-24", field="day") from None
