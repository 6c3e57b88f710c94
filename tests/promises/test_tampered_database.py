"""Promise 3 in the database: whatever is changed past the log, in any column, row or table, `log fsck` names the table.

The home is like the demo's: three systems in different states, decisions of real weights, a review, an erasure; a
system that runs elsewhere, large values in the database and as objects, a sample, and a month that was published.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from calendar import monthrange
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Engine, Table, insert, select, text, update

from accounts import administration
from accounts.account_table import account_table
from auditlog.core.formats.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from auditlog.core.formats.merkle import leaf_hash
from auditlog.core.formats.note import format_vkey, parse_note
from auditlog.core.formats.tiles import grow, root_from_edge
from auditlog.peers import tsa
from auditlog.recovery.timestamps import format_time
from auditlog.store import metadata as auditlog_tables
from auditlog.store.blobs import blob_due_table, find_blobs
from auditlog.store.cursor import DecisionFilter
from auditlog.store.decisions import decision_table, review_table
from auditlog.store.engine import writing
from auditlog.store.idempotency import idempotency_table
from auditlog.store.log import entry_table, head_table, tile_table
from auditlog.store.samples import reconciliation_table
from auditlog.store.tallies import round_table
from auditlog.store.timestamps import StampedNote, insert_timestamp, timestamp_table
from auditlog.store.vault import sealed_table, subject_table
from auditlog.store.views import view_table
from auditlog.vault.record_keys import KEY_SIZE
from auditlog.writing.keys import KeyFolder
from cli.demo.run import CASES
from home import policy_file
from home.greffier import Greffier
from lab.bench import records_scene
from registry import gate_report
from registry.modification import Modification
from registry.store import metadata as registry_tables
from registry.store import systems
from service.cases import reviews
from service.deciding import decide, idempotency
from service.disclosing import transparency
from service.erasing import erase
from service.external import import_records, reconcile
from service.external.case_list import parse_cases
from service.keeping import fsck
from service.logs import rotation
from service.proving import receipts, samples
from service.records import questions
from service.records.reading import CLI
from service.systems import admission, classify, incidents, lifecycle, register
from service.wiring import create_home, open_home

LOAN, QUESTION = "social-loan-check", "tax-question-reply"
TABLES = [*auditlog_tables.sorted_tables, *registry_tables.sorted_tables, account_table]
# Columns with few values: another of them, so that the database's own constraints do not object.
OTHERS = {"state": "approved", "state_before": "pilot"}
# Of these nothing else says what they were: docs/trust.md.
NOT_TOLD = {
    view_table: "a view is a question that somebody saved",
    reconciliation_table: "what a comparison with a case system counted; the report that shows it has a digest",
    registry_tables.tables["registry_step"]: "which account took a step; the log has the role",
    blob_due_table: "an object that is to be deleted has a random name; `greffier vault sweep` deletes it all the same",
}
COLUMNS = [(table, column) for table in TABLES for column in table.columns if table not in NOT_TOLD]
# That a row of these was once there, nothing says: docs/trust.md.
NOT_MISSED = {
    **NOT_TOLD,
    timestamp_table: "a token can be asked for, and lost",
    round_table: "up to where a log is tallied: the next tally finds it out anew",
}
LETTER = "An invented letter about parking. " * 700


def now() -> datetime:
    return datetime.now(UTC)


def a_month_later() -> datetime:
    return now() + timedelta(days=40)


@pytest.fixture(scope="module")
def built(
    tmp_path_factory: pytest.TempPathFactory,
    model_file: Path,
    loan_input: Any,
    time_authority: ModuleType,
    witness_stand: ModuleType,
):
    """Build a home on a database URL (None: SQLite in the home)."""
    authority = time_authority.Authority(tmp_path_factory.mktemp("authority") / "house")

    def build(url: str | None) -> Path:
        home = tmp_path_factory.mktemp("tampered") / "home"
        create_home(home, "waterveen", "waterveen.example/log", database_url=url)
        shutil.copyfile(CASES / "agency.json", home / "agency.json")
        with open_home(home) as g:
            populate(g, model_file, loan_input)
            populate_from_elsewhere(g)
            rotate(g)
            stamp(g, authority)
            begin_sample(g, witness_stand.make_witness(home.parent / "witness", clock=time.time))
        with open_home(home, clock=a_month_later) as g:
            publish_month(g)
            person(g, "TEST-7732", loan_input)
            decide.decide(g, LOAN, loan_input)
        store_objects(home)
        with open_home(home, clock=a_month_later) as g:
            leave_an_object(g)
        return home

    return build


def populate(g: Greffier, model_file: Path, loan_input: Any) -> None:
    register.add_model(g, model_file)
    for slug in (LOAN, QUESTION, "health-line-aid"):
        register.register(g, (CASES / f"{slug}.json").read_bytes())
    for slug, steps in {
        LOAN: ("in_review", "approved", "active"),
        QUESTION: ("in_review", "approved", "active"),
    }.items():
        for state in steps:
            if state == "active":
                keep_report(g, slug)
            override = lifecycle.Override("trial", {"en": "Invented cases."}) if state == "active" else None
            lifecycle.change_state(g, slug, state, override=override)
    lifecycle.stop(g, QUESTION, reason="maintenance")
    classify.classify(
        g, QUESTION, (CASES / f"{QUESTION}.answers.json").read_bytes(), role="officer", account="somebody"
    )
    note_incident(g, QUESTION)
    administration.add(g, login="ada.voorbeeld", name="Ada Voorbeeld", role="officer", by=None)
    ids = [
        decide.decide(
            g, LOAN, loan_input, subjects=("TEST-7731",), key=idempotency.Key("test", f"case-{n}", "key", CLI)
        ).id
        for n in range(4)
    ]
    for record in ids[:2]:
        reviews.record_review(g, record, reviews.Review("confirm", "as suggested", "because", notified="2026-11-24"))
    receipts.receipt(g, ids[0], openings=CLI)
    g.publisher.advance()
    erase.erase(g, ids[1], ground="objection")


def keep_report(g: Greffier, slug: str) -> None:
    """A version that gave one result in 20 invented cases: held back."""
    with g.reading() as conn:
        version = systems.read_version(conn, slug, 1)
    counts = gate_report.Counts(
        cases=20, skipped=0, outcomes={"refuse": 20}, sensitive=0, by_field={}, protected={}, stable=20, wordings=1
    )
    report = gate_report.make_report(version, counts, made="2026-11-24T08:15Z", seed="ab")
    admission.keep(g, report)


def note_incident(g: Greffier, slug: str) -> None:
    """An incident from its beginning to its end, of which the authority was told."""
    facts = incidents.Facts(
        what="It answered in another language.", harm="None.", persons=None, cause=None, measures=None
    )
    by: Any = {"role": "officer", "account": "somebody"}
    opened = incidents.open_incident(g, slug, duty="serious", severity="other", aware=now(), facts=facts, **by)
    for recipient in ("provider", "authority"):
        incidents.tell(g, opened.id, recipient=recipient, day=incidents.today(g), **by)
    incidents.close(g, opened.id, facts=facts, **by)


def populate_from_elsewhere(g: Greffier) -> None:
    """Two records that are sealed here, one with a large value, and one whose content its sender kept."""
    version = json.loads(records_scene.system_file())["version"]
    for each in version["fields"]:
        if each["id"] == "remarks":
            each["schema"] = {"type": "string", "maxLength": 200_000}
    file = json.loads(records_scene.system_file({"fields": version["fields"]}))
    file["system"]["agency"] = g.settings.agency
    register.register(g, json.dumps(file).encode())
    for state in ("in_review", "approved", "active"):
        lifecycle.change_state(g, records_scene.SYSTEM, state)
    file["version"] |= records_scene.answers(later="later")
    register.register(g, json.dumps(file).encode(), substantial=Modification("no", {"en": "A further outcome."}))
    recorded(g, records_scene.line(1), large(2), records_scene.sent_line("committed", 3))
    reviews.record_review(
        g, recorded(g, records_scene.line(4))[0], reviews.Review("confirm", "as suggested", "because")
    )
    questions.save_view(g, "open-cases", DecisionFilter(system=LOAN))
    lines = ["case,decided", "C-1,2026-03-02T09:00Z"]
    reconcile.keep(g, reconcile.reconcile(g, CLI, parse_cases(lines)), None)


def large(n: int) -> dict[str, Any]:
    given = records_scene.line(n)
    given["input"]["remarks"] = LETTER
    return given


def recorded(g: Greffier, *lines: dict[str, Any]) -> list[str]:
    results = import_records.record(g, list(lines)).results
    assert all(isinstance(one, import_records.Recorded) for one in results), results
    return [one.id for one in results]


def begin_sample(g: Greffier, witness: Any) -> None:
    keys = [f"witness w{key.type} {format_vkey(key)}\n" for key in witness.vkeys]
    text = policy_file.with_logs("", g.keys, g.settings.base_url)
    policy_file.write_text(g, f"{text}{''.join(keys)}quorum none\n")
    at = {"witness": witness.vkeys[0].name, "not_before": now() + timedelta(days=1)}
    samples.begin(g, count=2, nonce_hash="ab" * 32, **at)


def publish_month(g: Greffier) -> None:
    first = now().date().replace(day=1)
    last = first.replace(day=monthrange(first.year, first.month)[1])
    transparency.publish(g, first, last)


def person(g: Greffier, reference: str, loan_input: Any) -> None:
    """Two records of a person, erased together: their tombstones are due."""
    for _ in range(2):
        decide.decide(g, LOAN, loan_input, subjects=(reference,))
    plan = erase.plan_person(g, reference, ground="objection")
    erase.confirm(g, plan, plan.code)


def store_objects(home: Path) -> None:
    (home.parent / "objects").mkdir()
    with (home / "greffier.toml").open("a") as file:
        file.write(f'payload_store = "file://{home.parent}/objects"\n')


def leave_an_object(g: Greffier) -> None:
    """An erased record whose object could not be deleted: a folder stands in its place."""
    kept, gone = recorded(g, large(11), large(12))
    with g.reading() as conn:
        (name,) = find_blobs(conn, gone)
        assert find_blobs(conn, kept)
    path = g.home.parent / "objects" / "blobs" / name[:2] / name
    path.unlink()
    (path / "in-the-way").mkdir(parents=True)
    erase.erase(g, gone, ground="objection")
    recorded(g, records_scene.line(13))


def rotate(g: Greffier) -> None:
    rotation.begin(g)
    assert g.publisher.advance(at_once=True)
    rotation.finish(g)


def stamp(g: Greffier, authority: Any) -> None:
    """As `greffier log timestamp` does, with an authority that needs no network."""
    note = g.publisher.checkpoint()
    size = parse_checkpoint(parse_note(note).text).size
    token = authority.stamp(note)
    row = StampedNote(g.log.number, size, note, token, format_time(tsa.describe_token(token).time))
    with writing(g.engine) as conn:
        assert insert_timestamp(conn, row)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def g(request: pytest.FixtureRequest, built: Callable[[str | None], Path]) -> Iterator[Greffier]:
    url = None if request.param == "sqlite" else request.getfixturevalue("module_postgresql_url")
    with open_home(built(url), clock=a_month_later) as g:
        assert fsck.check_all(g) == []
        yield g


@pytest.fixture(scope="module")
def module_postgresql_url(postgresql_server: str) -> str:
    """The server's own first database: nobody else of the session uses it."""
    return postgresql_server


@contextlib.contextmanager
def tampering(engine: Engine) -> Iterator[Connection]:
    """A connection of someone who may do everything to the database: no trigger and no constraint holds them."""
    with engine.connect() as conn:
        if engine.dialect.name == "sqlite":
            for pragma in ("foreign_keys=OFF", "ignore_check_constraints=ON"):
                # Past SQLAlchemy: inside a transaction these switches do nothing.
                conn.connection.cursor().execute(f"PRAGMA {pragma}").close()
            with conn.begin():
                triggers = conn.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
                for name, _ in triggers:
                    conn.execute(text(f"DROP TRIGGER {name}"))
                yield conn
                for _, sql in triggers:
                    conn.execute(text(sql))
            conn.invalidate()
            return
        with conn.begin():
            conn.execute(text("SET LOCAL session_replication_role = replica"))
            yield conn


@contextlib.contextmanager
def restored(engine: Engine, *tables: Table) -> Iterator[None]:
    """Put the rows of these tables back at the end."""
    with engine.connect() as conn:
        before = {table: [dict(row) for row in conn.execute(select(table)).mappings()] for table in tables}
    try:
        yield
    finally:
        with tampering(engine) as conn:
            for table in tables:
                conn.execute(table.delete())
                if before[table]:
                    conn.execute(insert(table), before[table])


def tables_found(g: Greffier) -> set[str]:
    return {finding.place.split("(")[0].split(" ")[0] for finding in fsck.check_all(g)}


def changed(column: Column[Any], value: Any) -> Any:
    if column.name in OTHERS:
        return OTHERS[column.name]
    if column.table.name == "access_account" and column.name == "role":
        return "administrator"
    if column.table.name == "registry_incident" and column.name == "step":
        return "opened" if value == "closed" else "closed"
    if value is None:
        return {int: 7, bytes: b"changed"}.get(column.type.python_type, "changed")
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 1])
    if isinstance(value, int):
        return value + 1000
    if not value:
        return "changed"
    if value.startswith("{"):
        return value.replace('"', ' "', 1)
    return value[:-1] + ("0" if value[-1] != "0" else "1")


def identity(table: Table, row: Any) -> Any:
    return [column == row[column.name] for column in table.primary_key.columns]


def test_a_tally_whose_entry_has_another_id_is_a_finding_and_no_fault(g: Greffier) -> None:
    """The check of what was published looks the tally up, and does not find it."""
    table = auditlog_tables.tables["auditlog_entry"]
    with g.reading() as conn:
        (row, *_) = [one for one in conn.execute(select(table)).mappings() if b'"kind":"tally/1"' in one["data"]]
    with restored(g.engine, table):
        with tampering(g.engine) as conn:
            conn.execute(update(table).where(*identity(table, row)).values(id="1b4e28ba-2fa1-4d2b-883f-0016d3cca427"))
        assert "auditlog_entry" in tables_found(g)


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=[str(column) for _, column in COLUMNS])
def test_a_changed_value_is_found_in_its_table(g: Greffier, table: Table, column: Column[Any]) -> None:
    with g.reading() as conn:
        rows = conn.execute(select(table)).mappings().all()
    assert rows, f"{table.name} is empty: the test would show nothing"
    if column.name in OTHERS:
        rows = [row for row in rows if (row.get("state_before") is None) == (column.name == "state")]
    for row in {id(row): row for row in (rows[0], rows[len(rows) // 2], rows[-1])}.values():
        value = changed(column, row[column.name])
        with restored(g.engine, table):
            with tampering(g.engine) as conn:
                conn.execute(update(table).where(*identity(table, row)).values({column.name: value}))
            assert table.name in tables_found(g), f"{column} of {dict(row)}"
    assert fsck.check_all(g) == []


@pytest.mark.parametrize("table", TABLES, ids=[table.name for table in TABLES])
def test_a_missing_row_is_found_in_its_table(g: Greffier, table: Table) -> None:
    with g.reading() as conn:
        rows = conn.execute(select(table)).mappings().all()
    # A checkpoint that is not public yet is no loss: the next tick publishes it.
    rows = [row for row in rows if row.get("name") != "published"]
    assert rows, f"{table.name} is empty: the test would show nothing"
    if table in NOT_MISSED:
        return
    with restored(g.engine, table):
        with tampering(g.engine) as conn:
            conn.execute(table.delete().where(*identity(table, rows[len(rows) // 2])))
        assert table.name in tables_found(g)


def test_two_entries_exchanged(g: Greffier) -> None:
    with g.reading() as conn:
        first, second = conn.execute(select(entry_table).order_by(entry_table.c.idx).offset(5).limit(2)).all()
    with restored(g.engine, entry_table):
        with tampering(g.engine) as conn:
            conn.execute(entry_table.delete().where(entry_table.c.idx.in_([first.idx, second.idx])))
            for row, idx in ((first, second.idx), (second, first.idx)):
                conn.execute(insert(entry_table).values(log=row.log, idx=idx, id=row.id, data=row.data))
        places = [finding.place for finding in fsck.check_all(g)]
    for row in (first, second):
        assert any(place.startswith(f"auditlog_entry(log=1,idx={row.idx})") for place in places)


@pytest.mark.parametrize("algorithm", [0, 1], ids=["ed25519", "ml-dsa-44"])
def test_a_head_without_one_of_its_signatures(g: Greffier, algorithm: int) -> None:
    with g.reading() as conn:
        note = bytes(conn.execute(select(head_table.c.note).where(head_table.c.name == "integrated")).scalar_one())
    assert len(parse_note(note).signatures) == 2
    lines = note.splitlines(keepends=True)
    with restored(g.engine, head_table):
        with tampering(g.engine) as conn:
            stripped = b"".join([*lines[:-2], lines[-1 - algorithm]])
            conn.execute(update(head_table).where(head_table.c.name == "integrated").values(note=stripped))
        assert "auditlog_head" in tables_found(g)


@pytest.mark.parametrize("signed", ["by the log's own keys", "by other keys"])
def test_the_whole_log_replaced_by_another_one(g: Greffier, tmp_path: Path, signed: str) -> None:
    """The last entry left out, and tiles and head made again, as a thief of the database (and of the keys) would."""
    with g.reading() as conn:
        entries = [
            bytes(data) for data in conn.execute(select(entry_table.c.data).order_by(entry_table.c.idx)).scalars()
        ]
    keys = g.home / "keys"
    if signed == "by other keys":
        keys = tmp_path / "keys"
        KeyFolder(keys).begin(g.log.origin)
    entries = entries[:-2] + entries[-1:]
    growth = grow(0, {}, [leaf_hash(data) for data in entries])
    checkpoint = Checkpoint(g.log.origin, growth.size, root_from_edge(growth.size, growth.edge))
    note = sign_checkpoint(checkpoint, KeyFolder(keys).check(g.log.origin))
    with restored(g.engine, entry_table, tile_table, head_table):
        with tampering(g.engine) as conn:
            for idx in (len(entries), len(entries) - 1):
                conn.execute(entry_table.delete().where(entry_table.c.idx == idx))
            conn.execute(
                insert(entry_table).values(log=1, idx=len(entries) - 1, id=id_of(entries[-1]), data=entries[-1])
            )
            conn.execute(tile_table.delete())
            tiles = [{"log": 1, "level": level, "idx": idx, "hashes": data} for level, idx, data in growth.tiles]
            conn.execute(insert(tile_table), tiles)
            conn.execute(update(head_table).values(size=growth.size, note=note))
        assert tables_found(g) & {"guard", "auditlog_head"}


def id_of(entry: bytes) -> str:
    return str(json.loads(entry)["id"])


def test_a_key_added_or_moved(g: Greffier) -> None:
    """A row for a record that was asked for without a key, and the keys of two records exchanged."""
    with g.reading() as conn:
        first, second = conn.execute(select(idempotency_table).limit(2)).mappings().all()
        without = (
            conn.execute(
                select(decision_table.c.id).where(decision_table.c.id.not_in(select(idempotency_table.c.record)))
            )
            .scalars()
            .first()
        )
    assert without is not None
    for row in ({**first, "tag": bytes(32), "record": without}, {**first, "tag": bytes(32), "record": "nothing"}):
        with restored(g.engine, idempotency_table):
            with tampering(g.engine) as conn:
                conn.execute(insert(idempotency_table).values(row))
            assert "auditlog_idempotency" in tables_found(g)
    with restored(g.engine, idempotency_table):
        with tampering(g.engine) as conn:
            conn.execute(idempotency_table.delete())
            moved = [{**first, "record": second["record"]}, {**second, "record": first["record"]}]
            conn.execute(insert(idempotency_table), moved)
        assert "auditlog_idempotency" in tables_found(g)


def test_a_query_row_added(g: Greffier) -> None:
    with g.reading() as conn:
        row = dict(conn.execute(select(decision_table)).mappings().first() or {})
        state = conn.execute(select(entry_table.c.id).where(entry_table.c.idx == 3)).scalar_one()
    for invented in ("00000000-0000-4000-8000-000000000000", state):
        with restored(g.engine, decision_table):
            with tampering(g.engine) as conn:
                conn.execute(insert(decision_table).values({**row, "id": invented, "idx": 3}))
            assert "auditlog_decision" in tables_found(g)


@contextlib.contextmanager
def zeroed(g: Greffier, slot: int) -> Iterator[None]:
    """A key overwritten past the program, in the key store's file."""
    path = g.home / "keys" / "records.keys"
    with path.open("r+b") as file:
        key = os.pread(file.fileno(), KEY_SIZE, slot * KEY_SIZE)
        os.pwrite(file.fileno(), bytes(KEY_SIZE), slot * KEY_SIZE)
        try:
            yield
        finally:
            os.pwrite(file.fileno(), key, slot * KEY_SIZE)


def test_a_key_overwritten_past_the_program(g: Greffier) -> None:
    with g.reading() as conn:
        slot = conn.execute(select(sealed_table.c.slot)).scalars().first()
    assert slot is not None
    with zeroed(g, slot):
        assert "auditlog_sealed" in tables_found(g)


def test_a_decision_taken_out_with_its_key(g: Greffier) -> None:
    """As an erasure does it, but no tombstone says so."""
    with g.reading() as conn:
        row = conn.execute(select(sealed_table).join(decision_table, decision_table.c.id == sealed_table.c.id)).first()
    assert row is not None
    tables = (sealed_table, subject_table, decision_table)
    with restored(g.engine, *tables), zeroed(g, row.slot):
        with tampering(g.engine) as conn:
            for table in tables:
                conn.execute(table.delete().where(table.c.id == row.id))
        assert "auditlog_sealed" in tables_found(g)


def test_a_review_taken_out_with_its_key(g: Greffier) -> None:
    """No tombstone names a review, so a review without content might have gone with its decision. This one did not."""
    with g.reading() as conn:
        row = conn.execute(select(sealed_table).join(review_table, review_table.c.id == sealed_table.c.id)).first()
    assert row is not None
    with restored(g.engine, sealed_table, review_table), zeroed(g, row.slot):
        with tampering(g.engine) as conn:
            for table in (sealed_table, review_table):
                conn.execute(table.delete().where(table.c.id == row.id))
        assert "auditlog_sealed" in tables_found(g)
