"""Many requests at once through the gateway, one that is killed while it asks, and the demo's own step."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cli.demo import remote_version
from cli.demo.run import CASES
from service.deciding import decide
from service.logs import gaps
from service.systems import register
from service.wiring import open_home

pytestmark = pytest.mark.enable_socket

TAX = "tax-question-reply"
INPUT = {"message": "May I pay next month instead of now?", "bill_year": 2026}
CLIENTS = 16


def test_many_are_asked_side_by_side_and_each_has_its_number(remote_stand: Any, opened: Any) -> None:
    def answer(connection: Any, request: Any) -> None:
        time.sleep(0.2)
        text = json.dumps({"result": "payment"}) if "response_format" in request.json else "In ten parts."
        connection.sendall(remote_stand.json_body(remote_stand.completion(text)))

    with remote_stand.serving(answer) as endpoint, opened(endpoint.url) as home:
        with ThreadPoolExecutor(CLIENTS) as pool:
            answers = list(pool.map(lambda _: decide.decide(home.g, TAX, INPUT), range(CLIENTS)))
        assert {one.outcome for one in answers} == {"pay"}
        decisions = home.entries("decision/1")
        assert sorted(entry.members["n"] for entry in decisions) == list(range(1, CLIENTS + 1))
        assert len(home.entries("boot/1")) == 1
    assert endpoint.connections == 2 * CLIENTS


def test_a_request_whose_process_was_killed_is_a_number_that_the_log_explains(
    remote_stand: Any, opened: Any, tmp_path: Path
) -> None:
    """What was asked and never recorded shows: the provider may bill it."""
    with opened("https://api.voorbeeld-ai.example/v1") as home:
        folder = home.g.home
    case = tmp_path / "case.json"
    case.write_text(json.dumps(INPUT))
    with remote_stand.serving(lambda _connection, _request: time.sleep(5)) as silent:
        with open_home(folder) as g:
            point_to(g, silent.url)
        command = [sys.executable, "-m", "cli", "decide", TAX, "--home", str(folder), "--input", str(case)]
        child = subprocess.Popen(command, cwd=Path(__file__).parents[4], env=os.environ | {"GREFFIER_SELF_TEST": "0"})
        deadline = time.monotonic() + 60
        while not silent.received and time.monotonic() < deadline:
            time.sleep(0.05)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert len(silent.received) == 1
    answers = remote_stand.says(json.dumps({"result": "payment"}), "In ten parts.")
    with remote_stand.serving(*answers) as endpoint, open_home(folder) as g:
        point_to(g, endpoint.url)
        decide.decide(g, TAX, INPUT)
        found = gaps.read_gaps(g).boots
        assert [(boot.ended, boot.reached, boot.missing) for boot in found[:1]] == [("unclosed", 1, ((1, 1),))]
        assert (found[1].decisions, found[1].missing) == (1, ())


def point_to(g: Any, url: str) -> None:
    """A further version, at another address."""
    from service.systems import lifecycle

    document = json.loads((CASES / f"{TAX}-remote.json").read_text(encoding="utf-8"))
    document["version"]["remote"]["endpoint"] = url
    newest = (register.register(g, json.dumps(document).encode()).running_version or 0) + 1
    lifecycle.change_state(g, TAX, "active", reason="new_version", version=newest)


def test_the_demo_asks_its_remote_version_where_there_is_an_endpoint(remote_stand: Any, opened: Any) -> None:
    told: list[tuple[str, bool, str]] = []
    answers = remote_stand.says(json.dumps({"result": "payment"}), "In ten parts.")
    with remote_stand.serving(*answers) as endpoint, opened("https://api.voorbeeld-ai.example/v1") as home:
        remote_version.ask(home.g, endpoint.url, lambda *step: told.append(step))
        assert endpoint.received[0].json["response_format"]["type"] == "json_object"
    ((_, held, seen),) = told
    assert held
    assert seen == "version 2, asked through the gateway: pay; replay: not_replayable (provider)"
