"""Records that do not say what the model said: forged before they were written, so that every proof of them verifies.

Whoever runs the program can write such a record (it is what `docs/trust.md` says of a patched runtime); a replay finds
it out, and its verdict stands in the log.
"""

from __future__ import annotations

import copy
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from auditlog.core.errors import AuditLogError
from auditlog.store import decisions as decision_store
from auditlog.store import log as log_store
from auditlog.writing.log import Unit
from service.deciding import decide
from service.erasing import erase
from service.keeping import fsck
from service.records import reading
from service.records.accesses import Reader
from service.replaying import replay
from service.replaying.order import How
from service.wiring import open_home

LOAN = "social-loan-check"
AUDITOR = Reader("auditor", None)
Values = dict[str, Any]


@pytest.fixture(scope="module")
def g(loan_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    home = tmp_path_factory.mktemp("altered") / "home"
    shutil.copytree(loan_template, home)
    with open_home(home) as opened:
        yield opened


@pytest.fixture(scope="module")
def record(g: Any, loan_input: Any) -> str:
    return decide.decide(g, LOAN, loan_input, subjects=("TEST-1",)).id


def forged(g: Any, record: str, change: Callable[[Values], None], **members: Any) -> str:
    """A decision like that record but for what `change` does to its content."""
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
    values["in_room"] += 1


def other_outcome(values: Values) -> None:
    values["outcome"] = next(code for code in values["run"]["alternatives"] if code != values["outcome"])


def other_output(values: Values) -> None:
    name = next(iter(values["output"]))
    values["output"][name] = "Something that the model never said."


def other_prompt(values: Values) -> None:
    values["run"]["prompt_tokens"][0][3] += 1


def foreign_tokens(values: Values) -> None:
    """As of a tokenizer with more words than the model's."""
    values["run"]["prompt_tokens"] = [[250_000 for _ in step] for step in values["run"]["prompt_tokens"]]


def foreign_output(values: Values) -> None:
    """Tokens that this model has no words for."""
    values["run"]["output_tokens"] = [[250_000 for _ in step] or [250_000] for step in values["run"]["output_tokens"]]


def other_model(values: Values) -> None:
    values["run"]["model"] = "0" * 64


def a_seed(values: Values) -> None:
    values["run"]["seed"] = "not printable \n"


ALTERED = {
    "a field": (other_field, {"prompt"}),
    "the outcome": (other_outcome, {"outcome", "tokens"}),
    "the output": (other_output, {"outcome", "tokens"}),
    "the prompt": (other_prompt, {"prompt"}),
    "tokens of another tokenizer": (foreign_tokens, {"prompt"}),
    "an output of another tokenizer": (foreign_output, {"tokens"}),
    "the model": (other_model, {"model"}),
    "the seed": (a_seed, {"seed"}),
}


@pytest.mark.parametrize("what", ALTERED)
def test_it_is_a_mismatch_and_the_log_says_so(g: Any, record: str, what: str) -> None:
    change, reasons = ALTERED[what]
    made = forged(g, record, change)
    found = replay.replay(g, AUDITOR, made)
    assert found.verdict == "mismatch"
    assert found.reason in reasons
    with g.reading() as conn:
        entry = [entry for _, entry in log_store.entries_of_kinds(conn, 1, ("replay/1",))][-1]
    assert (entry.id, entry.members["verdict"], entry.members["reason"]) == (found.id, "mismatch", found.reason)


def test_the_untouched_copy_is_none(g: Any, record: str) -> None:
    assert replay.replay(g, AUDITOR, forged(g, record, lambda _: None)).verdict == "bit_exact"


def test_a_record_from_before_rows_were_kept(g: Any, record: str) -> None:
    def older(values: Values) -> None:
        for name in ("rows", "digest", "device", "occupancy", "reused", "determinism", "max_tokens", "stop"):
            values["run"].pop(name, None)

    found = replay.replay(g, AUDITOR, forged(g, record, older))
    assert (found.verdict, found.reason) == ("token_exact", "not_recorded")


@pytest.mark.parametrize("run", [None, {}, {"prompt_tokens": []}, "x", {"prompt_tokens": 3}])
def test_a_record_without_a_run(g: Any, record: str, run: Any) -> None:
    found = replay.replay(g, AUDITOR, forged(g, record, lambda values: values.__setitem__("run", run)))
    assert (found.verdict, found.reason, found.runtime) == ("not_replayable", "not_recorded", None)


@pytest.mark.parametrize(("capture", "reason"), [("gateway", "provider"), ("external", "external")])
def test_what_was_run_elsewhere(g: Any, record: str, capture: str, reason: str) -> None:
    before = accesses(g)
    made = forged(g, record, lambda _: None, capture=capture)
    found = replay.replay(g, AUDITOR, made)
    assert (found.verdict, found.reason, found.record) == ("not_replayable", reason, made)
    assert accesses(g) == before, "nobody's content was opened to say so"


def accesses(g: Any) -> int:
    with g.reading() as conn:
        return len(list(log_store.entries_of_kinds(conn, 1, ("access/1",))))


def test_content_that_was_changed_where_it_lies(g: Any, record: str) -> None:
    """It does not open: that is said at once, and nothing is recorded of a decision that cannot be read."""
    made = forged(g, record, lambda _: None)
    with g.engine.begin() as conn:
        conn.execute(
            text("UPDATE auditlog_sealed SET ciphertext = zeroblob(length(ciphertext)) WHERE id = :id"), {"id": made}
        )
    before = g.log.state().size
    with pytest.raises(AuditLogError):
        replay.replay(g, AUDITOR, made)
    assert g.log.state().size == before
    assert [one for one in fsck.check_all(g) if made in one.place]


def test_erased_while_it_ran(g: Any, record: str) -> None:
    """The verdict of a decision that is gone by then names it no more."""
    made = forged(g, record, lambda _: None)

    def wait(future: Any) -> Any:
        found = future.result()
        erase.erase(g, made, ground="objection")
        return found

    found = replay.replay(g, AUDITOR, made, How(), wait)
    assert (found.verdict, found.reason, found.record, found.found) == ("not_replayable", "erased", None, None)
