"""The program over HTTP: public pages, the log's tiles, and an API. Rules are in the actions."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from accounts.roles import ACCOUNT_ROLES, ROLES, ROUTES
from accounts.token import NotSignedIn
from auditlog.core.errors import AuditLogError
from casework.errors import CaseworkError
from home.errors import AppError
from home.greffier import Greffier
from registry.errors import RegistryError
from runtime.errors import RuntimeFault
from web import cookies, health
from web.api import (
    decisions,
    deferred,
    duties,
    exchange,
    explanations,
    lookups,
    notices,
    operator,
    questions,
    receipts,
    records,
    replays,
    requests,
    reviews,
    systems,
)
from web.errors import error_response
from web.headers import Surroundings, configure_logger
from web.metrics import Metrics
from web.pages.people import agency, check, front_page, history, register, reports, request_form, request_status
from web.pages.people import duties as law
from web.pages.site import error_page, wants_page
from web.pages.staff import (
    admin,
    auditor,
    auditor_evidence,
    auditor_samples,
    console,
    incident,
    incidents,
    officer_answers,
    officer_intake,
    officer_requests,
    officer_reviews,
    own_account,
    sign_in,
    systems_desk,
)
from web.pages.staff import operator as operator_pages
from web.pages.staff.sign_in import to_sign_in
from web.static import OwnFiles
from web.tlog import log, mirror
from web.tlog.publishing import lifespan
from web.v1 import completions
from web.v1.answers import error_answer, is_ours

STATIC: Final = Path(__file__).parent / "static"
FAMILIES: Final = (
    HTTPException,
    RequestValidationError,
    AppError,
    AuditLogError,
    CaseworkError,
    RegistryError,
    RuntimeFault,
)
# The register's files before its pages: `/register/{slug}` would take `/register/{slug}.json` as well.
ROUTERS: Final = (
    systems.router,
    duties.router,
    exchange.router,
    front_page.router,
    register.router,
    history.router,
    law.router,
    reports.router,
    check.router,
    request_form.router,
    request_status.router,
    agency.router,
    decisions.router,
    deferred.router,
    completions.router,
    questions.router,
    records.router,
    receipts.router,
    lookups.router,
    replays.router,
    explanations.router,
    requests.router,
    reviews.router,
    notices.router,
    log.router,
    mirror.router,
    health.router,
    operator.router,
    sign_in.router,
    console.router,
    own_account.router,
    officer_answers.router,
    officer_intake.router,
    officer_requests.router,
    officer_reviews.router,
    systems_desk.router,
    incidents.router,
    incident.router,
    auditor.router,
    auditor_evidence.router,
    auditor_samples.router,
    admin.router,
    operator_pages.router,
)


def create_app(g: Greffier) -> FastAPI:
    """The ASGI application over an open home. It starts only if every route has its row in the table route × role."""
    demand_access_rows(ROUTERS)
    configure_logger()
    app = FastAPI(
        title="Greffier",
        summary="Register, recorded decisions and signed log of one agency's AI systems",
        version="0.1.0",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_living,
        exception_handlers=dict.fromkeys(FAMILIES, _handle),
    )
    app.state.greffier = g
    app.state.metrics = Metrics(g)
    deferred.prepare(app)
    completions.prepare(app)
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static", OwnFiles(directory=STATIC), name="static")
    app.add_middleware(Surroundings, observe=app.state.metrics.observe, answer_error=answer_error)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


@contextlib.asynccontextmanager
async def _living(app: FastAPI) -> AsyncIterator[None]:
    async with lifespan(app):
        try:
            yield
        finally:
            await run_in_threadpool(completions.close, app)
            await run_in_threadpool(deferred.close, app)


def demand_access_rows(routers: tuple[APIRouter, ...]) -> None:
    """Raise RuntimeError for a route without a row in `ROUTES`, or a row without a route."""
    routes = {f"{method} {route.path}" for router in routers for route in router.routes for method in route.methods}  # type: ignore[attr-defined]
    rows = set(ROUTES) - {"GET /openapi.json"}
    if routes != rows:
        raise RuntimeError(f"accounts/roles.py: routes and rows differ: {', '.join(sorted(routes ^ rows))}")


async def _handle(request: Request, error: Exception) -> Response:
    return await run_in_threadpool(answer_error, request, error)


def answer_error(request: Request, error: Exception) -> Response:
    """The answer to any error: a page where a person asked, problem+json where a program did; /v1 has its own form."""
    if is_ours(request):
        return error_answer(error)
    if isinstance(error, NotSignedIn) and request.method == "GET" and wants_page(request):
        return to_sign_in(request)
    if wants_page(request):
        return error_page(request, error)
    return error_response(error)


def _openapi(app: FastAPI) -> dict[str, object]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, summary=app.summary, openapi_version="3.1.0", routes=app.routes
        )
        schema.setdefault("components", {})["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "description": "API key `grf_…`; it has one role"},
            "session": {
                "type": "apiKey",
                "in": "cookie",
                "name": cookies.SESSION,
                "description": "Of a person who has signed in; what changes something needs `x-csrf-token` as well",
            },
        }
        for path, methods in schema["paths"].items():
            for method, operation in methods.items():
                _describe_access(f"{method.upper()} {path}", operation)
        app.openapi_schema = schema
    return app.openapi_schema


def _describe_access(name: str, operation: dict[str, object]) -> None:
    access = ROUTES[name.replace("/tile/{path}", "/tile/{path:path}")]
    roles = sorted(access.roles or access.opens)
    if roles:
        ways: list[dict[str, list[str]]] = [{"key": []}]
        if set(roles) & set(ACCOUNT_ROLES):
            ways.append({"session": []})
        operation["security"] = ways if access.roles else [{}, *ways]
        operation["x-roles"] = {role: ROLES[role] for role in roles}
