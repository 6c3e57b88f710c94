"""A recorded decision explained by the application: statement, entries, readings, repetition, what cannot be run."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from auditlog.core.entries.record import Entry
from auditlog.core.errors import Erased
from auditlog.store import log as log_store
from auditlog.store import record_events as about_store
from home.errors import Refused, Unfinished, UnknownRecord, UsageError
from service.deciding import decide
from service.erasing import erase, holds
from service.explaining import explain, order
from service.keeping import fsck
from service.records.accesses import Reader
from service.replaying import replay
from service.wiring import open_home

pytestmark = pytest.mark.enable_socket
AUDITOR = Reader("auditor", None)


def entries(g: Any, kind: str) -> list[Entry]:
    with g.reading() as conn:
        return [entry for _, entry in log_store.entries_of_kinds(conn, g.log.number, (kind,))]


def explained(g: Any, record: str) -> explain.Explained:
    return explain.explain(g, AUDITOR, record)


def test_the_deciding_detail_is_named_and_all_of_it_recorded(g: Any, echo: Any) -> None:
    told = explained(g, echo.record)
    assert (told.verdict, told.reasons, told.record, told.earlier) == ("explained", [], echo.record, None)
    statement: Any = told.statement
    first, second = statement["details"]
    assert (first["field"], first["value"], first["direction"]) == ("signal", "red", "for")
    assert (first["strength"], first["certainty"]) == ("decided", "all_wordings")
    assert second["field"] == "light"
    (change,) = statement["changes"]
    assert (change["values"], change["outcome"]) == ({"signal": "green"}, "pass")
    assert (statement["outcome"], statement["replay"]) == ("halt", "bit_exact")
    assert statement["seed"] == order.seed_of(echo.record, entries(g, "decision/1")[0].members["manifest"])
    words = told.words
    assert (words.result, words.result_code) == ({"en": "You must halt", "nl": "U moet halt"}, "halt")
    assert words.details[0].given.words == {"en": "the red one", "nl": "de red"}
    assert [used.given.value for used in words.used] == ["north", "red"]
    assert words.fresh is None
    (entry,) = entries(g, "explanation/1")
    assert entry.id == told.id
    for hidden in (echo.record, "halt", "explained", "signal"):
        assert hidden not in entry.data.decode()
    (access,) = entries(g, "access/1")
    assert (access.members["purpose"], access.members["role"]) == ("explanation", "auditor")
    with g.reading() as conn:
        rows = about_store.find_about(conn, echo.record, "explanation/1")
    assert [(row.code, row.action, row.role) for row in rows] == [("explained", "request", "program")]
    assert entries(g, "finding/1") == []
    assert fsck.check_all(g) == []


def test_explained_again_it_says_the_same(echo: Any) -> None:
    """In the next process, after another replay."""
    with open_home(echo.home) as g:
        first = explained(g, echo.record)
        assert explain.show(g, AUDITOR, first.id) == first
    with open_home(echo.home) as g:
        replay.replay(g, AUDITOR, echo.record)
        again = explained(g, echo.record)
        assert again.statement == first.statement
        assert again.earlier == {"id": first.id, "differs": []}


def test_under_load_it_says_the_same(g: Any, echo: Any) -> None:
    """While others ask, and while somebody else asks the same."""
    alone = explained(g, echo.record)
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(explained, g, echo.record) for _ in range(2)]
        inputs = [{"light": light, "signal": signal} for light in ("north", "south") for signal in ("red", "green")]
        decided = [pool.submit(decide.decide, g, "echo-check", one) for one in inputs * 4]
        told = [one.result() for one in asked]
        assert len({one.result().id for one in decided}) == 16
    assert [one.statement for one in told] == [alone.statement] * 2
    assert [(one.earlier or {})["differs"] for one in told] == [[], []]
    assert fsck.check_all(g) == []


def test_what_differs_from_the_explanation_before_is_said(g: Any, echo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other random orders stand for whatever else may differ one day."""
    first = explained(g, echo.record)
    monkeypatch.setattr("service.explaining.order.seed_of", lambda *_: "0" * 32)
    assert explained(g, echo.record).earlier == {"id": first.id, "differs": ["seed"]}


def test_nothing_that_decides_is_withheld_with_its_reason(stubborn: Any) -> None:
    with open_home(stubborn.home) as g:
        told = explained(g, stubborn.record)
        assert told.verdict == "withheld"
        assert "no_change" in told.reasons
        statement: Any = told.statement
        assert (statement["details"], statement["changes"], statement["protected"]) == ([], [], [])
        assert statement["tried"] > 0
        assert told.words.fresh == "due"


def test_what_is_no_decision_is_refused(g: Any, echo: Any) -> None:
    told = explained(g, echo.record)
    with pytest.raises(Refused, match="only a decision"):
        explained(g, told.id)
    with pytest.raises(UsageError, match="not the id of an explanation"):
        explain.show(g, AUDITOR, echo.record)
    with pytest.raises(UnknownRecord):
        explained(g, "0" * 8)
    with pytest.raises(UsageError, match="cause"):
        explain.explain(g, AUDITOR, echo.record, "curiosity")
    for role in ("operator", "client", "person", "program"):
        for ask in (explain.explain, explain.show):
            with pytest.raises(Refused, match="staff only"):
                ask(g, Reader(role, None), echo.record)
    assert len(entries(g, "explanation/1")) == 1
    assert len(entries(g, "access/1")) == 1


def test_an_erased_decision(g: Any, echo: Any) -> None:
    before = explained(g, echo.record)
    erase.erase(g, echo.record, ground="objection")
    with pytest.raises(Erased):
        explain.show(g, AUDITOR, before.id)
    told = explained(g, echo.record)
    assert (told.verdict, told.reasons, told.record) == ("withheld", ["erased"], None)
    assert (told.statement, told.found, told.earlier, told.runtime) == (None, None, None, None)
    assert (told.words.result_code, told.words.used, told.words.fresh) == (None, (), None)
    with g.reading() as conn:
        assert about_store.find_about(conn, echo.record) == []
    assert explain.show(g, AUDITOR, told.id) == told
    assert fsck.check_all(g) == []


def test_erased_while_it_was_measured(g: Any, echo: Any) -> None:
    def wait(future: Any) -> Any:
        found = future.result()
        erase.erase(g, echo.record, ground="objection")
        return found

    told = explain.explain(g, AUDITOR, echo.record, wait=wait)
    assert (told.verdict, told.reasons, told.record, told.found) == ("withheld", ["erased"], None, None)
    assert fsck.check_all(g) == []


def test_a_decision_under_restriction_is_not_explained(g: Any, echo: Any) -> None:
    holds.place(g, echo.record, ground="restriction")
    with pytest.raises(Refused, match="restricted"):
        explained(g, echo.record)
    assert entries(g, "explanation/1") == []


def test_without_time_on_the_device_nothing_is_said(g: Any, echo: Any) -> None:
    def wait(future: Any) -> Any:
        raise Unfinished("the device was busy all the time; try again later", reason="deadline")

    with pytest.raises(Unfinished):
        explain.explain(g, AUDITOR, echo.record, wait=wait)
    assert entries(g, "explanation/1") == []


def test_without_its_weights(echo: Any) -> None:
    (model,) = (echo.home / "models").glob("*.gguf")
    shutil.move(model, echo.home / "elsewhere")
    with open_home(echo.home) as g:
        told = explained(g, echo.record)
    assert (told.verdict, told.reasons) == ("withheld", ["model_missing"])
    assert (told.statement or {})["replay"] == "not_replayable"
    assert told.words.fresh == "due", "the result is adverse, and nobody can say what moved it"


def test_a_version_that_is_not_the_one_that_decided(g: Any, echo: Any) -> None:
    with g.engine.begin() as conn:
        changed = conn.execute(
            text("UPDATE registry_version SET manifest = replace(manifest, :a, :b)"),
            {"a": '"max_tokens":', "b": '"max_tokens":1'},
        )
    assert changed.rowcount
    told = explained(g, echo.record)
    assert (told.verdict, told.reasons, told.found) == ("withheld", ["not_repeated"], None)
    assert told.words.result is None, "the words of another version are not this one's"


def test_the_command(echo: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from cli import run

    at = ("--home", str(echo.home))
    assert run(["explain", echo.record, *at]) == 0
    said = capsys.readouterr()
    assert "Your signal" in said.out
    assert run(["explain", echo.record, "--lang", "nl", "--json", *at]) == 0
    said = capsys.readouterr()
    made = json.loads(said.out)
    assert made["verdict"] == "explained"
    assert "the same as explanation" in said.err
    assert run(["explain", made["id"], "--json", *at]) == 0
    assert json.loads(capsys.readouterr().out) == made
    assert run(["explain", made["id"], "--lang", "nl", *at]) == 0
    assert "Uw signal" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "explain: give an ID or --open"),
        (("ID", "--open"), "explain: give an ID or --open"),
        (("ID", "--system", "x"), "--system: is not taken with ID: leave it out"),
        (("ID", "--lang", "fr"), "--lang: must be one of en, nl"),
        (("nope",), "id: no record with this reference in the log of this agency: check the reference"),
        (("ID", "--as", "operator"), "role: is for staff only"),
        (("--open", "--as", "client"), "role: is for staff only"),
        (("--open", "--system", "nope"), "system: is not registered: see the register, or"),
    ],
)
def test_options_that_do_not_fit_are_named_and_nothing_is_run(
    home: Path, record_id: str, command: Any, unchanged: Any, options: tuple[str, ...], said: str
) -> None:
    given = [record_id if one == "ID" else one for one in options]
    with unchanged(home):
        told = command("explain", *given, "--home", home)
    assert told.code in {2, 3}
    assert told.line.startswith(said)
