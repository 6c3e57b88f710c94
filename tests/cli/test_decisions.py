"""Bad input to decisions: refused or told in one line, nothing decided, nothing repeated, nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.systems import lifecycle
from service.wiring import open_home

pytestmark = pytest.mark.enable_socket

LOAN = "social-loan-check"
PERSON = "Piet Jansen"

# name, change to a sound input, reason code, field that is named
REFUSED_INPUTS: list[tuple[str, dict[str, Any], str, str]] = [
    ("enum", {"debts": f"{PERSON} owes"}, "input_invalid", "input.debts"),
    ("type", {"room": PERSON}, "input_invalid", "input.room"),
    ("minimum", {"room": -1}, "input_invalid", "input.room"),
    ("fraction", {"room": 1.5}, "input_invalid", "input.room"),
    ("nested", {"income": {PERSON: [1]}}, "input_invalid", "input.income"),
    ("undeclared", {PERSON: "x"}, "input_undeclared", "input"),
    ("undeclared as a slug", {"piet_jansen": 1}, "input_undeclared", "input"),
]

# name, bytes of the file, what the line says
BAD_FILES: list[tuple[str, bytes, str]] = [
    ("no JSON", b'{"room":', "is not JSON"),
    ("no object", b"[1]", "must be a JSON object"),
    ("not UTF-8", b'{"debts": "\xff"}', "is not UTF-8"),
    ("byte order mark", b"\xef\xbb\xbf{}", "byte order mark"),
    ("duplicate key", b'{"Piet Jansen": 1, "Piet Jansen": 2}', "same member name twice"),
    ("lone surrogate", b'{"debts": "Piet Jansen \\ud800"}', "surrogate"),
    ("lone surrogate in a name", b'{"Piet Jansen \\ud800": 1}', "surrogate"),
    ("too deep", b'{"debts": ' + b"[" * 99 + b"]" * 99 + b"}", "nested"),
    ("no number", b'{"room": NaN}', "NaN"),
    ("large integer", b'{"room": ' + b"9" * 5000 + b"}", "integer"),
]


def decide(home: Path, file: Path | str, *more: str, system: str = LOAN) -> tuple[str, ...]:
    return ("decide", "--home", str(home), system, "--input", str(file), *more)


@pytest.mark.parametrize(
    ("change", "reason", "field"), [row[1:] for row in REFUSED_INPUTS], ids=[r[0] for r in REFUSED_INPUTS]
)
def test_an_input_against_its_schema_is_refused_by_field(
    home: Path, case: Path, command: Any, unchanged: Any, change: dict[str, Any], reason: str, field: str
) -> None:
    case.write_text(json.dumps(json.loads(case.read_text()) | change))
    with unchanged(home, refused=reason):
        told = command(*decide(home, case))
    assert told.code == 3
    assert told.line.startswith(f"{field}: ")
    assert "piet_jansen" not in told.line


@pytest.mark.parametrize(("data", "says"), [row[1:] for row in BAD_FILES], ids=[row[0] for row in BAD_FILES])
def test_a_file_that_is_no_json_object_never_reaches_the_system(
    home: Path, case: Path, command: Any, unchanged: Any, data: bytes, says: str
) -> None:
    case.write_bytes(data)
    with unchanged(home):
        told = command(*decide(home, case))
    assert told.code == 2
    assert told.line.startswith("--input: ")
    assert says in told.line


@pytest.mark.parametrize("file", ["nowhere.json", "", "case.json/below"])
def test_a_file_that_is_not_there(home: Path, case: Path, command: Any, unchanged: Any, file: str) -> None:
    with unchanged(home):
        told = command(*decide(home, case.parent / file))
    assert told.code == 2
    assert told.line.startswith("--input: cannot be read")


@pytest.mark.parametrize("slug", ["piet-jansen", PERSON, "x" * 5000, "a'; DROP TABLE auditlog_entry; --"])
def test_an_unknown_system_is_refused_without_its_name(
    home: Path, case: Path, command: Any, unchanged: Any, slug: str
) -> None:
    with unchanged(home, refused="unknown_system"):
        told = command(*decide(home, case, system=slug))
    assert told.code == 3
    assert told.line == "system: is not registered: see the register, or `greffier system list`"


@pytest.mark.parametrize(("state", "reason"), [("suspended", "incident"), ("retired", "ended")])
def test_a_version_out_of_use(home: Path, case: Path, command: Any, unchanged: Any, state: str, reason: str) -> None:
    with open_home(home) as g:
        lifecycle.change_state(g, LOAN, state, reason=reason)
    with unchanged(home, refused=state):
        told = command(*decide(home, case))
    assert told.code == 3
    assert told.line.startswith("system: ")


@pytest.mark.parametrize(
    ("more", "field"),
    [
        (("--lang", "xx"), "lang"),
        (("--subject", "?!"), "subject"),
        (("--subject", PERSON * 50), "subject"),
        (("--subject", "\udc80"), "command line"),
        (("--receipt", "/nowhere/at/all.json"), "--receipt"),
        (("--receipt", "/"), "--receipt"),
        (("--receipt", "/dev/null/x"), "--receipt"),
        (("--receipt", "/tmp/" + "x" * 300), "--receipt"),
        ((PERSON,), ""),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_could_fail_after_the_decision_is_judged_before_it(
    home: Path, case: Path, command: Any, unchanged: Any, more: tuple[str, ...], field: str
) -> None:
    with unchanged(home):
        told = command(*decide(home, case, *more))
    assert told.code == 2
    assert told.line.startswith(field)


def test_a_refused_decision_leaves_no_receipt(home: Path, case: Path, command: Any, tmp_path: Path) -> None:
    case.write_text('{"room": -1}')
    assert command(*decide(home, case, "--receipt", str(tmp_path / "r.json"))).code == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case.json", "home"]


def own_model(home: Path) -> Path:
    path = next((home / "models").glob("*.gguf"))
    twin = path.with_suffix(".twin")
    shutil.copyfile(path, twin)
    twin.replace(path)
    return path


def change_a_byte(path: Path) -> None:
    stat = path.stat()
    with path.open("r+b") as file:
        file.seek(stat.st_size // 2)
        byte = file.read(1)[0]
        file.seek(stat.st_size // 2)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def make_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


BREAKAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (Path.unlink, "model_missing"),
    "changed in place, its time restored": (change_a_byte, "model_altered"),
    "truncated": (lambda path: os.truncate(path, path.stat().st_size - 4096), "model_altered"),
    "empty": (lambda path: os.truncate(path, 0), "model_altered"),
    "a folder": (make_a_folder, "model_altered"),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_model_file_that_is_not_the_registered_one(
    home: Path, case: Path, command: Any, unchanged: Any, breakage: str
) -> None:
    change, reason = BREAKAGES[breakage]
    change(own_model(home))
    with unchanged(home, refused=reason, boots=True):
        told = command(*decide(home, case))
    assert told.code == 3
    assert told.line.startswith("model")
    assert "greffier model add" in told.line


# --- over HTTP --------------------------------------------------------------------------------------------------------


@pytest.fixture
def portal(home: Path, portals: Any) -> Iterator[Any]:
    with portals.served(home) as served:
        yield served


def test_the_same_over_http(portal: Any, home: Path, loan_input: dict[str, Any], unchanged: Any) -> None:
    key = portal.key("client")
    with portal.client() as client:

        def post(content: bytes) -> Any:
            answer = client.post("/api/decisions", content=content, headers={**key, "content-type": "application/json"})
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == answer.status_code
            assert PERSON not in answer.text
            return answer

        for name, change, reason, field in REFUSED_INPUTS:
            with unchanged(home, refused=reason):
                answer = post(json.dumps({"system": LOAN, "input": loan_input | change}).encode())
            assert (answer.status_code, answer.json()["reason"], answer.json()["field"]) == (422, reason, field), name
            assert "piet_jansen" not in answer.text
        for name, data, _ in BAD_FILES:
            with unchanged(home):
                answer = post(data)
            assert answer.status_code == 422, name
        with unchanged(home, refused="unknown_system"):
            assert post(b'{"system": "piet-jansen", "input": {}}').status_code == 404
        with unchanged(home):
            assert post(json.dumps({"system": PERSON, "input": {}}).encode()).status_code == 422
            subjects = json.dumps({"system": LOAN, "input": loan_input, "subjects": ["?!"]}).encode()
            assert post(subjects).json()["field"] == "subject"
            assert post(json.dumps({"system": LOAN, "input": {}, PERSON: 1}).encode()).status_code == 422
            assert post(b"x" * (2 << 20)).status_code == 413


def test_a_version_out_of_use_over_http(home: Path, portals: Any, loan_input: dict[str, Any], unchanged: Any) -> None:
    with open_home(home) as g:
        lifecycle.stop(g, LOAN, reason="incident")
    with portals.served(home) as portal, portal.client() as client:
        key = portal.key("client")
        with unchanged(home, refused="suspended"):
            answer = client.post("/api/decisions", json={"system": LOAN, "input": loan_input}, headers=key)
    assert (answer.status_code, answer.json()["reason"]) == (409, "suspended")


def test_as_a_process_of_its_own(home: Path, case: Path) -> None:
    case.write_text(json.dumps({PERSON: 1}))
    told = subprocess.run(
        [sys.executable, "-m", "cli", *decide(home, case)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (told.returncode, told.stdout) == (3, "")
    assert told.stderr.count("\n") == 1
    assert PERSON not in told.stderr
