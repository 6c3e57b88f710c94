"""A question to an endpoint elsewhere: what is sent, what is taken from an answer, and what every kind of liar gets."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any

import pytest

from runtime.errors import DeadlineExceeded, Stopped
from runtime.gateway.questions import Question
from runtime.gateway.remote import Call, Endpoint, Remote, RemoteFailed, Wire, is_loopback

pytestmark = pytest.mark.enable_socket

QUESTION = Question("result", ({"role": "user", "content": "Name a colour."},), 16, None)
SECRET = "sk-very-secret-0123456789"


def ask(url: str, question: Question = QUESTION, *, deadline_s: float = 10, wire: Wire | None = None, told: Any = None,
        **members: Any) -> Call:  # fmt: skip
    remote, call = Remote(), Call(question.step)
    try:
        remote.ask(call, question, Endpoint(url, "m-1", **members), deadline_s=deadline_s, wire=wire, told=told)
    finally:
        remote.close()
    return call


def failure(url: str, **members: Any) -> RemoteFailed:
    with pytest.raises(RemoteFailed) as caught:
        ask(url, key=SECRET, **members)
    assert SECRET not in f"{caught.value!r} {caught.value} {caught.value.__dict__}"
    assert url.split("/")[2] not in str(caught.value)
    assert caught.value.reason == "provider_failed"
    return caught.value


def test_the_prompt_is_all_that_is_sent(remote_stand: Any) -> None:
    with remote_stand.serving(*remote_stand.says("blue")) as endpoint:
        call = ask(endpoint.url, key=SECRET)
    (request,) = endpoint.received
    assert request.json == {
        "model": "m-1", "messages": [{"role": "user", "content": "Name a colour."}], "max_tokens": 16,
        "temperature": 0.0, "stream": False,
    }  # fmt: skip
    assert request.head.startswith("POST /v1/chat/completions HTTP/1.1")
    assert request.header("authorization") == f"Bearer {SECRET}"
    assert call.reply.text == "blue"
    assert call.sent_bytes == len(request.body)
    stated = call.reply.stated
    assert (stated.id, stated.model, stated.fingerprint) == ("chatcmpl-1", "m-1-2026", "fp_7")
    assert (stated.prompt_tokens, stated.output_tokens, stated.doubtful) == (40, 5, [])


def test_form_seed_and_stop_go_with_the_question(remote_stand: Any) -> None:
    schema = {"type": "object", "properties": {"result": {"type": "string", "enum": ["a", "b"]}}}
    question = Question("result", QUESTION.messages, 9, schema, 700, 5, ("END",))
    with remote_stand.serving(*remote_stand.says('{"result": "a"}')) as endpoint:
        for form in ("json_schema", "json_object", "text"):
            ask(endpoint.url, question, form=form)
    bodies = [request.json for request in endpoint.received]
    assert [body.get("response_format") for body in bodies] == [
        {"type": "json_schema", "json_schema": {"name": "result", "strict": True, "schema": schema}},
        {"type": "json_object", "schema": schema},
        None,
    ]
    assert all((body["seed"], body["temperature"], body["stop"]) == (5, 0.7, ["END"]) for body in bodies)
    assert all(request.header("authorization") is None for request in endpoint.received)


def test_the_length_is_limited_by_the_member_that_the_endpoint_knows(remote_stand: Any) -> None:
    with remote_stand.serving(*remote_stand.says("blue")) as endpoint:
        ask(endpoint.url, limit="max_completion_tokens")
    assert endpoint.received[0].json["max_completion_tokens"] == 16
    assert "max_tokens" not in endpoint.received[0].json


def test_a_stream_is_put_together_and_told_as_it_comes(remote_stand: Any) -> None:
    s = remote_stand
    usage = s.chunk(None, usage={"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}, choices=[])
    data = s.events(s.chunk("blue "), s.chunk("ish €"), s.chunk(None, finish="stop"), usage)
    heard: list[str] = []

    def slowly(connection: socket.socket, _request: Any) -> None:
        for at in range(0, len(data), 7):  # also within characters and lines
            connection.sendall(data[at : at + 7])

    with s.serving(slowly) as endpoint:
        call = ask(endpoint.url, stream=True, told=heard.append)
        assert endpoint.received[0].json["stream_options"] == {"include_usage": True}
    assert "".join(heard) == call.reply.text == "blue ish €"
    assert call.reply.finish == "stop"
    assert (call.reply.stated.prompt_tokens, call.reply.stated.output_tokens) == (9, 2)
    assert call.first_us is not None
    assert 0 < call.first_us <= call.total_us


@pytest.mark.parametrize(
    ("usage", "taken", "doubtful"),
    [
        ({"prompt_tokens": -4, "completion_tokens": 5}, (None, 5), ["prompt_tokens"]),
        ({"prompt_tokens": 40, "completion_tokens": 10**9}, (40, 10**9), ["output_tokens"]),
        ({"prompt_tokens": 10**6, "completion_tokens": 1}, (10**6, 1), ["prompt_tokens"]),
        ({"prompt_tokens": 10**30, "completion_tokens": 1}, (None, 1), ["prompt_tokens"]),
        ({"prompt_tokens": 40.5, "completion_tokens": True}, (None, None), ["output_tokens", "prompt_tokens"]),
        ({"prompt_tokens": "40", "completion_tokens": None}, (None, None), ["prompt_tokens"]),
        ({"prompt_tokens": 40, "completion_tokens": 0}, (40, 0), ["output_tokens"]),
        ({"prompt_tokens": 40, "completion_tokens": 5, "total_tokens": 400}, (40, 5), ["total_tokens"]),
        ({"prompt_tokens": 40, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 41}}, (40, 5),
         ["cached_tokens"]),
        ({"prompt_tokens": 40, "completion_tokens": 5, "cost": -1}, (40, 5), ["price_millionths"]),
        ("free", (None, None), ["usage"]),
        (..., (None, None), []),
    ],
)  # fmt: skip
def test_counts_that_cannot_be_right_are_named(
    remote_stand: Any, usage: Any, taken: tuple[int | None, int | None], doubtful: list[str]
) -> None:
    with remote_stand.serving(*remote_stand.says("blue", usage=usage)) as endpoint:
        stated = ask(endpoint.url).reply.stated
    assert (stated.prompt_tokens, stated.output_tokens) == taken
    assert stated.doubtful == doubtful


def test_what_a_provider_keeps_to_itself_is_not_known(remote_stand: Any) -> None:
    members = {"usage": None, "id": None, "model": 7, "system_fingerprint": "x" * 5000, "service_tier": "flex\n"}
    with remote_stand.serving(*remote_stand.says("blue", **members)) as endpoint:
        stated = ask(endpoint.url).reply.stated
    assert (stated.id, stated.model, stated.fingerprint, stated.tier, stated.output_tokens) == (None,) * 5
    assert stated.doubtful == ["fingerprint", "model", "tier"]


def test_a_price_that_is_named_counts_in_millionths(remote_stand: Any) -> None:
    usage = {"prompt_tokens": 40, "completion_tokens": 5, "cost": 0.00001234}
    with remote_stand.serving(*remote_stand.says("blue", usage=usage)) as endpoint:
        assert ask(endpoint.url).reply.stated.price_millionths == 12


@pytest.mark.parametrize("status", ["400 Bad", "401 No", "404 No", "429 Later", "500 Broken", "503 Later", "204 No"])
def test_any_status_but_200_is_a_failure_and_is_asked_once(remote_stand: Any, status: str) -> None:
    answer = remote_stand.json_body({"error": {"message": SECRET}}, status=status, head="retry-after: 7\r\n")
    with remote_stand.serving(remote_stand.sends(answer)) as endpoint:
        fault = failure(endpoint.url)
        assert endpoint.connections == 1
    assert fault.retry_after_s == 7
    assert status[:3] in str(fault)


def test_a_redirect_is_not_followed(remote_stand: Any) -> None:
    with remote_stand.serving(*remote_stand.says("blue")) as other:
        head = f"location: {other.url}/chat/completions\r\n"
        answer = remote_stand.response(b"", status="307 Go", head=head)
        with remote_stand.serving(remote_stand.sends(answer)) as endpoint:
            assert "elsewhere" in str(failure(endpoint.url))
    assert other.connections == 0


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"[]", b"null", b"{", b'{"choices": 3}', b'{"choices": []}', b'{"choices": [3]}',
        b'{"choices": [{}]}', b'{"choices": [{"message": {"content": 5}}]}', b'{"choices": [{"message": "x"}]}',
        b'{"choices": [{"message": {"content": "\\ud800"}}]}', b"\xff\xfe", b"[" * 100_000, b"9" * 100_000,
        b'{"choices": [{"message": {"content": ["a"]}}]}',
    ],
)  # fmt: skip
def test_a_body_that_is_no_answer_is_a_failure(remote_stand: Any, body: bytes) -> None:
    with remote_stand.serving(remote_stand.sends(remote_stand.response(body))) as endpoint:
        assert "cannot be used" in str(failure(endpoint.url))


@pytest.mark.parametrize(
    "answer",
    [
        {"kind": "text/html"}, {"kind": "text/event-stream"}, {"kind": ""}, {"head": "content-encoding: gzip\r\n"},
    ],
)  # fmt: skip
def test_another_type_or_coding_is_a_failure(remote_stand: Any, answer: dict[str, str]) -> None:
    data = remote_stand.json_body(remote_stand.completion("blue"), **answer)
    with remote_stand.serving(remote_stand.sends(data)) as endpoint:
        assert "cannot be used" in str(failure(endpoint.url))


def until_left(connection: socket.socket, _request: Any) -> None:
    """Says nothing until the other side has gone."""
    connection.settimeout(120)
    connection.recv(1)


def endless(connection: socket.socket, head: bytes, piece: bytes) -> None:
    connection.sendall(head)
    while True:
        connection.sendall(piece)


@pytest.mark.parametrize("stream", [False, True])
def test_an_endless_body_is_cut(remote_stand: Any, stream: bool) -> None:
    kind = b"text/event-stream" if stream else b"application/json"
    head = b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\n\r\n"
    with remote_stand.serving(lambda connection, _request: endless(connection, head, b" " * 65536)) as endpoint:
        started = time.monotonic()
        failure(endpoint.url, stream=stream, deadline_s=30)
        assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n", b""]
)
def test_one_that_drips_is_over_at_the_deadline(remote_stand: Any, head: bytes) -> None:
    """A byte now and then keeps every read within its time; the whole still ends when it must."""

    def drip(connection: socket.socket, _request: Any) -> None:
        connection.sendall(head)
        for _ in range(600):
            time.sleep(0.1)
            connection.sendall(b"x-a: b\r\n" if head.count(b"\r\n") == 1 else b" ")

    with remote_stand.serving(drip) as endpoint:
        started = time.monotonic()
        with pytest.raises((DeadlineExceeded, RemoteFailed)) as caught:
            ask(endpoint.url, deadline_s=1)
        assert time.monotonic() - started < 20
        assert head == b"" or isinstance(caught.value, DeadlineExceeded)


def test_silence_is_over_at_the_deadline(remote_stand: Any) -> None:
    silent = remote_stand.serving(until_left)
    with silent as endpoint, pytest.raises(DeadlineExceeded):
        ask(endpoint.url, deadline_s=0.5)


def test_a_request_can_be_stopped_from_another_thread(remote_stand: Any) -> None:
    wire = Wire()
    with remote_stand.serving(until_left) as endpoint:
        threading.Timer(0.3, wire.cut, ["stopped"]).start()
        started = time.monotonic()
        with pytest.raises(Stopped):
            ask(endpoint.url, wire=wire)
        assert time.monotonic() - started < 20


def broken_off(data: bytes) -> Any:
    return lambda connection, _request: connection.sendall(data[: len(data) // 2])


def test_a_connection_that_breaks_off_is_not_asked_again(remote_stand: Any) -> None:
    """It may have been billed: only a connection that never came about is tried once more."""
    data = remote_stand.json_body(remote_stand.completion("blue" * 100))
    with remote_stand.serving(broken_off(data)) as endpoint:
        assert "broke off" in str(failure(endpoint.url))
        assert endpoint.connections == 1
    with remote_stand.serving(lambda _connection, _request: None) as endpoint:
        failure(endpoint.url)
        assert endpoint.connections == 1


def test_one_that_is_down_is_tried_twice_and_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        url = f"http://127.0.0.1:{one.getsockname()[1]}/v1"
    assert "cannot be reached" in str(failure(url))


@pytest.mark.parametrize(
    "broken",
    [
        b"data: {not json}\n\n", b"data: [1]\n\n", b"data: \xff\n\n", b"event: x\n\n", b"",
        b'data: {"choices": [{"delta": 5}]}\n\n', b'data: {"error": {"message": "x"}}\n\n', b"data:" + b"a" * (2 << 20),
        b'data: {"choices": [{"delta": {"content": "blue"}}]}\n\n', b"nonsense\n\n", b"\x00" * 100,
    ],
)  # fmt: skip
def test_a_broken_stream_is_a_failure(remote_stand: Any, broken: bytes) -> None:
    """Also one that ends without a reason and without its mark: nobody knows what was left out."""
    data = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + broken
    with remote_stand.serving(remote_stand.sends(data)) as endpoint:
        assert "cannot be used" in str(failure(endpoint.url, stream=True))


def test_a_stream_without_its_mark_is_whole_once_it_gave_a_reason(remote_stand: Any) -> None:
    s = remote_stand
    with s.serving(s.sends(s.events(s.chunk("blue"), s.chunk(None, finish="stop"), end=False))) as endpoint:
        assert ask(endpoint.url, stream=True).reply.text == "blue"


def test_line_ends_and_comments_of_streams(remote_stand: Any) -> None:
    from runtime.gateway.sse import Events

    data = b"\xef\xbb\xbf: hello\r\ndata: a\r\n\r\ndata:b\rdata:  c\r\rid: 4\ndata\n\ndata: rest"
    whole = Events().feed(data)
    assert whole == ["a", "b\n c", ""]
    bit_by_bit, found = Events(), []
    for at in range(len(data)):
        found += bit_by_bit.feed(data[at : at + 1])
    assert found == whole


def test_which_hosts_are_this_machine() -> None:
    near = ["http://127.0.0.1:1/v1", "http://127.9.9.9/", "http://localhost/", "http://[::1]:4/"]
    far = ["https://example.org", "https://10.0.0.1", "https://localhost.example.org", "https://127.0.0.1.example.org"]
    assert [is_loopback(url) for url in near + far] == [True] * len(near) + [False] * len(far)


def test_what_a_representation_shows() -> None:
    assert SECRET not in repr(Endpoint("https://x.example/v1", "m", key=SECRET))
    assert json.dumps(SECRET) not in repr(Remote())
