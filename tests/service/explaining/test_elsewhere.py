"""Results of systems that run elsewhere: nothing is measured, whether their content is here or with their sender."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.errors import Erased
from auditlog.core.formats.commitment import commit_all
from auditlog.store import record_events as about_store
from home.errors import Refused
from lab.bench import records_scene
from reports.explanation.words import words
from service.erasing import erase, erasure_proof, holds
from service.explaining import explain, new_decision
from service.external import import_records
from service.keeping import fsck
from service.records.accesses import Reader
from service.wiring import open_home

AUDITOR = Reader("auditor", None)


@pytest.fixture
def g(tmp_path: Path) -> Iterator[Any]:
    records_scene.make_home(tmp_path / "home")
    with open_home(tmp_path / "home") as opened:
        yield opened


def recorded(g: Any, n: int, *, here: bool) -> str:
    given = records_scene.line(n)
    if not here:
        values = {f"in_{name}": value for name, value in given["input"].items()}
        values |= {"output": given["output"], "outcome": given["outcome"], "subjects": ["s1:test1"]}
        values |= dict.fromkeys(("parent", "usage", "run", "times"))
        kept = {name: given[name] for name in ("system", "source", "n")}
        given = {**kept, "commitments": commit_all(b"s" * 32, values)}
    return str(import_records.record(g, [given]).results[0].id)


@pytest.mark.parametrize("here", [True, False])
def test_it_is_withheld_and_goes_with_its_record(g: Any, here: bool) -> None:
    record = recorded(g, 7, here=here)
    told = explain.explain(g, AUDITOR, record)
    assert (told.verdict, told.reasons, told.record) == ("withheld", ["elsewhere"], record)
    assert (told.found, told.runtime, told.words.details) == (None, None, ())
    assert (told.statement is None, told.words.result_code is None) == (not here, not here)
    assert "in another place" in words(g.renderer, told.words, "en")
    assert explain.show(g, AUDITOR, told.id) == told
    again = explain.explain(g, AUDITOR, record)
    assert here == (again.earlier == {"id": told.id, "differs": []})
    assert [one.record for one in new_decision.open_ones(g, AUDITOR)] == ([record] if told.words.fresh else [])
    holds.place(g, record, ground="restriction")
    for ask, id_ in ((explain.explain, record), (explain.show, told.id)):
        with pytest.raises(Refused, match="restricted"):
            ask(g, AUDITOR, id_)
    holds.lift(g, record, ground="restriction")
    erase.erase(g, record, ground="objection")
    with pytest.raises(Erased):
        explain.show(g, AUDITOR, told.id)
    gone = explain.explain(g, AUDITOR, record)
    assert (gone.record, gone.reasons, gone.earlier) == (None, ["erased"], None)
    assert erasure_proof.verify(g, record).left == {}
    with g.reading() as conn:
        assert about_store.find_about(conn, record) == []
    assert fsck.check_all(g) == []
