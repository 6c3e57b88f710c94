"""Where a person must decide anew: when it is due, what counts as that decision, and what waits for it."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest

from app.actions.cases import review
from app.actions.disclosing import letters, report
from app.actions.erasing import erase, holds
from app.actions.explaining import explain, fresh
from app.actions.logs import log
from app.actions.proving import evidence
from app.actions.records.accesses import Reader
from app.errors import Refused
from app.wiring import open_home
from auditlog.entries.receipt import parse_receipt
from auditlog.store import about as about_store
from auditlog.store import log as log_store
from registry.errors import UnknownSystem

pytestmark = pytest.mark.enable_socket
AUDITOR, OFFICER = Reader("auditor", None), Reader("officer", None)


def entries(g: Any, kind: str) -> list[Any]:
    with g.reading() as conn:
        return [entry for _, entry in log_store.entries_of_kinds(conn, g.log.number, (kind,))]


def reviewed(g: Any, record: str, action: str) -> None:
    review.record_review(g, record, review.Review(action, "as it was found", "invented reasons"))


def test_a_protected_characteristic_that_decides_sets_the_result_aside(protected: Any) -> None:
    with open_home(protected.home) as g:
        told = explain.explain(g, AUDITOR, protected.record)
        assert (told.verdict, told.reasons) == ("set_aside", [])
        statement: Any = told.statement
        assert (statement["protected"], statement["details"], statement["changes"]) == (["signal"], [], [])
        assert told.words.protected == ({"en": "Your signal", "nl": "Uw signal"},)
        (finding,) = entries(g, "finding/1")
        assert finding.members["rule"] == "protected_characteristic"
        assert protected.record not in finding.data.decode()
        with g.reading() as conn:
            rows = about_store.find_about(conn, protected.record, "finding/1")
        assert [(row.id, row.code) for row in rows] == [(finding.id, "protected_characteristic")]
        explain.explain(g, AUDITOR, protected.record)
        assert len(entries(g, "finding/1")) == 1, "it was found once"
        assert log.check_all(g) == []


def test_what_was_set_aside_is_not_released_until_a_person_decides(protected: Any) -> None:
    with open_home(protected.home) as g:
        explain.explain(g, AUDITOR, protected.record)
        reviewed(g, protected.record, "refer")
        with pytest.raises(Refused, match="set aside"):
            reviewed(g, protected.record, "release")
        assert [one.record for one in fresh.open_ones(g, OFFICER)] == [protected.record]
        reviewed(g, protected.record, "confirm")
        assert fresh.open_ones(g, OFFICER) == []
        reviewed(g, protected.record, "release")
        again = explain.explain(g, AUDITOR, protected.record)
        assert (again.words.fresh, again.words.fresh_before) == ("done", None)
        assert fresh.open_ones(g, OFFICER) == [], "asking again does not open it again"


def test_letter_and_evidence_say_that_it_was_set_aside(protected: Any) -> None:
    with open_home(protected.home) as g:
        told = explain.explain(g, AUDITOR, protected.record)
        aside = {"en": "we have set this result aside", "nl": "Daarom hebben wij deze uitkomst opzijgezet"}
        for lang, sentence in aside.items():
            letter = report.render(g, letters.letter(g, OFFICER, protected.record), lang, "html").decode()
            assert sentence in letter
            assert told.id in letter
        pack = evidence.of_record(g, AUDITOR, protected.record)
        (one,) = json.loads(pack.files["evidence.json"])["records"]
        (finding,) = [parse_receipt(pack.files[path]) for path in one["findings"]]
        facts = {opening.field: opening.value for opening in finding.openings}["facts"]
        assert facts == {"explanation": told.id, "fields": ["signal"]}
        reviewed(g, protected.record, "override")
        letter = report.render(g, letters.letter(g, OFFICER, protected.record), "en", "html").decode()
        assert "A member of staff has therefore decided" in letter


def test_a_review_before_the_explanation_is_no_fresh_decision(stubborn: Any) -> None:
    with open_home(stubborn.home) as g:
        reviewed(g, stubborn.record, "confirm")
        told = explain.explain(g, AUDITOR, stubborn.record)
        assert told.verdict == "withheld"
        made = date.fromisoformat(told.time[:10])
        assert (told.words.fresh, told.words.fresh_before) == ("due", made + timedelta(days=14))
        (one,) = fresh.open_ones(g, OFFICER)
        assert (one.record, one.verdict, one.explanation) == (stubborn.record, "withheld", told.id)
        assert (one.since, one.before, one.overdue) == (
            made.isoformat(), (made + timedelta(days=14)).isoformat(), False,
        )  # fmt: skip
        (access,) = [entry for entry in entries(g, "access/1") if entry.members["purpose"] == "query"]
        assert access.members["role"] == "officer"
        reviewed(g, stubborn.record, "override")
        assert fresh.open_ones(g, OFFICER) == []
        assert explain.show(g, AUDITOR, told.id).words.fresh == "done"


def test_the_list_leaves_out_what_may_not_be_given(stubborn: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from app.cli import run

    with open_home(stubborn.home) as g:
        explain.explain(g, AUDITOR, stubborn.record)
        with pytest.raises(Refused, match="staff only"):
            fresh.open_ones(g, Reader("operator", None))
        with pytest.raises(UnknownSystem):
            fresh.open_ones(g, OFFICER, "nope")
        holds.place(g, stubborn.record, ground="restriction")
        assert fresh.open_ones(g, OFFICER) == []
        holds.lift(g, stubborn.record, ground="restriction")
    capsys.readouterr()
    assert run(["explain", "--open", "--json", "--home", str(stubborn.home)]) == 0
    assert [one["record"] for one in json.loads(capsys.readouterr().out)] == [stubborn.record]
    with open_home(stubborn.home) as g:
        erase.erase(g, stubborn.record, ground="objection")
        assert fresh.open_ones(g, OFFICER) == []


def test_when_it_is_needed(echo: Any) -> None:
    """Adverse results and reserved ones, once the explanation is withheld; what was set aside in any case."""
    with open_home(echo.home) as g:
        from app.actions.systems import register

        version = register.show(g, "echo-check").version
    assert version is not None
    manifest = version.manifest
    assert fresh.is_needed(manifest, "withheld", "halt")
    assert not fresh.is_needed(manifest, "withheld", "pass")
    assert fresh.is_needed(manifest, "withheld", "length")
    assert fresh.is_needed(None, "withheld", "pass"), "nobody can say that it is not adverse"
    assert not fresh.is_needed(manifest, "withheld", None), "whoever sent the record decides"
    assert not fresh.is_needed(manifest, "explained", "halt")
    assert fresh.is_needed(manifest, "set_aside", "pass")
