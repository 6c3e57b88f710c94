"""A populated database without findings; then one value of every column changed, and the place named."""

from __future__ import annotations

import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import LargeBinary, text, update

from auditlog.core.formats.keyring import key_digest
from auditlog.core.formats.note import ED25519, ML_DSA_44, Signer
from auditlog.peers import tsa
from auditlog.recovery.fsck import Checked, Finding, fsck
from auditlog.recovery.timestamps import format_time
from auditlog.store import decisions, logs, metadata
from auditlog.store.idempotency import insert_key
from auditlog.store.insert import insert_rows
from auditlog.store.log import read_head, reading, writing
from auditlog.store.record_events import about_from, insert_about
from auditlog.store.sources import source_row
from auditlog.store.timestamps import StampedNote, insert_timestamp
from auditlog.vault import erasure
from auditlog.vault.idempotency import SealedRequest, key_row
from auditlog.vault.record_keys import RecordKeys
from auditlog.vault.seal import Vault
from auditlog.writing.log import Unit

USAGE = {
    "prompt_tokens": 40,
    "output_tokens": 5,
    "queue_us": 10,
    "first_us": 2000,
    "total_us": 9000,
    "energy_uj": 12,
    "energy_method": "estimated",
    "cost_millionths": 3,
    "currency": "EUR",
    "tariff_valid_from": "2026-01-01",
}
DIGEST = "sha256:" + "ab" * 32


@dataclass
class House:
    """A populated database: six decisions of one person each, two reviewed, one erased; two more that were erased as a
    set; accesses, a hold, and 297 other entries."""

    database: Any
    known: Any
    ids: list[str]
    reviews: list[str]

    @property
    def keys(self) -> Path:
        return self.database.folder / "record.keys"

    def check(self) -> list[Finding]:
        keys = RecordKeys(self.keys)
        vault = Vault(keys, self.known.origin, b"i" * 32)
        try:
            with reading(self.database.engine) as conn:
                logs = [Checked(1, self.known.origin, self.database.guard)]
                ledger = erasure.Ledger(self.database.folder / "erasures")
                return list(fsck(conn, self.known.keys, logs, vault, ledger=ledger))
        finally:
            keys.close()


def build(database, make, known, authority) -> House:
    folder = database.folder
    RecordKeys.create(folder / "record.keys")
    keys = RecordKeys(folder / "record.keys")
    vault = Vault(keys, known.origin, b"i" * 32)
    new = tuple(Signer.generate(known.origin, type_, b"n" * 32) for type_ in (ED25519, ML_DSA_44))
    log = database.started(before_commit=keys.sync, held=lambda: new)
    begin(log, make)
    log.append(Unit(tuple(make() for _ in range(294)))).result(60)
    ids = [decide(log, vault, make, number) for number in range(6)]
    gone = [decide(log, vault, make, number) for number in (6, 7)]
    access(log, vault, make, [ids[0], ids[1], ids[2]])
    access(log, vault, make, [ids[1]])
    hold(log, vault, make, ids[2])
    reviews = [review(log, vault, make, ids[number]) for number in (0, 1)]
    erasure.Ledger.create(folder / "erasures")
    ledger = erasure.Ledger(folder / "erasures")
    order = erasure.Erasure(ids[1], "objection", "officer", "2026-03-02T09:30Z")
    log.append(erasure.erase(keys, ledger, order, agency="example-agency", id=str(uuid.uuid4()))).result(60)
    orders = [erasure.Erasure(one, "child", "officer", "2026-03-02T09:30Z") for one in gone]
    for unit in erasure.erase_set(keys, ledger, orders, new_id=lambda: str(uuid.uuid4())):
        log.append(unit).result(60)
    log.append(Unit((make(),))).result(60)
    rotate(log, make, [signer.vkey for signer in new])
    with writing(database.engine) as conn:
        head = read_head(conn, 1)
        token = authority.stamp(head.note)
        when = format_time(tsa.describe_token(token).time)
        insert_timestamp(conn, StampedNote(1, head.size, head.note, token, when))
        conn.execute(text("INSERT INTO auditlog_head SELECT log, 'published', size, note FROM auditlog_head"))
    log.append(Unit((make(),))).result(60)
    log.close()
    keys.close()
    return House(database, known, ids, reviews)


def begin(log, make) -> None:
    first = {"origin": log.origin, "log": 1, "software": "test", "predecessor": None, "lost": None}
    unit = Unit((make("genesis/1", **first),), lambda conn, _: logs.insert_log(conn, 1, log.origin))
    log.append(unit).result(60)


def rotate(log, make, added) -> None:
    """Old and new keys sign from here on."""
    entry = make("rotation/1", added=[key_digest(key) for key in added], retired=[])

    def rows(conn, sequenced):
        logs.add_keys(conn, 1, added, valid_from=sequenced[0].index + 1)

    log.append(Unit((entry,), rows)).result(60)


@pytest.fixture(scope="session")
def authority(time_authority, tmp_path_factory):
    """A real authority, which stamps one checkpoint."""
    return time_authority.Authority(tmp_path_factory.mktemp("authority") / "house")


@pytest.fixture(scope="module")
def template(tmp_path_factory, open_database, make, known, authority) -> Iterator[House]:
    """Built once on SQLite; each test gets a copy."""
    folder = tmp_path_factory.mktemp("template")
    with open_database(f"sqlite:///{folder}/greffier.db", folder) as database:
        yield build(database, make, known, authority)


@pytest.fixture
def house(template, tmp_path, open_database) -> Iterator[House]:
    source, copy = (sqlite3.connect(f / "greffier.db") for f in (template.database.folder, tmp_path))
    with closing(source), closing(copy):
        source.backup(copy)
    for name in ("guard", "record.keys", "erasures"):
        shutil.copy2(template.database.folder / name, tmp_path / name)
    with open_database(f"sqlite:///{tmp_path}/greffier.db", tmp_path) as database:
        yield replace(template, database=database)


def decide(log, vault, make, number: int) -> str:
    id_ = str(uuid.uuid4())
    values = {"in_income": number, "output": {"result": "yes"}, "outcome": "grant", "parent": None, "usage": USAGE}
    values |= {"run": {"seed": number}, "times": {"decided": "2026-03-02T09:30:00.000000Z"}}
    asked = SealedRequest(vault.key_tag("client", f"key {number}"), "en") if number == 0 else None
    prepared = vault.prepare(id_, values, [f"client {number}"], asked=asked)
    members = {"system": "credit", "version": 1, "manifest": DIGEST, "capture": "external", "mode": "live"}
    members |= {"boot": None, "source": "cases", "n": number + 1, "opened": None, "commitments": prepared.commitments}
    entry = make("decision/1", id_=id_, **members)

    def rows(conn, sequenced):
        prepared.insert(conn)
        decisions.insert_decision(conn, decisions.row_from(entry, values, sequenced[0].place))
        insert_rows(conn, [source_row(entry, sequenced[0].place)])
        if asked is not None:
            insert_key(conn, key_row(entry, vault.open(conn, id_).values, prepared.secret, asked))

    log.append(Unit((entry,), rows)).result(60)
    return id_


def review(log, vault, make, decision: str) -> str:
    id_ = str(uuid.uuid4())
    values = {"reference": decision, "action": "confirm", "decision": "granted", "reasons": "sound", "text": None}
    values |= {"effect": True, "notified": None}
    prepared = vault.prepare(id_, values)
    entry = make("review/1", id_=id_, commitments=prepared.commitments)

    def rows(conn, sequenced):
        prepared.insert(conn)
        decisions.insert_review(conn, decisions.review_row_from(entry, values, sequenced[0].place))

    log.append(Unit((entry,), rows)).result(60)
    return id_


def access(log, vault, make, records: list[str]) -> None:
    kept = {"ids": sorted(records), "secret": "00" * 32}
    values = {"records": {"count": len(records), "root": "00" * 32}, "ids": kept, "scope": None, "account": None}
    add_about(log, vault, make, "access/1", values, purpose="export", role="auditor")


def hold(log, vault, make, record: str) -> None:
    values = {"reference": record, "note": "invented"}
    add_about(log, vault, make, "hold/1", values, action="placed", ground="inquiry", role="officer")


def add_about(log, vault, make, kind: str, values, **members) -> None:
    prepared = vault.prepare(str(uuid.uuid4()), values)
    entry = make(kind, id_=prepared.id, commitments=prepared.commitments, **members)

    def rows(conn, sequenced):
        prepared.insert(conn)
        insert_about(conn, about_from(entry, values, sequenced[0].place))

    log.append(Unit((entry,), rows)).result(60)


def changed(value: object, kind: object) -> object:
    """The value with one bit or one character changed, still fit for its column."""
    if isinstance(kind, LargeBinary):
        data = bytearray(value or 32)
        data[len(data) // 2] ^= 1
        return bytes(data)
    if isinstance(value, int):
        return value + 1000
    if isinstance(value, str):
        return value[:-1] + ("x" if value[-1] != "x" else "y")
    return 7 if "INT" in str(kind) else "x"


def test_a_sound_database_has_no_findings(house):
    assert house.check() == []


# What this house fills; figures, samples and large values are changed in the tests of their own.
FILLED = [
    *("entry", "tile", "head", "log", "key", "timestamp", "sealed", "subject", "erasure", "erasure_due", "about"),
    *("idempotency", "decision", "review", "source"),
]
COLUMNS = [
    (table.name, column.name)
    for table in (metadata.tables[f"auditlog_{name}"] for name in FILLED)
    for column in table.columns
]


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_a_changed_value_of_any_column_is_named(template, table, column):
    check_change(template, table, column)


def test_on_postgresql_too(postgresql, make, known, authority):
    house = build(postgresql, make, known, authority)
    assert house.check() == []
    for table, column in COLUMNS:
        check_change(house, table, column)


def check_change(house: House, table: str, column: str) -> None:
    """Change a value of the first and of the last row, look for the finding, and put the value back."""
    shape = metadata.tables[table]
    key = list(shape.primary_key.columns)
    for pick in (0, -1):
        with writing(house.database.engine) as conn:
            row = conn.execute(shape.select().order_by(*key)).mappings().all()[pick]
            new = changed(row[column], shape.c[column].type)
            conn.execute(update(shape).where(*[one == row[one.name] for one in key]).values({column: new}))
        findings = house.check()
        named = [finding.place for finding in findings if finding.place.startswith(f"{table}(")]
        values = [str(row[one]) for one in {"id", "idx", "record", "name", "level", "log"} & set(row)] + [str(new)]
        assert any(f"={value}" in place for place in named for value in values), findings
        with writing(house.database.engine) as conn:
            moved = [one == (new if one.name == column else row[one.name]) for one in key]
            conn.execute(update(shape).where(*moved).values({column: row[column]}))
    assert house.check() == []


def test_every_altered_place_is_named_not_only_the_first(house):
    with writing(house.database.engine) as conn:
        for index in (3, 40, 280):
            conn.execute(text(f"UPDATE auditlog_entry SET id = '{index}' WHERE idx = {index}"))
        conn.execute(text("UPDATE auditlog_decision SET outcome = 'refuse'"))
    places = {finding.place for finding in house.check()}
    assert {f"auditlog_entry(log=1,idx={index}).id" for index in (3, 40, 280)} <= places
    remaining = [id_ for number, id_ in enumerate(house.ids) if number != 1]
    assert {f"auditlog_decision(id={id_}).outcome" for id_ in remaining} <= places


@pytest.mark.parametrize("index", [0, 41, 299, 303])
def test_a_deleted_row_is_named(house, index):
    with writing(house.database.engine) as conn:
        conn.execute(text(f"DELETE FROM auditlog_entry WHERE idx = {index}"))
    assert Finding(f"auditlog_entry(log=1,idx={index})", "is missing") in house.check()


def test_an_altered_entry_is_named_by_the_signed_tree(house, make):
    other = make()
    with writing(house.database.engine) as conn:
        statement = text("UPDATE auditlog_entry SET id = :i, data = :d WHERE idx = 17")
        conn.execute(statement, {"i": other.id, "d": other.data})
    assert [finding.place for finding in house.check() if "entry" in finding.place] == [
        "auditlog_entry(log=1,idx=17).data"
    ]


def test_a_swapped_pair_is_named(house):
    with writing(house.database.engine) as conn:
        for old, new in ((5, 9000), (6, 5), (9000, 6)):
            conn.execute(text(f"UPDATE auditlog_entry SET idx = {new} WHERE idx = {old}"))
    assert {f.place for f in house.check()} >= {f"auditlog_entry(log=1,idx={index}).data" for index in (5, 6)}


def test_a_cut_tail_is_named(house):
    with writing(house.database.engine) as conn:
        conn.execute(text("DELETE FROM auditlog_entry WHERE idx >= 308"))
    places = [finding.place for finding in house.check()]
    assert [place for place in places if "auditlog_entry" in place] == [
        f"auditlog_entry(log=1,idx={index})" for index in (308, 309, 310, 311)
    ]


def test_rows_beyond_the_head_are_named(house, make):
    extra = make()
    with writing(house.database.engine) as conn:
        statement = text("INSERT INTO auditlog_entry VALUES (1, 312, :i, :d)")
        conn.execute(statement, {"i": extra.id, "d": extra.data})
    places = ["auditlog_entry(log=1,idx=312)", "auditlog_event(log=1,idx=312)"]
    assert [finding.place for finding in house.check()] == places


@pytest.mark.parametrize("table", ["auditlog_sealed", "auditlog_subject", "auditlog_decision", "auditlog_review"])
def test_deleted_content_is_named(house, table):
    id_ = house.reviews[0] if table == "auditlog_review" else house.ids[3]
    with writing(house.database.engine) as conn:
        conn.execute(text(f"DELETE FROM {table} WHERE id = '{id_}'"))
    assert any(f.place.startswith(f"{table}(") and id_ in f.place for f in house.check())


def test_the_content_of_a_review_that_vanished_is_named(house):
    with writing(house.database.engine) as conn:
        conn.execute(text(f"DELETE FROM auditlog_sealed WHERE id = '{house.reviews[0]}'"))
        conn.execute(text(f"DELETE FROM auditlog_review WHERE id = '{house.reviews[0]}'"))
    assert f"auditlog_sealed(id={house.reviews[0]})" in [finding.place for finding in house.check()]


def test_a_changed_key_slot_is_named(house):
    data = bytearray(house.keys.read_bytes())
    data[0] ^= 1
    house.keys.write_bytes(data)
    assert any(f.place == f"auditlog_sealed(id={house.ids[0]})" for f in house.check())


def test_the_guard_is_compared(house):
    line = house.database.guard.path.read_bytes()
    house.database.guard.path.write_bytes(line.replace(b" 312 ", b" 313 "))
    assert [finding.place for finding in house.check()] == ["guard"]
    house.database.guard.path.write_bytes(line.replace(b" 312 ", b" 311 "))
    assert [finding.place for finding in house.check()] == ["guard"]
    house.database.guard.path.unlink()
    assert [finding.place for finding in house.check()] == ["guard"]


def test_a_stripped_signature_is_named(house):
    with writing(house.database.engine) as conn:
        note = bytes(conn.execute(text("SELECT note FROM auditlog_head WHERE name = 'integrated'")).scalar_one())
        lines = note.split(b"\n")
        shorter = b"\n".join(line for line in lines if len(line) < 1000)
        conn.execute(text("UPDATE auditlog_head SET note = :n WHERE name = 'integrated'"), {"n": shorter})
    assert any(f.place == "auditlog_head(log=1,name=integrated).note" for f in house.check())
