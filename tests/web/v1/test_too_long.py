"""A prompt longer than the context: refused before anything runs, or ended with its number; never tried for ever."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from auditlog.store import log as log_store

pytestmark = pytest.mark.enable_socket


@pytest.fixture(scope="module")
def chatty(portals: Any, talking: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    home, _ = portals.copy_of_a_home(tmp_path_factory.mktemp("long"))
    with portals.served(home) as served:
        talking.add(served.g)
        yield served


def ask(portal: Any, model: str, text: str, **more: Any) -> tuple[httpx.Response, list[dict[str, Any]]]:
    """The answer, and the entries that it left, without those of the runtime's start."""
    before = portal.g.log.state().size
    body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
    with portal.client() as client:
        answer = client.post("/v1/chat/completions", json=body, headers=portal.key("client"))
    with portal.g.reading() as conn:
        found = log_store.iterate_entries(conn, 1, before, portal.g.log.state().size)
        left = [json.loads(data) for _, data in found]
    return answer, [entry for entry in left if entry["kind"] != "boot/1"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_first_prompt_is_refused_with_what_it_needs_and_what_there_is(
    chatty: Any, talking: Any, stream: bool
) -> None:
    answer, (entry,) = ask(chatty, talking.CHAT, "Piet Jansen " * 1_000, stream=stream)
    assert answer.status_code == 413
    error = answer.json()["error"]
    assert (error["param"], error["code"]) == ("input", "too_large")
    assert error["message"].startswith("input: prompt and answer need ")
    assert "this version has room for 512. Shorten the input, or register" in error["message"]
    assert "Piet" not in answer.text
    assert (entry["kind"], entry["reason"]) == ("refused/1", "too_large")


def test_a_later_prompt_ends_the_decision_and_nobody_is_told_to_try_again(chatty: Any, talking: Any) -> None:
    answer, (entry,) = ask(chatty, talking.CHAT, "a " * 470)
    assert answer.status_code == 413
    assert "retry-after" not in answer.headers
    assert "this version has room for 512" in answer.json()["error"]["message"]
    assert (entry["kind"], entry["reason"]) == ("unfinished/1", "too_large")


def test_a_stream_that_becomes_too_long_ends_as_such(chatty: Any, talking: Any) -> None:
    answer, (opened, ended) = ask(chatty, talking.CHAT, "a " * 470, stream=True)
    last = json.loads(answer.text.rstrip().rpartition("data: ")[2])
    assert last["error"]["code"] == "too_large"
    assert (opened["kind"], ended["kind"], ended["reason"]) == ("opened/1", "unfinished/1", "too_large")
    assert ended["opened"] == opened["id"]
