"""`/api/questions`: an auditor's ten named questions, answered in counts."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from accounts.token import Forbidden, KeyRejected
from service.records import questions
from web.auth import Caller, Installation, authorize, reader_of

router: Final = APIRouter(dependencies=[Depends(authorize)], tags=["questions"])

_NO_STORE: Final = {"cache-control": "no-store"}
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "No valid key"},
    403: {"description": "Role or scope of the key does not reach this"},
    422: {"description": "Not valid; field and fix are named"},
}


class Parameters(BaseModel):
    """What a question can be asked about; which of them it has, the list says."""

    model_config = ConfigDict(extra="forbid")

    since: Annotated[str | None, Field(max_length=10, description="first day, UTC: 2026-01-01")] = None
    until: Annotated[str | None, Field(max_length=10, description="day after the last")] = None
    system: Annotated[str | None, Field(pattern=r"^[a-z0-9-]{1,64}$")] = None
    boot: Annotated[str | None, Field(max_length=40)] = None
    days: int | None = None
    limit: int | None = None


@router.get("/api/questions", response_class=JSONResponse, responses=_PROBLEMS)
def list_questions() -> Response:
    """The questions there are, and their parameters."""
    return JSONResponse({"questions": questions.listed()}, headers=_NO_STORE)


@router.get("/api/questions/{name}", response_class=JSONResponse, responses=_PROBLEMS)
def ask(g: Installation, caller: Caller, name: str, wanted: Annotated[Parameters, Query()]) -> Response:
    """The answer to one question, with the log's size and root at that moment."""
    if caller is None:  # the table of routes lets nobody in without a key
        raise KeyRejected("send an API key as `Authorization: Bearer grf_…`")
    if caller.systems is not None:
        raise Forbidden("this needs a key for all systems", field="system")
    answer = questions.ask(g, reader_of(caller), name, wanted.model_dump(exclude_none=True))
    return JSONResponse(dataclasses.asdict(answer), headers=_NO_STORE)
