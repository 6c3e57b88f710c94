"""A client that repeats a request because it heard nothing gets the one decision there is, whatever happened."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.entries.receipt import verify_receipt
from auditlog.store import idempotency as store
from auditlog.store import log as log_store
from auditlog.vault.idempotency import request_digest, request_form
from cli.demo.run import CASES
from home.errors import KeyConflict
from home.greffier import Greffier
from home.key_locks import Turns
from service.deciding import decide
from service.deciding.idempotency import Key
from service.erasing import erase
from service.keeping import fsck
from service.logs import gaps
from service.proving import receipts
from service.records.reading import CLI
from service.systems import lifecycle, register
from service.wiring import create_home, open_home, succeed_home

LOAN = "social-loan-check"
KEY = Key("test", "case-7731", "key", CLI)


def ended(g: Greffier) -> list[tuple[str, str | None]]:
    """(kind, reason) of every run of the model, in the order of the log."""
    with g.reading() as conn:
        found = log_store.entries_of_kinds(conn, g.log.number, ("decision/1", "unfinished/1"))
        return [(entry.kind, entry.members.get("reason")) for _, entry in found]


# The log's own numbered points of a commit: 5 before it, 6 committed but not guarded, 7 guarded but nobody told.
KILLED = """
import json, os, signal, sys
from pathlib import Path
from service.deciding import decide
from service.records.reading import CLI
from service.deciding.idempotency import Key
from service.wiring import open_home
home, point, data = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
with open_home(home) as g:
    g.runtime.start()
    g.log._trace = lambda reached: os.kill(os.getpid(), signal.SIGKILL) if reached == point else None
    decide.decide(g, "social-loan-check", data, key=Key("test", "case-7731", "key", CLI))
"""


@pytest.mark.parametrize(("point", "recorded"), [(5, 0), (6, 1), (7, 1)])
def test_a_kill_between_record_and_answer(
    loan_home: Path, loan_input: dict[str, Any], point: int, recorded: int
) -> None:
    command = [sys.executable, "-c", KILLED, str(loan_home), str(point), json.dumps(loan_input)]
    assert subprocess.run(command, timeout=120, check=False).returncode == -9
    with open_home(loan_home) as g:
        assert len(ended(g)) == recorded
        answer = decide.decide(g, LOAN, loan_input, key=KEY)
        assert ended(g) == [("decision/1", None)]
        assert decide.decide(g, LOAN, loan_input, key=KEY) == answer
        verify_receipt(receipts.receipt(g, answer.id, openings=CLI), g.keys, origin=g.log.origin)
        assert fsck.check_all(g) == []
        lost = sum(boot.lost for boot in gaps.read_gaps(g).boots)
    # A number that was taken and not recorded stays visible as a gap.
    assert lost == (0 if recorded else 1)


@pytest.fixture(params=["sqlite", "postgresql"])
def hosts(request: pytest.FixtureRequest, tmp_path: Path, model_file: Path) -> tuple[Path, Path]:
    """The same installation opened by two hosts: one database, guard and key store, but not one folder to meet in."""
    url = None if request.param == "sqlite" else request.getfixturevalue("postgresql_home_url")
    first, second = tmp_path / "first", tmp_path / "second"
    create_home(first, "waterveen", "waterveen.example/log", database_url=url)
    shutil.copyfile(CASES / "agency.json", first / "agency.json")
    with open_home(first) as g:
        register.add_model(g, model_file)
        register.register(g, (CASES / f"{LOAN}.json").read_bytes())
        for state in ("in_review", "approved", "active"):
            lifecycle.change_state(g, LOAN, state)
    second.mkdir()
    (second / "run").mkdir()
    for path in first.iterdir():
        if path.name != "run":
            (second / path.name).symlink_to(path)
    return first, second


def test_two_hosts_that_decide_at_once_make_one_decision(hosts: tuple[Path, Path], loan_input: dict[str, Any]) -> None:
    with open_home(hosts[0]) as one, open_home(hosts[1]) as two, ThreadPoolExecutor(2) as pool:
        for g in (one, two):
            g.runtime.start()
        answers = list(pool.map(lambda g: decide.decide(g, LOAN, loan_input, key=KEY), (one, two)))
        assert answers[0] == answers[1]
        assert sorted(ended(one)) == [("decision/1", None), ("unfinished/1", "duplicate")]
        assert all(boot.missing == () for boot in gaps.read_gaps(one).boots)
        assert fsck.check_all(two) == []


def test_two_hosts_that_decide_different_things_under_one_key(
    hosts: tuple[Path, Path], loan_input: dict[str, Any]
) -> None:
    def ask(host: tuple[Greffier, Any]) -> Any:
        try:
            return decide.decide(host[0], LOAN, host[1], key=KEY)
        except KeyConflict as error:
            return error

    with open_home(hosts[0]) as one, open_home(hosts[1]) as two, ThreadPoolExecutor(2) as pool:
        for g in (one, two):
            g.runtime.start()
        answers = list(pool.map(ask, ((one, loan_input), (two, loan_input | {"room": 1}))))
        assert sum(isinstance(answer, KeyConflict) for answer in answers) == 1
        assert sorted(ended(one)) == [("decision/1", None), ("unfinished/1", "duplicate")]


def test_the_command_line_has_keys_too(loan_home: Path, input_file: Path, tmp_path: Path, greffier: Any) -> None:
    arguments = ("decide", "--home", loan_home, LOAN, "--input", input_file, "--idempotency-key", "case-7731")
    first = greffier(*arguments)
    assert first.returncode == 0, first.stderr
    again = greffier(*arguments, "--receipt", tmp_path / "again.receipt.json")
    assert json.loads(again.stdout) == json.loads(first.stdout)
    assert json.loads((tmp_path / "again.receipt.json").read_text())["entry"].count(json.loads(first.stdout)["id"]) == 1
    other = greffier(*arguments, "--lang", "nl")
    assert (other.returncode, other.stdout) == (3, "")
    assert "--idempotency-key: was used before with another request" in other.stderr
    wrong = greffier(*arguments[:-1], "case 7731")
    assert wrong.returncode == 2
    assert "--idempotency-key: must be 1 to 255 visible ASCII characters" in wrong.stderr
    with open_home(loan_home) as g:
        assert ended(g) == [("decision/1", None)]
        tag = g.vault.key_tag("command line", "case-7732")
    with Turns().take(loan_home / "run", tag, seconds=0, field="key"):
        busy = greffier(*arguments[:-1], "case-7732")
    assert (busy.returncode, busy.stdout) == (4, "")
    assert "--idempotency-key: is being decided by another process" in busy.stderr


def test_a_system_that_was_stopped_since_still_answers_for_what_it_decided(
    loan_home: Path, loan_input: dict[str, Any]
) -> None:
    """Nothing is decided anew; what left, or was about to, may be heard again."""
    with open_home(loan_home) as g:
        first = decide.decide(g, LOAN, loan_input, key=KEY)
        lifecycle.stop(g, LOAN, reason="incident")
        assert decide.decide(g, LOAN, loan_input, key=KEY) == first


def test_after_an_erasure_nothing_tells_what_was_asked(loan_home: Path, loan_input: dict[str, Any]) -> None:
    with open_home(loan_home) as g:
        answer = decide.decide(g, LOAN, loan_input, subjects=("TEST-7731",), key=KEY)
        tag = g.vault.key_tag(KEY.scope, KEY.text)
        with g.reading() as conn:
            row = store.find_key(conn, tag)
            opened = g.vault.open(conn, answer.id)
        assert row is not None
        # Before: whoever has the record's secret can try values, and nobody else can.
        form = request_form(LOAN, loan_input, ["s1:test7731"], None, "en")
        assert request_digest(opened.secret, form) == row.digest
        assert request_digest(bytes(32), form) != row.digest
        erase.erase(g, answer.id, ground="objection")
        with g.reading() as conn:
            assert store.find_key(conn, tag) is None
    left = [path for path in loan_home.rglob("*") if path.is_file() and path.suffix != ".gguf"]
    for path in left:
        assert row.digest not in path.read_bytes(), path
        assert tag not in path.read_bytes(), path
        assert tag.hex().encode() not in path.read_bytes(), path


def test_a_key_of_the_log_before_still_leads_to_its_record(loan_home: Path, loan_input: dict[str, Any]) -> None:
    with open_home(loan_home) as g:
        first = decide.decide(g, LOAN, loan_input, key=KEY)
    succeed_home(loan_home, "year")
    with open_home(loan_home) as g:
        assert decide.decide(g, LOAN, loan_input, key=KEY) == first
        assert ended(g) == []
        assert decide.decide(g, LOAN, loan_input, key=Key("test", "case-7732", "key", CLI)).id != first.id
        assert fsck.check_all(g) == []
