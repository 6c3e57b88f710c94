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
from starlette.staticfiles import StaticFiles

from app.access.roles import ROLES, ROUTES
from app.errors import AppError
from app.home import Greffier
from app.http import (
    decisions,
    health,
    log,
    lookups,
    mirror,
    openai,
    operator,
    questions,
    receipts,
    records,
    replays,
    systems,
    waiting,
)
from app.http.errors import error_response
from app.http.headers import Surroundings, configure_logger
from app.http.metrics import Metrics
from app.http.openai_answers import error_answer, is_ours
from app.http.pages import check, public
from app.http.pages.site import error_page, wants_page
from app.http.publishing import lifespan
from auditlog.errors import AuditLogError
from registry.errors import RegistryError
from runtime.errors import RuntimeFault

STATIC: Final = Path(__file__).parent.parent / "static"
FAMILIES: Final = (HTTPException, RequestValidationError, AppError, AuditLogError, RegistryError, RuntimeFault)
# The register's files before its pages: `/register/{slug}` would take `/register/{slug}.json` as well.
ROUTERS: Final = (
    systems.router,
    public.router,
    check.router,
    decisions.router,
    waiting.router,
    openai.router,
    questions.router,
    records.router,
    receipts.router,
    lookups.router,
    replays.router,
    log.router,
    mirror.router,
    health.router,
    operator.router,
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
    waiting.prepare(app)
    openai.prepare(app)
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(Surroundings, observe=app.state.metrics.observe, answer_error=answer_error)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


@contextlib.asynccontextmanager
async def _living(app: FastAPI) -> AsyncIterator[None]:
    async with lifespan(app):
        try:
            yield
        finally:
            await run_in_threadpool(openai.close, app)
            await run_in_threadpool(waiting.close, app)


def demand_access_rows(routers: tuple[APIRouter, ...]) -> None:
    """Raise RuntimeError for a route without a row in `ROUTES`, or a row without a route."""
    routes = {f"{method} {route.path}" for router in routers for route in router.routes for method in route.methods}  # type: ignore[attr-defined]
    rows = set(ROUTES) - {"GET /openapi.json"}
    if routes != rows:
        raise RuntimeError(f"app/access/roles.py: routes and rows differ: {', '.join(sorted(routes ^ rows))}")


async def _handle(request: Request, error: Exception) -> Response:
    return await run_in_threadpool(answer_error, request, error)


def answer_error(request: Request, error: Exception) -> Response:
    """The answer to any error: a page where a person asked, problem+json where a program did; /v1 has its own form."""
    if is_ours(request):
        return error_answer(error)
    if wants_page(request):
        return error_page(request, error)
    return error_response(error)


def _openapi(app: FastAPI) -> dict[str, object]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, summary=app.summary, openapi_version="3.1.0", routes=app.routes
        )
        schema.setdefault("components", {})["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "description": "API key `grf_…`; it has one role"}
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
        operation["security"] = [{"key": []}] if access.roles else [{}, {"key": []}]
        operation["x-roles"] = {role: ROLES[role] for role in roles}
