"""The case system's list against the log, on both databases: what agrees, each way to differ, what is told of it."""

from __future__ import annotations

import io
import json

import pytest

from auditlog.store.log import entries_of_kinds
from auditlog.store.samples import list_reconciliations
from home.errors import UsageError
from registry.errors import RegistryError
from service.cases import reviews
from service.erasing import erase, holds
from service.external import reconcile
from service.external.case_list import parse_cases
from service.records.accesses import CLI, Reader

pytestmark = pytest.mark.enable_socket
LOAN = "social-loan-check"
REPLY = "tax-question-reply"
AT = "2026-11-24T08:00:30Z"
LATER = "2026-11-24T09:30:00Z"


def compare(g, *rows, tell=None, **asked):
    text = "case,decided,id,subject,used\n" + "".join(",".join(row) + "\n" for row in rows)
    return reconcile.reconcile(g, CLI, parse_cases(io.StringIO(text)), tell=tell, **asked)


def found(counts):
    return (counts.without_record, counts.without_case, counts.used_before_review)


def test_a_list_that_agrees_and_each_way_to_differ(town):
    with town.opened() as g:
        a, b, c = town.decide(g, 3, system=REPLY, outcome="pay")
        (by_case,) = town.decide(g, 1, system=REPLY, outcome="pay", case="Z 2026/17")
        (by_person,) = town.decide(g, 1, system=REPLY, outcome="pay", subjects=("TEST-77",))
        town.decide(g, 1, system=REPLY, mode="test")
        rows = [
            ("Z-1", AT, a, "", LATER),
            ("Z-2", AT, b, "", ""),
            ("Z-3", "2026-11-24", c, "", ""),
            ("z2026-17", AT, "", "", ""),
            ("Z-5", AT, "", "test 77", ""),
        ]
        same = compare(g, *rows)
        assert (found(same), same.cases, same.records, same.agrees) == ((0, 0, 0), 5, 5, True)
        assert (same.first_day, same.last_day, same.log.origin) == ("2026-11-24", "2026-11-24", g.log.origin)

        told = []
        nobody = ("Z-6", AT, "00000000-0000-4000-8000-000000000000", "", "")
        differs = compare(g, *rows[:2], nobody, *rows[3:4], ("Z-7", AT, "", "TEST-99", ""), tell=told.append)
        assert (found(differs), differs.agrees) == ((2, 2, 0), False)
        lines = [(one["found"], one.get("case") or one["id"]) for one in told]
        assert sorted(lines) == sorted(
            [
                ("case_without_record", "Z-6"),
                ("case_without_record", "Z-7"),
                ("record_without_case", c),
                ("record_without_case", by_person),
            ]
        )
        assert by_case not in json.dumps(told)


def test_one_person_s_records_go_to_the_nearest_cases(town):
    with town.opened() as g:
        town.decide(g, 1, subjects=("TEST-5",))
        town.clock.on(60)
        town.decide(g, 1, subjects=("TEST-5",))
        town.clock.on(3 * 24 * 60)
        town.decide(g, 1, subjects=("TEST-5",))
        near = ("Z-1", "2026-11-24T09:01:00Z", "", "TEST-5", "")
        other = ("Z-2", "2026-11-24T08:10:00Z", "", "TEST-5", "")
        far = ("Z-3", "2026-11-25T23:00:00Z", "", "TEST-5", "")
        assert found(compare(g, near, other)) == (0, 1, 0)
        assert found(compare(g, near, other, near)) == (1, 1, 0)
        assert found(compare(g, far)) == (1, 3, 0)


def test_results_that_were_used_before_a_person_looked(town):
    with town.opened() as g:
        never, late, early, referred, same, free = (*town.decide(g, 5), *town.decide(g, 1, system=REPLY, outcome="pay"))
        confirm = reviews.Review("confirm", "as suggested", "invented reasons")
        reviews.record_review(g, early, confirm)
        reviews.record_review(g, referred, reviews.Review("refer", "asked a colleague", "invented reasons"))
        town.clock.on(60)
        reviews.record_review(g, late, confirm)
        reviews.record_review(g, same, confirm)
        at = town.clock().strftime("%Y-%m-%dT%H:%M:30Z")
        told = []
        rows = [(f"Z-{n}", AT, id_, "", "2026-11-24T08:30:00Z") for n, id_ in enumerate((never, late, early, referred))]
        rows += [("Z-same", AT, same, "", at), ("Z-free", AT, free, "", AT), ("Z-day", AT, late, "", "2026-11-24")]
        before = g.log.state().size
        counts = compare(g, *rows, tell=told.append)
        assert (found(counts), counts.claimed_twice) == ((0, 0, 3), 1)
        assert sorted((one["found"], one["case"], one["id"]) for one in told) == sorted(
            ("used_before_review", case, id_) for case, id_ in (("Z-0", never), ("Z-1", late), ("Z-3", referred))
        )
        with g.reading() as conn:
            noted = [one for index, one in entries_of_kinds(conn, 1, {"access/1"}) if index >= before]
        assert [one.members["purpose"] for one in noted] == ["query"] * 3
        size = g.log.state().size
        assert found(compare(g, *rows)) == (0, 0, 3)
        assert g.log.state().size == size  # counts alone show nobody's content
        holds.place(g, never, ground="restriction")
        told.clear()
        assert found(compare(g, *rows, tell=told.append)) == (0, 0, 3)
        assert never not in json.dumps(told)


@pytest.mark.parametrize("role", ["operator", "client", "program", "person"])
def test_a_comparison_is_for_those_who_see_content(small_town, role):
    """A list of one case asks whether a person has a record, and whether its result had to wait."""
    with small_town.opened() as g:
        size = g.log.state().size
        with pytest.raises(UsageError, match=f"not for the role {role}"):
            reconcile.reconcile(g, Reader(role, None), parse_cases(io.StringIO("case,decided\n")))
        assert g.log.state().size == size


def test_an_erased_record_is_still_a_record(town):
    with town.opened() as g:
        (gone,) = town.decide(g, 1)
        erase.erase(g, gone, ground="objection")
        counts = compare(g, ("Z-1", AT, gone, "", LATER))
        assert (found(counts), counts.records, counts.not_known) == ((0, 0, 0), 1, 1)


def test_system_and_period(town):
    with town.opened() as g:
        (loan,) = town.decide(g, 1)
        (reply,) = town.decide(g, 1, system=REPLY, outcome="pay")
        town.clock.on(24 * 60)
        (next_day,) = town.decide(g, 1)
        rows = [
            ("Z-1", AT, loan, "", ""),
            ("Z-2", AT, reply, "", ""),
            ("Z-3", "2026-11-24T23:59:59Z", next_day, "", ""),
        ]
        assert found(compare(g, *rows)) == (0, 0, 0)
        of_loan = compare(g, *rows, system=LOAN)
        assert (found(of_loan), of_loan.cases, of_loan.records) == ((1, 0, 0), 3, 2)
        first = compare(g, *rows, since="2026-11-24T00:00Z", until="2026-11-25T00:00Z")
        assert (found(first), first.cases, first.records) == ((0, 0, 0), 3, 2)
        assert (first.first_day, first.last_day) == ("2026-11-24", "2026-11-24")
        # A case of the day before explains a record of the day after, and is not counted for it.
        second = compare(g, *rows, since="2026-11-25T00:00Z", until="2026-11-26T00:00Z")
        assert (found(second), second.cases, second.outside, second.records) == ((0, 0, 0), 0, 3, 1)
        with pytest.raises(RegistryError):
            compare(g, *rows, system="nobody")


def test_counts_are_kept_for_the_report(town):
    with town.opened() as g:
        town.decide(g, 2)
        counts = compare(g, system=LOAN, since="2026-11-01T00:00Z", until="2026-12-01T00:00Z")
        kept = reconcile.keep(g, counts, LOAN)
        with g.reading() as conn:
            (row,) = list_reconciliations(conn, first_day="2026-11-01", last_day="2026-11-30")
            assert list_reconciliations(conn, first_day="2026-11-02") == []
        assert (row.id, row.system, row.first_day, row.last_day) == (kept, LOAN, "2026-11-01", "2026-11-30")
        assert (row.cases, row.records, row.without_case) == (0, 2, 2)


def test_a_bad_line_is_named_without_its_value(town):
    with town.opened() as g:
        for row, message in (
            (("---", AT, "", "", ""), "--from: line 2: case: holds no letter and no digit"),
            (("Z-1", AT, "", "...", ""), "--from: line 2: subject: holds no letter"),
            (("Z-1", AT, "Piet", "", ""), "--from: line 2, id: is no id"),
        ):
            with pytest.raises(UsageError) as told:
                compare(g, row)
            assert message in str(told.value)
            assert "Piet" not in str(told.value)


def test_the_command_line(small_town, told, tmp_path):
    town = small_town
    with town.opened() as g:
        (record,) = town.decide(g, 1, system=REPLY, outcome="pay")
    source, output = tmp_path / "cases.csv", tmp_path / "out.jsonl"
    command = ["reconcile", "--home", town.home, "--from", source]
    code, _, said = told(*command)
    assert (code, "--from: cannot be read" in said) == (2, True)
    source.write_text(f"case,decided,id\nZ-1,{AT},{record}\n")
    code, counts, said = told(*command, "--keep")
    assert (code, counts["cases"], counts["without_record"]) == (0, 1, 0)
    assert said.endswith("list and log agree\n")
    assert counts["kept"]
    source.write_text("case,decided\nInvented-77,2026-11-24T08:00:00\n")
    code, _, said = told(*command)
    assert (code, "has no time zone" in said) == (2, True)
    code, counts, said = told(*command, "--zone", "Europe/Amsterdam", "-o", output)
    assert (code, counts["without_record"], counts["without_case"]) == (1, 1, 1)
    assert "Invented" not in said + json.dumps(counts)
    assert output.stat().st_mode & 0o777 == 0o600
    assert [json.loads(line)["found"] for line in output.read_text().splitlines()] == [
        "case_without_record",
        "record_without_case",
    ]
    for more, message in (
        (["--zone", "Mars"], "--zone: is no time zone"),
        (["--since", "soon"], "--since: must be a minute"),
        (["-o", tmp_path / "none" / "x", "--zone", "UTC"], "-o: cannot be written"),
        (["--as", "nobody"], "--as: must be one of"),
    ):
        code, _, said = told(*command, *more)
        assert (code, message in said) == (2, True), said
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["cases.csv", "out.jsonl"]
