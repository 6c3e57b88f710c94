"""Promise 7: an explanation is measured on the weights that decided, after the run was repeated; else it is withheld.

Whoever alters what was recorded, the register or the weights gets no reasons. What a model says of itself is told to
nobody as a reason. (`test_explanations_are_not_narrated.py`: nor does a letter tell one that nobody measured.)
"""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from auditlog.core.entries.receipt import parse_receipt, verify_receipt
from auditlog.core.errors import AuditLogError, Erased
from auditlog.store import decisions as decision_store
from auditlog.store.record_events import find_about
from auditlog.writing.log import Unit
from reports.explanation.words import words
from service.cases import reviews
from service.disclosing import access_file, letters, lookup, report
from service.erasing import erase
from service.explaining import explain
from service.proving import evidence
from service.records import reading
from service.records.accesses import Reader
from service.wiring import open_home

pytestmark = pytest.mark.enable_socket
AUDITOR = Reader("auditor", None)
BECAUSE = "Because the light stood in the north, and for no other reason."
Values = dict[str, Any]


@pytest.fixture(scope="module")
def echo(echoing: Any, tmp_path_factory: pytest.TempPathFactory, model_file: Path) -> Any:
    return echoing.echo(tmp_path_factory.mktemp("explained"), model_file)


@pytest.fixture(scope="module")
def g(echo: Any) -> Iterator[Any]:
    with open_home(echo.home) as opened:
        yield opened


def forged(g: Any, record: str, change: Callable[[Values], None], **members: Any) -> str:
    """A decision like that record but for what `change` does to its content; every proof of it verifies."""
    (like,) = reading.recount(g, [record])
    values = copy.deepcopy({name: value for name, value in like.values.items() if name != "subjects"})
    change(values)
    prepared = g.vault.prepare(str(uuid.uuid4()), values, ())
    stated = {**like.entry.members, "n": 4417, "commitments": prepared.commitments, **members}
    entry = g.make("decision/1", id=prepared.id, **stated)

    def rows(sequenced: Any) -> list[Any]:
        return [*prepared.rows(), *decision_store.decision_rows(entry, values, sequenced[0].place)]

    g.log.append(Unit((entry,), rows=rows)).result()
    return str(prepared.id)


def other_field(values: Values) -> None:
    values["in_light"] = "south"


def other_outcome(values: Values) -> None:
    values["outcome"] = "pass"


def other_result(values: Values) -> None:
    values["outcome"], values["output"] = "pass", {"result": "green"}


def other_prompt(values: Values) -> None:
    values["run"]["prompt_tokens"][0][3] += 1


def other_model(values: Values) -> None:
    values["run"]["model"] = "0" * 64


def own_reasons(values: Values) -> None:
    values["output"]["result"] = BECAUSE


ALTERED = {
    "a field": other_field,
    "the outcome": other_outcome,
    "outcome and output": other_result,
    "the prompt": other_prompt,
    "the model": other_model,
    "the model's own reasons": own_reasons,
}


def test_the_copy_that_nobody_altered_is_explained(g: Any, echo: Any) -> None:
    """Who finds no reasons must find those that there are."""
    told = explain.explain(g, AUDITOR, forged(g, echo.record, lambda _: None))
    assert told.verdict == "explained"
    assert told.words.details[0].strength == "decided"


@pytest.mark.parametrize("what", ALTERED)
def test_of_an_altered_record_no_reasons_are_given(g: Any, echo: Any, what: str) -> None:
    told = explain.explain(g, AUDITOR, forged(g, echo.record, ALTERED[what]))
    assert (told.verdict, told.reasons) == ("withheld", ["not_repeated"])
    assert_no_reasons(g, told)


@pytest.mark.parametrize("run", [None, {}, {"prompt_tokens": []}])
def test_of_a_record_without_a_run_no_reasons_are_given(g: Any, echo: Any, run: Any) -> None:
    told = explain.explain(g, AUDITOR, forged(g, echo.record, lambda values: values.__setitem__("run", run)))
    assert (told.verdict, told.reasons) == ("withheld", ["not_recorded"])
    assert_no_reasons(g, told)


@pytest.mark.parametrize("capture", ["gateway", "external"])
def test_of_what_ran_elsewhere_no_reasons_are_given(g: Any, echo: Any, capture: str) -> None:
    told = explain.explain(g, AUDITOR, forged(g, echo.record, lambda _: None, capture=capture))
    assert (told.verdict, told.reasons) == ("withheld", ["elsewhere"])
    assert_no_reasons(g, told)


def assert_no_reasons(g: Any, told: explain.Explained) -> None:
    statement: Any = told.statement
    assert (statement["details"], statement["changes"]) == ([], [])
    assert (told.words.details, told.words.alternatives) == ((), ())
    for lang in ("en", "nl"):
        said = words(g.renderer, told.words, lang)
        assert BECAUSE not in said
        assert {"en": "counted", "nl": "telde"}[lang] not in said


def test_content_that_was_changed_where_it_lies_is_not_explained(g: Any, echo: Any) -> None:
    made = forged(g, echo.record, lambda _: None)
    with g.engine.begin() as conn:
        conn.execute(
            text("UPDATE auditlog_sealed SET ciphertext = zeroblob(length(ciphertext)) WHERE id = :id"), {"id": made}
        )
    before = g.log.state().size
    with pytest.raises(AuditLogError):
        explain.explain(g, AUDITOR, made)
    assert g.log.state().size == before


def test_other_weights_under_the_name_of_the_model_explain_nothing(
    echoing: Any, tmp_path: Path, model_file: Path
) -> None:
    echo = echoing.echo(tmp_path, model_file)
    (model,) = (echo.home / "models").glob("*.gguf")
    model.unlink()
    model.write_bytes(b"GGUF" + bytes(4096))
    with open_home(echo.home) as g:
        told = explain.explain(g, AUDITOR, echo.record)
        assert (told.verdict, told.reasons) == ("withheld", ["model_missing"])
        assert_no_reasons(g, told)


def test_what_was_told_goes_with_the_record_and_is_found_until_then(
    echoing: Any, tmp_path: Path, model_file: Path
) -> None:
    """In the letter, the access file and the evidence; and nowhere once the record is erased."""
    echo = echoing.echo(tmp_path, model_file)
    with open_home(echo.home) as g:
        told = explain.explain(g, AUDITOR, echo.record)
        assert told.verdict == "explained"
        letter = report.render(g, letters.letter(g, AUDITOR, echo.record), "en", "html").decode()
        assert told.id in letter
        assert "Your signal" in letter
        person = lookup.Reference("subject", "TEST-0001", "subject")
        held: Any = access_file.access_file(g, AUDITOR, person)
        assert held["records"][0]["explanations"] == [], "an officer has the result still"
        today = g.clock().date().isoformat()
        decided = reviews.Review("confirm", "as it was found", "invented reasons", notified=today)
        reviews.record_review(g, echo.record, decided)
        file: Any = access_file.access_file(g, AUDITOR, person)
        (shown,) = file["records"][0]["explanations"]
        assert (shown["id"], shown["verdict"], shown["statement"]) == (told.id, "explained", told.statement)
        pack = evidence.of_record(g, AUDITOR, echo.record)
        (one,) = json.loads(pack.files["evidence.json"])["records"]
        (path,) = one["explanations"]
        held_by = verify_receipt(parse_receipt(pack.files[path]), g.keys, origin=g.log.origin)
        assert {opening.field: opening.value for opening in held_by.openings}["statement"] == told.statement
        erase.erase(g, echo.record, ground="objection")
        with g.reading() as conn:
            assert find_about(conn, echo.record) == []
            with pytest.raises(AuditLogError):
                g.vault.open(conn, told.id)
        with pytest.raises(Erased):
            explain.show(g, AUDITOR, told.id)
        assert access_file.access_file(g, AUDITOR, person)["records"] == []


def test_no_output_of_a_model_is_read_for_an_explanation() -> None:
    """Nothing that tells it names a step's output."""
    room = Path(__file__).parents[2] / "service" / "explaining"
    for name in ("explain.py", "wording.py", "statement.py"):
        source = (room / name).read_text("utf-8")
        assert '"output"' not in source, name
        assert ".output" not in source, name
