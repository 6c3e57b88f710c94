"""`/api/records`: one, a batch, a stream; what is wrong with a line is said of that line."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from itertools import count
from typing import Any

import httpx
import pytest

from auditlog.core.errors import CannotRecord
from lab.bench import records_scene
from lab.bench.records_scene import SOURCE, SYSTEM, line
from service.systems import lifecycle

pytestmark = pytest.mark.enable_socket

PERSON = "Piet Jansen"  # an invented person, who must turn up nowhere
NDJSON = {"content-type": "application/x-ndjson"}
_numbers = count(1)


@pytest.fixture(scope="module")
def portal(portals: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A served home with one system that runs elsewhere."""
    home = tmp_path_factory.mktemp("records") / "home"
    records_scene.make_home(home)
    with portals.served(home) as served:
        yield served


@pytest.fixture
def headers(portal: Any) -> dict[str, str]:
    return portal.key("client", SYSTEM)


def new(**changes: Any) -> dict[str, Any]:
    """A line with a number that was not used yet."""
    return line(next(_numbers), **changes)


def stream(*lines: Any) -> bytes:
    return b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in lines)


def read(response: httpx.Response) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The lines of the answer to a stream, and its last one."""
    assert response.headers["content-type"].startswith("application/x-ndjson")
    *lines, summary = [json.loads(one) for one in response.text.splitlines()]
    return lines, summary


def test_one_record(client: httpx.Client, portal: Any, headers: Any) -> None:
    given = new()
    made = client.post("/api/records", json=given, headers=headers)
    assert made.status_code == 201, made.text
    answer = made.json()
    assert answer["status"] == 201
    assert answer["log"] == {"number": 1, "size": answer["index"] + 1, "root": portal.g.log.state().root.hex()}
    again = client.post("/api/records", json=given, headers=headers)
    assert (again.status_code, again.json()["id"], again.json()["index"]) == (200, answer["id"], answer["index"])
    other = client.post("/api/records", json=given | {"subjects": [PERSON]}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (409, "urn:greffier:problem:conflict")
    assert other.json()["field"] == "n"
    assert PERSON not in other.text
    receipt = client.get(f"/api/receipts/{answer['id']}", headers=headers).json()
    assert {one["field"]: one["value"] for one in receipt["openings"]}["outcome"] == given["outcome"]


def test_a_batch_with_one_bad_line_records_the_others(client: httpx.Client, headers: Any) -> None:
    bad = new(outcome="piet_jansen")
    twice = new()
    sent = [new(), bad, twice, twice, PERSON, new(system="another")]
    response = client.post("/api/records", json={"records": sent}, headers=headers)
    assert response.status_code == 207
    answer = response.json()
    assert [(one["line"], one["status"]) for one in answer["results"]] == [
        *((1, 201), (2, 422), (3, 201), (4, 200), (5, 422), (6, 403)),
    ]
    assert (answer["recorded"], answer["repeated"], answer["failed"]) == (2, 1, 3)
    problem = answer["results"][1]["problem"]
    assert (problem["field"], problem["type"]) == ("outcome", "urn:greffier:problem:invalid")
    assert PERSON not in response.text
    assert "piet_jansen" not in response.text
    repaired = client.post("/api/records", json={"records": [*sent[:1], line(bad["n"])]}, headers=headers)
    assert repaired.status_code == 200
    assert [one["status"] for one in repaired.json()["results"]] == [200, 201]


def test_a_stream_is_recorded_line_by_line(client: httpx.Client, headers: Any) -> None:
    good = [new() for _ in range(600)]
    body = stream(*good[:300], b"", b"{broken", b'{"n":1,"n":2}', b"\xff", *good[300:])
    lines, summary = read(client.post("/api/records", content=body, headers=headers | NDJSON))
    assert (summary["recorded"], summary["failed"]) == (600, 3)
    bad = {one["line"]: one["problem"]["detail"] for one in lines if one["status"] == 422}
    assert set(bad) == {302, 303, 304}
    assert "not UTF-8" in bad[304]
    again = client.post("/api/records", content=body, headers=headers | NDJSON)
    assert again.status_code == 207
    repeated, summary = read(again)
    assert (summary["recorded"], summary["repeated"], summary["failed"]) == (0, 600, 3)
    assert [one.get("id") for one in repeated] == [one.get("id") for one in lines]


def test_a_stream_may_come_in_any_pieces(client: httpx.Client, headers: Any) -> None:
    body = stream(*[new() for _ in range(5)])[:-1]
    pieces = (body[at : at + 7] for at in range(0, len(body), 7))
    lines, summary = read(client.post("/api/records", content=pieces, headers=headers | NDJSON))
    assert (len(lines), summary["recorded"]) == (5, 5)


def test_a_stream_may_be_larger_than_any_other_body(client: httpx.Client, headers: Any) -> None:
    long = b'{"source":"' + b"x" * (3 << 20) + b'"}'
    body = stream(new(), long, new(), long)
    assert len(body) > 6 << 20
    lines, _ = read(client.post("/api/records", content=body, headers=headers | NDJSON))
    assert [(one["line"], one["status"]) for one in lines] == [(1, 201), (2, 422), (3, 201), (4, 422)]
    assert "longer than" in lines[1]["problem"]["detail"]
    refused = client.post("/api/records", content=body, headers=headers | {"content-type": "application/json"})
    assert refused.status_code == 413


def test_a_stream_that_ends_early_is_recorded_as_far_as_it_came(
    portal: Any, client: httpx.Client, headers: Any
) -> None:
    sent = [new() for _ in range(256)]
    whole = stream(*sent)
    host, port = portal.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as raw:
        head = f"POST /api/records HTTP/1.1\r\nhost: {host}\r\nauthorization: {headers['authorization']}\r\n"
        head += f"content-type: application/x-ndjson\r\ncontent-length: {len(whole) + 1000}\r\n\r\n"
        raw.sendall(head.encode() + whole)
    _, summary = read(client.post("/api/records", content=whole, headers=headers | NDJSON))
    assert summary["recorded"] + summary["repeated"] == 256
    assert summary["failed"] == 0


def test_content_that_stays_with_its_sender(client: httpx.Client, headers: Any) -> None:
    given = {name: value for name, value in new().items() if name in {"system", "source", "n"}}
    names = [f"in_{name}" for name in line(1)["input"]]
    names += ["output", "outcome", "subjects", "parent", "usage", "run", "times"]
    given["commitments"] = dict.fromkeys(names, "ab" * 32)
    made = client.post("/api/records", json=given, headers=headers)
    assert made.status_code == 201, made.text
    receipt = client.get(f"/api/receipts/{made.json()['id']}", headers=headers)
    assert receipt.status_code == 200
    assert receipt.json()["openings"] == []


def test_what_cannot_be_read_is_refused_whole(client: httpx.Client, portal: Any, headers: Any) -> None:
    before = portal.g.log.state().size
    tries: list[tuple[int, Any]] = [
        (422, {"json": {"records": []}}),
        (422, {"json": {"records": [new()], PERSON: 1}}),
        (422, {"json": {"records": [line(10_000 + n) for n in range(257)]}}),
        (422, {"json": {"records": {}}}),
        (422, {"content": b"{", "headers": headers | {"content-type": "application/json"}}),
        (422, {"content": b"", "headers": headers | {"content-type": "application/json"}}),
        (422, {"content": b"\n\n", "headers": headers | NDJSON}),
        (415, {"content": b"a,b", "headers": headers | {"content-type": "text/csv"}}),
        (415, {"content": b"{}"}),
    ]
    for status, options in tries:
        response = client.post("/api/records", **({"headers": headers} | options))
        assert (response.status_code, options) == (status, options), response.text
        assert PERSON not in response.text
    assert portal.g.log.state().size == before


@pytest.mark.parametrize("role", ["officer", "auditor", "operator", None])
def test_only_clients_send_records(client: httpx.Client, portal: Any, role: str | None) -> None:
    given = portal.key(role) if role else {}
    assert client.post("/api/records", json=new(), headers=given).status_code == (403 if role else 401)


def test_how_far_a_source_is_recorded(client: httpx.Client, portal: Any) -> None:
    headers = portal.key("client")
    for n in (2, 3, 7):
        assert client.post("/api/records", json=line(n, source="gappy"), headers=headers).status_code == 201
    told = client.get("/api/records/gappy", headers=headers).json()
    assert told == {"source": "gappy", "first": 2, "last": 7, "recorded": 3, "missing": [[1, 1], [4, 6]], "lost": 4}
    assert client.get("/api/records/nobody", headers=headers).json()["recorded"] == 0
    assert client.get("/api/records/gappy", headers=portal.key("client", SYSTEM)).status_code == 403
    assert client.get("/api/records/Bad", headers=headers).status_code == 422


def test_a_stopped_system_takes_nothing_and_says_so(client: httpx.Client, portal: Any, headers: Any) -> None:
    lifecycle.stop(portal.g, SYSTEM, reason="incident")
    try:
        alone = client.post("/api/records", json=new(), headers=headers)
        assert (alone.status_code, alone.json()["reason"]) == (409, "suspended")
        together = client.post("/api/records", json={"records": [new(), new()]}, headers=headers)
        assert [one["problem"]["reason"] for one in together.json()["results"]] == ["suspended"] * 2
    finally:
        lifecycle.resume(portal.g, SYSTEM)


def test_while_nothing_can_be_recorded_it_may_be_sent_again(client: httpx.Client, portal: Any, headers: Any) -> None:
    given = new()
    portal.g.problem = CannotRecord("invented", cause="disk_full")
    try:
        for options in ({"json": given}, {"json": {"records": [given]}}, {"content": stream(given), "headers": NDJSON}):
            asked = options | {"headers": headers | options.get("headers", {})}
            response = client.post("/api/records", **asked)
            assert (response.status_code, response.headers["retry-after"]) == (503, "10")
    finally:
        portal.g.problem = None
    assert client.post("/api/records", json=given, headers=headers).status_code == 201


def test_what_was_not_taken_is_nowhere(client: httpx.Client, portal: Any, headers: Any) -> None:
    bad: list[Any] = [
        new(subjects=[PERSON], outcome="no_such"),
        new(input={PERSON: 1}),
        new(case=PERSON, usage={PERSON: 1}),
        [PERSON],
        new(source=PERSON),
        new(output={"result": PERSON}),
    ]
    told = [client.post("/api/records", json={"records": bad}, headers=headers).text]
    told += [client.post("/api/records", content=stream(*bad, PERSON.encode()), headers=headers | NDJSON).text]
    told += [client.post("/api/records", json=one, headers=headers).text for one in bad]
    told += [client.get(f"/api/records/{PERSON}", headers=portal.key("client")).text]
    told += [client.get("/metrics", headers=portal.key("operator")).text]
    assert not any(PERSON in one or PERSON.replace(" ", "%20") in one for one in told)
    for path in portal.g.home.rglob("*"):
        if path.is_file():
            assert PERSON.encode() not in path.read_bytes(), path.name


def test_the_document_describes_what_is_taken(client: httpx.Client) -> None:
    from jsonschema import Draft202012Validator

    operation = client.get("/openapi.json").json()["paths"]["/api/records"]["post"]
    content = operation["requestBody"]["content"]
    assert set(content) == {"application/json", "application/x-ndjson"}
    validator = Draft202012Validator(content["application/json"]["schema"])
    validator.validate(line(1, usage=None, case=None))
    validator.validate({"records": [line(1), line(2)]})
    assert not validator.is_valid(line(0))
    assert not validator.is_valid({"records": []})
    assert SOURCE
