"""The log tells of the answers that the gate reads: rows that were changed past it are found, and open nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from auditlog.core.entries.record import parse_entry
from auditlog.store.engine import writing
from auditlog.store.log import iterate_entries
from cli import run
from home.greffier import Greffier
from registry.canonical import format_canonical
from registry.errors import AnswersChanged, Conflict, TransitionRefused
from registry.store import answers as answer_store
from registry.store.tables import ANSWER
from service.keeping import doctor, fsck
from service.systems import answers_check, classify, duties, gates, lifecycle, register
from service.wiring import open_home

EXPORTED = "tree"


def told(g: Greffier) -> list[Any]:
    with g.reading() as conn:
        entries = [parse_entry(data) for _, data in iterate_entries(conn, 1)]
    return [entry for entry in entries if entry.kind == "answers/1"]


def rows(g: Greffier) -> list[dict[str, Any]]:
    with g.reading() as conn:
        return [dict(row) for row in conn.execute(select(ANSWER).order_by(ANSWER.c.number)).mappings()]


def rewrite(g: Greffier, **columns: Any) -> None:
    """As somebody does it who can write into the database."""
    with writing(g.engine) as conn:
        conn.execute(update(ANSWER).values(**columns))


def found(g: Greffier) -> list[str]:
    return [one.place.partition("(")[0] for one in fsck.check_all(g)]


def refusing(stand: Any) -> set[str]:
    return {one.duty for one in gates.look(stand.g, stand.slug) if one.effect == "refuse"}


def from_before(stand: Any, answers: bytes) -> None:
    """A round as a database has it from before the log told of answers: a row without salt, and no entry."""
    with writing(stand.g.engine) as conn:
        conn.execute(
            insert(ANSWER).values(
                slug=stand.slug, number=1, rules="2026-11-24", digest="sha256:" + "0" * 64, minute="2026-11-26T08:30Z",
                role="officer", account=None, answers=answers.decode(),
            )
        )  # fmt: skip


def test_the_entry_has_the_digest_of_all_rounds_and_nothing_in_clear(stand: Any) -> None:
    stand.write()
    for account in ("somebody", None):
        classify.classify(stand.g, stand.slug, stand.answers(), role="officer", account=account)
    kept = rows(stand.g)
    assert [row["number"] for row in kept] == [1, 2]
    assert len({row["salt"] for row in kept}) == 2
    assert all(len(row["salt"]) == 64 for row in kept)
    rounds = [{name: value for name, value in row.items() if name != "slug"} for row in kept]
    first, second = told(stand.g)
    assert [one.members["answers"] for one in (first, second)] == [
        f"sha256:{hashlib.sha256(format_canonical(some)).hexdigest()}" for some in (rounds[:1], rounds)
    ]
    assert set(second.members) == {"system", "rules", "answers"}
    assert (second.members["system"], second.members["rules"]) == (stand.slug, kept[1]["rules"])
    assert [one["kind"] for one in register.history(stand.g, stand.slug)][-2:] == ["answers/1"] * 2
    assert fsck.check_all(stand.g) == []


def test_a_row_changed_on_purpose_is_found_and_opens_nothing(stand: Any) -> None:
    stand.write()
    stand.approve()
    classify.classify(stand.g, stand.slug, stand.screened("c", "yes"), role="officer")
    with pytest.raises(TransitionRefused, match=r"AI Act 5\(1\)\(c\)"):
        stand.start()
    rewrite(stand.g, answers=stand.answers().decode())
    with pytest.raises(AnswersChanged, match="not those that the log tells of"):
        stand.start()
    with pytest.raises(AnswersChanged):
        stand.start(override=lifecycle.Override("law", {"en": "An invented law says so."}))
    first = gates.look(stand.g, stand.slug)[0]
    assert (first.duty, first.effect, first.overridable) == ("answers", "refuse", False)
    assert duties.of_system(stand.g, stand.slug).standing == "changed"
    assert found(stand.g) == ["registry_answer"]


@pytest.mark.parametrize("column", ["rules", "digest", "minute", "role", "account", "salt", "number"])
def test_every_column_is_told(stand: Any, column: str) -> None:
    stand.write()
    stand.approve()
    classify.classify(stand.g, stand.slug, stand.answers(), role="officer", account="somebody")
    rewrite(stand.g, **{column: 7 if column == "number" else "changed"})
    assert found(stand.g) == ["registry_answer"]
    with pytest.raises(AnswersChanged):
        stand.start()


def test_a_row_taken_away_or_added_is_found_and_opens_nothing(stand: Any) -> None:
    stand.write()
    stand.approve()
    classify.classify(stand.g, stand.slug, stand.screened("c", "yes"), role="officer")
    (row,) = rows(stand.g)
    with writing(stand.g.engine) as conn:
        conn.execute(insert(ANSWER).values({**row, "number": 2, "answers": stand.answers().decode()}))
    assert found(stand.g) == ["registry_answer"]
    with pytest.raises(AnswersChanged):
        stand.start()
    with writing(stand.g.engine) as conn:
        conn.execute(delete(ANSWER))
    assert found(stand.g) == ["registry_answer"]
    with pytest.raises(AnswersChanged, match="answer them again"):
        stand.start()
    # Nothing is left that somebody could have changed: the answers may be given anew, and are told of anew.
    classify.classify(stand.g, stand.slug, stand.answers(), role="officer")
    assert fsck.check_all(stand.g) == []
    stand.start()


def test_a_row_that_no_entry_tells_of_is_found(stand: Any) -> None:
    stand.write()
    from_before(stand, stand.answers())
    rewrite(stand.g, salt="ab" * 32)
    assert found(stand.g) == ["registry_answer"]


def test_no_round_is_added_to_rows_that_were_changed(stand: Any) -> None:
    stand.write()
    classify.classify(stand.g, stand.slug, stand.answers(), role="officer")
    rewrite(stand.g, role="auditor")
    before = rows(stand.g)
    with pytest.raises(AnswersChanged, match="log fsck"):
        classify.classify(stand.g, stand.slug, stand.answers(), role="officer")
    assert (rows(stand.g), len(told(stand.g))) == (before, 1)


def test_two_rounds_at_once_are_one_and_a_refusal(stand: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.write()
    append, given = stand.g.log.append, []

    def slow(unit: Any) -> Any:
        if not given:
            given.append(unit)
            classify.classify(stand.g, stand.slug, stand.answers(), role="officer")
        return append(unit)

    monkeypatch.setattr(stand.g.log, "append", slow)
    with pytest.raises(Conflict, match="answered meanwhile"):
        classify.classify(stand.g, stand.slug, stand.screened("c", "yes"), role="officer")
    assert (len(rows(stand.g)), len(told(stand.g))) == (1, 1)
    assert fsck.check_all(stand.g) == []


# --- a database from before the log told of answers -------------------------------------------------------------------


def test_answers_from_before_forbid_as_they_did_and_open_nothing(stand: Any) -> None:
    stand.write()
    stand.approve()
    from_before(stand, stand.screened("c", "yes"))
    with pytest.raises(TransitionRefused, match=r"AI Act 5\(1\)\(c\): this use is prohibited"):
        stand.start()
    rewrite(stand.g, answers=stand.answers().decode())
    by_duty = {(one.duty, one.effect): one.text for one in gates.look(stand.g, stand.slug)}
    assert "are not told of by the log" in by_duty["answers", "warn"]
    assert duties.of_system(stand.g, stand.slug).standing == "not_told"
    assert [one.place for one in doctor.doctor(stand.g) if "answer them again" in one.message] == [
        f"system {stand.slug}"
    ]
    assert fsck.check_all(stand.g) == []
    classify.classify(stand.g, stand.slug, stand.answers(), role="officer")
    assert not any(one.duty == "answers" for one in gates.look(stand.g, stand.slug))
    assert duties.of_system(stand.g, stand.slug).standing == "told"
    assert fsck.check_all(stand.g) == []
    rewrite(stand.g, minute="2026-11-25T08:30Z")
    assert found(stand.g) == ["registry_answer"]


def test_facts_of_answers_from_before_do_not_let_a_system_through(stand: Any) -> None:
    """What only an answer says is as if it were not said, until it is told."""
    stand.write(unknown_use=True)
    stand.on("2027-12-02")
    elsewhere = stand.answers(use={**json.loads(stand.answers())["use"], "public_authority": False})
    from_before(stand, elsewhere)
    assert "26.8" in refusing(stand)
    classify.classify(stand.g, stand.slug, elsewhere, role="officer")
    assert "26.8" not in refusing(stand)


# --- export, import, restore ------------------------------------------------------------------------------------------


@pytest.fixture
def answered(empty_home: Path, tmp_path: Path, copied: Callable[[Path, Path], Path], written: Any) -> tuple[Path, str]:
    home = copied(empty_home, tmp_path / "kept")
    with open_home(home) as g:
        stand = written(home, g)
        stand.write()
        classify.classify(g, stand.slug, stand.answers(), role="officer", account="somebody")
    assert run(["log", "export", "--to", str(tmp_path / EXPORTED), "--home", str(home)]) == 0
    return home, stand.slug


def test_an_import_keeps_no_round_that_was_changed(answered: tuple[Path, str], tmp_path: Path, written: Any) -> None:
    home, slug = answered
    with open_home(home) as g:
        rewrite(g, role="auditor")
    assert run(["log", "import", str(tmp_path / EXPORTED), "--home", str(home)]) == 0
    with open_home(home) as g:
        assert classify.rounds(g, slug) == []
        assert found(g) == ["registry_answer"]
        with g.reading() as conn:
            assert answers_check.held(conn, slug).standing == "changed"
        classify.classify(g, slug, written(home, g).answers(), role="officer")
        assert fsck.check_all(g) == []


def test_rounds_from_before_are_kept_and_those_past_the_log_are_not(stand: Any) -> None:
    """Of a system without an entry there is nothing to hold them against; a row with a salt always had one."""
    stand.write()
    classify.classify(stand.g, stand.slug, stand.answers(), role="officer")
    (row,) = rows(stand.g)
    old = {name: value for name, value in row.items() if name != "salt"}  # as an older database has it
    digest = told(stand.g)[-1].members["answers"]
    assert answer_store.to_keep([row], {stand.slug: digest}) == [row]
    assert answer_store.to_keep([old], {stand.slug: digest}) == []
    assert answer_store.to_keep([row], {}) == []
    assert answer_store.to_keep([old], {}) == [old]
