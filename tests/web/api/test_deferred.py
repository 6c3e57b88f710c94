"""Decisions that are fetched later, and several in one request, as a case system meets them."""

from __future__ import annotations

import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from auditlog.core.errors import CannotRecord, Erased
from auditlog.store import log as log_store
from home.errors import KeyConflict, UnknownRecord
from runtime.errors import Busy
from service.deciding import decide, deferred, idempotency
from service.deciding.batches import MOST
from service.erasing import erase
from service.records import reading
from service.wiring import open_home

pytestmark = pytest.mark.enable_socket

ASYNC = {"prefer": "wait=5, Respond-Async"}


def body(portals: Any, **change: Any) -> dict[str, Any]:
    return {"system": portals.HELD_SYSTEM, "input": portals.HELD_INPUT, "lang": "en"} | change


def fetched(client: httpx.Client, where: str, headers: dict[str, str]) -> httpx.Response:
    deadline = time.monotonic() + 60
    while True:
        answer = client.get(where, headers=headers)
        if answer.status_code != 202:
            return answer
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["waiting"] is True
        assert time.monotonic() < deadline, "it waits for ever"
        time.sleep(0.05)


def accesses(portal: Any) -> int:
    with portal.g.reading() as conn:
        return len(list(log_store.entries_of_kinds(conn, portal.g.log.number, ("access/1",))))


def test_a_decision_is_fetched_by_whoever_asked_and_then_read_from_its_record(
    client: httpx.Client, portals: Any, portal: Any
) -> None:
    mine, other = portal.key("client"), portal.key("client")
    taken = client.post("/api/decisions", json=body(portals), headers=mine | ASYNC)
    assert taken.status_code == 202
    assert taken.headers["preference-applied"] == "respond-async"
    where = taken.headers["location"]
    assert where == f"/api/decisions/{taken.json()['id']}"
    assert client.get(where, headers=other).status_code == 404
    assert client.get(where).status_code == 401
    assert client.get(where, headers=portal.key("auditor")).status_code == 403
    before = accesses(portal)
    answer = fetched(client, where, mine)
    assert answer.status_code == 200
    given = answer.json()
    assert (given["id"], given["held"], given["outcome"]) == (taken.json()["id"], True, None)
    assert answer.headers["x-greffier-record"] == given["id"]
    assert answer.headers["location"] == f"/api/receipts/{given['id']}"
    assert reading.find(portal.g, given["id"]).index == given["index"]
    assert accesses(portal) == before
    # It was in memory once. From now on it is read, which is noted; for another key there is nothing.
    again = client.get(where, headers=mine)
    assert (again.status_code, again.json()) == (200, given)
    assert accesses(portal) == before + 1
    assert client.get(where, headers=other).status_code == 404


@pytest.mark.parametrize(
    ("change", "status"),
    [({"system": "unknown-system"}, 404), ({"input": {"SECRET": 1}}, 422), ({"input": {"room": "SECRET"}}, 422)],
)
def test_what_ends_it_otherwise_is_told_where_it_is_fetched(
    client: httpx.Client, portals: Any, portal: Any, change: dict[str, Any], status: int
) -> None:
    mine = portal.key("client")
    taken = client.post("/api/decisions", json=body(portals, **change), headers=mine | ASYNC)
    assert taken.status_code == 202
    for _ in range(2):
        answer = fetched(client, taken.headers["location"], mine)
        assert answer.status_code == status
        assert "SECRET" not in answer.text


def test_what_makes_no_sense_is_refused_before_it_waits(client: httpx.Client, portals: Any, portal: Any) -> None:
    scoped = portal.key("client", portals.SYSTEM)
    assert client.post("/api/decisions", json=body(portals), headers=scoped | ASYNC).status_code == 403
    twice = body(portals, subjects=["SECRET", ""])
    assert client.post("/api/decisions", json=twice, headers=portal.key("client") | ASYNC).status_code == 422
    for path in (f"/api/decisions/{uuid.uuid4()}", f"/api/decisions/{portal.records.given}"):
        assert client.get(path, headers=portal.key("client")).status_code == 404
    assert client.get("/api/decisions/SECRET", headers=portal.key("client")).status_code == 422


def test_the_same_key_is_the_same_decision_waiting_answered_or_asked_at_once(
    client: httpx.Client, portals: Any, portal: Any
) -> None:
    mine = portal.key("client") | {"idempotency-key": str(uuid.uuid4())}
    first, second = (client.post("/api/decisions", json=body(portals), headers=mine | ASYNC) for _ in range(2))
    where = first.headers["location"]
    if second.status_code == 202:
        assert second.headers["location"] == where
    given = fetched(client, where, mine).json()
    at_once = client.post("/api/decisions", json=body(portals), headers=mine | ASYNC)
    assert (at_once.status_code, at_once.json()) == (201, given)
    assert client.post("/api/decisions", json=body(portals, lang="nl"), headers=mine | ASYNC).status_code == 409
    assert client.get(where, headers=mine).json() == given
    assert client.get(where, headers={"authorization": mine["authorization"]}).status_code == 404


def test_the_queue_has_an_end_and_a_close(loan_home: Path, loan_input: dict[str, Any]) -> None:
    client = reading.Reader("client", "0a1b2c3d")
    asked = deferred.DecisionRequest("social-loan-check", loan_input, client)
    held, free = threading.Event(), threading.Event()
    with open_home(loan_home) as g:
        decide.decide(g, "social-loan-check", loan_input)
        generate = g.runtime.generate

        def slow(*given: Any, **named: Any) -> Any:
            held.set()
            assert free.wait(60)
            return generate(*given, **named)

        g.runtime.generate = slow
        queue = deferred.Queue(g, length=2, threads=1)
        first, second = queue.put(asked), queue.put(asked)
        assert held.wait(60)
        with pytest.raises(Busy):
            queue.put(asked)
        assert queue.fetch(client, first, None) is None
        assert queue.waiting == 2
        free.set()
        queue.close()
        answer = queue.fetch(client, first, None)
        assert answer is not None
        assert answer.id == first
        with pytest.raises(Busy):
            queue.put(asked)
        assert queue.fetch(client, second, None) is None  # dropped: it never began
    with open_home(loan_home) as g:
        queue = deferred.Queue(g)
        again = queue.fetch(client, first, None)
        assert again == answer
        with pytest.raises(Exception, match="none was recorded"):
            queue.fetch(client, second, None)
        with pytest.raises(Exception, match="none was recorded"):
            queue.fetch(reading.Reader("client", "other000"), first, None)


def test_a_key_that_waits_is_not_taken_for_another_request(loan_home: Path, loan_input: dict[str, Any]) -> None:
    client = reading.Reader("client", "0a1b2c3d")
    key = idempotency.Key("key 0a1b2c3d", "K-1", "Idempotency-Key", client)
    asked = deferred.DecisionRequest("social-loan-check", loan_input, client, subjects=("TEST-1",), key=key)
    free = threading.Event()
    with open_home(loan_home) as g:
        decide.decide(g, "social-loan-check", loan_input)
        generate = g.runtime.generate

        def slow(*given: Any, **named: Any) -> Any:
            assert free.wait(60)
            return generate(*given, **named)

        g.runtime.generate = slow
        queue = deferred.Queue(g, threads=1)
        first = queue.put(asked)
        assert queue.put(asked) == first
        for other in (replace(asked, subjects=("TEST-2",)), replace(asked, lang="nl"), replace(asked, inputs={})):
            with pytest.raises(KeyConflict) as caught:
                queue.put(other)
            assert caught.value.field == "Idempotency-Key"
        free.set()
        queue.close()
        answer = queue.fetch(client, first, key)
        assert answer is not None
        assert answer.id == first


def test_an_answer_that_nobody_fetched_goes_with_its_record(loan_home: Path, loan_input: dict[str, Any]) -> None:
    client = reading.Reader("client", "0a1b2c3d")
    with open_home(loan_home) as g:
        queue = deferred.Queue(g, threads=1)
        waits = queue.put(deferred.DecisionRequest("social-loan-check", loan_input, client))
        deadline = time.monotonic() + 60
        while queue.waiting:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        erase.erase(g, waits, ground="unlawful")
        with pytest.raises(Erased):
            queue.fetch(client, waits, None)
        with pytest.raises(UnknownRecord):
            queue.fetch(client, waits, None)
        queue.close()


def test_a_batch_gives_each_its_own_end_in_order(client: httpx.Client, portals: Any, portal: Any) -> None:
    good = body(portals)
    items = [
        good,
        body(portals, system="unknown-system"),
        body(portals, input={"SECRET": 1}),
        good | {"subjects": ["TEST-1"], "case": "Z-1"},
        good | {"conversation": "C-1"},
        body(portals, system=portals.SYSTEM),
    ]
    mine = portal.key("client", portals.HELD_SYSTEM, "unknown-system")
    answer = client.post("/api/decisions/batch", json={"decisions": items}, headers=mine)
    assert answer.status_code == 200
    assert "SECRET" not in answer.text
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [201, 404, 422, 201, 422, 403]
    ids = [result["decision"]["id"] for result in results if "decision" in result]
    assert len(set(ids)) == 2
    for id_ in ids:
        assert reading.find(portal.g, id_).entry.kind == "decision/1"
    assert results[4]["problem"]["field"] == "conversation"


def test_a_batch_that_is_sent_again_gives_what_it_gave(client: httpx.Client, portals: Any, portal: Any) -> None:
    mine = portal.key("client") | {"idempotency-key": str(uuid.uuid4())}
    request = {"decisions": [body(portals) for _ in range(3)]}
    first, second = (client.post("/api/decisions/batch", json=request, headers=mine).json() for _ in range(2))
    assert first == second
    assert len({result["decision"]["id"] for result in first["results"]}) == 3


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"decisions": []}, 422),
        ({"decisions": [{}]}, 422),
        ({"decisions": [{"system": "a", "input": {}}] * (MOST + 1)}, 422),
        ({"decisions": [{"system": "a", "input": {}}], "SECRET": 1}, 422),
        ({}, 422),
        ([], 422),
    ],
)
def test_a_batch_of_another_form_decides_nothing(client: httpx.Client, portal: Any, change: Any, status: int) -> None:
    size = portal.g.log.state().size
    answer = client.post("/api/decisions/batch", content=json.dumps(change), headers=portal.key("client"))
    assert answer.status_code == status
    assert "SECRET" not in answer.text
    long = portal.key("client") | {"idempotency-key": "k" * 251}
    one = {"decisions": [{"system": "unknown-system", "input": {}}]}
    assert client.post("/api/decisions/batch", json=one, headers=long).status_code == 422
    assert portal.g.log.state().size == size


def test_pages_answer_while_more_decisions_wait_than_there_are_other_threads(
    client: httpx.Client, portals: Any, portal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """64 callers wait for the model; whoever looks at a page does not."""
    free, waiting = threading.Event(), threading.Semaphore(0)

    def hang(*_: object, **__: object) -> None:
        waiting.release()
        assert free.wait(60)
        raise CannotRecord("enough waited", cause="busy")

    monkeypatch.setattr(decide, "decide", hang)
    key = portal.key("client")

    def ask(_: int) -> int:
        with portal.client() as mine:
            answer: httpx.Response = mine.post("/api/decisions", json=body(portals), headers=key)
            return answer.status_code

    with ThreadPoolExecutor(64) as callers:
        asked = [callers.submit(ask, number) for number in range(64)]
        for _ in range(64):
            assert waiting.acquire(timeout=60), "not all came through"
        began = time.monotonic()
        for path in ("/", "/register", "/health", "/check"):
            assert client.get(path).status_code == 200
        took = time.monotonic() - began
        free.set()
        assert {one.result() for one in asked} == {503}
    assert took < 10
