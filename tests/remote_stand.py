"""Endpoints of remote providers, on loopback: one that answers as told, and raw sockets that lie."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Answer = Callable[[socket.socket, "Received"], None]


@dataclass(frozen=True)
class Received:
    """A request as it came in."""

    head: str
    body: bytes

    @property
    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        """One header's value."""
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.strip().lower() == name:
                return value.strip()
        return None


@dataclass
class Endpoint:
    """A server at `url`. It keeps what it was sent, and answers with the next of `answers`, the last ever again."""

    url: str
    answers: list[Answer]
    received: list[Received] = field(default_factory=list)
    connections: int = 0


@contextlib.contextmanager
def serving(*answers: Answer) -> Iterator[Endpoint]:
    """One connection a request, each in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    endpoint = Endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", list(answers))
    ended = threading.Event()
    threads: list[threading.Thread] = []

    def accept() -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                endpoint.connections += 1
                number = min(endpoint.connections, len(endpoint.answers)) - 1
                one = threading.Thread(target=serve, args=(connection, endpoint.answers[number]), daemon=True)
                threads.append(one)
                one.start()

    def serve(connection: socket.socket, answer: Answer) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(60)
            request = read_request(connection)
            endpoint.received.append(request)
            answer(connection, request)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        ended.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(60)
        for one in threads:
            one.join(60)


def read_request(connection: socket.socket) -> Received:
    """Head and body of one request."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            raise OSError
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    text = head.decode("latin-1")
    length = next(int(line.split(":")[1]) for line in text.split("\r\n") if line.lower().startswith("content-length"))
    while len(body) < length:
        body += connection.recv(65536)
    return Received(text, body)


def completion(text: str | None = "", **members: Any) -> dict[str, Any]:
    """A whole answer as such endpoints give it."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    choice["message"] |= members.pop("message", {})
    if "finish_reason" in members:
        choice["finish_reason"] = members.pop("finish_reason")
    usage = {"prompt_tokens": 40, "completion_tokens": 5, "total_tokens": 45}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "model": "m-1-2026", "system_fingerprint": "fp_7"}
    found = body | {"choices": [choice], "usage": usage} | members
    return {name: value for name, value in found.items() if value is not ...}


def says(*texts: str | None, **members: Any) -> tuple[Answer, ...]:
    """One answer for each text."""
    return tuple(sends(json_body(completion(text, **members))) for text in texts)


def sends(data: bytes) -> Answer:
    """These bytes, and the end."""
    return lambda connection, _request: connection.sendall(data)


def json_body(value: Any, *, status: str = "200 OK", kind: str = "application/json", head: str = "") -> bytes:
    """A response with a JSON body."""
    return response(json.dumps(value).encode(), status=status, kind=kind, head=head)


def response(body: bytes, *, status: str = "200 OK", kind: str = "application/json", head: str = "") -> bytes:
    """A response in one piece."""
    lines = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{head}\r\n"
    return lines.encode() + body


def events(*datas: str, end: bool = True) -> bytes:
    """A stream of server-sent events; with `end`, its mark."""
    body = "".join(f"data: {data}\n\n" for data in (*datas, *(["[DONE]"] if end else [])))
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + body.encode()


def chunk(text: str | None = None, *, finish: str | None = None, **members: Any) -> str:
    """One chunk of a streamed answer."""
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "chatcmpl-9", "object": "chat.completion.chunk", "model": "m-1-2026", "choices": [choice]}
    return json.dumps(body | members)
