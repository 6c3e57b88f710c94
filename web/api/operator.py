"""`/operator`: figures for whoever keeps the installation running, in JSON (role operator). No record is named."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from service.figures import operations
from web.auth import Caller, Installation, authorize

router: Final = APIRouter(dependencies=[Depends(authorize)], tags=["operation"])

_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "No valid key"},
    403: {"description": "The key has another role"},
    422: {"description": "Not valid; field and fix are named"},
    503: {"description": "The database cannot be read"},
}


class OperatorQuery(BaseModel):
    """Of which month the records are summed. Its form is told by the action, in words."""

    model_config = ConfigDict(extra="forbid")

    month: Annotated[
        str | None,
        Field(max_length=20, description="YYYY-MM in UTC; by default the present one", examples=["2026-11"]),
    ] = None


@router.get("/operator", response_class=JSONResponse, responses=_PROBLEMS)
def read_operations(
    g: Installation,
    caller: Caller,
    wanted: Annotated[OperatorQuery, Query()],
) -> Response:
    """Per system: results, tokens, energy by method, cost, times against the target, refusals, unfinished ones.

    `process` is what this server recorded since it began, as `/metrics` has it; `records` the sum over all records of
    the month. Beside them the devices (tokens a second, busy time, KV rows, queue, models) and the state of the log. A
    key for some systems sees those.
    """
    systems = None if caller is None else caller.systems
    found = operations.operations(g, wanted.month, systems=systems)
    return JSONResponse(dataclasses.asdict(found), headers={"cache-control": "no-store"})
