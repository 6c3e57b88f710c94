"""The log that the benchmark of questions loads in bulk is one that any verifier takes, and its roll-up is true."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import select

from auditlog.core.checking.rules import LogRules
from auditlog.core.counting.cells import cells, cells_of_refusal, cells_of_review, key_of, minutes_between
from auditlog.core.entries.record import parse_entry
from auditlog.core.formats.merkle import leaf_hash, root_hash
from auditlog.store.decisions import decision_table, iterate_reviews
from auditlog.store.engine import open_engine, reading
from auditlog.store.log import iterate_entries, read_head
from auditlog.store.rollup import event_table, iterate_rollup, row_key
from lab.bench import query
from lab.bench.content import REAL, SYSTEMS, reference_of
from lab.bench.scene import ORIGIN, scene

COUNT = 900


@pytest.fixture
def filled(url, tmp_path):
    """(place, what was said of it, engine) on each database."""
    with scene(tmp_path, None if url.startswith("sqlite") else url) as place:
        said = query.fill(place, COUNT)
        engine = open_engine(place.url)
        yield place, said, engine
        engine.dispose()


def test_it_is_a_valid_log(filled):
    place, said, engine = filled
    rules, hashes = LogRules(ORIGIN), []
    with reading(engine) as conn:
        for index, data in iterate_entries(conn, 1):
            rules.add(index, parse_entry(data))
            hashes.append(leaf_hash(data))
        size = read_head(conn, 1).size
    rules.finish()
    assert rules.kinds["decision/1"] == COUNT
    assert rules.opaque == 0
    assert min(rules.kinds[kind] for kind in ("review/1", "refused/1", "boot/1", "state/1")) > 5
    with place.log(lambda _: None) as log:
        # Signatures, tiles and guard are held against each other here.
        assert (log.state().size, log.state().root) == (size, root_hash(hashes))
    assert said["entries"] == size == len(hashes)


def test_rows_and_roll_up_follow_from_the_entries(filled):
    _, _, engine = filled
    wanted: Counter = Counter()
    with reading(engine) as conn:
        entries = [(index, parse_entry(data)) for index, data in iterate_entries(conn, 1)]
        rows = {row["id"]: row for row in conn.execute(select(decision_table)).mappings()}
        decided = {entry.id: entry for _, entry in entries if entry.kind == "decision/1"}
        assert rows.keys() == decided.keys()
        for index, entry in entries:
            if entry.kind == "decision/1":
                row = rows[entry.id]
                assert (row["idx"], row["minute"], row["log"]) == (index, entry.time, 1)
                assert all(
                    row[name] == entry.members[name] for name in ("system", "version", "mode", "boot", "n", "capture")
                )
                add(wanted, key_of(entry), cells({"outcome": row["outcome"], "usage": row}))
            elif entry.kind == "refused/1":
                add(wanted, key_of(entry), cells_of_refusal(entry.members["reason"]))
        for review in iterate_reviews(conn):
            entry, row = decided[review["decision_id"]], rows[review["decision_id"]]
            late = minutes_between(entry.time, review["minute"])
            assert (row["review"], row["reviewed"], row["waited"]) == (review["action"], review["minute"], late)
            add(wanted, key_of(entry), cells_of_review(review["action"], None, late))
        found = {(*row_key(log, key), cell): n for log, key, many in iterate_rollup(conn) for cell, n in many.items()}
        events = conn.execute(select(event_table.c.idx).order_by(event_table.c.idx)).scalars().all()
    assert found == wanted
    assert events == [index for index, entry in entries if entry.kind != "decision/1"]


def add(sums: Counter, key, many) -> None:
    sums.update({(*row_key(1, key), cell): number for cell, number in many.items()})


def test_the_records_of_some_persons_open(filled):
    place, _, engine = filled
    with place.vault() as vault, reading(engine) as conn:
        ids = vault.find(conn, reference_of(REAL - 1))
        assert ids
        for id_ in ids:
            data = conn.exec_driver_sql(f"SELECT data FROM auditlog_entry WHERE id = '{id_}'").scalar_one()
            opened = vault.open(conn, id_, parse_entry(bytes(data)))
            row = conn.execute(select(decision_table).where(decision_table.c.id == id_)).mappings().one()
            assert opened.values["usage"]["total_us"] == row["total_us"]
            assert opened.values["outcome"] == row["outcome"]


def test_every_question_is_timed_and_persons_are_erased(url):
    said = query.run(COUNT, None if url.startswith("sqlite") else url)
    assert len(said["questions"]) == 10
    assert all(0 < one["p50_ms"] <= one["p95_ms"] <= one["max_ms"] for one in said["questions"].values())
    assert said["parquet"]["rows"] == COUNT
    assert said["erase_person"]["records"]["max"] > 0
    assert len(SYSTEMS) == 5
