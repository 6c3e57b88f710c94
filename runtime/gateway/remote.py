"""Asks an OpenAI-compatible endpoint one question, within a deadline, once.

A request that may have reached the provider is never sent again: it could be billed twice. Only a connection that did
not come about is tried once more. Each request has a connection of its own: one that was kept open may be gone at the
moment it is used, and then nobody knows whether the request arrived. Redirects are not followed, since the key would go
with them. A key appears in no message and no representation.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from runtime.errors import DeadlineExceeded, RuntimeFault, Stopped
from runtime.gateway.questions import Question, response_format
from runtime.gateway.reply import Reply, ReplyInvalid, judge_counts, read_reply, take_chunk
from runtime.gateway.sse import Events, SseInvalid

MAX_BODY: Final = 8 << 20
CONNECT_S: Final = 10.0
_TRIES: Final = 2
_PAUSE_S: Final = 0.2
_DONE: Final = "[DONE]"


class RemoteFailed(RuntimeFault):
    """The provider did not answer, or not in the form asked for. `retry_after_s`: when it says to come back."""

    default_reason = "provider_failed"

    def __init__(self, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message, field="remote")
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a version's model is asked. `url` ends before `/chat/completions`; `form` as `asking.FORMS`.

    `limit`: the member by which it takes the most tokens of an answer.
    """

    url: str
    model: str
    form: str = "json_schema"
    stream: bool = False
    limit: str = "max_tokens"
    key: str | None = field(default=None, repr=False)


@dataclass(slots=True)
class Call:
    """One request and what came of it. Times in µs from the moment it was begun; bytes of bodies, by our own count."""

    step: str
    reply: Reply = field(default_factory=Reply)
    sent_bytes: int = 0
    received_bytes: int = 0
    first_us: int | None = None
    total_us: int = 0


class Wire:
    """A connection that another thread may cut: at the deadline, or because nobody waits for the answer any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.cut_by: str | None = None

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """httpx tells what happens on the network: here the socket of the connection is caught."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            with self._lock:
                self._socket = info["return_value"].get_extra_info("socket")
                if self.cut_by is not None:
                    self._shut()

    def cut(self, by: str) -> None:
        """Ends the connection: whoever reads from it is woken. `by`: deadline or stopped."""
        with self._lock:
            self.cut_by = self.cut_by or by
            self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                # Not SSLSocket.shutdown, which takes the TLS state away from under the thread that reads.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's own."""
    host = httpx.URL(url).host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Remote:
    """Clients for endpoints, made when first needed. Thread-safe; `close` when done."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[bool, httpx.Client] = {}

    def close(self) -> None:
        """Ends the clients."""
        with self._lock:
            for client in self._clients.values():
                client.close()

    def ask(
        self,
        call: Call,
        question: Question,
        endpoint: Endpoint,
        *,
        deadline_s: float,
        told: Callable[[str], None] | None = None,
        wire: Wire | None = None,
    ) -> None:
        """Asks, and fills `call`, also with what is known of it when it fails: it may be billed all the same.

        `deadline_s` from now; `told` hears each piece of the text, where the endpoint streams. Raises RemoteFailed,
        DeadlineExceeded, Stopped (the wire was cut).
        """
        wire, begun = wire or Wire(), time.monotonic_ns()
        timer = threading.Timer(max(0.0, deadline_s), wire.cut, ["deadline"])
        timer.daemon = True
        timer.start()

        def heard(text: str) -> None:
            if call.first_us is None:
                call.first_us = (time.monotonic_ns() - begun) // 1000
            if told is not None:
                told(text)

        try:
            request = self._request(call, question, endpoint, wire, deadline_s)
            with self._answer(request, endpoint, wire) as response:
                _read(call, response, stream=endpoint.stream, heard=heard)
        except _Failed as failed:
            raise _fault(failed, wire) from None
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, ReplyInvalid, SseInvalid, OSError) as error:
            raise _fault(_Failed(_said(error)), wire) from None
        finally:
            timer.cancel()
            call.total_us = (time.monotonic_ns() - begun) // 1000
            judge_counts(call.reply, sent_bytes=call.sent_bytes)

    def _request(
        self, call: Call, question: Question, endpoint: Endpoint, wire: Wire, deadline_s: float
    ) -> httpx.Request:
        body = json.dumps(_body(question, endpoint), ensure_ascii=False).encode()
        call.sent_bytes = len(body)
        return self._client(endpoint).build_request(
            "POST",
            f"{endpoint.url.rstrip('/')}/chat/completions",
            content=body,
            headers=_headers(endpoint),
            timeout=httpx.Timeout(deadline_s, connect=min(CONNECT_S, deadline_s)),
            extensions={"trace": wire.trace},
        )

    @contextlib.contextmanager
    def _answer(self, request: httpx.Request, endpoint: Endpoint, wire: Wire) -> Iterator[httpx.Response]:
        """The response, its body unread. Tried again only where no connection came about."""
        for left in reversed(range(_TRIES)):
            try:
                response = self._client(endpoint).send(request, stream=True)
                break
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if not left or wire.cut_by is not None:
                    raise
                time.sleep(_PAUSE_S)
        try:
            yield response
        finally:
            response.close()

    def _client(self, endpoint: Endpoint) -> httpx.Client:
        near = is_loopback(endpoint.url)
        with self._lock:
            if near not in self._clients:
                # What goes to this machine goes through no proxy.
                bounds = httpx.Limits(max_connections=None, max_keepalive_connections=0)
                self._clients[near] = httpx.Client(limits=bounds, follow_redirects=False, trust_env=not near)
            return self._clients[near]


class _Failed(Exception):
    def __init__(self, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


def _fault(failed: _Failed, wire: Wire) -> RuntimeFault:
    """Whoever cut the wire is the cause, whatever the client then made of it."""
    if wire.cut_by == "deadline":
        return DeadlineExceeded("the provider did not answer in time", field="remote")
    if wire.cut_by is not None:
        return Stopped("the request was stopped", field="remote")
    return RemoteFailed(str(failed), retry_after_s=failed.retry_after_s)


def _said(error: Exception) -> str:
    """A sentence of ours: what a library says may quote an address, a header or the answer."""
    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
        bad_certificate = "certificate" in str(error).lower()
        what = "its certificate is not good" if bad_certificate else "it cannot be reached"
        return f"the provider's endpoint failed: {what}"
    if isinstance(error, httpx.TimeoutException):
        return "the provider did not answer in time"
    if isinstance(error, ReplyInvalid | SseInvalid):
        return f"the provider's answer cannot be used: {error}"
    return "the connection to the provider broke off"


def _body(question: Question, endpoint: Endpoint) -> dict[str, Any]:
    """Nothing of the person, the case or the record goes with it: the prompt is all that is sent."""
    body: dict[str, Any] = {
        "model": endpoint.model,
        "messages": [dict(message) for message in question.messages],
        endpoint.limit: question.max_tokens,
        "temperature": question.temperature_milli / 1000,
        "stream": endpoint.stream,
    }
    form = response_format(question, endpoint.form)
    if form is not None:
        body["response_format"] = form
    if endpoint.stream:
        body["stream_options"] = {"include_usage": True}
    if question.seed is not None:
        body["seed"] = question.seed
    if question.stop:
        body["stop"] = list(question.stop)
    return body


def _headers(endpoint: Endpoint) -> dict[str, str]:
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if endpoint.stream else "application/json",
        "accept-encoding": "identity",
        "user-agent": "greffier",
        "connection": "close",
    }
    return headers if endpoint.key is None else headers | {"authorization": f"Bearer {endpoint.key}"}


def _check_head(response: httpx.Response, *, stream: bool) -> None:
    status = response.status_code
    if status != httpx.codes.OK:
        after = response.headers.get("retry-after", "")
        wait = min(int(after), 3600) if after.isascii() and after.isdigit() and len(after) < 10 else None
        what = "sends elsewhere, which is not followed" if 300 <= status < 400 else "refuses"
        raise _Failed(f"the provider's endpoint {what} (status {status})", wait)
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    wanted = "text/event-stream" if stream else "application/json"
    if kind != wanted:
        raise ReplyInvalid(f"it is not of type {wanted}")
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise ReplyInvalid("it is compressed, which was not asked for")


def _data(call: Call, response: httpx.Response) -> Iterator[bytes]:
    for data in response.iter_raw():
        call.received_bytes += len(data)
        if call.received_bytes > MAX_BODY:
            raise ReplyInvalid(f"it is longer than {MAX_BODY >> 20} MiB")
        yield data


def _read(call: Call, response: httpx.Response, *, stream: bool, heard: Callable[[str], None]) -> None:
    """The body into `call.reply`. A stream ends with its mark, or at least with a reason; else it broke off."""
    _check_head(response, stream=stream)
    if not stream:
        call.reply = read_reply(b"".join(_data(call, response)))
        return
    events = Events()
    for data in _data(call, response):
        for event in events.feed(data):
            if event.strip() == _DONE:
                return
            text = take_chunk(call.reply, event)
            if text:
                heard(text)
    if call.reply.finish is None:
        raise ReplyInvalid("it broke off")
