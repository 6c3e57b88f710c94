"""A recorded decision run again by the application: verdicts, entries, readings, what cannot be run, erasure."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from auditlog.core.entries.record import Entry
from auditlog.core.errors import Erased
from auditlog.store import log as log_store
from auditlog.store import record_events as about_store
from home.errors import Refused, UnknownRecord, UsageError
from service.deciding import decide
from service.erasing import erase, holds
from service.keeping import doctor, fsck
from service.records.accesses import Reader
from service.replaying import health as replay_health
from service.replaying import replay
from service.replaying.order import How
from service.wiring import open_home

LOAN = "social-loan-check"
AUDITOR = Reader("auditor", None)


@pytest.fixture
def g(loan_home: Path) -> Any:
    with open_home(loan_home) as opened:
        yield opened


def entries(g: Any, kind: str) -> list[Entry]:
    with g.reading() as conn:
        return [entry for _, entry in log_store.entries_of_kinds(conn, g.log.number, (kind,))]


def decided(g: Any, loan_input: Any) -> str:
    return decide.decide(g, LOAN, loan_input, subjects=("TEST-1",)).id


def test_a_decision_is_run_again_and_the_verdict_recorded(g: Any, loan_input: Any) -> None:
    record = decided(g, loan_input)
    found = replay.replay(g, AUDITOR, record)
    assert (found.verdict, found.reason) == ("bit_exact", None)
    assert found.record == record
    assert found.found is not None
    assert found.found["rows"] == found.found["rows_equal"] > 0
    (entry,) = entries(g, "replay/1")
    assert entry.id == found.id
    assert record not in entry.data.decode(), "which decision it was does not stand in clear"
    assert entry.members["cause"] == "request"
    assert entry.members["device"] == found.device
    (access,) = entries(g, "access/1")
    assert (access.members["purpose"], access.members["role"]) == ("replay", "auditor")
    with g.reading() as conn:
        rows = about_store.find_about(conn, record, "replay/1")
    assert [(row.code, row.action) for row in rows] == [("bit_exact", "request")]
    assert fsck.check_all(g) == []
    assert replay.show(g, AUDITOR, found.id) == found


def test_alone_and_on_one_thread(g: Any, loan_input: Any) -> None:
    record = decided(g, loan_input)
    found = replay.replay(g, AUDITOR, record, How("alone", 1))
    assert found.verdict == "bit_exact"
    assert found.found is not None
    assert (found.found["passes"], found.found["threads"]) == ("alone", 1)
    with pytest.raises(UsageError, match="passes"):
        How("twice")
    with pytest.raises(UsageError, match="threads"):
        How(threads=0)


def test_what_is_no_decision_is_refused(g: Any, loan_input: Any) -> None:
    record = decided(g, loan_input)
    found = replay.replay(g, AUDITOR, record)
    with pytest.raises(Refused, match="only a decision"):
        replay.replay(g, AUDITOR, found.id)
    with pytest.raises(UsageError, match="not the id of a replay"):
        replay.show(g, AUDITOR, record)
    with pytest.raises(UnknownRecord):
        replay.replay(g, AUDITOR, "0" * 8)
    with pytest.raises(Refused, match="sees nothing"):
        replay.replay(g, Reader("operator", None), record)
    assert len(entries(g, "replay/1")) == 1


def test_an_erased_decision(g: Any, loan_input: Any) -> None:
    record = decided(g, loan_input)
    before = replay.replay(g, AUDITOR, record)
    erase.erase(g, record, ground="objection")
    with pytest.raises(Erased):
        replay.show(g, AUDITOR, before.id)
    found = replay.replay(g, AUDITOR, record)
    assert (found.verdict, found.reason, found.record, found.found) == ("not_replayable", "erased", None, None)
    assert found.runtime is None
    with g.reading() as conn:
        assert about_store.find_about(conn, record) == []
    shown = replay.show(g, AUDITOR, found.id)
    assert shown == found
    assert fsck.check_all(g) == []


def test_a_decision_under_restriction_is_not_run(g: Any, loan_input: Any) -> None:
    record = decided(g, loan_input)
    holds.place(g, record, ground="restriction")
    with pytest.raises(Refused, match="restricted"):
        replay.replay(g, AUDITOR, record)
    assert entries(g, "replay/1") == []


def test_without_its_weights(loan_home: Path, loan_input: Any) -> None:
    with open_home(loan_home) as g:
        record = decided(g, loan_input)
    (model,) = (loan_home / "models").glob("*.gguf")
    shutil.move(model, loan_home / "elsewhere")
    with open_home(loan_home) as g:
        found = replay.replay(g, AUDITOR, record)
    assert (found.verdict, found.reason) == ("not_replayable", "weights_absent")
    # Other bytes under its name are not the model either.
    model.write_bytes(b"GGUF" + bytes(4096))
    with open_home(loan_home) as g:
        found = replay.replay(g, AUDITOR, record)
        assert [one for one in doctor.doctor(g) if one.place.startswith("models/")]
    assert (found.verdict, found.reason) == ("not_replayable", "weights_absent")


def test_a_version_that_is_not_the_one_that_decided(g: Any, loan_input: Any) -> None:
    """Whoever writes the register's database, and not the log, is found out before anything runs."""
    record = decided(g, loan_input)
    with g.engine.begin() as conn:
        changed = conn.execute(
            text("UPDATE registry_version SET manifest = replace(manifest, :a, :b)"),
            {"a": '"max_tokens":', "b": '"max_tokens":1'},
        )
    assert changed.rowcount
    found = replay.replay(g, AUDITOR, record)
    assert (found.verdict, found.reason, found.found) == ("mismatch", "manifest", None)
    assert replay_health.alarms(g) == {LOAN: 1}
    assert [one for one in doctor.remarks(g) if one.place == "replay"]


def test_health_counts_verdicts_and_names_the_class(g: Any, loan_input: Any) -> None:
    record = decided(g, loan_input)
    replay.replay(g, AUDITOR, record)
    erase.erase(g, record, ground="objection")
    replay.replay(g, AUDITOR, record)
    (health,) = replay_health.all_systems(g)
    assert health.counts == {"bit_exact": 1, "not_replayable": 1}
    assert health.replays == 2
    assert health.determinism == "not_measured"  # tests make no self-test
    assert replay_health.alarms(g) == {}
    today = g.clock().date()
    assert replay_health.of_period(g, today, today) == {LOAN: {"bit_exact": 1, "not_replayable": 1}}


def test_the_class_that_was_measured_is_shown(
    loan_home: Path, loan_input: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREFFIER_SELF_TEST", "true")
    with open_home(loan_home) as g:
        found = replay.replay(g, AUDITOR, decided(g, loan_input))
        (health,) = replay_health.all_systems(g)
        (test,) = entries(g, "selftest/1")
    assert health.determinism == test.members["determinism"] == "bit"
    assert health.measured == test.members["measured"]
    assert health.device == found.device
    assert found.verdict == "bit_exact"


def test_the_command(loan_home: Path, loan_input: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from cli import run

    with open_home(loan_home) as g:
        record = decided(g, loan_input)
    capsys.readouterr()
    assert run(["replay", record, "--home", str(loan_home)]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["verdict"], made["record"]) == ("bit_exact", record)
    assert run(["replay", made["id"], "--home", str(loan_home)]) == 0
    assert json.loads(capsys.readouterr().out) == made
    assert run(["replay", "--sample", "1", "--home", str(loan_home), "--json"]) == 0
    sampled = json.loads(capsys.readouterr().out)
    assert sampled["counts"] == {"bit_exact": 1}
    assert run(["replay", "--health", "--home", str(loan_home), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["counts"] == {"bit_exact": 2}
    assert run(["replay", "--home", str(loan_home)]) == 2
    assert run(["replay", record, "--health", "--home", str(loan_home)]) == 2
    assert run(["replay", "--calibrate", LOAN, "--home", str(loan_home)]) == 2
    assert run(["replay", "--what-if", "1", "--home", str(loan_home)]) == 2


def test_a_mismatch_is_exit_1(loan_home: Path, loan_input: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from cli import run

    with open_home(loan_home) as g:
        record = decided(g, loan_input)
        with g.engine.begin() as conn:
            conn.execute(
                text("UPDATE registry_version SET manifest = replace(manifest, :a, :b)"),
                {"a": '"max_tokens":', "b": '"max_tokens":1'},
            )
    capsys.readouterr()
    assert run(["replay", record, "--home", str(loan_home)]) == 1
    assert json.loads(capsys.readouterr().out)["reason"] == "manifest"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "replay: give one of ID, --sample, --what-if, --calibrate, --health"),
        (("ID", "--sample", "1"), "replay: give one of "),
        (("ID", "--system", LOAN), "--system: is not taken with ID: leave it out"),
        (("ID", "-o", "file"), "-o: is not taken with ID: leave it out"),
        (("--sample", "1", "-o", "file"), "-o: is not taken with --sample: leave it out"),
        (("--what-if", "1"), "--what-if: needs --system and --sample"),
        (
            ("--what-if", "1", "--system", LOAN, "--sample", "1", "--passes", "alone"),
            "--passes: is not taken with --wh",
        ),
        (("--health", "--threads", "2"), "--threads: is not taken with --health: leave it out"),
        (("--health", "--system", "nope"), "system: is not registered: see the register, or"),
        (("--calibrate", LOAN), "-o: name a file for the calibration"),
        (("--calibrate", LOAN, "-o", "file", "--sample", "49"), "--sample: must be 50 or more"),
        (("ID", "--passes", "twice"), "passes: must be one of one_pass, alone"),
        (("nope",), "id: no record with this reference in the log of this agency: check the reference"),
        (("ID", "--as", "operator"), "role: is not for the role operator"),
    ],
)
def test_options_that_do_not_fit_are_named_and_nothing_is_run(
    home: Path, record_id: str, command: Any, unchanged: Any, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    given = [{"ID": record_id, "file": str(tmp_path / "file")}.get(one, one) for one in options]
    with unchanged(home):
        told = command("replay", *given, "--home", home)
    assert told.code in {2, 3}
    assert told.line.startswith(said)
    assert not (tmp_path / "file").exists()
