"""Decisions that are fetched later, and several in one request."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Path, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from accounts.caller import Known
from accounts.token import KeyRejected
from auditlog.vault.references import Refs
from service.deciding import batches, decide, deferred, idempotency
from web.api.decisions import (
    KEY_PARAMETER,
    PROBLEMS,
    DecisionRequest,
    answer_response,
    key_of,
    limited,
    waiting_response,
)
from web.auth import Caller, Installation, authorize, demand_scope, reader_of
from web.decision_threads import decision_threads, in_decision_thread
from web.errors import described
from web.json_body import Sent, read_body, taking

router: Final = APIRouter(dependencies=[Depends(authorize)], tags=["decisions"])

_UUID: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"


def prepare(app: FastAPI) -> None:
    """Give an application its queue and the threads for decisions; none is started before it is needed."""
    app.state.decision_threads = decision_threads()
    app.state.queue = deferred.Queue(app.state.greffier)
    app.state.batch_threads = ThreadPoolExecutor(batches.THREADS, thread_name_prefix="greffier-batch")


def close(app: FastAPI) -> None:
    """End what waits; the log says what became of what ran."""
    app.state.batch_threads.shutdown(wait=False, cancel_futures=True)
    app.state.queue.close()
    app.state.batch_threads.shutdown(wait=True)


class BatchRequest(BaseModel):
    """Several decisions."""

    model_config = ConfigDict(extra="forbid", strict=True)

    decisions: Annotated[list[DecisionRequest], Field(min_length=1, max_length=batches.MOST)]


@router.get(
    "/api/decisions/{id}",
    response_class=JSONResponse,
    responses={
        **PROBLEMS,
        202: {"description": "It waits, or is being made: ask again after `Retry-After` seconds"},
        404: {"description": "Nothing of this id waits, and none was recorded for this key"},
        410: {"description": "Its record was erased, or is being erased"},
    },
    openapi_extra={"parameters": [KEY_PARAMETER]},
)
def fetch_decision(
    caller: Caller,
    request: Request,
    record_id: Annotated[str, Path(alias="id", pattern=_UUID)],
    key: Annotated[idempotency.Key | None, Depends(key_of)],
) -> Response:
    """The answer of a decision that was asked for with `Prefer: respond-async`, for the key that asked for it.

    What waits is in memory: after a restart it is gone, and asked for again. What was recorded is answered from its
    record; where an `Idempotency-Key` was sent with it, that has to be sent again then.
    """
    queue: deferred.Queue = request.app.state.queue
    answer = queue.fetch(reader_of(_key(caller)), record_id, key)
    return waiting_response(record_id) if answer is None else answer_response(answer, 200)


@router.post(
    "/api/decisions/batch",
    response_class=JSONResponse,
    responses=PROBLEMS,
    openapi_extra=taking(BatchRequest, KEY_PARAMETER),
)
async def make_decisions(
    g: Installation,
    caller: Caller,
    request: Request,
    body: Sent,
    key: Annotated[idempotency.Key | None, Depends(key_of)],
) -> Response:
    """Up to 256 decisions. `results` has one for each, in their order: `status` with `decision` or with `problem`.

    Each is recorded before its answer leaves, as any decision is. Turns of a conversation are asked for one by one.
    """
    wanted = read_body(BatchRequest, body)
    with limited(request, caller):
        results = await in_decision_thread(request, lambda: _decide(g, caller, request, wanted, key))
    return JSONResponse({"results": [_result(result) for result in results]}, headers={"cache-control": "no-store"})


def _decide(
    g: Installation, caller: Caller, request: Request, wanted: BatchRequest, key: idempotency.Key | None
) -> list[decide.Answer | Exception]:
    items = [
        batches.Item(one.system, one.input, tuple(one.subjects), Refs(one.case, one.conversation), one.lang)
        for one in wanted.decisions
    ]
    return batches.decide_all(
        g, items, request.app.state.batch_threads, key=key, reach=lambda system: demand_scope(caller, system)
    )


def _result(result: decide.Answer | Exception) -> dict[str, Any]:
    if isinstance(result, decide.Answer):
        return {"status": 201, "decision": dataclasses.asdict(result)}
    problem = described(result)
    return {"status": problem["status"], "problem": problem}


def _key(caller: Caller) -> Known:
    if caller is None:  # the table of routes lets nobody in without a key
        raise KeyRejected("send an API key as `Authorization: Bearer grf_…`")
    return caller
