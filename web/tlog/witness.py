"""A witness over HTTP (c2sp.org/tlog-witness): a server of its own, apart from the portal.

Anyone may ask, since only the signature on a checkpoint counts; so bodies, time and rates have limits. Nothing about
who asked is logged or kept.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import uvicorn
from fastapi import APIRouter, FastAPI, Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from auditlog.core.errors import AuditLogError, NotFound
from auditlog.peers.submission import TEXT_TYPE
from auditlog.peers.witness import Witness
from web.headers import Surroundings, configure_logger
from web.server import ending_by_signal

MAX_BODY: Final = 256 * 1024
"""Bytes: 63 proof lines and a checkpoint with some 70 ML-DSA-44 signatures."""
BODY_S: Final = 10.0
RATE, BURST = 10.0, 60.0
"""Requests a second, and at once, of one address. A log asks about once a minute."""
_ADDRESSES: Final = 4096
_CACHE: Final = "public, max-age=5"

router: Final = APIRouter(tags=["witness"])


class Rates:
    """A token bucket for each address that asked lately; addresses are kept in memory only, the oldest dropped."""

    def __init__(self, rate: float, burst: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._monotonic = rate, burst, monotonic
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str) -> bool:
        """Whether this address may ask now."""
        now = self._monotonic()
        left, then = self._buckets.pop(address, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._rate)
        self._buckets[address] = (max(0.0, left - 1), now)
        if len(self._buckets) > _ADDRESSES:
            self._buckets.popitem(last=False)
        return left >= 1


def create_witness_app(
    witness: Witness, about: Callable[[], Mapping[str, Any]], *, rate: float = RATE, burst: float = BURST
) -> FastAPI:
    """The ASGI application over an open witness. `about` gives what `/witness/about` says, anew each time."""
    configure_logger()
    app = FastAPI(
        title="Greffier witness", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False,
        exception_handlers={HTTPException: _refuse, RequestValidationError: _find_nothing},
    )  # fmt: skip
    app.state.witness, app.state.about, app.state.rates = witness, about, Rates(rate, burst)
    app.include_router(router)
    app.add_middleware(Surroundings, observe=lambda *_: None, answer_error=_answer_error)
    return app


@router.post("/add-checkpoint", response_class=PlainTextResponse)
async def add_checkpoint(request: Request) -> Response:
    """Cosign a checkpoint that extends what was cosigned before (c2sp.org/tlog-witness, add-checkpoint)."""
    address = request.client.host if request.client else ""
    if not request.app.state.rates.take(address):
        raise HTTPException(429, "too many requests from this address", headers={"retry-after": "10"})
    answer = await run_in_threadpool(_witness(request).add_checkpoint, await _read_body(request))
    headers = {"content-type": answer.content_type, "cache-control": "no-store"}
    if answer.retry_after is not None:
        headers["retry-after"] = str(answer.retry_after)
    return Response(answer.body, status_code=answer.status, headers=headers)


@router.get("/{origin}/checkpoint", response_class=PlainTextResponse)
def read_checkpoint(request: Request, origin: Annotated[str, Path(pattern="^[0-9a-f]{64}$")]) -> Response:
    """The newest checkpoint cosigned of the log whose origin has this SHA-256, with the log's and our signatures."""
    try:
        note = _witness(request).checkpoint(origin)
    except NotFound as error:
        raise HTTPException(404, str(error)) from None
    return Response(note, headers={"content-type": TEXT_TYPE, "cache-control": _CACHE})


@router.get("/witness/about", response_class=JSONResponse)
def read_about(request: Request) -> Response:
    """Who cosigns here, and the keys of the log that belongs to it: what `greffier witness peer` reads."""
    return JSONResponse(dict(request.app.state.about()), headers={"cache-control": "no-store"})


@router.get("/health", response_class=PlainTextResponse)
def read_health(request: Request) -> Response:
    """200 while the witness has its memory; 503 otherwise."""
    try:
        _witness(request).check()
    except (AuditLogError, OSError):
        raise HTTPException(503, "the witness cannot cosign") from None
    return PlainTextResponse("ok\n", headers={"cache-control": "no-store"})


def serve_witness(witness: Witness, about: Callable[[], Mapping[str, Any]], listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT."""
    with ending_by_signal():
        uvicorn.Server(witness_config(create_witness_app(witness, about))).run(sockets=[listener])


def witness_config(app: FastAPI, host: str = "127.0.0.1", port: int = 0) -> uvicorn.Config:
    """How uvicorn runs: no access log, no trust in forwarded addresses, a bound on what runs at once."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        limit_concurrency=256,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=10,
    )


def _witness(request: Request) -> Witness:
    witness: Witness = request.app.state.witness
    return witness


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    raise HTTPException(413, f"the body is larger than {MAX_BODY} bytes")
    except TimeoutError:
        raise HTTPException(408, "the body did not arrive in time") from None
    return bytes(body)


async def _refuse(request: Request, error: Exception) -> Response:
    return _answer_error(request, error)


async def _find_nothing(request: Request, _error: Exception) -> Response:
    """An address that cannot be one; the framework's own answer would repeat it."""
    return _answer_error(request, HTTPException(404, "no such address: a log's is the SHA-256 of its origin, in hex"))


def _answer_error(_request: Request, error: Exception) -> Response:
    """Never 500: what nobody foresaw is the witness's trouble, and trying later is safe."""
    headers = {"cache-control": "no-store", "content-type": TEXT_TYPE}
    if isinstance(error, HTTPException):
        return Response(f"{error.detail}\n", error.status_code, headers | dict(error.headers or {}))
    return Response("the witness cannot answer now: try again later\n", 503, headers | {"retry-after": "60"})
