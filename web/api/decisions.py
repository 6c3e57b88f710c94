"""`/api/decisions`: ask for a result, which is recorded before it is given, and look decisions up."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.concurrency import run_in_threadpool

from accounts.token import KeyRejected
from auditlog.core.entries.vocabulary import MAX_UINT
from auditlog.store.cursor import DecisionFilter
from auditlog.vault.references import Refs
from home.errors import UsageError, asked
from home.greffier import Greffier
from home.rate_limits import KeyLimits
from service.deciding import decide, deferred, idempotency
from service.records import query
from web.api import references
from web.auth import Caller, Installation, authorize, demand_scope, reader_of
from web.decision_threads import in_decision_thread
from web.json_body import Sent, read_body, taking

router: Final = APIRouter(dependencies=[Depends(authorize)], tags=["decisions"])

_SLUG: Final = r"^[a-z0-9-]{1,64}$"
_FIRST: Final = date(2000, 1, 1)
_LAST: Final = date(2999, 12, 31)
_NO_STORE: Final = {"cache-control": "no-store"}
PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "No valid key"},
    403: {"description": "Role or scope of the key does not reach this"},
    422: {"description": "Not valid; field and fix are named"},
    429: {"description": "The key has too many requests under way, or in this minute; `Retry-After` says when"},
    503: {"description": "The log cannot record now, so nothing is decided"},
}


_HEADER: Final = "Idempotency-Key"
KEY_PARAMETER: Final = {
    "name": _HEADER,
    "in": "header",
    "required": False,
    "description": (
        "A name that you give to this request, such as a random UUID. Repeated with the same body it gives the same "
        "answer, and nothing is decided again; with another body it is a conflict. It counts for your API key alone, "
        "and until the record is erased."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}

PREFER_PARAMETER: Final = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "`respond-async`: answered at once by 202 and a `Location`, where the answer is fetched (RFC 7240).",
    "schema": {"type": "string", "maxLength": 200},
}


_Reference = Annotated[str, Field(min_length=1, max_length=200)]


class DecisionRequest(BaseModel):
    """What a case system sends."""

    model_config = ConfigDict(extra="forbid", strict=True)

    system: Annotated[str, Field(pattern=_SLUG, description="the system's slug")]
    input: Annotated[
        dict[str, JsonValue], Field(description="declared fields by their id; undeclared ones are refused")
    ]
    subjects: Annotated[
        list[_Reference],
        Field(max_length=16, description="references of the people concerned; sealed, found again by a blind index"),
    ] = []
    case: Annotated[_Reference | None, Field(description="reference of the case; sealed, found again as above")] = None
    conversation: Annotated[
        _Reference | None, Field(description="reference of the conversation whose next turn this is; sealed")
    ] = None
    lang: Annotated[Literal["en", "nl"], Field(description="language of the notice")] = "nl"


def key_of(request: Request, caller: Caller) -> idempotency.Key | None:
    """The key of the request, of this caller's own; raises UsageError for two of them, or one of another form."""
    given = request.headers.getlist(_HEADER)
    if not given or caller is None:
        return None
    if len(given) > 1:
        raise UsageError("send it once", field=_HEADER)
    return idempotency.Key(f"key {caller.account}", given[0], _HEADER, reader_of(caller))


@router.post(
    "/api/decisions",
    status_code=201,
    response_class=JSONResponse,
    responses={
        **PROBLEMS,
        404: {"description": "No such system"},
        202: {"description": "Taken in, as `Prefer: respond-async` asked: the answer will be at `Location`"},
        409: {"description": "The system may not decide; or the key of the request was, or is being, used"},
        410: {"description": "The record that the key of the request led to is being erased"},
    },
    openapi_extra=taking(DecisionRequest, KEY_PARAMETER, PREFER_PARAMETER, *references.PARAMETERS),
)
async def make_decision(
    g: Installation,
    caller: Caller,
    request: Request,
    body: Sent,
    key: Annotated[idempotency.Key | None, Depends(key_of)],
) -> Response:
    """Run the system on declared fields. The answer comes after its record is in the signed log.

    `held` is true where an officer must look first: then outcome and output are null.
    """
    wanted = read_body(DecisionRequest, body)
    demand_scope(caller, wanted.system)
    stated = references.given(request)
    subjects, refs = stated.with_body(wanted.subjects, wanted.case, wanted.conversation)
    with limited(request, caller):
        return await _make(g, caller, request, wanted, subjects=subjects, refs=refs, key=key)


def limited(request: Request, caller: Caller) -> AbstractContextManager[None]:
    """A place among the requests that the caller's key may have under way. Raises TooMany on entry."""
    limits: KeyLimits = request.app.state.limits
    return limits.enter("" if caller is None else caller.account)


async def _make(
    g: Greffier,
    caller: Caller,
    request: Request,
    wanted: DecisionRequest,
    *,
    subjects: tuple[str, ...],
    refs: Refs,
    key: idempotency.Key | None,
) -> Response:
    if caller is not None and prefers_async(request):
        asked = deferred.DecisionRequest(
            wanted.system, wanted.input, reader_of(caller), subjects, refs, wanted.lang, key
        )
        waiting = await run_in_threadpool(_take_in, g, request.app.state.queue, asked)
        if waiting is not None:
            return waiting
    answer = await in_decision_thread(
        request,
        lambda: decide.decide(g, wanted.system, wanted.input, subjects=subjects, refs=refs, lang=wanted.lang, key=key),
    )
    return answer_response(answer, 201)


def _take_in(g: Greffier, queue: deferred.Queue, asked: deferred.DecisionRequest) -> Response | None:
    """202, or None where the key of the request has its answer already."""
    if asked.key is not None and idempotency.was_used(g, asked.key):
        return None
    record_id = queue.put(asked)
    headers = {"location": f"/api/decisions/{record_id}", "preference-applied": "respond-async"}
    return waiting_response(record_id, headers)


def waiting_response(record_id: str, headers: Mapping[str, str] | None = None) -> Response:
    """The decision waits, or is being made."""
    return JSONResponse(
        {"id": record_id, "waiting": True}, 202, headers={**_NO_STORE, "retry-after": "1", **(headers or {})}
    )


def answer_response(answer: decide.Answer, status: int) -> Response:
    """A recorded answer."""
    headers = {"location": f"/api/receipts/{answer.id}", references.RECORD: answer.id, **_NO_STORE}
    return JSONResponse(dataclasses.asdict(answer), status_code=status, headers=headers)


def prefers_async(request: Request) -> bool:
    """Whether a header `Prefer` has `respond-async` among its preferences; others are none of ours (RFC 7240, 2)."""
    lines = request.headers.getlist("prefer")
    tokens = (part.partition(";")[0].partition("=")[0].strip() for line in lines for part in line.split(","))
    return any(token.lower() == "respond-async" for token in tokens)


class ListQuery(BaseModel):
    """Filters of the list, as in `greffier decisions --where`, and its pages. A name that is not here is refused."""

    model_config = ConfigDict(extra="forbid")

    system: Annotated[str | None, Field(pattern=_SLUG)] = None
    since: Annotated[date | None, Field(ge=_FIRST, le=_LAST, description="first day, UTC")] = None
    until: Annotated[date | None, Field(ge=_FIRST, le=_LAST, description="last day, UTC")] = None
    outcome: Annotated[str | None, Field(pattern=r"^[a-z0-9_-]{1,40}$")] = None
    version: Annotated[int | None, Field(ge=0, le=MAX_UINT)] = None
    mode: Annotated[str | None, Field(max_length=40)] = None
    capture: Annotated[str | None, Field(max_length=40)] = None
    boot: Annotated[str | None, Field(max_length=40, description="id of a worker process")] = None
    source: Annotated[str | None, Field(pattern=_SLUG)] = None
    review: Annotated[str | None, Field(max_length=40, description="of the latest review; none or any")] = None
    currency: Annotated[str | None, Field(pattern=r"^[A-Z]{3}$")] = None
    min_total_us: Annotated[int | None, Field(description="latency, in microseconds")] = None
    max_total_us: int | None = None
    min_tokens: Annotated[int | None, Field(description="prompt and output together")] = None
    max_tokens: int | None = None
    min_cost: Annotated[int | None, Field(description="in millionths of `currency`")] = None
    max_cost: int | None = None
    kind: Annotated[str | None, Field(max_length=40, description="entries of another kind, such as refused/1")] = None
    reason: Annotated[str | None, Field(pattern=r"^[a-z_]{1,40}$", description="their code")] = None
    all: Annotated[bool, Field(description="the whole of a large log, without system or period")] = False
    cursor: Annotated[str | None, Field(max_length=200, description="`next` of the page before")] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50

    def filter(self, system: str | None) -> DecisionFilter:
        """Raises UsageError where it does not fit together."""
        others = self.model_dump(exclude={"system", "since", "until", "all", "cursor", "limit"})
        since = None if self.since is None else _midnight(self.since)
        until = None if self.until is None else _midnight(self.until + timedelta(days=1))
        with asked():
            return DecisionFilter.between(since, until, system=system, **others)


@router.get("/api/decisions", response_class=JSONResponse, responses=PROBLEMS)
def list_decisions(g: Installation, caller: Caller, wanted: Annotated[ListQuery, Query()]) -> Response:
    """Decisions by minute and place in the log, the newest first, a page at a time, with the log's size and root then.

    For an auditor the reading is recorded before it is answered; an operator gets technical columns alone.
    """
    if caller is None:  # the table of routes lets nobody in without a key
        raise KeyRejected("send an API key as `Authorization: Bearer grf_…`")
    system = wanted.system
    if caller.systems is not None:
        system = caller.systems[0] if system is None and len(caller.systems) == 1 else system
        demand_scope(caller, system or "")
    page = query.decisions(
        g, reader_of(caller), wanted.filter(system), wanted.cursor, wanted.limit, everything=wanted.all
    )
    return JSONResponse(
        {"decisions": page.rows, "next": page.next, "log": dataclasses.asdict(page.log)}, headers=_NO_STORE
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
