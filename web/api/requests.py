"""`/api/requests`: what people ask, for their own pages and for officers; `/api/codes`: access codes for letters.

Codes stand in bodies, never in addresses. What opens nothing gets one answer, whatever the reason.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypedDict

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from casework.request import Request as Asked
from home.errors import UsageError
from service.cases import access_codes, officer_requests, public_requests
from service.records import reading
from web.api.request_forms import shown, status_shown, story_shown
from web.auth import Installation, SignedIn, authorize, demand_scope, reader_of
from web.client_address import bucket_of
from web.json_body import Sent, read_body, taking

router: Final = APIRouter(dependencies=[Depends(authorize)], tags=["requests"])

_UUID4: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
_NO_STORE: Final = {"cache-control": "no-store"}
_Id = Annotated[str, Path(pattern=_UUID4)]
_Code = Annotated[str, Field(min_length=1, max_length=100)]
_PERSON: Final[dict[int | str, dict[str, Any]]] = {
    403: {"description": "The code opens nothing: it is wrong, of another record, or its record was erased"},
    409: {"description": "The request is closed: nothing can follow"},
    422: {"description": "Not valid; field and fix are named"},
    429: {"description": "Too many codes were tried, or too many requests sent, from here"},
    503: {"description": "The log cannot record now, so nothing was taken in"},
}
_STAFF: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "No valid key"},
    403: {"description": "Role or scope does not reach this"},
    404: {"description": "No such request within the scope"},
    409: {"description": "Somebody took a step meanwhile, the request is closed, or a rule refuses the step"},
    410: {"description": "It was erased"},
    422: {"description": "Not valid; field and fix are named"},
    503: {"description": "The log cannot record now, so nothing was done or given"},
}


class NewRequest(BaseModel):
    """What a person asks. With the access code of a letter it is known who asks; else an officer finds out."""

    model_config = ConfigDict(extra="forbid", strict=True)

    right: Annotated[
        Literal["explain", "look_again", "correct", "access", "object"], Field(description="what is asked")
    ]
    lang: Annotated[str, Field(max_length=8, description="language of the answer")]
    text: Annotated[str, Field(max_length=public_requests.MAX_TEXT)] = ""
    reference: Annotated[str | None, Field(max_length=200, description="the reference on the letter")] = None
    code: Annotated[str | None, Field(max_length=100, description="the access code on the letter")] = None
    system: Annotated[str | None, Field(max_length=64, description="which system, where there is no reference")] = None
    contact: Annotated[str | None, Field(max_length=public_requests.MAX_CONTACT, description="how to reach you")] = None
    channel: Literal["web", "representative"] = "web"


class Tracked(BaseModel):
    """The tracking code that the acknowledgement gave; a text with a reply."""

    model_config = ConfigDict(extra="forbid", strict=True)

    code: _Code


class Reply(Tracked):
    """What a person adds."""

    text: Annotated[str, Field(min_length=1, max_length=public_requests.MAX_TEXT)]


class StepTaken(BaseModel):
    """One step of an officer. `version`: of the request as it was shown."""

    model_config = ConfigDict(extra="forbid", strict=True)

    step: Literal["assigned", "extended", "asked", "answered", "refused"]
    version: Annotated[int, Field(ge=1)]
    text: Annotated[
        str | None, Field(max_length=public_requests.MAX_TEXT, description="what the person is told, or a note")
    ] = None
    ground: Annotated[str | None, Field(max_length=40)] = None
    to: Annotated[str | None, Field(max_length=200, description="account that works on it from now on")] = None
    reference: Annotated[str | None, Field(pattern=_UUID4)] = None
    system: Annotated[str | None, Field(max_length=64)] = None
    identity: Annotated[str | None, Field(max_length=20)] = None
    explanation: Annotated[str | None, Field(pattern=_UUID4)] = None


class Wanted(BaseModel):
    """Which requests are listed."""

    model_config = ConfigDict(extra="forbid")

    state: Literal["open", "answered", "refused", "withdrawn", "any"] = "open"
    right: Literal["explain", "look_again", "correct", "access", "object"] | None = None
    mine: Annotated[bool, Field(description="those alone on which this account works")] = False
    limit: Annotated[int, Field(ge=1, le=officer_requests.MOST)] = 200


class CodeWanted(BaseModel):
    """For which decision a code is given out."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: Annotated[str, Field(pattern=_UUID4)]


class _Seen(TypedDict):
    version: int
    systems: tuple[str, ...] | None


# Step → the members that it takes.
_TAKES: Final[dict[str, frozenset[str]]] = {
    "assigned": frozenset({"to", "reference", "system", "identity", "text"}),
    "extended": frozenset({"ground", "text"}),
    "asked": frozenset({"text"}),
    "answered": frozenset({"text", "explanation", "identity"}),
    "refused": frozenset({"ground", "text"}),
}


@router.post(
    "/api/requests",
    status_code=201,
    response_class=JSONResponse,
    responses=_PERSON,
    openapi_extra=taking(NewRequest),
)
def make_request(g: Installation, request: Request, body: Sent) -> Response:
    """Take a request in. The tracking code is in the answer and nowhere else."""
    wanted = read_body(NewRequest, body)
    opened = public_requests.open_request(g, **wanted.model_dump(), bucket=bucket_of(request, g))
    told = {"tracking_code": opened.tracking_code, **shown(opened.request, staff=False)}
    return JSONResponse(told, status_code=201, headers=_NO_STORE)


@router.post("/api/requests/status", response_class=JSONResponse, responses=_PERSON, openapi_extra=taking(Tracked))
def read_status(g: Installation, request: Request, body: Sent) -> Response:
    """How a request stands, and what was answered."""
    wanted = read_body(Tracked, body)
    status = public_requests.status(g, wanted.code, bucket=bucket_of(request, g))
    return JSONResponse(status_shown(status), headers=_NO_STORE)


@router.post("/api/requests/reply", response_class=JSONResponse, responses=_PERSON, openapi_extra=taking(Reply))
def add_reply(g: Installation, request: Request, body: Sent) -> Response:
    """Add something to a request."""
    wanted = read_body(Reply, body)
    status = public_requests.reply(g, wanted.code, wanted.text, bucket=bucket_of(request, g))
    return JSONResponse(status_shown(status), headers=_NO_STORE)


@router.post("/api/requests/withdrawal", response_class=JSONResponse, responses=_PERSON, openapi_extra=taking(Tracked))
def withdraw(g: Installation, request: Request, body: Sent) -> Response:
    """Take a request back."""
    wanted = read_body(Tracked, body)
    status = public_requests.withdraw(g, wanted.code, bucket=bucket_of(request, g))
    return JSONResponse(status_shown(status), headers=_NO_STORE)


@router.get("/api/requests", response_class=JSONResponse, responses=_STAFF)
def list_requests(g: Installation, caller: SignedIn, wanted: Annotated[Wanted, Query()]) -> Response:
    """Requests within the scope, due first first. That they were listed is in the log first."""
    found = officer_requests.queue(
        g,
        reader_of(caller),
        systems=caller.systems,
        account=caller.account if wanted.mine else None,
        state=None if wanted.state == "any" else wanted.state,
        right=wanted.right,
        limit=wanted.limit,
    )
    return JSONResponse({"requests": [shown(one) for one in found]}, headers=_NO_STORE)


@router.get("/api/requests/{id}", response_class=JSONResponse, responses=_STAFF)
def read_request(g: Installation, caller: SignedIn, id: _Id) -> Response:
    """One request with all that was written; the access is in the log first."""
    return JSONResponse(
        story_shown(officer_requests.show(g, reader_of(caller), id, systems=caller.systems)), headers=_NO_STORE
    )


@router.post("/api/requests/{id}/steps", response_class=JSONResponse, responses=_STAFF, openapi_extra=taking(StepTaken))
def take_step(g: Installation, caller: SignedIn, id: _Id, body: Sent) -> Response:
    """Take a step. 409 where somebody took one since `version`: look at the request again."""
    taken = read_body(StepTaken, body)
    return JSONResponse(shown(_take(g, caller, id, taken)), headers=_NO_STORE)


@router.post(
    "/api/codes",
    status_code=201,
    response_class=JSONResponse,
    responses={**_STAFF, 404: {"description": "No such decision"}},
    openapi_extra=taking(CodeWanted),
)
def issue_code(g: Installation, caller: SignedIn, body: Sent) -> Response:
    """A new access code of a decision, for its letter. An earlier one of the decision opens nothing from now on."""
    wanted = read_body(CodeWanted, body)
    demand_scope(caller, str(reading.find(g, wanted.id).entry.members.get("system") or ""))
    return JSONResponse(
        {"id": wanted.id, "code": access_codes.issue_code(g, wanted.id)}, status_code=201, headers=_NO_STORE
    )


def _take(g: Installation, caller: SignedIn, id_: str, taken: StepTaken) -> Asked:
    """Each step takes members of its own. Raises UsageError for one that it does not take."""
    for name in taken.model_fields_set - {"step", "version", *_TAKES[taken.step]}:
        raise UsageError(f"is not taken with {taken.step}: leave it out", field=name)
    reader, seen = reader_of(caller), _Seen(version=taken.version, systems=caller.systems)
    text = taken.text or ""
    if taken.step == "assigned":
        found = {"to": taken.to, "reference": taken.reference, "system": taken.system, "identity": taken.identity}
        return officer_requests.assign(g, reader, id_, **seen, **found, note=taken.text)
    if taken.step == "extended":
        return officer_requests.extend(g, reader, id_, **seen, ground=taken.ground or "", text=text)
    if taken.step == "asked":
        return officer_requests.ask(g, reader, id_, **seen, text=text)
    if taken.step == "answered":
        given = {"explanation": taken.explanation, "identity": taken.identity}
        return officer_requests.answer(g, reader, id_, **seen, text=text, **given)
    return officer_requests.refuse(g, reader, id_, **seen, ground=taken.ground or "", text=text)
