"""Lists and exports: who may see what, the access that each leaves, and what is refused."""

from __future__ import annotations

import csv
import io

import pyarrow.parquet as pq
import pytest

from auditlog.core.errors import CannotRecord
from auditlog.store.cursor import DecisionFilter, format_cursor
from auditlog.vault import erasure
from home.errors import UsageError
from service.erasing import erase, holds
from service.records import files, query, questions
from service.records.reading import CLI, Reader

AUDITOR, OPERATOR = Reader("auditor", "grf_aa"), Reader("operator", "grf_bb")
CONTENT = {"id", "outcome", "review", "reviewed", "waited"}


def test_a_page_leaves_its_access_and_names_its_log(house):
    ids = house.decide(20)
    house.review(ids[3], "override")
    before = len(house.accesses())
    page = query.decisions(house.g, AUDITOR, DecisionFilter(system="credit"), limit=5)
    assert [row["idx"] for row in page.rows] == sorted((row["idx"] for row in page.rows), reverse=True)
    assert {row["system"] for row in page.rows} == {"credit"}
    noted = house.accesses()[before:]
    assert sorted(id_ for _, values in noted for id_ in values["ids"]["ids"]) == sorted(row["id"] for row in page.rows)
    assert {(entry.members["purpose"], entry.members["role"]) for entry, _ in noted} == {("query", "auditor")}
    assert all(values["scope"] == {"system": "credit"} and values["account"] == "grf_aa" for _, values in noted)
    assert page.log.size >= 21 and page.log.origin == "waterveen.example/log/1"
    more = query.decisions(house.g, AUDITOR, DecisionFilter(system="credit"), page.next, 200)
    assert len(page.rows) + len(more.rows) == 14
    assert [row["id"] for row in (*page.rows, *more.rows) if row["review"] == "override"] == [ids[3]]


def test_a_technical_reader_sees_nothing_of_content_and_leaves_no_access(house):
    house.review(house.decide(3)[0], "confirm")
    before = house.g.log.state().size
    page = query.decisions(house.g, OPERATOR, DecisionFilter())
    assert len(page.rows) == 3
    assert not CONTENT & page.rows[0].keys()
    assert {"total_us", "prompt_tokens", "source", "n"} <= page.rows[0].keys()
    export = query.export(house.g, OPERATOR, DecisionFilter())
    assert not CONTENT & set(export.columns)
    assert sum(map(len, export.batches)) == 3
    for where in (DecisionFilter(outcome="grant"), DecisionFilter(review="none"), DecisionFilter(review="any")):
        for ask in (query.decisions, query.export):
            with pytest.raises(UsageError, match="is not for the role operator"):
                ask(house.g, OPERATOR, where)
    with pytest.raises(UsageError, match="is not for the role operator"):
        questions.ask(house.g, OPERATOR, "outcomes", {})
    assert questions.ask(house.g, OPERATOR, "volume", {}).rows
    assert house.g.log.state().size == before


FILTERS = (
    ({"source": "case-system"}, range(1, 13)),
    ({"source": "another"}, ()),
    ({"capture": "runtime"}, ()),
    ({"mode": "live", "version": 1}, range(1, 13)),
    ({"min_total_us": 4000, "max_total_us": 6000}, (4, 5, 6)),
    ({"min_tokens": 63}, ()),
    ({"min_tokens": 62, "max_tokens": 62}, range(1, 13)),
    ({"currency": "EUR", "max_cost": 5}, range(1, 13)),
    ({"currency": "SEK"}, ()),
    ({"review": "none"}, (1, 3, 5, 6, 7, 8, 9, 10, 11, 12)),
    ({"review": "any"}, (2, 4)),
    ({"review": "override"}, (4,)),
    ({"outcome": "refuse"}, ()),
    ({"since": "2026-03-02T08:03Z", "until": "2026-03-02T08:05Z"}, (3, 4)),
    ({"boot": "00000000-0000-4000-8000-000000000000"}, ()),
)


def test_filters(house):
    ids = house.decide(12)
    house.review(ids[1], "confirm")
    house.review(ids[3], "override")
    for members, expected in FILTERS:
        page = query.decisions(house.g, CLI, DecisionFilter(**members))
        assert sorted(row["n"] for row in page.rows) == list(expected), members


def test_entries_of_another_kind(house):
    house.review(house.decide(2)[0], "confirm")
    page = query.decisions(house.g, OPERATOR, DecisionFilter(kind="genesis/1"))
    assert [(row["idx"], row["kind"]) for row in page.rows] == [(0, "genesis/1")]
    reviews = query.decisions(house.g, AUDITOR, DecisionFilter(kind="review/1"))
    assert [row["kind"] for row in reviews.rows] == ["review/1"]
    assert not query.decisions(house.g, AUDITOR, DecisionFilter(kind="refused/1", reason="suspended")).rows


def test_a_query_without_scope_is_refused_in_a_large_log(house):
    house.decide(query.UNSCOPED)
    assert len(query.decisions(house.g, OPERATOR, DecisionFilter(), limit=10).rows) == 10
    house.decide(1)
    for ask in (query.decisions, query.export):
        with pytest.raises(UsageError, match=r"--system.*--since.*--all"):
            ask(house.g, OPERATOR, DecisionFilter(min_total_us=5))
    page = query.decisions(house.g, OPERATOR, DecisionFilter(min_total_us=5), everything=True, limit=1000)
    assert len(page.rows) == 1000 and page.next
    assert query.decisions(house.g, OPERATOR, DecisionFilter(system="permits")).rows
    assert query.decisions(house.g, OPERATOR, DecisionFilter(since="2026-03-02T09:00Z")).rows


def test_a_cursor_of_another_query_is_refused(house):
    house.decide(5)
    cursor = query.decisions(house.g, OPERATOR, DecisionFilter(system="credit"), limit=1).next
    with pytest.raises(UsageError, match="another query"):
        query.decisions(house.g, OPERATOR, DecisionFilter(system="permits"), cursor)


def test_an_export_is_the_list_and_leaves_its_access(house):
    ids = house.decide(30, outcome="=cmd|'/c calc'!A1")
    house.review(ids[0], "override")
    before, clear = len(house.accesses()), io.BytesIO()
    count = files.write_csv(query.export(house.g, AUDITOR, DecisionFilter(system="credit")), clear)
    noted = house.accesses()[before:]
    assert count == 20 == sum(values["records"]["count"] for _, values in noted)
    assert {entry.members["purpose"] for entry, _ in noted} == {"export"}
    rows = list(csv.DictReader(io.StringIO(clear.getvalue().decode())))
    assert [row["id"] for row in rows] == [id_ for n, id_ in enumerate(ids, 1) if n % 3]
    assert {row["outcome"] for row in rows} == {"'=cmd|'/c calc'!A1"}, "no spreadsheet takes it for a formula"
    stored = io.BytesIO()
    export = query.export(house.g, AUDITOR, DecisionFilter(system="credit"))
    assert files.write_parquet(export, stored) == 20
    table = pq.read_table(stored)
    assert table.column_names == list(export.columns)
    assert table.column("outcome").to_pylist() == ["=cmd|'/c calc'!A1"] * 20
    assert table.column("total_us").to_pylist() == [int(row["total_us"]) for row in rows]
    assert table.schema.metadata[b"greffier.root"].decode() == export.log.root
    assert table.schema.metadata[b"greffier.size"].decode() == str(export.log.size)


def test_what_comes_between_is_not_exported(house):
    house.decide(3)
    export = query.export(house.g, AUDITOR, DecisionFilter())
    house.decide(4)
    assert sum(map(len, export.batches)) == 3, "their access was not noted"


def test_views(house):
    house.decide(9)
    where = DecisionFilter(system="permits", review="none", min_total_us=4000)
    questions.save_view(house.g, "slow-permits", DecisionFilter(system="credit"))
    questions.save_view(house.g, "slow-permits", where)
    questions.save_view(house.g, "all", DecisionFilter())
    assert questions.view(house.g, "slow-permits") == where
    assert [one.name for one in questions.views(house.g)] == ["all", "slow-permits"]
    found = query.decisions(house.g, CLI, questions.view(house.g, "slow-permits"))
    assert sorted(row["n"] for row in found.rows) == [6, 9]
    questions.delete_view(house.g, "all")
    for act in (questions.view, questions.delete_view):
        with pytest.raises(UsageError, match="no view has this name"):
            act(house.g, "all")
    with pytest.raises(UsageError, match=r"^name: "):
        questions.save_view(house.g, "Piet Jansen", where)


def test_questions_of_the_installation_and_of_its_files(house, tmp_path):
    ids = house.decide(40)
    house.review(ids[5], "override")
    exported = tmp_path / "decisions.parquet"
    with exported.open("wb") as file:
        files.write_parquet(query.export(house.g, AUDITOR, DecisionFilter()), file)
    for name in ("volume", "outcomes", "unreviewed", "overrides", "slowest", "usage"):
        here, there = questions.ask(house.g, AUDITOR, name, {}), questions.ask_files(name, {}, exported, None)
        assert here.rows == there.rows != []
        assert here.log.origin == there.log.origin == "waterveen.example/log/1"
    with pytest.raises(UsageError, match="no question has this name"):
        questions.ask(house.g, AUDITOR, "who", {})
    with pytest.raises(UsageError, match=r"^since: "):
        questions.ask(house.g, AUDITOR, "volume", {"since": "yesterday"})


def test_of_a_record_whose_use_is_restricted_only_the_log_is_shown(house):
    ids = house.decide(4)
    house.review(ids[2], "override")
    holds.place(house.g, ids[2], ground="restriction")
    for reader in (AUDITOR, OPERATOR):
        row = query.decisions(house.g, reader, DecisionFilter(source="case-system")).rows[1]
        assert (row["n"], row["content"], row["total_us"], row["prompt_tokens"]) == (3, "restricted", None, None)
        export = query.export(house.g, reader, DecisionFilter())
        rows = [dict(zip(export.columns, row, strict=True)) for batch in export.batches for row in batch]
        assert [row["content"] for row in rows] == ["held", "held", "restricted", "held"]
        assert [row["total_us"] for row in rows] == [1000, 2000, None, 4000]
        assert not any(row.get("review") or row.get("reviewed") for row in rows)
        found = query.decisions(house.g, reader, DecisionFilter(min_total_us=3000)).rows
        assert [row["n"] for row in found] == [4], "to be found by its content would tell"
    assert not query.decisions(house.g, AUDITOR, DecisionFilter(review="override")).rows
    export = query.export(house.g, AUDITOR, DecisionFilter(review="any"))
    assert not any(export.batches)
    assert not [1 for _, values in house.accesses() if ids[2] in values["ids"]["ids"]]
    holds.lift(house.g, ids[2], ground="restriction")
    assert len(query.decisions(house.g, AUDITOR, DecisionFilter(review="override")).rows) == 1


def test_no_page_and_no_cursor_tell_which_restricted_record_a_filter_of_content_found(house):
    """A page that is short, or a cursor that points at what is not shown, would say what is in it."""
    ids = house.decide(9)
    for id_ in (ids[8], ids[5], ids[4], ids[1], ids[0]):
        holds.place(house.g, id_, ground="restriction")
    where = DecisionFilter(outcome="grant")
    for reader, chosen in ((AUDITOR, where), (OPERATOR, DecisionFilter(min_tokens=1))):
        for limit in (1, 2, 3, 4):
            pages, cursor = [], None
            while not pages or cursor is not None:
                page = query.decisions(house.g, reader, chosen, cursor, limit)
                pages.append([row["n"] for row in page.rows])
                if page.next is not None:
                    assert len(page.rows) == limit
                    last = page.rows[-1]
                    assert page.next == format_cursor([last["minute"], last["log"], last["idx"]], chosen)
                cursor = page.next
            assert [n for page in pages for n in page] == [8, 7, 4, 3]
            assert all(pages)
    holds.place(house.g, ids[7], ground="restriction")
    holds.place(house.g, ids[6], ground="restriction")
    noted = len(house.accesses())
    page = query.decisions(house.g, AUDITOR, where, limit=2)
    assert ([row["n"] for row in page.rows], page.next) == ([4, 3], None)
    (first, second) = house.accesses()[noted:]
    assert sorted(first[1]["ids"]["ids"] + second[1]["ids"]["ids"]) == sorted([ids[2], ids[3]])


def test_a_list_is_for_nobody_in_the_role_of_the_person(house):
    """Whose readings are counted once a day: a list in that role would leave no access the second time."""
    house.decide(3)
    person, before = Reader("person", None), len(house.accesses())
    for ask in (query.decisions, query.export):
        with pytest.raises(UsageError, match="find my decisions"):
            ask(house.g, person, DecisionFilter())
    assert len(house.accesses()) == before


def test_what_was_ordered_to_be_erased_is_not_listed_while_the_database_fails(house, monkeypatch):
    ids = house.decide(5)

    def full(*_, **_members):
        raise CannotRecord("is full (invented)", cause="disk_full", field="database")

    with monkeypatch.context() as patch:
        patch.setattr(erasure, "insert_erasure", full)
        with pytest.raises(CannotRecord):
            erase.erase(house.g, ids[3], ground="objection")
    for chosen in (DecisionFilter(), DecisionFilter(outcome="grant")):
        for reader in (AUDITOR, OPERATOR) if chosen.outcome is None else (AUDITOR,):
            first = query.decisions(house.g, reader, chosen, limit=2)
            second = query.decisions(house.g, reader, chosen, first.next, 9)
            assert [row["n"] for row in (*first.rows, *second.rows)] == [5, 3, 2, 1]
            export = query.export(house.g, reader, chosen)
            place = export.columns.index("n")
            assert [row[place] for batch in export.batches for row in batch] == [1, 2, 3, 5]
    assert not [1 for _, values in house.accesses() if ids[3] in values["ids"]["ids"]]


def test_what_was_erased_is_found_no_more_and_still_counted(house):
    ids = house.decide(6)
    house.review(ids[1], "override")
    cursor = query.decisions(house.g, AUDITOR, DecisionFilter(), limit=2).next
    for id_ in ids[1:4]:
        erase.erase(house.g, id_, ground="consent_withdrawn")
    assert [row["n"] for row in query.decisions(house.g, AUDITOR, DecisionFilter(), cursor).rows] == [1]
    assert not query.decisions(house.g, AUDITOR, DecisionFilter(review="any")).rows
    assert sum(row["decisions"] for row in questions.ask(house.g, AUDITOR, "volume", {}).rows) == 6
