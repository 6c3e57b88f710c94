"""Ten questions: asked of the roll-up, of Parquet files, and worked out by hand from the same records."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from auditlog.core.counting.cells import cells, cells_of_refusal, cells_of_review, minutes_between
from auditlog.core.counting.figures import CellKey
from auditlog.core.errors import FormatError, NotFound
from auditlog.store import parquet
from auditlog.store.decisions import decision_table
from auditlog.store.engine import reading, writing
from auditlog.store.parquet import ask_files, read_stamp, schema_of, write_parquet
from auditlog.store.questions import BY_NAME, QUESTIONS, arguments, ask, question_of
from auditlog.store.rollup import add_counts, event_table

BEGIN = datetime(2025, 11, 3, tzinfo=UTC)
BOOTS = [str(uuid.UUID(int=n, version=4)) for n in (1, 2)]
NOTHING = dict.fromkeys(
    [
        "prompt_tokens",
        "output_tokens",
        "queue_us",
        "first_us",
        "total_us",
        "energy_uj",
        "energy_method",
        "cost_millionths",
        "currency",
        "review",
        "reviewed",
        "waited",
        "source",
        "outcome",
    ]
)
STAMP = {"origin": "register.example/audit/1", "size": "900", "root": "cm9vdA=="}


def minute(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%MZ")


def made_rows(count: int = 600) -> list[dict]:
    """Rows of decisions over four months, with everything that questions look at; some have no usage."""
    rng = random.Random(4)
    rows = []
    for n in range(count):
        time = BEGIN + timedelta(minutes=n * 290)
        row = NOTHING | {
            "id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            "log": 1,
            "idx": 10 + n,
            "system": rng.choice(("credit", "permits", "parking")) if n < 500 else "credit",
            "version": rng.choice((1, 2)),
            "mode": rng.choice(("live", "live", "pilot", "test")),
            "minute": minute(time),
            "capture": "runtime",
            "boot": BOOTS[n % 2],
            "n": n // 2,
            "content": "held",
            "outcome": rng.choice(("grant", "refuse", "refer")) if n % 40 else None,
        }
        if n % 10:
            row |= {
                "prompt_tokens": rng.randrange(400),
                "output_tokens": rng.randrange(60),
                "energy_method": "measured",
            }
            row |= {"total_us": rng.choice((4_000, 5_000, 5_001, 90_000, 700_000, 900_000_000)), "energy_uj": 5}
            row |= {"cost_millionths": rng.randrange(900), "currency": rng.choice(("EUR", "SEK"))}
        rows.append(row)
    return rows


@pytest.fixture
def filled(database):
    """Decisions, reviews (some of them the second of a result) and refusals, in their tables and in the roll-up."""
    rng, rows, counts, events = random.Random(5), made_rows(), [], []
    for row in rows:
        key = CellKey(row["system"], row["version"], row["mode"], row["minute"][:10])
        counts.append((key, cells({"outcome": row["outcome"], "usage": row})))
        previous = None
        for _ in range(rng.choice((0, 0, 1, 2))):
            action = rng.choice(("confirm", "override", "refer"))
            late = datetime.strptime(row["minute"], "%Y-%m-%dT%H:%MZ") + timedelta(
                minutes=rng.choice((3, 800, 10_080, 10_081))
            )
            waited = minutes_between(row["minute"], minute(late))
            counts.append((key, cells_of_review(action, previous, waited)))
            row |= {"review": action, "reviewed": minute(late), "waited": row["waited"] or waited}
            previous = action
    for n in range(90):
        time, system, code = (
            minute(BEGIN + timedelta(days=n)),
            rng.choice((None, "credit")),
            rng.choice(("suspended", "too_large")),
        )
        event = {"id": str(uuid.uuid4()), "log": 1, "idx": 800 + n, "kind": "refused/1", "minute": time}
        events.append(event | {"system": system, "code": code})
        counts.append((CellKey(system or "", 1, None, time[:10]), cells_of_refusal(code)))
    with writing(database.engine) as conn:
        conn.execute(decision_table.insert(), rows)
        conn.execute(event_table.insert(), events)
        add_counts(conn, 1, counts, size=900)
    database.rows = rows
    return database


@pytest.fixture
def files(filled, tmp_path):
    """The same rows as Parquet files."""
    made = {}
    with reading(filled.engine) as conn:
        for name, table in (("decisions", decision_table), ("events", event_table)):
            made[name] = tmp_path / f"{name}.parquet"
            columns = [column.name for column in table.columns]
            rows = conn.execute(table.select().order_by(table.c.idx)).all()
            assert write_parquet(made[name], schema_of(table, columns, STAMP), [rows[:250], [], rows[250:]]) == len(
                rows
            )
    return made


GIVEN = (
    ("volume", {}),
    ("volume", {"system": "permits"}),
    ("outcomes", {}),
    ("outcomes", {"since": "2025-12-01", "until": "2026-01-01"}),
    ("unreviewed", {}),
    ("overrides", {}),
    ("slowest", {}),
    ("slowest", {"system": "credit", "since": "2026-01-01"}),
    ("refusals", {}),
    ("refusals", {"system": "credit"}),
    ("usage", {}),
    ("boot", {"boot": BOOTS[1]}),
    ("boot", {"boot": BOOTS[0], "limit": 7}),
    ("late-reviews", {}),
    ("late-reviews", {"days": 1}),
    ("silent", {"since": "2026-02-25"}),
    ("silent", {"since": "2026-06-01"}),
)


def test_both_ways_give_the_same_answer(filled, files):
    """Every question, on both databases and over the Parquet files."""
    assert {name for name, _ in GIVEN} == set(BY_NAME) and len(QUESTIONS) == 10
    with reading(filled.engine) as conn:
        for name, given in GIVEN:
            answer = ask(conn, question_of(name), given)
            assert answer, name
            assert all(type(value) in (int, str) for row in answer for value in row.values())
            assert ask_files(question_of(name), given, files["decisions"], files["events"]) == answer, (name, given)


def test_answers_worked_out_by_hand(filled):
    counted = [row for row in filled.rows if row["mode"] in ("live", "pilot")]
    with reading(filled.engine) as conn:
        volume = Counter((row["minute"][:7], row["system"]) for row in counted)
        assert ask(conn, question_of("volume"), {}) == [
            {"month": month, "system": system, "decisions": n} for (month, system), n in sorted(volume.items())
        ]
        overridden = Counter((row["minute"][:7], row["system"]) for row in counted if row["review"] == "override")
        assert ask(conn, question_of("overrides"), {}) == [
            {"month": month, "system": system, "overrides": n} for (month, system), n in sorted(overridden.items())
        ]
        late = Counter((row["minute"][:7], row["system"]) for row in counted if (row["waited"] or 0) > 10_080)
        assert ask(conn, question_of("late-reviews"), {}) == [
            {"month": month, "system": system, "late": n} for (month, system), n in sorted(late.items())
        ]
        shares = ask(conn, question_of("outcomes"), {})
        assert sum(row["decisions"] for row in shares) == sum(row["outcome"] is not None for row in counted)
        assert ask(conn, question_of("silent"), {"since": "2026-02-25"}) == [
            {"system": name, "last": max(row["minute"] for row in counted if row["system"] == name)[:10]}
            for name in ("parking", "permits")
        ]


@pytest.mark.parametrize(
    ("name", "given", "field"),
    [
        ("volume", {"since": "2026-1-1"}, "since"),
        ("volume", {"until": "2026-02-30"}, "until"),
        ("volume", {"system": "a' OR '1'='1"}, "system"),
        ("volume", {"boot": BOOTS[0]}, "boot"),
        ("boot", {}, "boot"),
        ("boot", {"boot": "1"}, "boot"),
        ("boot", {"boot": BOOTS[0], "limit": 0}, "limit"),
        ("boot", {"boot": BOOTS[0], "limit": True}, "limit"),
        ("late-reviews", {"days": 4}, "days"),
        ("silent", {}, "since"),
    ],
)
def test_a_parameter_that_does_not_fit_is_named(name, given, field):
    with pytest.raises(FormatError) as error:
        arguments(question_of(name), given)
    assert error.value.field == field
    assert "OR" not in str(error.value)


def test_a_question_that_there_is_not():
    with pytest.raises(NotFound, match="there are volume, outcomes"):
        question_of("who")


def test_a_file_that_is_none(tmp_path, files):
    other = tmp_path / "other.parquet"
    other.write_bytes(b"PAR1, or so")
    for given in (other, tmp_path / "none.parquet"):
        with pytest.raises(FormatError, match=r"^decisions: is no Parquet file"):
            ask_files(question_of("volume"), {}, given)
        with pytest.raises(FormatError, match="is no Parquet file"):
            read_stamp(given)
    with pytest.raises(FormatError, match=r"^events: refusals reads"):
        ask_files(question_of("refusals"), {}, files["decisions"])
    with pytest.raises(FormatError, match=r"^decisions: lacks columns"):
        ask_files(question_of("volume"), {}, files["events"])


def test_an_answer_from_files_leaves_nothing_on_the_disk(files, tmp_path, monkeypatch):
    """DuckDB would put what does not fit into memory into a folder `.tmp` where the command runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(parquet._IN_MEMORY, "memory_limit", "1MB")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(FormatError, match=r"^decisions: needs more memory"):
        ask_files(question_of("outcomes"), {}, files["decisions"])
    assert sorted(tmp_path.iterdir()) == before


def test_what_stands_in_a_row_is_not_repeated(tmp_path):
    said = pa.table({"boot": [BOOTS[0]], "n": [1], "minute": ["2026-03-02T08:00Z"], "log": [1], "idx": [1]})
    said = said.append_column("system", pa.array(["credit"])).append_column("mode", pa.array(["live"]))
    said = said.append_column("total_us", pa.array(["Piet Jansen"]))
    pq.write_table(said, tmp_path / "other.parquet")
    with pytest.raises(FormatError) as error:
        ask_files(question_of("slowest"), {}, tmp_path / "other.parquet")
    assert "Piet" not in str(error.value)


def test_a_file_names_its_log(files):
    assert read_stamp(files["decisions"]) == STAMP
