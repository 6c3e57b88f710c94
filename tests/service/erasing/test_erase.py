"""Erasing in two steps: a record, a person, what others share, what is held; and the tombstones of sets."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.entries.record import parse_entry
from auditlog.core.errors import Erased, NotFound
from auditlog.store import erasures as store
from auditlog.store import log as log_store
from auditlog.store.cursor import DecisionFilter
from home.errors import Refused, UnknownRecord, UsageError
from service.cases import reviews
from service.disclosing import letters, report
from service.erasing import erase, erasure_proof, holds
from service.figures import tallies
from service.keeping import fsck
from service.records import corrections, files, query, reading
from service.records.reading import CLI

LINE = "Piet Jansen 1970-01-01"  # an invented person, who must turn up nowhere


def tombstones(g: Any) -> dict[str, tuple[str, str, str]]:
    """Record → ground, role, minute of its tombstone, in the order of the log."""
    with g.reading() as conn:
        found = list(log_store.entries_of_kinds(conn, g.log.number, {"erasure/1"}))
    return {
        str(one.members["record"]): (str(one.members["ground"]), str(one.members["role"]), one.time) for _, one in found
    }


def test_a_preview_changes_nothing_and_its_code_does_it(office: Any) -> None:
    with office.opened() as g:
        record, kept = office.decide(g, "TEST-1"), office.decide(g, "TEST-1")
        reviews.record_review(g, record, reviews.Review("release", "as suggested", "invented reasons"))
        reading.open(g, CLI, "review", record)
        size = g.log.state().size
        plan = erase.plan_record(g, record, ground="objection")
        assert g.log.state().size == size
        assert plan.records == (record,)
        assert plan.rows["auditlog_sealed"] == plan.rows["auditlog_decision"] == plan.rows["auditlog_review"] == 1
        assert plan.rows["auditlog_subject"] == 1
        assert plan.about == 2, "the review and the access"
        done = erase.confirm(g, plan, plan.code, role="privacy_officer")
        assert (done.records, bool(done.tombstone)) == (1, True)
        assert tombstones(g)[record][:2] == ("objection", "privacy_officer")
        with pytest.raises(Erased):
            reading.open(g, CLI, "export", record)
        assert reading.open(g, CLI, "export", kept).values["outcome"] == "grant"
        with pytest.raises(Erased):
            erase.plan_record(g, record, ground="objection")
        assert fsck.check_all(g) == []


def test_a_code_holds_for_what_was_shown(office: Any) -> None:
    with office.opened() as g:
        record = office.decide(g, "TEST-1")
        plan = erase.plan_record(g, record, ground="objection")
        for other in (
            erase.plan_record(g, record, ground="unlawful").code,
            erase.plan_record(g, office.decide(g), ground="objection").code,
            "0" * 16,
            "",
        ):
            with pytest.raises(UsageError, match="something may have changed"):
                erase.confirm(g, plan, other)
        corrections.correct(g, record, {"income": "another"}, "invented reasons")
        changed = erase.plan_record(g, record, ground="objection")
        with pytest.raises(UsageError, match="something may have changed"):
            erase.confirm(g, changed, plan.code)
        assert reading.open(g, CLI, "export", record).values["outcome"] == "grant"
        assert g.ledger.read() == ()


@pytest.mark.parametrize("ground", ["legal_claim", "restriction"])
def test_what_is_held_stays_and_says_why(office: Any, ground: str) -> None:
    with office.opened() as g:
        held, free = office.decide(g, "TEST-1"), office.decide(g, "TEST-1")
        holds.place(g, held, ground=ground, note=LINE)
        size, files = g.log.state().size, g.ledger.path.read_bytes()
        for attempt in (
            lambda: erase.plan_record(g, held, ground="objection"),
            lambda: erase.erase(g, held, ground="objection"),
        ):
            with pytest.raises(Refused, match=rf"^id: is held \({ground}\)") as error:
                attempt()
            assert error.value.reason == "held"
        assert g.ledger.read() == ()
        assert {entry.kind for entry in since(g, size)} <= {"tally/1"}
        assert g.ledger.path.read_bytes() == files
        plan = erase.plan_person(g, "test 1", ground="objection")
        assert (plan.records, dict(plan.held)) == ((free,), {held: (ground,)})
        erase.confirm(g, plan, plan.code)
        with g.reading() as conn:
            assert g.vault.find(conn, "TEST-1") == [held]
        holds.lift(g, held, ground=ground)
        assert holds.in_force(g, held) == ()
        erase.erase(g, held, ground="objection")
        assert fsck.check_all(g) == []


def since(g: Any, size: int) -> list[Any]:
    with g.reading() as conn:
        return [parse_entry(data) for _, data in log_store.iterate_entries(conn, g.log.number, size)]


def test_a_person_is_gone_and_what_others_share_stays(office: Any) -> None:
    with office.opened() as g:
        mine = [office.decide(g, "TEST-1") for _ in range(3)]
        shared = office.decide(g, "TEST-1", "TEST-2")
        other = office.decide(g, "TEST-2")
        plan = erase.plan_person(g, "test-1", ground="consent_withdrawn")
        assert (plan.records, plan.joint) == (tuple(sorted(mine)), (shared,))
        again = erase.plan_person(g, "test-1", ground="consent_withdrawn", reader=None)
        assert again == plan, "the look-up is noted once, and is part of what goes"
        size = g.log.state().size
        assert erase.confirm(g, again, plan.code).tombstone is None
        kinds = {entry.kind for entry in since(g, size)}
        assert kinds <= {"tally/1"}, "nothing in the log yet that names them together"
        with g.reading() as conn:
            assert g.vault.find(conn, "TEST-1") == [shared]
        all_of_it = erase.plan_person(g, "TEST 1", ground="consent_withdrawn", joint="erase")
        assert all_of_it.records == (shared,)
        erase.confirm(g, all_of_it, all_of_it.code)
        assert reading.open(g, CLI, "export", other).values["outcome"] == "grant"
        assert fsck.check_all(g) == []
        with pytest.raises(UsageError) as error:
            erase.plan_person(g, " - ", ground="objection")
        assert error.value.field == "--subject-file"
        nobody = erase.plan_person(g, LINE, ground="objection")
        assert nobody.records == ()
        assert erase.confirm(g, nobody, nobody.code).records == 0


def test_tombstones_of_sets_come_with_their_day_and_mixed(office: Any) -> None:
    with office.opened() as g:
        first = [office.decide(g, "TEST-1") for _ in range(3)]
        second = [office.decide(g, "TEST-2") for _ in range(2)]
        kept = office.decide(g, "TEST-3")
        for reference in ("TEST-1", "TEST-2"):
            plan = erase.plan_person(g, reference, ground="objection")
            erase.confirm(g, plan, plan.code)
            office.clock.on(minutes=7)
        assert erase.write_tombstones(g) == 0, "the day is not over"
        assert tombstones(g) == {}
        assert fsck.check_all(g) == []
        office.clock.now += timedelta(days=1)
        assert erase.write_tombstones(g) == 5
        found = tombstones(g)
        assert list(found) == sorted([*first, *second])
        assert len(set(found.values())) == 1, "one ground, one role, one minute"
        assert erase.write_tombstones(g) == 0
        assert fsck.check_all(g) == []
        assert reading.open(g, CLI, "export", kept).values["outcome"] == "grant"


def test_a_days_only_set_waits_for_another(office: Any) -> None:
    with office.opened() as g:
        for _ in range(3):
            office.decide(g, "TEST-1")
        plan = erase.plan_person(g, "TEST-1", ground="objection")
        erase.confirm(g, plan, plan.code)
        office.clock.on(days=7)
        assert erase.write_tombstones(g) == 0
        office.clock.on(days=1)
        assert erase.write_tombstones(g) == 3
        for _ in range(2):
            office.decide(g, "TEST-1")
        plan = erase.plan_person(g, "TEST-1", ground="objection")
        erase.confirm(g, plan, plan.code)
        assert erase.write_tombstones(g, at_once=True) == 2


def test_a_set_is_told_by_its_ground_and_waits_for_another_of_the_same(office: Any) -> None:
    with office.opened() as g:

        def person(reference: str, ground: str, role: str = "administrator") -> list[str]:
            records = [office.decide(g, reference) for _ in range(2)]
            plan = erase.plan_person(g, reference, ground=ground)
            erase.confirm(g, plan, plan.code, role=role)
            office.clock.on(minutes=7)
            return sorted(records)

        first = person("TEST-1", "objection")
        person("TEST-2", "consent_withdrawn")
        person("TEST-3", "objection", "privacy_officer")
        office.clock.on(days=1)
        assert erase.write_tombstones(g) == 0, "each would stand out among the others"
        second = person("TEST-4", "objection")
        office.clock.on(days=1)
        assert erase.write_tombstones(g) == 4
        assert list(tombstones(g)) == sorted([*first, *second])
        office.clock.on(days=7)
        assert erase.write_tombstones(g) == 4
        assert fsck.check_all(g) == []


def test_what_is_about_a_record_is_no_record_to_erase(office: Any) -> None:
    with office.opened() as g:
        record = office.decide(g, "TEST-1")
        reading.open(g, CLI, "export", record)
        for one in (
            holds.place(g, record, ground="archive"),
            holds.lift(g, record, ground="archive"),
            corrections.correct(g, record, {"income": "another"}, "invented reasons"),
            reviews.record_review(g, record, reviews.Review("release", "as suggested", "invented reasons")),
        ):
            with pytest.raises(NotFound, match="together with that"):
                erase.plan_record(g, one, ground="objection")
        with pytest.raises(UnknownRecord):
            erase.plan_record(g, "0f9c4a56-8a3b-4f8e-9d57-0d2f3b0f6a11", ground="objection")
        with g.reading() as conn:
            first = parse_entry(log_store.read_entries(conn, 1, 0, 1)[0])
        with pytest.raises(NotFound):
            erase.plan_record(g, first.id, ground="objection")
        assert g.ledger.read() == ()


def test_only_records_can_be_erased_or_held(office: Any) -> None:
    """Figures outlive what they count, and a look-up that found nobody stays noted: both sealed, neither a record."""
    with office.opened() as g:
        office.decide(g, "TEST-1")
        erase.plan_person(g, LINE, ground="objection")  # an access to no record
        office.clock.on(days=1)
        assert tallies.tally_pending(g) == 1
        with g.reading() as conn:
            others = [one.id for _, one in log_store.entries_of_kinds(conn, 1, {"tally/1", "access/1"})]
        assert len(others) == 2
        for one in others:
            with pytest.raises(NotFound, match="is no record"):
                erase.plan_record(g, one, ground="objection")
            with pytest.raises(NotFound, match="is no record"):
                erase.erase(g, one, ground="objection")
            with pytest.raises(NotFound):
                holds.place(g, one, ground="inquiry")
        assert g.ledger.read() == ()
        assert fsck.check_all(g) == []


def test_a_hold_is_placed_once_and_lifted_once(office: Any) -> None:
    with office.opened() as g:
        record = office.decide(g, "TEST-1")
        with pytest.raises(Refused, match="does not hold it"):
            holds.lift(g, record, ground="inquiry")
        holds.place(g, record, ground="inquiry")
        holds.place(g, record, ground="archive")
        assert holds.in_force(g, record) == ("inquiry", "archive")
        with pytest.raises(Refused, match="holds it already"):
            holds.place(g, record, ground="inquiry")
        for wrong in (
            {"ground": "because"},
            {"ground": "inquiry", "role": "clerk"},
            {"ground": "x", "note": "n" * 5000},
        ):
            with pytest.raises(UsageError):
                holds.place(g, record, **wrong)
        assert fsck.check_all(g) == []


def test_a_correction_stands_beside_the_record(office: Any) -> None:
    with office.opened() as g:
        record = office.decide(g, "TEST-1")
        corrections.correct(g, record, {"income": LINE}, "invented reasons", role="officer")
        corrections.correct(g, record, {"outcome": "bad", "income": 12}, "more invented reasons")
        opened = reading.open(g, CLI, "correction", record)
        assert opened.values["in_income"] == "invented income"
        found = corrections.of(g, opened)
        assert [dict(one.values) for one in found] == [{"in_income": LINE}, {"outcome": "bad", "in_income": 12}]
        assert [one.reasons for one in found] == ["invented reasons", "more invented reasons"]
        assert [one["values"] for one in reviews.show(g, CLI, record)["corrections"]] == [
            dict(one.values) for one in found
        ]
        written = letters.letter(g, CLI, record)
        used = {item.label["en"]: (item.right, item.corrected) for item in written.data if item.corrected is not None}
        assert list(used.values()) == [(12, office.clock.now.date())]
        page = report.render(g, written, "nl", "html").decode()
        assert "Dat klopte niet. Wij hebben het op 31 augustus 2026 verbeterd; juist is:</em> 12" in page
        for wrong in ({LINE: 1}, {"usage": 1}, {"subjects": []}, {"income": 1, "in_income": 2}):
            with pytest.raises(UsageError) as error:
                corrections.correct(g, record, wrong, "invented reasons")
            assert LINE not in str(error.value)
        for bad in (None, [], {}, {"values": {}, "reasons": "x"}, {"values": {"income": 1}, "reasons": " "}):
            with pytest.raises(UsageError):
                corrections.parse(bad)
        erase.erase(g, record, ground="objection")
        with pytest.raises(Erased):
            corrections.correct(g, record, {"income": 1}, "invented reasons")
        assert fsck.check_all(g) == []


# --- proof ------------------------------------------------------------------------------------------------------------


def test_what_was_erased_is_proven_gone_also_after_a_restart(office: Any) -> None:
    with office.opened() as g:
        record, other = office.decide(g, "TEST-1"), office.decide(g, "TEST-1")
        reviews.record_review(g, record, reviews.Review("release", "as suggested", "invented reasons"))
        before = erasure_proof.verify(g, record)
        assert not before.gone
        assert {"tombstone", "auditlog_sealed", "auditlog_subject", "auditlog_review"} <= before.left.keys()
        erase.erase(g, record, ground="objection")
        found = erasure_proof.verify(g, record)
        assert found.left == {}
        assert (found.ground, found.tombstone is not None) == ("objection", True)
        assert not erasure_proof.verify(g, other).gone
    with office.opened() as g:
        again = erasure_proof.verify(g, record)
        assert again.gone
        assert "replicas of the key store" in again.beyond


def test_what_is_left_is_named(small_office: Any) -> None:
    with small_office.opened() as g:
        record = small_office.decide(g, "TEST-1")
        with g.reading() as conn:
            rows = conn.exec_driver_sql("SELECT tag, id FROM auditlog_subject").all()
        export = small_office.home / "exports"
        export.mkdir()
        (export / f"{record}.json").write_text(json.dumps({"id": record}))
        erase.erase(g, record, ground="objection")
        found = erasure_proof.verify(g, record)
        assert list(found.left) == ["file 1 that names the record"]
        assert record not in str(found.left)
        (export / f"{record}.json").unlink()
        with log_store.writing(g.engine) as conn:
            conn.exec_driver_sql("INSERT INTO auditlog_subject (tag, id) VALUES (?, ?)", tuple(rows[0]))
        assert list(erasure_proof.verify(g, record).left) == ["auditlog_subject"]
        with log_store.writing(g.engine) as conn:
            conn.exec_driver_sql("DELETE FROM auditlog_subject")
        assert erasure_proof.verify(g, record).gone
        g.ledger.path.write_bytes(g.ledger.path.read_bytes().replace(b" keys ", b" keys 0,"))
        assert not erasure_proof.verify(g, record).gone


@pytest.mark.parametrize("role", ["auditor", "operator"])
def test_an_export_in_parquet_names_its_records_too(small_office: Any, role: str) -> None:
    """Its texts are compressed: the id is not among its bytes. An operator's file has the place alone."""
    with small_office.opened() as g:
        # Neither the first nor the last in the order of ids: those stand in clear in the statistics of the file.
        kept, *_, record = sorted(small_office.decide(g, "TEST-1") for _ in range(64))[:-1]
        path = small_office.home / "decisions.parquet"
        with path.open("wb") as file:
            files.write_parquet(query.export(g, reading.Reader(role, None), DecisionFilter()), file)
        assert record.encode() not in path.read_bytes()
        erase.erase(g, record, ground="objection")
        assert list(erasure_proof.verify(g, record).left) == ["file 1 that names the record"]
        with path.open("wb") as file:
            files.write_parquet(query.export(g, reading.Reader(role, None), DecisionFilter()), file)
        assert erasure_proof.verify(g, record).gone
        assert "file 1 that names the record" in erasure_proof.verify(g, kept).left
        path.write_bytes(path.read_bytes()[:-9])
        assert list(erasure_proof.verify(g, record).left) == ["file 1 that names the record"], "nobody can say"


def test_pages_that_were_freed_without_being_zeroed_are_named(small_office: Any) -> None:
    """As a program without `secure_delete` would leave them."""
    import sqlite3

    with small_office.opened() as g:
        record = small_office.decide(g, "TEST-1")
        erase.erase(g, record, ground="objection")
    with sqlite3.connect(small_office.home / "greffier.db") as conn:
        conn.execute("PRAGMA secure_delete=OFF")
        conn.execute("CREATE TABLE left_over (content TEXT)")
        conn.execute("INSERT INTO left_over VALUES (?)", (LINE * 2000,))
        conn.commit()
        conn.execute("DROP TABLE left_over")
        conn.commit()
    conn.close()
    with small_office.opened() as g:
        assert "free pages" in erasure_proof.verify(g, record).left


# --- the command line -------------------------------------------------------------------------------------------------


def test_the_commands(small_office: Any, told: Any, tmp_path: Path) -> None:
    with small_office.opened() as g:
        mine = [small_office.decide(g, LINE) for _ in range(2)]
        record = small_office.decide(g, "TEST-1")
    home = ("--home", small_office.home)
    code, preview, _ = told("erase", record, "--ground", "objection", *home)
    assert code == 0
    assert preview["would_erase"] == [record]
    code, out, err = told("erase", record, "--ground", "objection", "--confirm", "0" * 16, *home)
    assert (code, out) == (2, "")
    assert "take it from a new preview" in err
    code, done, _ = told("erase", record, "--ground", "objection", "--confirm", preview["confirm"], *home)
    assert (code, done["erased"]) == (0, 1)
    code, out, err = told("erase", record, "--ground", "objection", *home)
    assert (code, out) == (3, "")
    assert told("erase", "--verify", record, *home)[0] == 0
    assert told("erase", "--verify", mine[0], *home)[0] == 1
    person = tmp_path / "person"
    person.write_text(f"{LINE}\n")
    code, preview, _ = told("erase", "--subject-file", person, "--ground", "consent_withdrawn", *home)
    assert sorted(preview["would_erase"]) == sorted(mine)
    code, done, err = told(
        "erase", "--subject-file", person, "--ground", "consent_withdrawn", "--confirm", preview["confirm"], *home
    )
    assert (code, done) == (0, {"erased": 2, "tombstone": None, "kept": []})
    assert told("erase", "--verify", mine[0], *home)[1]["tombstone"] is None
    assert told("tombstones", *home)[1] == {"tombstones": 0}
    assert told("tombstones", "--now", *home)[1] == {"tombstones": 2}
    assert told("log", "fsck", *home)[0] == 0


def test_a_code_that_is_guessed_is_a_look_up_all_the_same(small_office: Any, told: Any, tmp_path: Path) -> None:
    """That of an erasure of nothing can be computed by anybody: it would tell whether a person has records."""
    person, home = tmp_path / "person", ("--home", small_office.home)
    person.write_text("TEST-1\n")
    order = ("erase", "--subject-file", person, "--ground", "objection", "--confirm")
    with small_office.opened() as g:
        empty = erase.plan_set(g, [], ground="objection").code
        size = g.log.state().size
    assert told(*order, empty, *home)[1]["erased"] == 0
    with small_office.opened() as g:
        assert [entry.kind for entry in since(g, size)] == ["access/1"]
        small_office.decide(g, "TEST-1")
        size = g.log.state().size
    assert told(*order, empty, *home)[0] == 2
    with small_office.opened() as g:
        assert [entry.kind for entry in since(g, size)] == ["access/1"]


def test_bad_input_on_the_command_line(small_office: Any, told: Any, tmp_path: Path) -> None:
    with small_office.opened() as g:
        record = small_office.decide(g, LINE)
        size = g.log.state().size
    home = ("--home", small_office.home)
    empty, binary, missing = tmp_path / "empty", tmp_path / "binary", tmp_path / "missing"
    empty.write_text("\n")
    binary.write_bytes(b"\xff\xfe")
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps({"values": {LINE: 1}, "reasons": "invented"}))
    for code, arguments in (
        (2, ("erase", "--ground", "objection")),
        (2, ("erase", record, "--subject-file", empty, "--ground", "objection")),
        (2, ("erase", record)),
        (2, ("erase", record, "--ground", "because")),
        (2, ("erase", record, "--ground", "objection", "--as", "clerk")),
        (2, ("erase", record, "--ground", "objection", "--joint", "perhaps")),
        (2, ("erase", "--verify")),
        (2, ("erase", LINE, "--ground", "objection")),
        *((2, ("erase", "--subject-file", file, "--ground", "objection")) for file in (empty, binary, missing)),
        (2, ("hold", record, "--ground", "because")),
        (2, ("hold", LINE, "--ground", "inquiry")),
        (3, ("hold", record, "--ground", "inquiry", "--lift")),
        (2, ("correct", record, "--from", wrong)),
        (2, ("correct", record, "--from", binary)),
        (2, ("expire", "--until", "31-12-2026")),
        (2, ("expire", "--until", "2999-01-01")),
    ):
        given, out, err = told(*arguments, *home)
        assert (given, out) == (code, ""), (arguments, err)
        assert LINE not in err
        assert err.count("\n") == 1
    with small_office.opened() as g:
        assert g.ledger.read() == ()
        assert {entry.kind for entry in since(g, size)} <= {"access/1"}
        assert reading.open(g, CLI, "export", record).values["outcome"] == "grant"
    with small_office.opened() as g, g.reading() as conn:
        assert store.read_due(conn) == []
