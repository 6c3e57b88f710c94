"""Streams: opened in the log before the first word, and ended there as they ended, with exactly what was sent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import httpx2
import openai
import pytest

from auditlog.core.errors import Erased
from auditlog.store import log as log_store
from auditlog.vault.check import check_vault
from auditlog.vault.references import NO_REFS
from auditlog.writing.guard import parse_guard_line
from runtime.worker.stream import Began
from service.deciding import decide, streaming
from service.deciding.open_streams import Streams
from service.deciding.run_options import RunOptions
from service.disclosing import access_file, lookup
from service.erasing import erase
from service.records import reading
from service.records.reading import CLI, recount
from service.systems import lifecycle
from web.v1.answers import Form
from web.v1.requests import parse_chat
from web.v1.stream import EventStream

pytestmark = pytest.mark.enable_socket

ASKED = [{"role": "user", "content": "Tell me everything about the tax on dogs, please."}]
LONG = 400


@pytest.fixture(scope="module")
def portal(portals: Any, talking: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    home, records = portals.copy_of_a_home(tmp_path_factory.mktemp("streams"))
    with (home / "greffier.toml").open("a") as settings:
        settings.write("stream_stall_s = 2\nkey_concurrency = 6\n")
    with portals.served(home) as served:
        served.records = records
        talking.add(served.g, tokens=LONG, least=4 * LONG)
        yield served


@pytest.fixture
def ask(portal: Any) -> Iterator[openai.OpenAI]:
    token = portal.key("client")["authorization"].removeprefix("Bearer ")
    with openai.OpenAI(base_url=f"{portal.url}/v1", api_key=token, max_retries=0, timeout=60) as client:
        yield client


def size(portal: Any) -> int:
    return int(portal.g.log.state().size)


def entries(portal: Any, since: int) -> list[dict[str, Any]]:
    with portal.g.reading() as conn:
        return [json.loads(data) for _, data in log_store.iterate_entries(conn, 1, since, size(portal))]


def wait_for(portal: Any, since: int, kind: str, seconds: float = 60) -> dict[str, Any]:
    """The next entry of a kind."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = [entry for entry in entries(portal, since) if entry["kind"] == kind]
        if found:
            return found[0]
        time.sleep(0.05)
    raise AssertionError(f"no {kind} within {seconds} s: {[entry['kind'] for entry in entries(portal, since)]}")


def reached(portal: Any, entry: dict[str, Any]) -> Any:
    return next(recount(portal.g, [entry["id"]])).values["reached"]


def texts(chunks: Any) -> Iterator[str]:
    for chunk in chunks:
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


@contextlib.contextmanager
def watched(portal: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How much of the log was integrated when each streamed body was handed over."""
    from web.v1.stream import EventStream

    sizes: list[int] = []
    send = EventStream._send

    async def seen(self: Any, to: Any, message: Any) -> None:
        if message.get("body"):
            sizes.append(parse_guard_line(portal.g.guard.path.read_bytes()).size)
        await send(self, to, message)

    monkeypatch.setattr(EventStream, "_send", seen)
    yield sizes


def test_a_stream_is_opened_first_and_is_the_record(
    ask: openai.OpenAI, portal: Any, talking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = size(portal)
    with watched(portal, monkeypatch) as sizes:
        stream = ask.chat.completions.create(
            model=talking.CHAT, messages=ASKED, stream=True, max_tokens=24, logprobs=True, top_logprobs=2,
            stream_options={"include_usage": True},
        )  # fmt: skip
        assert stream.response.headers["content-type"].startswith("text/event-stream")
        chunks = list(stream)
    opened, decision = [entry for entry in entries(portal, before) if entry["kind"] in ("opened/1", "decision/1")]
    assert (opened["kind"], decision["opened"]) == ("opened/1", opened["id"])
    assert (opened["boot"], opened["n"]) == (decision["boot"], decision["n"])
    record = next(recount(portal.g, [decision["id"]]))
    assert "".join(texts(chunks)) == record.values["output"]["reply"]
    assert stream.response.headers["x-greffier-record"] == decision["id"] == chunks[0].id
    index = [entry["id"] for entry in entries(portal, 0)].index(opened["id"])
    assert sizes[0] > index, "a word left before the opening was integrated"
    assert sizes[-1] > chunks[-2].greffier["index"], "the end was said before the record was integrated"
    assert chunks[-2].choices[0].finish_reason == "length"
    assert chunks[-1].usage.completion_tokens == record.values["usage"]["output_tokens"]
    told = [token for chunk in chunks if chunk.choices and chunk.choices[0].logprobs
            for token in chunk.choices[0].logprobs.content]  # fmt: skip
    logprobs = record.values["run"]["logprobs"][-1]
    assert [round(token.logprob * 1e6) for token in told] == logprobs[: len(told)]


def test_json_streams_to_the_output(ask: openai.OpenAI, portal: Any, talking: Any) -> None:
    schema = ask.models.retrieve(talking.CHAT).greffier["output_schema"]
    form = {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema}}
    stream = ask.chat.completions.create(
        model=talking.CHAT, messages=ASKED, stream=True, max_tokens=16, response_format=form
    )
    chunks = list(stream)
    assert json.loads("".join(texts(chunks))) == next(recount(portal.g, [chunks[0].id])).values["output"]


def test_a_stream_says_what_a_whole_answer_says(ask: openai.OpenAI, talking: Any) -> None:
    whole = ask.chat.completions.create(model=talking.CHAT, messages=ASKED, max_tokens=20)
    stream = ask.chat.completions.create(model=talking.CHAT, messages=ASKED, max_tokens=20, stream=True)
    assert "".join(texts(stream)) == whole.choices[0].message.content


def test_a_client_that_leaves_leaves_what_it_was_sent(ask: openai.OpenAI, portal: Any, talking: Any) -> None:
    before, got = size(portal), ""
    stream = ask.chat.completions.create(
        model=talking.CHAT, messages=ASKED, stream=True, extra_headers={"x-greffier-subject": "TEST-77"}
    )
    for text in texts(stream):
        got += text
        if len(got) > 20:
            break
    stream.response.close()
    entry = wait_for(portal, before, "unfinished/1")
    opened = wait_for(portal, before, "opened/1")
    assert (entry["reason"], entry["opened"], entry["n"]) == ("client_left", opened["id"], opened["n"])
    held = reached(portal, entry)
    assert held["output"]["reply"].startswith(got)
    assert held["input"] == {"messages": ASKED}
    assert held["output_tokens"] > 0
    assert not [one for one in entries(portal, before) if one["kind"] == "decision/1"]


def test_the_person_whom_an_unfinished_stream_concerns_finds_it_and_has_it_erased(
    ask: openai.OpenAI, portal: Any, talking: Any
) -> None:
    before = size(portal)
    stream = ask.chat.completions.create(
        model=talking.CHAT, messages=ASKED, stream=True, extra_headers={"x-greffier-subject": "TEST-78"}
    )
    words = texts(stream)
    got = next(words) + next(words)
    stream.response.close()
    entry = wait_for(portal, before, "unfinished/1")
    who = lookup.Reference("subject", "test 78", "subject")
    (found,) = lookup.look_up(portal.g, CLI, "lookup", who, receipted=True).records
    assert (found.id, found.mode) == (entry["id"], None)
    (shown,) = access_file.access_file(portal.g, CLI, who)["records"]
    assert shown["output"]["reply"].startswith(got)
    assert [value["value"] for value in shown["values"]] == [ASKED]
    erase.erase(portal.g, entry["id"], ground="objection")
    assert lookup.look_up(portal.g, CLI, "lookup", who).records == ()
    with pytest.raises(Erased):
        reading.open(portal.g, CLI, "receipt", entry["id"])


def test_what_was_handed_over_is_what_is_held(
    portal: Any, ask: openai.OpenAI, talking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's own account, message by message: exactly the text that it gave to the connection."""
    from web.v1.stream import EventStream

    handed: list[bytes] = []
    send = EventStream._send

    async def seen(self: Any, to: Any, message: Any) -> None:
        await send(self, to, message)
        handed.append(message.get("body", b""))

    monkeypatch.setattr(EventStream, "_send", seen)
    before = size(portal)
    stream = ask.chat.completions.create(model=talking.CHAT, messages=ASKED, stream=True)
    for _ in zip(range(5), texts(stream), strict=False):
        """Some of it."""
    stop(portal, talking)
    with pytest.raises(openai.APIError):
        list(stream)
    events = [json.loads(line[6:]) for line in b"".join(handed).split(b"\n\n") if line.startswith(b"data: {")]
    said = "".join(event["choices"][0]["delta"].get("content", "") for event in events if "choices" in event)
    assert reached(portal, wait_for(portal, before, "unfinished/1"))["output"].get("reply", "") == said


def stop(portal: Any, talking: Any) -> float:
    """An officer stops the system for a moment; when."""
    at = time.monotonic()
    lifecycle.change_state(portal.g, talking.CHAT, "suspended", reason="incident", role="officer")
    threading.Timer(3, lambda: lifecycle.change_state(portal.g, talking.CHAT, "active", reason="resolved")).run()
    return at


def test_an_officers_stop_ends_a_stream_within_a_second(ask: openai.OpenAI, portal: Any, talking: Any) -> None:
    before, got, ended = size(portal), [], []
    stream = ask.chat.completions.create(model=talking.CHAT, messages=ASKED, stream=True)
    words = texts(stream)
    got += [next(words) for _ in range(3)]

    def read() -> None:
        try:
            got.extend(words)
        except openai.APIError as error:
            ended.append((time.monotonic(), error))

    reader = threading.Thread(target=read)
    reader.start()
    lifecycle.change_state(portal.g, talking.CHAT, "suspended", reason="incident", role="officer")
    at = time.monotonic()
    reader.join(60)
    try:
        assert ended, "the stream went on"
        assert ended[0][0] - at < 1.0
        assert ended[0][1].code == "stopped"
        entry = wait_for(portal, before, "unfinished/1")
        assert entry["reason"] == "stopped"
        assert reached(portal, entry)["output"]["reply"] == "".join(got)
    finally:
        lifecycle.change_state(portal.g, talking.CHAT, "active", reason="resolved")


def test_a_worker_that_dies_ends_its_streams_and_says_so(ask: openai.OpenAI, portal: Any, talking: Any) -> None:
    before, got = size(portal), []
    stream = ask.chat.completions.create(model=talking.CHAT, messages=ASKED, stream=True)
    words = texts(stream)
    got += [next(words) for _ in range(3)]
    portal.g.runtime._worker._process.kill()
    with pytest.raises(openai.APIError) as caught:
        got.extend(words)
    assert caught.value.code == "worker_lost"
    entry = wait_for(portal, before, "unfinished/1")
    assert (entry["reason"], reached(portal, entry)["output"]["reply"]) == ("worker_lost", "".join(got))
    assert wait_for(portal, before, "outage/1")["cause"] == "worker_lost"


def failing(portal: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def full() -> None:
        raise OSError(28, "No space left on device")

    before = portal.g.log._before_commit
    monkeypatch.setattr(portal.g.log, "_before_commit", full)
    return lambda: monkeypatch.setattr(portal.g.log, "_before_commit", before)


def test_a_log_that_cannot_record_opens_no_stream(
    ask: openai.OpenAI, portal: Any, talking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask.chat.completions.create(model=talking.CHAT, messages=ASKED, max_tokens=1)  # the runtime is there
    before = size(portal)
    # The gate is passed, and the log fails when the stream is to be opened.
    begin = decide.demand_recording
    mend: list[Callable[[], None]] = []

    def then_fails(g: Any) -> None:
        begin(g)
        mend.append(failing(portal, monkeypatch))

    monkeypatch.setattr(decide, "demand_recording", then_fails)
    with pytest.raises(openai.APIStatusError) as caught:
        ask.chat.completions.create(model=talking.CHAT, messages=ASKED, stream=True)
    assert caught.value.status_code == 503
    assert caught.value.response.headers["retry-after"]
    mend[0]()
    # Nothing was said, and once it can be, the number is stated.
    entry = wait_for(portal, before, "unfinished/1")
    assert reached(portal, entry)["output"] == {}
    assert entry["opened"] is None


def test_what_was_said_before_a_log_failed_is_held_once_it_records(
    ask: openai.OpenAI, portal: Any, talking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = size(portal)
    stream = ask.chat.completions.create(model=talking.CHAT, messages=ASKED, stream=True, max_tokens=40)
    words = texts(stream)
    got = [next(words)]
    mend = failing(portal, monkeypatch)
    with pytest.raises(openai.APIError) as caught:
        got.extend(words)
    assert caught.value.code == "key_store"
    assert not [entry for entry in entries(portal, before) if entry["kind"] == "decision/1"]
    mend()
    entry = wait_for(portal, before, "unfinished/1")
    assert reached(portal, entry)["output"]["reply"] == "".join(got)


def test_a_log_that_stalls_ends_the_stream(
    ask: openai.OpenAI, portal: Any, talking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = ask.chat.completions.create(model=talking.CHAT, messages=ASKED, stream=True, max_tokens=20)
    words, go_on = texts(stream), threading.Event()
    got = [next(words)]
    before = portal.g.log._before_commit
    monkeypatch.setattr(portal.g.log, "_before_commit", lambda: (go_on.wait(60), before()))
    since = time.monotonic()
    with pytest.raises(openai.APIError, match="could not be recorded in time"):
        got.extend(words)
    assert time.monotonic() - since < 40
    here = size(portal)
    go_on.set()
    # The record still comes, and holds what was said.
    entry = wait_for(portal, here, "decision/1")
    assert next(recount(portal.g, [entry["id"]])).values["output"]["reply"] == "".join(got)


def test_a_reader_that_does_not_read_is_left(portal: Any, talking: Any) -> None:
    before = size(portal)
    body = json.dumps({"model": talking.CHAT, "messages": ASKED, "stream": True, "logprobs": True, "top_logprobs": 20})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
    head += f"authorization: {portal.key('client')['authorization']}\r\n\r\n"
    host, port = portal.url.removeprefix("http://").split(":")
    # The system's own buffers would take the whole answer: small ones make a slow network of this machine.
    portal.server.servers[0].sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        slow.connect((host, int(port)))
        slow.sendall((head + body).encode())
        entry = wait_for(portal, before, "unfinished/1", 60)
        assert entry["reason"] == "client_left"
        slow.settimeout(5)
        data = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            while chunk := slow.recv(65536):
                data += chunk
    # What the operating system still had for it is a part of what is held.
    said = ""
    for line in data.split(b"data: ")[1:]:
        with contextlib.suppress(ValueError):
            event = json.loads(line.split(b"\n\n")[0])
            said += event["choices"][0]["delta"].get("content", "") if "choices" in event else ""
    assert said
    assert reached(portal, entry)["output"]["reply"].startswith(said)


def test_more_streams_than_a_key_may_have_are_refused(ask: openai.OpenAI, portal: Any, talking: Any) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(6):
            stream = ask.chat.completions.create(model=talking.CHAT, messages=ASKED, stream=True)
            stack.callback(stream.response.close)
        with pytest.raises(openai.RateLimitError) as caught:
            ask.chat.completions.create(model=talking.CHAT, messages=ASKED, stream=True)
        assert caught.value.code == "rate_limit_exceeded"
        assert caught.value.response.headers["retry-after"] == "1"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            ask.chat.completions.create(model=talking.CHAT, messages=ASKED, max_tokens=1)
        except openai.RateLimitError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("places were not given back")


def test_a_server_that_ends_states_how_far_its_streams_were(ask: openai.OpenAI, portal: Any, talking: Any) -> None:
    before = size(portal)
    words = texts(ask.chat.completions.create(model=talking.CHAT, messages=ASKED, stream=True))
    got = [next(words), next(words)]
    # What a server does with what still runs when its time is over.
    for task in list(portal.server.server_state.tasks):
        task.get_loop().call_soon_threadsafe(task.cancel)
    with contextlib.suppress(openai.APIError, httpx2.HTTPError):
        got.extend(words)
    entry = wait_for(portal, before, "unfinished/1")
    assert entry["reason"] == "stopped"
    assert reached(portal, entry)["output"]["reply"].startswith("".join(got))


def taken(portal: Any) -> int:
    """How many numbers the runtime has given."""
    return int(portal.g.runtime.reached()[1])


def ends(portal: Any, since: int) -> list[dict[str, Any]]:
    return [entry for entry in entries(portal, since) if entry["kind"] in ("unfinished/1", "decision/1")]


def case_of(portal: Any, talking: Any) -> decide.Case:
    messages: Any = {"messages": ASKED}
    return streaming.new_case(
        portal.g, talking.CHAT, messages, subjects=(), refs=NO_REFS, lang="en", options=RunOptions(max_tokens=8)
    )


def test_a_stream_whose_client_left_between_its_number_and_its_opening_has_its_end(portal: Any, talking: Any) -> None:
    before, streams, began = size(portal), Streams(portal.g), threading.Event()
    try:
        live = streams.begin(case_of(portal, talking))
        live.listen(lambda event: began.set() if isinstance(event, Began) else None)
        assert began.wait(30)
        live.stop("client_left")
        streams.end(live)
    finally:
        streams.close()
    assert [entry.get("reason") for entry in ends(portal, before)] == ["client_left"]


def test_a_stream_that_the_server_drops_while_it_begins_has_its_end(portal: Any, talking: Any) -> None:
    before, number, streams = size(portal), taken(portal), Streams(portal.g)
    begin, going, go_on = streams.begin, threading.Event(), threading.Event()

    def slowly(*given: Any, **named: Any) -> Any:
        going.set()
        assert go_on.wait(30)
        return begin(*given, **named)

    streams.begin = slowly

    async def nothing(*_: Any) -> Any:
        await asyncio.sleep(60)

    async def dropped() -> None:
        body = {"model": talking.CHAT, "messages": ASKED, "stream": True, "max_tokens": 8}
        asked = parse_chat(json.dumps(body).encode())
        answer = EventStream(streams, case_of(portal, talking), asked, Form(chat=True), contextlib.ExitStack())
        serving = asyncio.create_task(answer({}, nothing, nothing))
        await asyncio.to_thread(going.wait, 30)
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        go_on.set()

    asyncio.run(dropped())
    streams.close()
    assert len(ends(portal, before)) == taken(portal) - number


def test_a_look_at_the_gate_that_fails_is_not_the_last_one(
    ask: openai.OpenAI, portal: Any, talking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    look = Streams._look

    def once_not(self: Streams, live: Any) -> None:
        looked.append(len(live))
        if len(looked) == 1:
            raise ValueError("unforeseen")
        look(self, live)

    streams = Streams(portal.g)
    monkeypatch.setattr(Streams, "_look", once_not)
    live = streams.begin(case_of(portal, talking))
    live.listen(lambda _event: None)
    deadline = time.monotonic() + 60
    while len(looked) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    live.stop("stopped")
    streams.end(live)
    streams.close()
    assert len(looked) >= 3


def test_every_number_is_explained_and_every_content_opens(portal: Any) -> None:
    kinds = [entry for entry in entries(portal, 0) if entry["kind"] in ("decision/1", "unfinished/1", "opened/1")]
    ended = {(one["boot"], one["n"]): one["opened"] for one in kinds if one["kind"] != "opened/1"}
    for opened in (one for one in kinds if one["kind"] == "opened/1"):
        assert ended[(opened["boot"], opened["n"])] == opened["id"]
    numbers = sorted(ended)
    for boot in {boot for boot, _ in numbers}:
        mine = [n for other, n in numbers if other == boot]
        assert mine == list(range(1, len(mine) + 1)), "a number has no entry"
    with portal.g.reading() as conn:
        assert list(check_vault(conn, portal.g.vault, portal.g.ledger)) == []


@pytest.mark.slow
def test_a_thousand_streams_at_once(portals: Any, talking: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each is answered whole and recorded, or refused with a time to come back; nothing is left open."""
    home, _ = portals.copy_of_a_home(tmp_path_factory.mktemp("thousand"))
    with (home / "greffier.toml").open("a") as settings:
        settings.write("key_concurrency = 2000\ndeadline_s = 600\n")
    with portals.served(home) as served:
        talking.add(served.g)
        before, headers = size(served), served.key("client")
        told = asyncio.run(_ask_all(served.url, headers, talking.CHAT, 1000))
        assert {status for status, _ in told} <= {200, 503}
        whole = {text.split('"id":"', 1)[1][:36]: text for status, text in told if status == 200}
        assert len(whole) >= 100
        assert all("[DONE]" in text for text in whole.values())
        recorded = {entry["id"] for entry in entries(served, before) if entry["kind"] == "decision/1"}
        assert recorded == whole.keys()
        assert not [entry for entry in entries(served, before) if entry["kind"] == "unfinished/1"]


async def _ask_all(url: str, headers: dict[str, str], model: str, count: int) -> list[tuple[int, str]]:
    limits = httpx.Limits(max_connections=count)
    async with httpx.AsyncClient(base_url=url, timeout=600, limits=limits, trust_env=False) as client:
        body = {"model": model, "messages": ASKED, "stream": True, "max_tokens": 1}

        async def one() -> tuple[int, str]:
            answer = await client.post("/v1/chat/completions", json=body, headers=headers)
            assert answer.status_code == 200 or "retry-after" in answer.headers
            return answer.status_code, answer.text

        return list(await asyncio.gather(*(one() for _ in range(count))))
