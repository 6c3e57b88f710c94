"""Where a person must decide anew: when it is due, what counts as that decision, and what waits for it."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest

from auditlog.core.entries.receipt import parse_receipt
from auditlog.store import log as log_store
from auditlog.store import record_events as about_store
from home.errors import Refused
from registry.errors import UnknownSystem
from service.cases import reviews
from service.disclosing import letters, report
from service.erasing import erase, holds
from service.explaining import explain, new_decision
from service.keeping import fsck
from service.proving import evidence
from service.records.accesses import Reader
from service.wiring import open_home

pytestmark = pytest.mark.enable_socket
AUDITOR, OFFICER = Reader("auditor", None), Reader("officer", None)


def entries(g: Any, kind: str) -> list[Any]:
    with g.reading() as conn:
        return [entry for _, entry in log_store.entries_of_kinds(conn, g.log.number, (kind,))]


def reviewed(g: Any, record: str, action: str) -> None:
    reviews.record_review(g, record, reviews.Review(action, "as it was found", "invented reasons"))


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
        assert fsck.check_all(g) == []


def test_what_was_set_aside_is_not_released_until_a_person_decides(protected: Any) -> None:
    with open_home(protected.home) as g:
        explain.explain(g, AUDITOR, protected.record)
        reviewed(g, protected.record, "refer")
        with pytest.raises(Refused, match="set aside"):
            reviewed(g, protected.record, "release")
        assert [one.record for one in new_decision.open_ones(g, OFFICER)] == [protected.record]
        reviewed(g, protected.record, "confirm")
        assert new_decision.open_ones(g, OFFICER) == []
        reviewed(g, protected.record, "release")
        again = explain.explain(g, AUDITOR, protected.record)
        assert (again.words.fresh, again.words.fresh_before) == ("done", None)
        assert new_decision.open_ones(g, OFFICER) == [], "asking again does not open it again"


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
        (one,) = new_decision.open_ones(g, OFFICER)
        assert (one.record, one.verdict, one.explanation) == (stubborn.record, "withheld", told.id)
        assert (one.since, one.before, one.overdue) == (
            made.isoformat(), (made + timedelta(days=14)).isoformat(), False,
        )  # fmt: skip
        (access,) = [entry for entry in entries(g, "access/1") if entry.members["purpose"] == "query"]
        assert access.members["role"] == "officer"
        reviewed(g, stubborn.record, "override")
        assert new_decision.open_ones(g, OFFICER) == []
        assert explain.show(g, AUDITOR, told.id).words.fresh == "done"


def test_the_list_leaves_out_what_may_not_be_given(stubborn: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from cli import run

    with open_home(stubborn.home) as g:
        explain.explain(g, AUDITOR, stubborn.record)
        with pytest.raises(Refused, match="staff only"):
            new_decision.open_ones(g, Reader("operator", None))
        with pytest.raises(UnknownSystem):
            new_decision.open_ones(g, OFFICER, "nope")
        holds.place(g, stubborn.record, ground="restriction")
        assert new_decision.open_ones(g, OFFICER) == []
        holds.lift(g, stubborn.record, ground="restriction")
    capsys.readouterr()
    assert run(["explain", "--open", "--json", "--home", str(stubborn.home)]) == 0
    assert [one["record"] for one in json.loads(capsys.readouterr().out)] == [stubborn.record]
    with open_home(stubborn.home) as g:
        erase.erase(g, stubborn.record, ground="objection")
        assert new_decision.open_ones(g, OFFICER) == []


def test_when_it_is_needed(echo: Any) -> None:
    """Adverse results and reserved ones, once the explanation is withheld; what was set aside in any case."""
    with open_home(echo.home) as g:
        from service.systems import register

        version = register.show(g, "echo-check").version
    assert version is not None
    manifest = version.manifest
    assert new_decision.is_needed(manifest, "withheld", "halt")
    assert not new_decision.is_needed(manifest, "withheld", "pass")
    assert new_decision.is_needed(manifest, "withheld", "length")
    assert new_decision.is_needed(None, "withheld", "pass"), "nobody can say that it is not adverse"
    assert not new_decision.is_needed(manifest, "withheld", None), "whoever sent the record decides"
    assert not new_decision.is_needed(manifest, "explained", "halt")
    assert new_decision.is_needed(manifest, "set_aside", "pass")
