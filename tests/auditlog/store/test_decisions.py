"""Query rows: computed from entry and values, filtered, and read page by page."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from auditlog.core.entries.record import make_entry
from auditlog.core.errors import FormatError, NotFound
from auditlog.store.cursor import DecisionFilter, format_cursor, format_filter, parse_cursor, parse_filter
from auditlog.store.decisions import (
    decision_table,
    delete_decision,
    find_decision,
    find_reviews,
    insert_decision,
    insert_review,
    iterate_reviews,
    review_row_from,
    reviewed_row,
    row_from,
    usage_from,
)
from auditlog.store.engine import reading, writing
from auditlog.store.listing import iterate_decisions, list_decisions

BEGIN = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
USAGE = {
    "prompt_tokens": 61,
    "output_tokens": 1,
    "queue_us": 180,
    "first_us": 96_000,
    "total_us": 96_450,
    "energy_uj": None,
    "energy_method": "not_measured",
    "cost_millionths": 5,
    "currency": "EUR",
    "tariff_valid_from": "2026-01-01",
}


def decision(n: int, *, system: str = "loan-check", mode: str = "live"):
    return make_entry(
        "decision/1",
        id=str(uuid.UUID(int=n, version=4)),
        agency="waterveen",
        time=BEGIN + timedelta(minutes=n),
        system=system,
        version=1 + n % 2,
        manifest="sha256:" + "0" * 64,
        capture="external",
        mode=mode,
        boot=None,
        source="cases",
        n=n,
        opened=None,
        commitments=dict.fromkeys(("output", "outcome", "subjects", "parent", "usage", "run", "times"), "a" * 64),
    )


def row(n: int, outcome: str | None = "grant", **options):
    return row_from(decision(n, **options), {"outcome": outcome, "usage": USAGE}, (1, n))


def review_row(n: int, of: int, action: str):
    common = {"agency": "waterveen", "time": BEGIN + timedelta(minutes=20 if n == 100 else 30)}
    names = ("reference", "action", "decision", "reasons", "text", "effect", "notified")
    entry = make_entry(
        "review/1", id=str(uuid.UUID(int=n, version=4)), **common, commitments=dict.fromkeys(names, "a" * 64)
    )
    return review_row_from(entry, {"reference": decision(of).id, "action": action}, (1, n))


@pytest.fixture
def filled(database):
    """Sixty decisions: every third a refusal, the last twenty of another system."""
    with writing(database.engine) as conn:
        for n in range(60):
            system = "loan-check" if n < 40 else "health-line"
            insert_decision(conn, row(n, "refuse" if n % 3 == 0 else "grant", system=system))
    return database


def numbers(rows) -> list[int]:
    return [row["idx"] for row in rows]


def test_a_row_follows_from_entry_and_values():
    entry = decision(7)
    found = row_from(entry, {"outcome": "refer", "usage": USAGE, "in_income": "no income"}, (1, 12))
    assert found == {
        "id": entry.id,
        "log": 1,
        "idx": 12,
        "system": "loan-check",
        "version": 2,
        "mode": "live",
        "minute": "2026-11-24T08:07Z",
        "outcome": "refer",
        **{name: one for name, one in USAGE.items() if name != "tariff_valid_from"},
        "capture": "external",
        "boot": None,
        "source": "cases",
        "n": 7,
        "content": "held",
        "review": None,
        "reviewed": None,
        "waited": None,
    }
    assert set(found) == {column.name for column in decision_table.columns}
    assert usage_from(found) == {name: one for name, one in USAGE.items() if name != "tariff_valid_from"}


def test_a_review_that_is_stored_late_does_not_hide_a_later_one(filled):
    with writing(filled.engine) as conn:
        insert_review(conn, review_row(101, 3, "override"))
        insert_review(conn, review_row(100, 3, "refer"))
        assert find_decision(conn, decision(3).id)["review"] == "override"


def test_a_decision_whose_content_the_client_kept():
    found = row_from(decision(7), {}, (1, 0))
    assert (found["content"], found["outcome"], found["total_us"]) == ("external", None, None)


def test_a_row_without_usage_has_none():
    found = row_from(decision(7), {"outcome": None, "usage": None}, (1, 0))
    assert found["total_us"] is None
    assert found["energy_method"] is None
    assert found["outcome"] is None


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"outcome": 3, "usage": USAGE}, "outcome"),
        ({"outcome": "grant", "usage": []}, "usage"),
        ({"outcome": "grant", "usage": {**USAGE, "note": 1}}, "usage"),
        ({"outcome": "grant", "usage": {**USAGE, "total_us": 1.5}}, "usage.total_us"),
        ({"outcome": "grant", "usage": {**USAGE, "total_us": -1}}, "usage.total_us"),
        ({"outcome": "grant", "usage": {**USAGE, "prompt_tokens": True}}, "usage.prompt_tokens"),
        ({"outcome": "grant", "usage": {**USAGE, "energy_method": "guessed"}}, "usage.energy_method"),
        ({"outcome": "grant", "usage": {**USAGE, "currency": 978}}, "usage.currency"),
    ],
)
def test_values_of_another_shape_are_named(values, field):
    with pytest.raises(FormatError) as error:
        row_from(decision(1), values, (1, 0))
    assert error.value.field == field


def test_review_values_of_another_shape_are_named():
    entry = decision(1)
    with pytest.raises(FormatError, match=r"^action: "):
        review_row_from(entry, {"reference": "x", "action": "applaud"}, (1, 0))
    with pytest.raises(FormatError, match=r"^reference: "):
        review_row_from(entry, {"reference": None, "action": "confirm"}, (1, 0))


def test_rows_come_back(filled):
    with reading(filled.engine) as conn:
        found = find_decision(conn, decision(4).id)
        assert found == row(4)
        assert find_decision(conn, str(uuid.uuid4())) is None
        assert numbers(iterate_decisions(conn)) == list(range(60))


FILTERS = (
    (DecisionFilter(), range(60)),
    (DecisionFilter(system="health-line"), range(40, 60)),
    (DecisionFilter(system="tax-reply"), []),
    (DecisionFilter(outcome="refuse"), range(0, 60, 3)),
    (DecisionFilter(version=2), range(1, 60, 2)),
    (DecisionFilter(mode="pilot"), []),
    (DecisionFilter(since="2026-11-24T08:10Z"), range(10, 60)),
    (DecisionFilter(until="2026-11-24T08:10Z"), range(10)),
    (
        DecisionFilter.between(
            BEGIN + timedelta(minutes=5, seconds=30), BEGIN + timedelta(minutes=9), outcome="refuse"
        ),
        [6],
    ),
)


def test_filters(filled):
    with reading(filled.engine) as conn:
        for where, expected in FILTERS:
            page = list_decisions(conn, where, limit=1000)
            assert numbers(page.rows) == sorted(expected, reverse=True)
            assert page.next is None
            assert numbers(iterate_decisions(conn, where)) == sorted(expected)


def test_pages_follow_one_another_while_rows_come_in(filled):
    where = DecisionFilter(outcome="refuse")
    found, cursor = [], None
    for turn in range(10):
        with writing(filled.engine) as conn:
            page = list_decisions(conn, where, cursor=cursor, limit=6)
            insert_decision(conn, row(60 + 3 * turn, "refuse"))
        found += numbers(page.rows)
        cursor = page.next
        if cursor is None:
            break
    assert found == list(range(57, -1, -3))


def test_a_cursor_of_another_query_is_refused(filled):
    with reading(filled.engine) as conn:
        cursor = list_decisions(conn, DecisionFilter(outcome="refuse"), limit=5).next
        for other in (
            DecisionFilter(),
            DecisionFilter(outcome="grant"),
            DecisionFilter(outcome="refuse", system="loan-check"),
        ):
            with pytest.raises(FormatError, match=r"^cursor: belongs to another query"):
                list_decisions(conn, other, cursor=cursor)
        assert list_decisions(conn, DecisionFilter(outcome="refuse"), cursor=cursor, limit=9).rows


@pytest.mark.parametrize("damage", ["", "!", "bnVsbA", "x" * 50, "..", "é"])
def test_a_damaged_cursor_is_refused(damage):
    with pytest.raises(FormatError, match=r"^cursor: "):
        parse_cursor(damage, DecisionFilter())


def test_a_cursor_lies_in_the_period_of_its_query():
    where = DecisionFilter(since="2026-11-24T08:10Z", until="2026-11-24T08:20Z")
    assert parse_cursor(format_cursor(("2026-11-24T08:10Z", 1, 17), where), where)[0] == "2026-11-24T08:10Z"
    for minute in ("2026-11-24T08:09Z", "2026-11-24T08:20Z", "z", ""):
        with pytest.raises(FormatError, match=r"^cursor: is damaged"):
            parse_cursor(format_cursor((minute, 1, 17), where), where)


SCOPES = (
    {"system": "loan-check"},
    {"since": "2026-11-24T08:00Z", "until": "2026-11-24T08:50Z"},
    {"system": "loan-check", "since": "2026-11-24T08:00Z", "until": "2026-11-24T08:50Z"},
)


@pytest.mark.parametrize("further", [{}, {"outcome": "grant"}, {"review": "none"}, {"review": "override"}])
def test_pages_walk_an_index_from_their_cursor(sqlite, further):
    """What a page reads does not grow with the pages before it: neither a sort nor a walk up to the cursor."""
    for scope in SCOPES:
        where = DecisionFilter(**scope, **further)
        plan = plan_of(sqlite, where, format_cursor(("2026-11-24T08:30Z", 1, 17), where))
        assert "USING INDEX" in plan and "(minute,log,idx)<(?,?,?)" in plan, (scope, further, plan)
        assert "TEMP B-TREE" not in plan
        assert "TEMP B-TREE" not in plan_of(sqlite, where, None)
    boot = DecisionFilter(system="loan-check", boot=str(uuid.UUID(int=1, version=4)))
    assert "auditlog_decision_boot" in plan_of(sqlite, boot, format_cursor(("2026-11-24T08:30Z", 1, 17), boot))


def plan_of(database, where: DecisionFilter, cursor: str | None) -> str:
    """How SQLite goes about the page, as it says itself."""
    asked = []
    with reading(database.engine) as conn:
        event.listen(conn, "before_cursor_execute", lambda *call: asked.append(call[2:4]))
        list_decisions(conn, where, cursor=cursor)
        statement, parameters = asked[0]
        return "; ".join(row[3] for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters))


def test_a_cursor_has_one_form():
    where = DecisionFilter(system="loan-check")
    cursor = format_cursor(("2026-11-24T08:15Z", 1, 17), where)
    assert parse_cursor(cursor, where) == ("2026-11-24T08:15Z", 1, 17)
    for other in (cursor + "=", cursor[:-1], cursor + "A", cursor.swapcase()):
        with pytest.raises(FormatError):
            parse_cursor(other, where)


def test_pages_have_a_limit(filled):
    with reading(filled.engine) as conn:
        for limit in (0, -1, 1001):
            with pytest.raises(FormatError, match=r"^limit: "):
                list_decisions(conn, DecisionFilter(), limit=limit)


@pytest.mark.parametrize(
    "name", ["system", "source", "boot", "outcome", "reason", "currency", "mode", "review", "kind"]
)
def test_a_filter_has_codes_and_no_words(name):
    for words in ("Piet Jansen", "' OR 1=1 --", "", "a\n"):
        with pytest.raises(FormatError, match=f"^{name}: ") as error:
            DecisionFilter(**{name: words})
        assert "Piet" not in str(error.value)
        with pytest.raises(FormatError):
            parse_filter(f'{{"{name}":{json.dumps(words)}}}')


def test_a_filter_has_one_form():
    where = DecisionFilter(system="loan-check", review="none", min_total_us=5, version=2)
    text = '{"min_total_us":5,"review":"none","system":"loan-check","version":2}'
    assert format_filter(where) == text
    assert parse_filter(text) == where
    for other in (
        "[]",
        "",
        '{"colour":"red"}',
        '{"version":"2"}',
        '{"version":true}',
        '{"system":5}',
        '{"system":null}',
    ):
        with pytest.raises(FormatError):
            parse_filter(other)


@pytest.mark.parametrize("text", ["2026-11-24", "yesterday", "2026-02-30T00:00Z"])
def test_minutes_are_minutes(text):
    with pytest.raises(FormatError, match=r"^until: "):
        DecisionFilter(until=text)


def test_the_latest_review_is_shown(filled):
    with writing(filled.engine) as conn:
        insert_review(conn, review_row(100, 3, "refer"))
        insert_review(conn, review_row(101, 3, "override"))
        insert_review(conn, review_row(102, 6, "confirm"))
    with reading(filled.engine) as conn:
        shown = {**row(3, "refuse"), "review": "override", "reviewed": "2026-11-24T08:30Z", "waited": 17}
        assert find_decision(conn, decision(3).id) == shown
        assert reviewed_row(row(3, "refuse"), find_reviews(conn, decision(3).id)) == shown
        shown = {one["idx"]: one["review"] for one in list_decisions(conn, DecisionFilter(), limit=60).rows}
        assert {idx: one for idx, one in shown.items() if one} == {3: "override", 6: "confirm"}
        assert [one["action"] for one in find_reviews(conn, decision(3).id)] == ["refer", "override"]
        assert numbers(iterate_reviews(conn)) == [100, 101, 102]


def test_a_review_needs_its_decision(filled):
    with writing(filled.engine) as conn:
        with pytest.raises(NotFound, match=r"^reference: "):
            insert_review(conn, review_row(100, 99, "confirm"))
        insert_review(conn, review_row(101, 3, "confirm"))
        delete_decision(conn, decision(3).id)
        assert find_decision(conn, decision(3).id) is None
        assert list(iterate_reviews(conn)) == []
