"""The client of one file: it commits as the program does, keeps what it committed to, and sends again safely."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from auditlog.core.entries.receipt import parse_receipt, verify_receipt
from auditlog.core.errors import CannotRecord, FormatError, OpeningError
from auditlog.core.formats.commitment import commit_all
from auditlog.vault import subjects
from lab.bench import records_scene
from lab.bench.records_scene import SOURCE, SYSTEM, line
from service.systems import lifecycle

FILE = Path(__file__).parents[2] / "clients" / "python" / "greffier.py"
FIELDS = tuple(line(1)["input"])
SECRET_WORD = "Zwanenhof"  # in no file of the installation

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
FLAT = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT
FLAT |= st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    FLAT, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
)


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("greffier_client", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["greffier_client"] = module
    spec.loader.exec_module(module)
    return module


sdk = load()


def test_it_needs_nothing_but_the_standard_library() -> None:
    tree = ast.parse(FILE.read_text("utf-8"))
    named = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    named |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in named} <= set(sys.stdlib_module_names) | {"__future__"}
    done = subprocess.run([sys.executable, "-I", "-S", str(FILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    ast.parse(FILE.read_text("utf-8"), feature_version=(3, 9))


@given(JSON)
def test_its_json_is_rfc_8785(value: Any) -> None:
    assert sdk.canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("value", [2**53, -(2**53), float("nan"), float("inf"), "\ud800", {1: 2}, {1.5}, b"x"])
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(ValueError):
        sdk.canonical(value)


@given(st.binary(min_size=32, max_size=32), JSON)
def test_it_commits_as_the_program_does(secret: bytes, value: Any) -> None:
    assert sdk.commitment(secret, "in_income", value) == commit_all(secret, {"in_income": value})["in_income"]


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=220))
def test_it_normalises_as_the_program_does(reference: str) -> None:
    try:
        expected = subjects.normalise(reference)
    except FormatError:
        with pytest.raises(ValueError, match="subjects"):
            sdk.normalise(reference)
    else:
        assert sdk.normalise(reference) == expected


def test_the_same_record_has_the_same_commitments_and_another_one_none(tmp_path: Path) -> None:
    with sdk.Safe(tmp_path / "safe.db") as safe:
        first = safe.commit(line(1), FIELDS)
        assert safe.commit(line(1, subjects=["test 000001"]), FIELDS) == first
        with pytest.raises(sdk.NumberUsed):
            safe.commit(line(1, outcome="grant"), FIELDS)
        with pytest.raises(ValueError, match="not declared"):
            safe.commit(line(2), FIELDS[1:])
        # Of a batch with a bad record nothing is kept, and nothing is given out.
        with pytest.raises(sdk.NumberUsed):
            list(safe.commit_many([line(3), line(1, outcome="grant")], FIELDS))
    with sdk.Safe(tmp_path / "safe.db") as safe:
        assert safe.commit(line(1), FIELDS) == first
        with contextlib.closing(sqlite3.connect(tmp_path / "safe.db")) as conn:
            assert conn.execute("SELECT n FROM kept").fetchall() == [(1,)]
    assert (tmp_path / "safe.db").stat().st_mode & 0o077 == 0
    assert set(first) == {"system", "source", "n", "commitments"}


def test_what_is_erased_is_gone_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "safe.db"
    with sdk.Safe(path) as safe:
        record = line(1, input=line(1)["input"] | {"remarks": SECRET_WORD})
        made = safe.commit(record, FIELDS)
        assert SECRET_WORD.encode() in path.read_bytes()
        assert safe.erase(SOURCE, 1) is True
        assert safe.erase(SOURCE, 1) is False
        assert SECRET_WORD.encode() not in path.read_bytes()
        receipt = {"entry": json.dumps({"source": SOURCE, "n": 1, "commitments": made["commitments"]})}
        with pytest.raises(KeyError):
            safe.complete(receipt)


@pytest.mark.parametrize("url", ["http://greffier.example", "ftp://x", "greffier.example", "https://"])
def test_the_key_does_not_travel_in_clear(url: str) -> None:
    with pytest.raises(ValueError, match="url"):
        sdk.Client(url, "grf_x")


@pytest.fixture(scope="module")
def portal(portals: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    home = tmp_path_factory.mktemp("sdk") / "home"
    records_scene.make_home(home)
    with portals.served(home) as served:
        yield served


@pytest.fixture
def client(portal: Any) -> Iterator[Any]:
    slept: list[float] = []
    made = sdk.Client(portal.url, portal.key("client")["authorization"].removeprefix("Bearer "), sleep=slept.append)
    made.slept = slept
    yield made
    made.close()


@pytest.mark.enable_socket
def test_what_is_kept_here_never_reaches_the_installation(portal: Any, client: Any, tmp_path: Path) -> None:
    records = [line(n, input=line(n)["input"] | {"remarks": SECRET_WORD}) for n in range(1, 301)]
    with sdk.Safe(tmp_path / "safe.db") as safe:
        results = list(client.record_many(safe.commit_many(records, FIELDS)))
        assert all(result.ok and not result.repeated for result in results)
        bare = client.receipt(results[7].id)
        assert bare["openings"] == []
        whole = safe.complete(bare)
        taken = parse_receipt(json.dumps(whole).encode())
        verified = verify_receipt(taken, portal.g.keys, origin=portal.g.log.origin)
        assert {one.field: one.value for one in verified.openings}["in_remarks"] == SECRET_WORD
        whole["openings"][0]["value"] = "another"
        with pytest.raises(OpeningError):
            verify_receipt(parse_receipt(json.dumps(whole).encode()), portal.g.keys, origin=portal.g.log.origin)
        again = list(client.record_many(safe.commit_many(records, FIELDS)))
        assert [(one.id, one.repeated) for one in again] == [(one.id, True) for one in results]
    for path in portal.g.home.rglob("*"):
        if path.is_file():
            assert SECRET_WORD.encode() not in path.read_bytes(), path.name
    assert client.source(SOURCE)["recorded"] == 300


@pytest.mark.enable_socket
def test_with_content_each_record_has_its_own_result(client: Any) -> None:
    results = list(client.record_many([line(1001), line(1002, outcome="no_such"), line(1003)]))
    assert [result.ok for result in results] == [True, False, True]
    assert results[1].problem["field"] == "outcome"
    assert client.record(line(1001)) == sdk.Result(True, results[0].id, results[0].index, True)
    opened = {one["field"]: one["value"] for one in client.receipt(results[0].id)["openings"]}
    assert opened["in_cars"] == line(1001)["input"]["cars"]


@pytest.mark.enable_socket
def test_large_records_go_in_more_requests(client: Any) -> None:
    """256 of them are more than one request may have."""
    subjects = [f"TEST-{place:02}-{'é' * 190}" for place in range(16)]
    records = [line(5000 + n, subjects=subjects, input=line(n)["input"] | {"remarks": "é" * 200}) for n in range(256)]
    assert len(json.dumps(records, ensure_ascii=False).encode()) > sdk.MAX_BODY
    results = list(client.record_many(records))
    assert [result.ok for result in results] == [True] * 256
    assert len({result.id for result in results}) == 256


@pytest.mark.enable_socket
def test_it_waits_while_nothing_can_be_recorded(portal: Any, client: Any) -> None:
    portal.g.problem = CannotRecord("invented", cause="disk_full")
    try:
        with pytest.raises(sdk.Unreachable):
            client.record(line(2001))
        assert client.slept == [10.0] * 4
        client._sleep = lambda _: setattr(portal.g, "problem", None)
        assert client.record(line(2001)).ok
    finally:
        portal.g.problem = None


@pytest.mark.enable_socket
def test_a_lost_connection_is_made_again_and_a_lost_answer_changes_nothing(client: Any) -> None:
    first = client.record(line(3001))
    once = client._once

    def lose_the_answer(*asked: Any) -> Any:
        client._once = once
        once(*asked)
        raise ConnectionResetError

    client._once = lose_the_answer
    assert client.record(line(3002)).repeated is True
    client._connection.sock.close()
    assert client.record(line(3001)).id == first.id


@pytest.mark.enable_socket
def test_what_concerns_all_is_raised(portal: Any, client: Any) -> None:
    client._key = "grf_000000000000_" + "A" * 43
    with pytest.raises(sdk.Refused) as caught:
        client.record(line(4001))
    assert caught.value.problem["status"] == 401
    with pytest.raises(sdk.Unreachable):
        sdk.Client("http://127.0.0.1:1", "grf_x", tries=2, sleep=lambda _: None).record(line(1))
    lifecycle.stop(portal.g, SYSTEM, reason="incident")
    try:
        made = sdk.Client(portal.url, portal.key("client")["authorization"].removeprefix("Bearer "))
        assert made.record(line(4002)).problem["reason"] == "suspended"
        made.close()
    finally:
        lifecycle.resume(portal.g, SYSTEM)
