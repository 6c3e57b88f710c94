"""`/api/reviews`: what waits for a person, and what a case system's officers decided about it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from service.cases import reviews, worklist
from service.cases.officer_requests import MOST
from service.deciding import idempotency
from service.records import blind_review, reading
from web.api.decisions import KEY_PARAMETER, key_of
from web.auth import Installation, SignedIn, authorize, demand_scope, reader_of
from web.json_body import Sent, read_body, taking

router: Final = APIRouter(dependencies=[Depends(authorize)], tags=["reviews"])

_UUID4: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
_NO_STORE: Final = {"cache-control": "no-store"}
_LONGEST: Final = 20_000
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "No valid key"},
    403: {"description": "Role or scope of the key does not reach this"},
    422: {"description": "Not valid; field and fix are named"},
    503: {"description": "The log cannot record now, so nothing was recorded or given"},
}


class ReviewGiven(BaseModel):
    """What an officer decided about a result."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: Annotated[str, Field(pattern=_UUID4, description="id of the decision entry")]
    action: Literal["confirm", "override", "refer", "release"]
    decision: Annotated[str, Field(min_length=1, max_length=_LONGEST, description="the agency's decision")]
    reasons: Annotated[str, Field(min_length=1, max_length=_LONGEST, description="the officer's reasons")]
    text: Annotated[str | None, Field(max_length=_LONGEST, description="the final text as sent")] = None
    effect: Annotated[str | None, Field(max_length=_LONGEST, description="legal effect")] = None
    notified: Annotated[str | None, Field(max_length=10, description="day on which the person was told")] = None


class Wanted(BaseModel):
    """What is listed."""

    model_config = ConfigDict(extra="forbid")

    system: Annotated[str | None, Field(pattern=r"^[a-z0-9-]{1,64}$")] = None
    mine: Annotated[bool, Field(description="those alone on which this account works")] = False
    limit: Annotated[int, Field(ge=1, le=MOST)] = 200


@router.get("/api/reviews", response_class=JSONResponse, responses=_PROBLEMS)
def list_waiting(g: Installation, caller: SignedIn, wanted: Annotated[Wanted, Query()]) -> Response:
    """Results that wait for a person, due first first: held, passed on by a colleague, or to be decided anew.

    That they were listed is in the log first.
    """
    systems = caller.systems
    if wanted.system is not None:
        demand_scope(caller, wanted.system)
        systems = (wanted.system,)
    found = worklist.queue(
        g, reader_of(caller), systems=systems, account=caller.account if wanted.mine else None, limit=wanted.limit
    )
    return JSONResponse({"waiting": [_shown(one) for one in found]}, headers=_NO_STORE)


@router.post(
    "/api/reviews",
    status_code=201,
    response_class=JSONResponse,
    responses={
        **_PROBLEMS,
        404: {"description": "No such decision"},
        409: {"description": "No decision, or a rule refuses this; or the key was used for another review"},
        410: {"description": "The decision was erased"},
    },
    openapi_extra=taking(ReviewGiven, KEY_PARAMETER),
)
def record_review(
    g: Installation,
    caller: SignedIn,
    body: Sent,
    key: Annotated[idempotency.Key | None, Depends(key_of)],
) -> Response:
    """Record a review; the result is released unless it is passed on. Repeated under its key it is recorded once.

    Of a drawn case the first judgement comes first, for a key of an officer as for one who signed in. A case system,
    whose keys have role client, is asked for none: what its own screens show, this program does not know.
    """
    given = read_body(ReviewGiven, body)
    demand_scope(caller, str(reading.find(g, given.id).entry.members.get("system") or ""))
    blind_review.demand_judged(g, reader_of(caller), given.id)
    made = reviews.Review(**{name: getattr(given, name) for name in reviews.MEMBERS})
    review_id = reviews.record_review(g, given.id, made, key=key)
    return JSONResponse({"review": review_id, "record": given.id}, status_code=201, headers=_NO_STORE)


def _shown(one: worklist.Waiting) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in asdict(one).items()}
