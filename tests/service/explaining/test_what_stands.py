"""What stands of explanations of a record: two at once, one after another, after record or version are gone."""

from __future__ import annotations

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from auditlog.core.entries.record import Entry
from auditlog.core.errors import CannotRecord, Erased
from auditlog.store import log as log_store
from auditlog.vault.references import Refs
from home.errors import Refused, Unfinished
from reports.explanation.words import words
from runtime.messages import messages_schema
from service.deciding import decide
from service.disclosing import letters
from service.erasing import erase, holds
from service.explaining import explain
from service.keeping import fsck
from service.records.accesses import Reader
from service.systems import lifecycle, register
from service.wiring import open_home

pytestmark = pytest.mark.enable_socket
AUDITOR, OFFICER = Reader("auditor", None), Reader("officer", None)


def entries(g: Any, kind: str) -> list[Entry]:
    with g.reading() as conn:
        return [entry for _, entry in log_store.entries_of_kinds(conn, g.log.number, (kind,))]


def test_of_two_at_once_one_is_the_earlier_and_one_finding_is_opened(protected: Any) -> None:
    measured = threading.Barrier(2)

    def wait(future: Any) -> Any:
        found = future.result()
        measured.wait(60)
        return found

    with open_home(protected.home) as g:
        with ThreadPoolExecutor(2) as pool:
            asked = [pool.submit(explain.explain, g, AUDITOR, protected.record, "request", wait) for _ in range(2)]
            told = {(one.result().earlier or {}).get("id"): one.result() for one in asked}
        assert told[told[None].id].earlier == {"id": told[None].id, "differs": []}
        assert len(entries(g, "finding/1")) == 1
        assert fsck.check_all(g) == []


def test_what_was_set_aside_stays_so_in_the_letter(protected: Any) -> None:
    """Nothing that is found later takes it back, such as that the model is not here any more."""
    with open_home(protected.home) as g:
        aside = explain.explain(g, AUDITOR, protected.record)
    (model,) = (protected.home / "models").glob("*.gguf")
    shutil.move(model, protected.home / "elsewhere")
    with open_home(protected.home) as g:
        later = explain.explain(g, AUDITOR, protected.record)
        assert (later.verdict, later.reasons) == ("withheld", ["model_missing"])
        told = letters.letter(g, OFFICER, protected.record).explanation
        assert told is not None
        assert (told.id, told.verdict, told.fresh) == (aside.id, "set_aside", "due")


def test_a_fresh_decision_is_due_also_by_an_explanation_that_asks_for_none(protected: Any) -> None:
    with open_home(protected.home) as g:
        passed = decide.decide(g, "echo-check", {"light": "north", "signal": "green"}).id
        assert explain.explain(g, AUDITOR, passed).verdict == "set_aside"
    (model,) = (protected.home / "models").glob("*.gguf")
    shutil.move(model, protected.home / "elsewhere")
    with open_home(protected.home) as g:
        later = explain.explain(g, AUDITOR, passed)
        assert (later.verdict, later.words.result_code, later.words.fresh) == ("withheld", "pass", "due")


def test_erased_as_soon_as_it_was_recorded(stubborn: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    keep = explain.keep

    def kept(g: Any, *of: Any) -> Any:
        made = keep(g, *of)
        erase.erase(g, stubborn.record, ground="objection")
        return made

    with open_home(stubborn.home) as g:
        monkeypatch.setattr(explain, "keep", kept)
        with pytest.raises(Erased, match="erased"):
            explain.explain(g, AUDITOR, stubborn.record)
        assert fsck.check_all(g) == []


def test_without_the_version_codes_stand_for_words(g: Any, echo: Any) -> None:
    told = explain.explain(g, AUDITOR, echo.record)
    with g.engine.begin() as conn:
        conn.execute(text("DELETE FROM registry_version"))
    shown = words(g.renderer, explain.show(g, AUDITOR, told.id).words, "nl")
    assert "signal: “red”" in shown
    assert "“halt”" in shown
    again = explain.explain(g, AUDITOR, echo.record)
    assert again.reasons == ["not_repeated"]
    assert "“halt”" in words(g.renderer, again.words, "en")


def _conversing(echoing: Any) -> bytes:
    """The signal decides; what was said is read by the second step alone."""
    made = json.loads(echoing.register_file())
    made["system"]["slug"] = "echo-talk"
    version = made["version"]
    said = version["fields"][0] | {"id": "messages", "schema": messages_schema(), "neutral": None}
    del said["values"]
    version["fields"].append(said)
    loop = "{% for one in messages %}{{ one.role }}: {{ one.content }}\n{% endfor %}assistant: "
    version["steps"].append({"output": "reply", "template": loop, "max_tokens": 4})
    schema = version["output_schema"]
    schema["properties"]["reply"] = {"type": "string"}
    schema["required"] = ["result", "reply"]
    return json.dumps(made).encode()


def test_an_explanation_of_a_turn_holds_nothing_of_the_turns_before(echo: Any, echoing: Any) -> None:
    """They are records of their own, and go by themselves."""
    refs = Refs(conversation="TEST-TALK-0001")

    def turn(g: Any, *said: dict[str, str]) -> str:
        inputs = {"light": "north", "signal": "red", "messages": list(said)}
        return decide.decide(g, "echo-talk", inputs, refs=refs).id

    with open_home(echo.home) as g:
        register.register(g, _conversing(echoing))
        for state in echoing.STEPS:
            lifecycle.change_state(g, "echo-talk", state)
        first = {"role": "user", "content": "an invented first question"}
        turn(g, first)
        second = turn(g, first, {"role": "assistant", "content": ""}, {"role": "user", "content": "and a second one"})
        told = explain.explain(g, AUDITOR, second)
        assert told.verdict == "explained"
        (detail,) = [one for one in told.words.details if one.given.label["en"] == "Your light"][-1:]
        assert detail.given.value == [{"role": "user", "content": "and a second one"}]
        assert "first question" not in json.dumps([told.statement, told.found])


def test_restricted_while_it_was_measured(g: Any, echo: Any) -> None:
    """Nobody is told what was found of it, and it is not kept (GDPR 18)."""

    def wait(future: Any) -> Any:
        found = future.result()
        holds.place(g, echo.record, ground="restriction")
        return found

    with pytest.raises(Refused, match="restricted meanwhile"):
        explain.explain(g, AUDITOR, echo.record, wait=wait)
    assert entries(g, "explanation/1") == []


def test_the_worker_ends_or_the_log_cannot_record(g: Any, echo: Any, workers: Any) -> None:
    """Nothing is said of the decision then; asked again, it is explained."""

    def wait(future: Any) -> Any:
        assert workers.kill(saying=g.runtime.boot.boot.encode()) == 1
        return future.result()

    with pytest.raises(Unfinished, match="the runtime ended"):
        explain.explain(g, AUDITOR, echo.record, wait=wait)
    assert entries(g, "explanation/1") == []
    guard = echo.home / "guard" / "log-1.guard"
    away = guard.with_suffix(".away")

    def without_log(future: Any) -> Any:
        found = future.result()
        guard.rename(away)
        return found

    with pytest.raises(CannotRecord):
        explain.explain(g, AUDITOR, echo.record, wait=without_log)
    away.rename(guard)
    told = explain.explain(g, AUDITOR, echo.record)
    assert told.verdict == "explained"
    assert told.id in {one.id for one in entries(g, "explanation/1")}
    assert fsck.check_all(g) == []
