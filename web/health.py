"""`/health` and `/metrics`: is the log recording, and how busy is the server."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from auditlog.core.errors import CannotRecord
from home import health
from service.keeping import doctor
from web import metrics
from web.auth import Installation, authorize
from web.errors import PROBLEMS, problem_response

router: Final = APIRouter(dependencies=[Depends(authorize)], tags=["operation"])


@router.get("/health", response_class=JSONResponse, responses={503: {"description": "The log is not recording"}})
def read_health(g: Installation) -> Response:
    """200 while the program can record, and therefore decide; 503 otherwise, with the cause.

    `remarks`: what keeps the log from being published or time-stamped, and decisions that came out otherwise when they
    were run again; decisions are recorded all the same. `loading`: models on their way, in thousandths.
    """
    state = health.health(g)
    # Without the size of the log: asked each second it would tell, before the public checkpoint does, when somebody was
    # decided on. Operators have it in `/metrics`.
    facts: dict[str, Any] = {"recording": state.recording, "runtime": state.runtime}
    if loading := g.runtime.progress:
        facts["loading"] = loading
    if state.recording:
        remarks = [f"{remark.place}: {remark.message}" for remark in doctor.remarks(g)]
        return JSONResponse({**facts, "remarks": remarks}, headers={"cache-control": "no-store"})
    return problem_response(
        PROBLEMS[CannotRecord], headers={"retry-after": "10"}, cause=state.cause, since=state.since, **facts
    )


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def read_metrics(request: Request) -> Response:
    """Figures in Prometheus' text format."""
    counted: metrics.Metrics = request.app.state.metrics
    return Response(counted.text(), media_type=metrics.MEDIA_TYPE, headers={"cache-control": "no-store"})
