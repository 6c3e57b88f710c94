"""`/api/records`: decisions made elsewhere, one, up to 256 together, or a stream of lines; each line has its answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from accounts.caller import Known
from accounts.token import Forbidden
from auditlog.core.errors import CannotRecord
from home.errors import UsageError
from home.greffier import Greffier
from service.external import import_records, sources
from service.external.stream import Lines, Numbered
from web.api.records_schema import BATCH, LINE
from web.auth import Caller, Installation, authorize, demand_scope
from web.errors import described
from web.json_body import read_json

router: Final = APIRouter(dependencies=[Depends(authorize)], tags=["records"])

NDJSON: Final = "application/x-ndjson"
_NO_STORE: Final = {"cache-control": "no-store"}
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    207: {"description": "Some of several records were not taken; the answer says which, and why"},
    401: {"description": "No valid key"},
    403: {"description": "Role or scope of the key does not reach this"},
    404: {"description": "No such system"},
    409: {"description": "The system takes no records; or the number was used for another decision"},
    410: {"description": "The record of this number was erased"},
    413: {"description": "Larger than 1 MiB, a stream than 256 MiB"},
    415: {"description": "Neither application/json nor application/x-ndjson"},
    422: {"description": "Not valid; field and fix are named"},
    503: {"description": "The log cannot record now; sending it again is safe"},
}


@router.post(
    "/api/records",
    status_code=201,
    response_class=JSONResponse,
    responses={200: {"description": "Recorded, or recorded before"}, **_PROBLEMS},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"anyOf": [LINE, BATCH]}},
                NDJSON: {"schema": {"type": "string", "description": "One JSON object a line, as in `records`"}},
            },
        },
    },
)
async def take_records(g: Installation, caller: Caller, request: Request) -> Response:
    """Record decisions that were made elsewhere. A number of a source counts once: the same again is answered the same.

    One object is answered by 201, or 200 where it was recorded before. Several (`records`, or a stream) are answered
    line by line, with 207 where some were not taken; the others are.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == NDJSON:
        return await _take_stream(g, caller, request)
    if media_type != "application/json":
        raise HTTPException(415)
    return await run_in_threadpool(_take, g, caller, await request.body())


@router.get("/api/records/{source}", response_class=JSONResponse, responses=_PROBLEMS)
def read_source(
    g: Installation, caller: Caller, source: Annotated[str, Path(pattern=r"^[a-z0-9-]{1,64}$")]
) -> Response:
    """How far a source's numbers are recorded, and which are missing below that: what it still has to send.

    A source may count for several systems, so a key that is for some systems only does not reach this.
    """
    if caller is None or caller.systems is not None:
        raise Forbidden("this needs a key for all systems: a source may count for several")
    return JSONResponse(sources.read_source(g, source), headers=_NO_STORE)


def _take(g: Greffier, caller: Known | None, body: bytes) -> Response:
    value = read_json(body)
    if not (isinstance(value, dict) and "records" in value):
        batch = import_records.record(g, [value], reach=_reach(caller))
        result = batch.results[0]
        if isinstance(result, Exception):
            raise result
        return JSONResponse(_answer(result) | {"log": _log(batch)}, 200 if result.repeated else 201, _NO_STORE)
    records = value["records"]
    if len(value) > 1:
        raise UsageError("stands beside other members: send it alone", field="records")
    if not isinstance(records, list) or not records:
        raise UsageError("must be a list of 1 to 256 records", field="records")
    batch = import_records.record(g, records, reach=_reach(caller))
    told = _BatchResult()
    told.add(range(1, len(records) + 1), batch)
    return JSONResponse({"results": told.lines, **told.summary()}, told.status, _NO_STORE)


async def _take_stream(g: Greffier, caller: Known | None, request: Request) -> Response:
    """Lines are recorded as they come, and answered when all have come: a client may send all before it reads."""
    told, lines = _BatchResult(), Lines()
    try:
        async for chunk in request.stream():
            for batch in lines.add(chunk):
                await run_in_threadpool(told.record, g, batch, _reach(caller))
        for batch in lines.end():
            await run_in_threadpool(told.record, g, batch, _reach(caller))
    except ClientDisconnect:
        return Response(status_code=400)  # to nobody; what came is recorded, and may be sent again
    if told.unable is not None and told.recorded + told.repeated == 0:
        raise told.unable
    if not told.lines:
        raise UsageError("holds no line: send one JSON object a line")
    parts = [json.dumps(line, ensure_ascii=False) for line in [*told.lines, told.summary()]]
    return Response("\n".join(parts) + "\n", told.status, _NO_STORE, media_type=NDJSON)


def _reach(caller: Known | None) -> Callable[[str], None]:
    return lambda system: demand_scope(caller, system)


@dataclass(slots=True)
class _BatchResult:
    """What is answered: a line for each line that came, in their order, and a sum of them."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    recorded: int = 0
    repeated: int = 0
    failed: int = 0
    log: dict[str, Any] | None = None
    unable: CannotRecord | None = None

    @property
    def status(self) -> int:
        return 207 if self.failed else 200

    def record(self, g: Greffier, batch: Sequence[Numbered], reach: Callable[[str], None]) -> None:
        """Record a batch of a stream. Once the log cannot record, the rest is only told so."""
        numbers, given = [number for number, _ in batch], [value for _, value in batch]
        if self.unable is None:
            try:
                self.add(numbers, import_records.record(g, given, reach=reach))
            except CannotRecord as error:
                self.unable = error
        if self.unable is not None:
            for number in numbers:
                self._add(number, self.unable)

    def add(self, numbers: Sequence[int], batch: import_records.Batch) -> None:
        """The results of a batch, each under the number of its line."""
        self.log = _log(batch)
        for number, result in zip(numbers, batch.results, strict=True):
            self._add(number, result)

    def summary(self) -> dict[str, Any]:
        """How many lines were recorded, had been before, or failed; and the log as it is now."""
        return {"recorded": self.recorded, "repeated": self.repeated, "failed": self.failed, "log": self.log}

    def _add(self, number: int, result: import_records.Result) -> None:
        if isinstance(result, Exception):
            self.failed += 1
            problem = described(result)
            self.lines.append({"line": number, "status": problem["status"], "problem": problem})
            return
        self.repeated += result.repeated
        self.recorded += not result.repeated
        self.lines.append({"line": number, **_answer(result)})


def _answer(result: import_records.Recorded) -> dict[str, Any]:
    return {"status": 200 if result.repeated else 201, "id": result.id, "index": result.index}


def _log(batch: import_records.Batch) -> dict[str, Any]:
    return {"number": batch.log, "size": batch.size, "root": batch.root}
