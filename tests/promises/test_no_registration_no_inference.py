"""Promise 1: the runtime answers only for a registered system in use, with the registered bytes of its model."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.entries.record import parse_entry
from auditlog.store import log as log_store
from home.errors import Refused
from service.deciding import decide
from service.systems import lifecycle
from service.wiring import open_home

pytestmark = pytest.mark.enable_socket

LOAN = "social-loan-check"


def entries_of(home: Path) -> list[Any]:
    with open_home(home) as g, g.reading() as conn:
        return [parse_entry(data) for _, data in log_store.iterate_entries(conn, 1, 0, g.log.state().size)]


def refusals(home: Path) -> list[str]:
    return [entry.members["reason"] for entry in entries_of(home) if entry.kind == "refused/1"]


def decisions(home: Path) -> int:
    return sum(entry.kind == "decision/1" for entry in entries_of(home))


def own_model(home: Path) -> Path:
    """The home's model file as a file of its own, so that changing it changes no other home's."""
    path = next((home / "models").glob("*.gguf"))
    copy = path.with_suffix(".copy")
    shutil.copyfile(path, copy)
    copy.replace(path)
    return path


def change_byte(path: Path, *, restore_times: bool) -> None:
    stat = path.stat()
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(stat.st_size // 2)
        byte = file.read(1)
        file.seek(stat.st_size // 2)
        file.write(bytes([byte[0] ^ 1]))
    if restore_times:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    path.chmod(0o444)


@pytest.fixture
def altered_home(loan_home: Path) -> Path:
    change_byte(own_model(loan_home), restore_times=True)
    return loan_home


@pytest.mark.parametrize("breakage", ["one_byte", "truncated", "missing"])
def test_a_wrong_model_file_decides_on_no_path(
    loan_home: Path, greffier: Any, portals: Any, input_file: Path, breakage: str
) -> None:
    path = own_model(loan_home)
    if breakage == "one_byte":
        change_byte(path, restore_times=True)
    elif breakage == "truncated":
        path.chmod(0o600)
        os.truncate(path, path.stat().st_size - 4096)
    else:
        path.unlink()
    told = greffier("decide", "--home", loan_home, LOAN, "--input", input_file)
    assert told.returncode == 3, told.stderr
    assert told.stdout == ""
    with portals.served(loan_home) as portal:
        with pytest.raises(Refused) as refused:
            decide.decide(portal.g, LOAN, json.loads(input_file.read_text()))
        assert refused.value.reason in {"model_altered", "model_missing"}
        check_http_refuses(portal, input_file)
    reasons = refusals(loan_home)
    assert len(reasons) == 3
    assert set(reasons) <= {"model_altered", "model_missing"}
    assert decisions(loan_home) == 0


def check_http_refuses(portal: Any, input_file: Path) -> None:
    with portal.client() as client:
        answer = client.post(
            "/api/decisions",
            json={"system": LOAN, "input": json.loads(input_file.read_text())},
            headers=portal.key("client"),
        )
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert "outcome" not in answer.json()


def test_a_changed_file_is_caught_at_the_next_start_though_its_time_was_restored(
    altered_home: Path, greffier: Any
) -> None:
    told = greffier("doctor", "--home", altered_home)
    assert told.returncode == 1
    assert "gguf" in told.stdout


@pytest.mark.parametrize("state", ["suspended", "retired"])
def test_a_system_out_of_use_decides_on_no_path(
    loan_home: Path, greffier: Any, portals: Any, input_file: Path, state: str
) -> None:
    with open_home(loan_home) as g:
        reason = {"suspended": "incident", "retired": "ended"}[state]
        lifecycle.change_state(g, LOAN, state, reason=reason)
    told = greffier("decide", "--home", loan_home, LOAN, "--input", input_file)
    assert told.returncode == 3, told.stderr
    with portals.served(loan_home) as portal:
        with pytest.raises(Refused, match="system"):
            decide.decide(portal.g, LOAN, json.loads(input_file.read_text()))
        check_http_refuses(portal, input_file)
    assert refusals(loan_home) == [state] * 3
    assert decisions(loan_home) == 0


def test_an_unregistered_system_is_refused_without_repeating_its_name(
    loan_home: Path, greffier: Any, input_file: Path
) -> None:
    told = greffier("decide", "--home", loan_home, "piet-jansen", "--input", input_file)
    assert told.returncode == 3
    (entry,) = [entry for entry in entries_of(loan_home) if entry.kind == "refused/1"]
    assert entry.members["system"] is None
    assert entry.members["reason"] == "unknown_system"
    assert b"jansen" not in entry.data


def test_what_is_stopped_while_it_is_decided_does_not_leave(loan_home: Path, loan_input: dict[str, Any]) -> None:
    """The gate is asked again when the record is written: here the stop comes between generation and record."""
    with open_home(loan_home) as g:
        generate = g.runtime.generate

        def stop_then_answer(request: Any) -> Any:
            answer = generate(request)
            answer.result()
            lifecycle.stop(g, LOAN, reason="incident")
            return answer

        g.runtime.generate = stop_then_answer
        with pytest.raises(Refused) as refused:
            decide.decide(g, LOAN, loan_input)
    assert refused.value.reason == "stopped_meanwhile"
    kinds = [entry.kind for entry in entries_of(loan_home)]
    assert "unfinished/1" in kinds
    assert "decision/1" not in kinds
