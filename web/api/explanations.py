"""`/api/explanations`: why a recorded decision came out as it did, measured; and where a person must decide anew."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from accounts.caller import Known
from accounts.token import KeyRejected
from auditlog.core.formats.canonical import Json
from auditlog.store.cursor import DecisionFilter
from auditlog.store.explanations import EXPLANATION
from home.errors import UsageError, asked
from home.greffier import Greffier
from reports.explanation.words import words
from service.explaining import explain, new_decision
from service.records import public_lists, reading
from web.auth import Caller, Installation, authorize, demand_scope, reader_of
from web.json_body import Sent, read_body, taking

router: Final = APIRouter(dependencies=[Depends(authorize)], tags=["explanations"])

_UUID4: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
_SLUG: Final = r"^[a-z0-9-]{1,64}$"
_NO_STORE: Final = {"cache-control": "no-store"}
_Lang = Annotated[Literal["en", "nl"], Field(description="language of the text")]
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "No valid key"},
    403: {"description": "Role or scope of the key does not reach this"},
    422: {"description": "Not valid; field and fix are named"},
}


class ExplanationRequest(BaseModel):
    """Which decision is explained."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: Annotated[str, Field(pattern=_UUID4, description="id of the decision")]
    lang: _Lang = "en"


class ListQuery(BaseModel):
    """Which explanations are listed."""

    model_config = ConfigDict(extra="forbid")

    open: Annotated[bool, Field(description="instead: decisions that a person must make anew, and has not")] = False
    system: Annotated[str | None, Field(pattern=_SLUG)] = None
    since: Annotated[str | None, Field(description="from this minute on, YYYY-MM-DDTHH:MMZ")] = None
    until: Annotated[str | None, Field(description="before this minute")] = None
    cursor: Annotated[str | None, Field(max_length=200, description="`next` of the page before")] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class ShowQuery(BaseModel):
    """How an explanation is shown."""

    model_config = ConfigDict(extra="forbid")

    lang: _Lang = "en"


@router.post(
    "/api/explanations",
    status_code=201,
    response_class=JSONResponse,
    responses={
        **_PROBLEMS,
        404: {"description": "No such decision"},
        409: {"description": "No decision, or its use is restricted"},
        503: {"description": "The log cannot record now, or the device had no time: nothing is said; try again"},
    },
    openapi_extra=taking(ExplanationRequest),
)
def make_explanation(g: Installation, caller: Caller, body: Sent) -> Response:
    """Explain a decision, or say why that cannot be done honestly. Access and explanation are in the log before."""
    if caller is None:
        raise KeyRejected("send an API key as `Authorization: Bearer grf_…`")
    wanted = read_body(ExplanationRequest, body)
    demand_scope(caller, str(reading.find(g, wanted.id).entry.members.get("system") or ""))
    told = explain.explain(g, reader_of(caller), wanted.id)
    headers = {"location": f"/api/explanations/{told.id}", **_NO_STORE}
    return JSONResponse(_shown(g, told, wanted.lang), status_code=201, headers=headers)


@router.get("/api/explanations", response_class=JSONResponse, responses=_PROBLEMS)
def list_explanations(g: Installation, caller: Caller, wanted: Annotated[ListQuery, Query()]) -> Response:
    """Explanations by minute, the newest first, with what stands of them in clear: neither which decision it was nor
    how it ended. With `open`, for those who see content: decisions that a person must make anew."""
    if caller is None:
        raise KeyRejected("send an API key as `Authorization: Bearer grf_…`")
    system = wanted.system
    if caller.systems is not None:
        system = caller.systems[0] if system is None and len(caller.systems) == 1 else system
        demand_scope(caller, system or "")
    if wanted.open:
        return _open(g, caller, system, wanted)
    with asked():
        where = DecisionFilter(kind=EXPLANATION, system=system, since=wanted.since, until=wanted.until)
    page = public_lists.list_page(g, where, wanted.cursor, wanted.limit)
    return JSONResponse({"explanations": page.rows, "next": page.next}, headers=_NO_STORE)


def _open(g: Greffier, caller: Known, system: str | None, wanted: ListQuery) -> Response:
    for name in ("since", "until", "cursor", "limit"):
        if name in wanted.model_fields_set:
            raise UsageError("is not taken with open: leave it out", field=name)
    found = new_decision.open_ones(g, reader_of(caller), system)
    return JSONResponse({"open": [asdict(one) for one in found], "next": None}, headers=_NO_STORE)


@router.get(
    "/api/explanations/{id}",
    response_class=JSONResponse,
    responses={
        **_PROBLEMS,
        404: {"description": "No such explanation"},
        410: {"description": "The decision was erased, and what was found about it with it"},
    },
)
def read_explanation(
    g: Installation,
    caller: Caller,
    id: Annotated[str, Path(pattern=_UUID4)],
    wanted: Annotated[ShowQuery, Query()],
) -> Response:
    """One explanation with its decision, its numbers and its text; the access is in the log before the answer."""
    if caller is None:
        raise KeyRejected("send an API key as `Authorization: Bearer grf_…`")
    demand_scope(caller, str(explain.demand_explanation(g, id).members["system"]))
    return JSONResponse(_shown(g, explain.show(g, reader_of(caller), id), wanted.lang), headers=_NO_STORE)


def _shown(g: Greffier, told: explain.Explained, lang: str) -> dict[str, Json]:
    return {**explain.as_json(told), "lang": lang, "text": words(g.renderer, told.words, lang)}
