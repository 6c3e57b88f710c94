"""What surrounds every request: security headers, the limit on bodies, HEAD, and a log line without personal data."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.deciding import latency_targets

MAX_BODY: Final = 1 << 20
# A stream of lines is taken in bit by bit, and never held whole.
MAX_STREAM: Final = 1 << 28
STREAMED: Final = ("/api/records", b"application/x-ndjson")

# Nothing but our own style sheet and images; no script at all, no frame, no form that leads elsewhere.
SECURITY_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
}

Observe = Callable[[str, str, int, float], None]
AnswerError = Callable[[Request, Exception], Response]


class Surroundings:
    """ASGI middleware around one app.

    `observe(method, route, status, seconds)` hears of each request; the route is the template, so no id is in it.
    `answer_error(request, error)` makes the answer where no route did: too large a body, an error that nobody expected.
    """

    def __init__(self, app: ASGIApp, *, observe: Observe, answer_error: AnswerError) -> None:
        self.app = app
        self.observe = observe
        self.answer_error = answer_error
        self.logger = structlog.get_logger("greffier.http")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with latency_targets.received():
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        inner = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        sender = _Sender(send, body=scope["method"] != "HEAD")
        try:
            if _declared_length(scope) > _limit(scope):
                await self._answer(HTTPException(413), inner, receive, sender)
            else:
                await self.app(inner, _limited(receive, _limit(scope)), sender)
        except Exception as error:
            # Not `exception`: whatever it is, its message may quote a person, so only kind and place are logged.
            self.logger.error("unexpected", error=type(error).__qualname__, at=_frames(error))  # noqa: TRY400 (see above)
            if sender.status is None:
                await self._answer(error, inner, receive, sender)
        finally:
            seconds = time.perf_counter() - started
            self._note(scope["method"], inner, sender.status or 500, seconds)

    async def _answer(self, error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
        response = await run_in_threadpool(self.answer_error, Request(scope), error)
        await response(scope, receive, send)

    def _note(self, method: str, scope: Scope, status: int, seconds: float) -> None:
        # The template names the place; the path itself may carry a record's id, the query what someone searched.
        route = getattr(scope.get("route"), "path", "(none)")
        self.observe(method, route, status, seconds)
        self.logger.info("request", method=method, route=route, status=status, ms=round(seconds * 1000, 1))


class _Sender:
    """`send` that adds the security headers, remembers the status, and leaves the body of a HEAD out."""

    def __init__(self, send: Send, *, body: bool) -> None:
        self._send = send
        self._body = body
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        elif message["type"] == "http.response.body" and not self._body:
            message = {**message, "body": b""}
        await self._send(message)


def _limit(scope: Scope) -> int:
    """Bytes that the body of a request may have."""
    address, media_type = STREAMED
    if scope["path"] != address:
        return MAX_BODY
    types = [value.partition(b";")[0].strip().lower() for name, value in scope["headers"] if name == b"content-type"]
    return MAX_STREAM if types == [media_type] else MAX_BODY


def _limited(receive: Receive, limit: int) -> Receive:
    """`receive` that ends a body without a declared length once it is too long."""
    received = 0

    async def receive_limited() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise HTTPException(413)
        return message

    return receive_limited


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def _frames(error: Exception) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-5:]
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]


def configure_logger() -> None:
    """JSON lines on standard error, with a UTC time. Only what our own code passes is in them."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
