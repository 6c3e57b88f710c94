"""`Idempotency-Key`: the same key and body give the same answer, and nothing is decided again."""

from __future__ import annotations

import signal
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from auditlog.core.entries.record import format_time
from auditlog.store import log as log_store
from auditlog.vault.erasure import Erasure
from service.cases import reviews
from service.erasing import erase
from service.keeping import fsck
from service.logs import gaps

pytestmark = pytest.mark.enable_socket

HEADER = "Idempotency-Key"


@pytest.fixture
def ask(portals: Any, portal: Any, client: httpx.Client) -> Any:
    """Ask for a decision with a key, as one client."""
    account = portal.key("client")

    def ask(key: str | None, *, system: str = portals.SYSTEM, headers: Any = None, **changes: Any) -> httpx.Response:
        given = portals.INPUT if system == portals.SYSTEM else portals.HELD_INPUT
        body = {"system": system, "input": given, "subjects": [portals.SUBJECT], "lang": "en"} | changes
        sent = dict(headers or account) | ({} if key is None else {HEADER: key})
        return client.post("/api/decisions", json=body, headers=sent)

    return ask


def new_key() -> str:
    return str(uuid.uuid4())


def test_a_repeated_request_gets_the_same_answer_and_decides_nothing(ask: Any, portal: Any, client: Any) -> None:
    key = new_key()
    first = ask(key)
    assert first.status_code == 201, first.text
    assert first.json()["output"] is not None
    size, reached = portal.g.log.state().size, portal.g.runtime.reached()
    again = ask(key)
    assert again.status_code == 201
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    # One entry more: who was given the answer again.
    assert (portal.g.log.state().size, portal.g.runtime.reached()) == (size + 1, reached)
    assert ask(None).json()["id"] != first.json()["id"]


def test_what_counts_is_what_is_said_not_how(ask: Any, portals: Any) -> None:
    key = new_key()
    first = ask(key).json()
    turned = dict(reversed(list(portals.INPUT.items())))
    assert ask(key, input=turned, subjects=[portals.SUBJECT.lower(), portals.SUBJECT]).json() == first


def test_a_held_result_stays_held_in_every_repeat(ask: Any, portal: Any, portals: Any) -> None:
    key = new_key()
    first = ask(key, system=portals.HELD_SYSTEM)
    assert first.json()["held"] is True
    assert ask(key, system=portals.HELD_SYSTEM).content == first.content
    reviews.record_review(portal.g, first.json()["id"], reviews.Review("release", "as suggested", "because"))
    again = ask(key, system=portals.HELD_SYSTEM)
    assert again.content == first.content
    assert (again.json()["outcome"], again.json()["output"], again.json()["usage"]) == (None, None, None)


@pytest.mark.parametrize(
    "change",
    [
        {"input": {"message": "May I pay in two years instead of now?", "bill_year": 2026}},
        {"input": {"message": "May I pay next month instead of now?"}},
        {"subjects": []},
        {"subjects": ["TEST-0998"]},
        {"lang": "nl"},
        {"system": "social-loan-check"},
    ],
    ids=["value", "absent", "nobody", "somebody else", "lang", "system"],
)
def test_another_request_under_the_same_key_is_a_conflict(ask: Any, portal: Any, change: dict[str, Any]) -> None:
    key = "SECRET-of-one-test"
    assert ask(key).status_code == 201
    size = portal.g.log.state().size
    other = ask(key, **change)
    assert other.status_code == 409
    assert other.headers["content-type"] == "application/problem+json"
    assert other.json()["type"] == "urn:greffier:problem:conflict"
    assert other.json()["field"] == HEADER
    assert HEADER in other.json()["detail"]
    assert "SECRET" not in other.text
    assert portal.g.log.state().size == size


def test_two_clients_may_use_the_same_key(ask: Any, portal: Any) -> None:
    key = new_key()
    mine = ask(key)
    theirs = ask(key, headers=portal.key("client"))
    assert {mine.status_code, theirs.status_code} == {201}
    assert mine.json()["id"] != theirs.json()["id"]


@pytest.mark.parametrize("key", ["", "a" * 256, "two words", "tab\tbed", "caf\u00e9"])
def test_a_key_of_another_form_is_refused(portal: Any, portals: Any, client: httpx.Client, key: str) -> None:
    body = {"system": portals.SYSTEM, "input": portals.INPUT}
    headers = [*portal.key("client").items(), (HEADER, key.encode("latin-1"))]
    response = client.post("/api/decisions", json=body, headers=headers)
    assert response.status_code == 422
    assert response.json()["field"] == HEADER
    assert "255" in response.json()["detail"]


def test_two_keys_in_one_request_are_refused(portal: Any, portals: Any, client: httpx.Client) -> None:
    headers = [*portal.key("client").items(), (HEADER, "a"), (HEADER, "b")]
    response = client.post("/api/decisions", json={"system": portals.SYSTEM, "input": portals.INPUT}, headers=headers)
    assert response.status_code == 422
    assert response.json()["field"] == HEADER


def test_requests_at_the_same_time_wait_for_the_first(ask: Any, portal: Any) -> None:
    key = new_key()
    size, reached = portal.g.log.state().size, portal.g.runtime.reached()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: ask(key), range(6)))
    assert [answer.status_code for answer in answers] == [201] * 6
    assert all(answer.json() == answers[0].json() for answer in answers)
    # The decision, and five accesses of those who were given its answer again.
    assert portal.g.log.state().size == size + 6
    assert portal.g.runtime.reached()[1] == reached[1] + 1


def test_a_request_that_fails_leaves_its_key_free(ask: Any) -> None:
    key = new_key()
    assert ask(key, input={"message": 7}).status_code == 422
    assert ask(key).status_code == 201


HOLDER = """
import sys, time
from pathlib import Path
from home.key_locks import Turns
with Turns().take(Path(sys.argv[1]), bytes.fromhex(sys.argv[2]), seconds=0, field="key"):
    print("held", flush=True)
    time.sleep(120)
"""


def test_a_key_that_another_process_is_busy_with(ask: Any, portal: Any, portals: Any) -> None:
    account, key = portal.key("client"), new_key()
    prefix = account["authorization"].removeprefix("Bearer grf_")[:12]
    tag = portal.g.vault.key_tag(f"key {prefix}", key).hex()
    command = [sys.executable, "-c", HOLDER, str(portal.g.home / "run"), tag]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        busy = ask(key, headers=account)
        assert busy.status_code == 409
        assert busy.json()["type"] == "urn:greffier:problem:in-progress"
        assert busy.json()["field"] == HEADER
        assert int(busy.headers["retry-after"]) <= 5
        assert ask(new_key(), headers=account).status_code == 201
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert ask(key, headers=account).status_code == 201


def test_a_key_is_nowhere_in_the_home(ask: Any, portal: Any) -> None:
    key = "Piet-Jansen-of-Waterveen-7731"  # an invented person
    assert ask(key).status_code == 201
    assert ask(key).status_code == 201
    files = [path for path in portal.g.home.rglob("*") if path.is_file() and path.suffix != ".gguf"]
    assert any(path.name.endswith("-wal") for path in files)
    for path in files:
        assert key.encode() not in path.read_bytes(), path.name


def test_erasing_a_record_makes_its_key_unknown(ask: Any, portal: Any) -> None:
    key = new_key()
    first = ask(key).json()
    erase.erase(portal.g, first["id"], ground="objection")
    again = ask(key)
    assert again.status_code == 201
    assert again.json()["id"] != first["id"]
    assert fsck.check_all(portal.g) == []


def test_an_erasure_that_is_ordered_holds_while_its_tombstone_waits(ask: Any, portal: Any) -> None:
    """As after a crash between the order and the tombstone: the content may not be read again by its key."""
    key = new_key()
    first = ask(key).json()
    portal.g.ledger.append(Erasure(first["id"], "objection", "administrator", format_time(portal.g.clock())))
    assert ask(key).status_code == 410
    assert erase.complete_pending(portal.g) == 1
    assert ask(key).status_code == 201


def test_the_log_of_all_this_holds_and_misses_no_number(portal: Any) -> None:
    assert fsck.check_all(portal.g) == []
    with portal.g.reading() as conn:
        kinds = [entry.kind for _, entry in log_store.entries_of_kinds(conn, 1, ("decision/1", "unfinished/1"))]
    assert "unfinished/1" not in kinds
    assert all(boot.missing == () for boot in gaps.read_gaps(portal.g).boots)


def test_the_header_is_in_the_document(client: httpx.Client) -> None:
    post = client.get("/openapi.json").json()["paths"]["/api/decisions"]["post"]
    assert (HEADER, "header") in [(one["name"], one["in"]) for one in post["parameters"]]
