"""The gateway against an OpenAI-compatible server of another make: llama-cpp-python's own, with the demo model."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.deciding import decide
from service.logs import gaps
from service.proving import receipts
from service.records.reading import CLI
from service.replaying import replay

pytestmark = pytest.mark.enable_socket

TAX = "tax-question-reply"
INPUT = {"message": "May I pay next month instead of now?", "bill_year": 2026}
CODES = {"payment": "pay", "mistake": "object", "poverty": "remission", "contact": "contact"}


@pytest.fixture(scope="module")
def other_make(
    model_file: Path, tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]
) -> Iterator[str]:
    """Its address, which ends with /v1."""
    port = free_port()
    options = [f"--model={model_file}", "--host=127.0.0.1", f"--port={port}", "--n_ctx=1024", "--n_threads=2"]
    told = (tmp_path_factory.mktemp("server") / "log").open("w")
    with told, subprocess.Popen(
        [sys.executable, "-m", "llama_cpp.server", "--model_alias=voorbeeld-small-2", *options],
        stdout=told, stderr=told, cwd=tmp_path_factory.mktemp("elsewhere"),
    ) as server:  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}/v1"
            with httpx.Client(trust_env=False) as client:
                wait_for(client, url, server)
            yield url
        finally:
            server.terminate()


def wait_for(client: httpx.Client, url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if client.get(f"{url}/models").status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise AssertionError("the server did not come up")


def for_llama(document: dict[str, Any]) -> None:
    document["version"]["remote"]["form"] = "json_object"
    document["version"]["steps"][1]["max_tokens"] = 16


def test_it_decides_with_the_usage_as_it_is_billed(other_make: str, opened: Any) -> None:
    with opened(other_make, for_llama) as home:
        answer = decide.decide(home.g, TAX, INPUT)
        values = home.values(answer.id)
        first, second = values["run"]["calls"]
        assert first["finish"] == "stop"
        assert first["model"] == "voorbeeld-small-2"
        assert first["id"].startswith("chatcmpl-")
        assert first["fingerprint"] == first["tier"] == first["cached_tokens"] == "not_disclosed"
        assert second["finish"] in {"stop", "length"}
        assert values["usage"]["prompt_tokens"] == first["prompt_tokens"] + second["prompt_tokens"] > 100
        assert values["usage"]["output_tokens"] == first["output_tokens"] + second["output_tokens"] > 2
        assert first["doubtful"] == second["doubtful"] == []
        expected = "length" if second["finish"] == "length" else CODES[values["output"]["result"]]
        assert values["outcome"] == expected
        assert values["usage"]["cost_millionths"] > 400
        assert replay.replay(home.g, CLI, answer.id).reason == "provider"
        assert b'"capture":"gateway"' in receipts.receipt(home.g, answer.id, openings=CLI).entry
        assert [boot.missing for boot in gaps.read_gaps(home.g).boots] == [()]


def test_its_stream_is_read_as_well_and_says_nothing_of_usage(other_make: str, opened: Any) -> None:
    def streamed(document: dict[str, Any]) -> None:
        for_llama(document)
        document["version"]["remote"]["stream"] = True

    with opened(other_make, streamed) as home:
        answer = decide.decide(home.g, TAX, INPUT)
        values = home.values(answer.id)
        assert values["outcome"] in {*CODES.values(), "length"}
        assert [values["usage"][name] for name in ("prompt_tokens", "output_tokens", "cost_millionths")] == [None] * 3
        assert 0 < values["usage"]["first_us"] < values["usage"]["total_us"]
        for call in values["run"]["calls"]:
            assert call["prompt_tokens"] == call["output_tokens"] == "not_disclosed"
            assert call["first_us"] <= call["total_us"]


def test_another_form_than_it_knows_is_a_failure_of_the_provider(other_make: str, opened: Any) -> None:
    """It takes `json_object` only: what it refuses costs a number, and an entry says so."""
    from home.errors import Unfinished

    with opened(other_make) as home:
        with pytest.raises(Unfinished) as caught:
            decide.decide(home.g, TAX, INPUT)
        assert caught.value.reason == "provider_failed"
        assert "status 4" in str(caught.value) or "status 5" in str(caught.value)
        assert [entry.members["reason"] for entry in home.entries("unfinished/1")] == ["provider_failed"]
