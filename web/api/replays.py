"""`/api/replays`: run a recorded decision again, and see how replays ended. Under load it waits for the device."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from accounts.token import KeyRejected
from auditlog.store.cursor import DecisionFilter
from auditlog.store.replays import REPLAY
from home.errors import asked
from service.records import public_lists, reading
from service.replaying import replay
from service.replaying.order import How
from web.auth import Caller, Installation, authorize, demand_scope, reader_of
from web.json_body import Sent, read_body, taking

router: Final = APIRouter(dependencies=[Depends(authorize)], tags=["replays"])

_UUID4: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
_SLUG: Final = r"^[a-z0-9-]{1,64}$"
_NO_STORE: Final = {"cache-control": "no-store"}
_Verdict = Literal["bit_exact", "token_exact", "within_tolerance", "mismatch", "not_replayable"]
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "No valid key"},
    403: {"description": "Role or scope of the key does not reach this"},
    422: {"description": "Not valid; field and fix are named"},
}


class ReplayRequest(BaseModel):
    """Which decision is run again, and how."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: Annotated[str, Field(pattern=_UUID4, description="id of the decision")]
    passes: Annotated[
        Literal["one_pass", "alone"], Field(description="one pass over prompt and output, or generated anew")
    ] = "one_pass"
    threads: Annotated[int | None, Field(ge=1, le=512, description="other than the version's number")] = None


class ListQuery(BaseModel):
    """Which replays are listed."""

    model_config = ConfigDict(extra="forbid")

    system: Annotated[str | None, Field(pattern=_SLUG)] = None
    verdict: _Verdict | None = None
    since: Annotated[str | None, Field(description="from this minute on, YYYY-MM-DDTHH:MMZ")] = None
    until: Annotated[str | None, Field(description="before this minute")] = None
    cursor: Annotated[str | None, Field(max_length=200, description="`next` of the page before")] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


@router.post(
    "/api/replays",
    status_code=201,
    response_class=JSONResponse,
    responses={
        **_PROBLEMS,
        404: {"description": "No such decision"},
        409: {"description": "No decision, or its use is restricted"},
        503: {"description": "The log cannot record now, or the device had no time: nothing is said; try again"},
    },
    openapi_extra=taking(ReplayRequest),
)
def make_replay(g: Installation, caller: Caller, body: Sent) -> Response:
    """Run a decision again. The access to its content and the verdict are in the log before the answer."""
    if caller is None:
        raise KeyRejected("send an API key as `Authorization: Bearer grf_…`")
    wanted = read_body(ReplayRequest, body)
    demand_scope(caller, str(reading.find(g, wanted.id).entry.members.get("system") or ""))
    verdict = replay.replay(g, reader_of(caller), wanted.id, How(wanted.passes, wanted.threads))
    headers = {"location": f"/api/replays/{verdict.id}", **_NO_STORE}
    return JSONResponse(replay.as_json(verdict), status_code=201, headers=headers)


@router.get("/api/replays", response_class=JSONResponse, responses=_PROBLEMS)
def list_replays(g: Installation, caller: Caller, wanted: Annotated[ListQuery, Query()]) -> Response:
    """Replays by minute, the newest first, with what stands of them in clear: not which decision it was."""
    if caller is None:
        raise KeyRejected("send an API key as `Authorization: Bearer grf_…`")
    system = wanted.system
    if caller.systems is not None:
        system = caller.systems[0] if system is None and len(caller.systems) == 1 else system
        demand_scope(caller, system or "")
    with asked():
        where = DecisionFilter(
            kind=REPLAY, system=system, reason=wanted.verdict, since=wanted.since, until=wanted.until
        )
    page = public_lists.list_page(g, where, wanted.cursor, wanted.limit)
    return JSONResponse({"replays": page.rows, "next": page.next}, headers=_NO_STORE)


@router.get(
    "/api/replays/{id}",
    response_class=JSONResponse,
    responses={
        **_PROBLEMS,
        404: {"description": "No such replay"},
        410: {"description": "The decision was erased, and what was found about it with it"},
    },
)
def read_replay(
    g: Installation,
    caller: Caller,
    id: Annotated[str, Path(pattern=_UUID4)],
) -> Response:
    """One replay with its decision and the numbers behind the verdict; the access is in the log before the answer."""
    if caller is None:
        raise KeyRejected("send an API key as `Authorization: Bearer grf_…`")
    demand_scope(caller, str(replay.demand_replay(g, id).members["system"]))
    return JSONResponse(replay.as_json(replay.show(g, reader_of(caller), id)), headers=_NO_STORE)
