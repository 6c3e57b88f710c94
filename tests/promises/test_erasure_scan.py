"""Promise 6, by a scan: after a person is erased, no file has a value of theirs, nor anything to guess one with.

The test knows every value. It looks for each in many forms, in every byte of every file: database, write-ahead log,
free pages, the server's own files, application logs at their most talkative, an export of the log, a backup that was
taken before, and the key store. Then it takes each 32 bytes that it finds anywhere for a salt or a secret, and tries
the true values with it against the commitments that stay in the log.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import logging
import re
import shutil
import sqlite3
import subprocess
import sys
import uuid
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.counting.cells import counted
from auditlog.core.entries.record import parse_entry
from auditlog.core.errors import Erased
from auditlog.core.formats.canonical import Json
from auditlog.core.formats.commitment import canonical_value, commit_canonical, salt_for
from auditlog.store import decisions as decision_store
from auditlog.store import log as log_store
from auditlog.store import sources as source_store
from auditlog.store.decisions import find_reviews
from auditlog.store.erasures import ABOUT_A_RECORD
from auditlog.store.record_events import find_about
from auditlog.store.vault import slots_of
from auditlog.writing.log import Unit
from home.greffier import Greffier
from service.cases import reviews
from service.disclosing import lookup
from service.erasing import erase, erasure_proof, holds
from service.explaining import entry as explain_entry
from service.explaining import explain
from service.explaining.order import Measured
from service.explaining.statement import Alternative, Detail, Statement
from service.keeping import backup, fsck
from service.logs import export
from service.proving import receipts
from service.records import corrections, reading
from service.records.reading import CLI, Reader
from service.systems import register
from service.wiring import create_home, open_home

LOAN = "social-loan-check"
BEGIN = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
# Invented persons; words and numbers that nothing else holds.
PERSON = "Zylphia-Quorn 7731-0449"
OTHER = "Brambosch Ultrix 5520"
TEXT = "Zwerfkachel onder de trap, sinds Quinquagesima"
NUMBER = 77_319_044_170_061
FRACTION = 48_213.0625
LARGE = "De invoegstrook van Zwammerdam. " * 1200
REASONS = "Kwikzilveren overweging van de behandelaar"
DECISION = "Toegewezen-behoudens-Xanthippe"
RIGHT = "Zeventwintig konijnenhokken te Appelscha"
NOTE = "Kort geding Vrouwe Quastel tegen het college"
ACCOUNT = "k-auditor-wimpelzang"
VALUES: tuple[Json, ...] = (TEXT, NUMBER, FRACTION, LARGE, REASONS, DECISION, RIGHT, NOTE, ACCOUNT)


class Clock:
    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> datetime:
        return self.now


def decide(g: Greffier, subjects: tuple[str, ...], n: int, outcome: str, **inputs: Json) -> str:
    """As a decision is recorded, of values that no model would give."""
    version = register.show(g, LOAN).version
    assert version is not None
    values: dict[str, Any] = {f"in_{one.id}": None for one in version.manifest.fields}
    values |= {f"in_{name}": value for name, value in inputs.items()}
    values |= {"output": {"text": inputs.get("income")}, "outcome": outcome}
    values |= dict.fromkeys(("parent", "usage", "run", "times"))
    prepared = g.vault.prepare(str(uuid.uuid4()), values, subjects)
    members = {"system": LOAN, "version": version.version, "manifest": version.digest, "mode": "live"}
    members |= {"capture": "external", "boot": None, "source": "case-system", "n": n, "opened": None}
    entry = g.make("decision/1", id=prepared.id, commitments=prepared.commitments, **members)

    def rows(sequenced: Any) -> list[Any]:
        place = sequenced[0].place
        made = [*prepared.rows(), *decision_store.decision_rows(entry, values, place)]
        return [*made, source_store.source_row(entry, place)]

    g.log.append(Unit((entry,), None, rows, counts=lambda _: counted(entry, values, held=True))).result()
    return str(entry.id)


def work_on(g: Greffier, record: str) -> None:
    """Everything that staff do with a record."""
    made = reviews.Review("override", DECISION, REASONS, text=TEXT, effect=RIGHT, notified="2026-11-24")
    reviews.record_review(g, record, made)
    corrections.correct(g, record, {"income": RIGHT, "room": NUMBER}, REASONS)
    holds.place(g, record, ground="legal_claim", note=NOTE)
    holds.lift(g, record, ground="legal_claim", note=NOTE)
    reading.open(g, Reader("auditor", ACCOUNT), "export", record)
    receipts.receipt(g, record, openings=CLI)
    explain.explain(g, CLI, record)
    explained(g, record)


def explained(g: Greffier, record: str) -> None:
    """As of a system that a model here answered for, with a result that was set aside, and details nevertheless."""
    opened = reading.open(g, CLI, "explanation", record)
    details = tuple(
        Detail(name, opened.values[f"in_{name}"], "for", "decided", "all_wordings", 1) for name in ("income", "room")
    )
    change = Alternative({"income": RIGHT}, (), "good", None, None, None, "all_wordings")
    stated = Statement(LOAN, 1, "bad", "set_aside", (), "bit_exact", details, (change,), ("income",), 9, 3, "ab" * 16)
    explain_entry.keep(g, opened.entry, Measured(stated, record=opened), "request")


@contextlib.contextmanager
def talkative(file: Path) -> Iterator[None]:
    """Every logger of the process writes into a file, from DEBUG on."""
    handler = logging.FileHandler(file, encoding="utf-8")
    root = logging.getLogger()
    before = root.level
    engine = logging.getLogger("sqlalchemy")
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    engine.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        engine.setLevel(logging.NOTSET)
        handler.close()


# --- what is looked for -----------------------------------------------------------------------------------------------


def forms(value: Json) -> set[bytes]:
    """The ways in which a value may stand in a file. Of a long one, a piece from its midst will do."""
    bare: set[bytes] = set()
    if isinstance(value, str):
        piece = value if len(value) < 200 else value[2000:2060]
        words = {piece, piece.casefold(), json.dumps(piece)[1:-1]}
    elif isinstance(value, int):
        words = {str(value), f"{value:_}", f"{value:,}", f"{value:x}"}
        bare = {value.to_bytes(8, "big"), value.to_bytes(8, "little")}
    else:
        words = {repr(value)}
    plain = {word.encode(code) for word in words for code in ("utf-8", "utf-16-le", "utf-16-be")} | bare
    coded = {one.hex().encode() for one in plain}
    for one in plain:
        for shift in range(3):  # base64 depends on where it begins
            whole = base64.b64encode(b"\0" * shift + one)
            coded.add(whole[4 if shift else 0 : -4])
    return {one for one in plain | coded if len(one) >= 6}


def unpacked(data: bytes) -> Iterator[bytes]:
    """The content of what looks like a zlib stream."""
    for found in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", data):
        with contextlib.suppress(zlib.error):
            yield zlib.decompressobj().decompress(data[found.start() : found.start() + 100_000])


def files(folder: Path) -> dict[Path, bytes]:
    found = {path: path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".gguf"}
    return {path: path.read_bytes() for path in found}


def where(needles: set[bytes], content: dict[Path, bytes]) -> list[str]:
    found = []
    for path, data in content.items():
        for part in (data, *unpacked(data)):
            found += [f"{needle[:40]!r} in {path.name}" for needle in needles if needle in part]
    return found


def chances(content: dict[Path, bytes]) -> set[bytes]:
    """Every 32 bytes that could be a salt or a secret: at each place, in hexadecimal, and in base64."""
    found: set[bytes] = set()
    for data in content.values():
        found.update(bytes.fromhex(one.decode()) for one in re.findall(rb"(?=([0-9a-fA-F]{64}))", data))
        for one in re.findall(rb"(?=([A-Za-z0-9+/_-]{43}=?))", data):
            with contextlib.suppress(ValueError):
                found.add(base64.b64decode(one[:43] + b"=", altchars=b"-_" if set(one) & set(b"-_") else None))
    return found


def opens(chance: bytes, field: str, data: bytes, commitment: str) -> bool:
    """Whether these 32 bytes, as salt or as the record's secret, show that the value is the one."""
    if hmac.digest(chance, b"greffier/1/field\0" + data, "sha256").hex() == commitment:
        return True
    return commit_canonical(salt_for(chance, field), data) == commitment


def raw_chances(data: bytes) -> Iterator[bytes]:
    for place in range(len(data) - 31):
        yield data[place : place + 32]


# --- the test ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def home(loan_home: Path) -> Path:
    return loan_home


def test_after_erasing_a_person_nothing_of_theirs_is_found(home: Path, tmp_path: Path) -> None:
    clock = Clock()
    (home / "logs").mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    with talkative(home / "logs" / "debug.log"), open_home(home, clock=clock) as g:
        mine = [decide(g, (PERSON,), 1, "bad", income=TEXT, room=NUMBER, debts=LARGE)]
        mine += [decide(g, (PERSON,), n, "bad", income=TEXT, room=FRACTION) for n in (2, 3)]
        theirs = [decide(g, (OTHER,), n, "good", income="a steady job") for n in (4, 5)]
        kept = [decide(g, ("TEST-9",), n, "good", income="a steady job") for n in (6, 7, 8)]
        for record in mine[:2]:
            work_on(g, record)
        assert len(lookup.look_up(g, CLI, "lookup", lookup.Reference("subject", PERSON, "subject")).records) == 3
        secrets = secrets_of(g, mine)
        entries = {record: reading.find(g, record).entry for record in mine}
        backup.write(g, outside / "greffier.backup")
        source, copy = (sqlite3.connect(path) for path in (home / "greffier.db", outside / "copy.db"))
        with contextlib.closing(source), contextlib.closing(copy):
            source.backup(copy)
        before = files(home) | files(outside)
        assert_the_test_would_find(before, entries[mine[0]], secrets, tmp_path)

        clock.now += timedelta(minutes=5)
        for reference in (PERSON, OTHER):
            plan = erase.plan_person(g, reference, ground="consent_withdrawn")
            erase.confirm(g, plan, plan.code)
            clock.now += timedelta(minutes=5)
        clock.now += timedelta(days=1)
        assert erase.write_tombstones(g) == 5
        assert all(erasure_proof.verify(g, record).gone for record in mine)
        for record in mine:
            with pytest.raises(Erased):
                reading.open(g, CLI, "access_file", record)
        assert all(reading.open(g, CLI, "export", record).values for record in kept)
        export.export_log(g, home / "exports" / "log")
        assert fsck.check_all(g) == []
        nothing_groups(g, mine, theirs)

    content = files(home)
    assert where({form for value in VALUES for form in forms(value)}, content | files(outside)) == []
    persons = {form for name in (PERSON, "zylphiaquorn77310449") for form in forms(name)}
    assert where(persons, content | files(outside)) == []
    gone = secrets["keys"] | secrets["secrets"]
    assert where(gone | {one.hex().encode() for one in gone}, content | files(outside)) == []
    # Tags are in a file-level copy from before, and nowhere else (docs/trust.md).
    assert where(secrets["tags"], content | files(outside / "greffier.backup")) == []
    assert where(secrets["tags"], files(outside))
    nothing_opens(content | files(outside), entries)
    audited(home)


def secrets_of(g: Greffier, records: list[str]) -> dict[str, set[bytes]]:
    """What would give the content away: record keys and secrets, also of what is about the records; and their tags."""
    ids = list(records)
    with g.reading() as conn:
        for record in records:
            ids += [row.id for row in find_about(conn, record)] + [row["id"] for row in find_reviews(conn, record)]
        opened = [g.vault.open(conn, one) for one in sorted(set(ids))]
        slots = slots_of(conn, sorted(set(ids)))
    return {
        "keys": {g.record_keys.read(slot) for slot in slots.values()},
        "secrets": {one.secret for one in opened},
        "tags": {tag.tag for one in opened for tag in g.vault.tags_of(one)},
    }


def assert_the_test_would_find(
    before: dict[Path, bytes], entry: Any, secrets: dict[str, set[bytes]], tmp: Path
) -> None:
    """Who finds nothing must have found what there is: keys in the key store, tags in rows, salts where they lie."""
    assert where(secrets["keys"], before), "keys are in the key store until they are overwritten"
    assert where(secrets["tags"], before)
    data = canonical_value(TEXT, field="in_income")
    commitment = entry.commitments["in_income"]
    found = [one for one in secrets["secrets"] if opens(one, "in_income", data, commitment)]
    assert len(found) == 1
    salt = salt_for(found[0], "in_income")
    for planted in (found[0], salt):
        for form in (planted, planted.hex().encode(), base64.urlsafe_b64encode(planted)):
            content = {tmp: b"\x07" * 41 + form + b"\x07" * 3}
            tried = [*chances(content), *(one for data_ in content.values() for one in raw_chances(data_))]
            assert any(opens(one, "in_income", data, commitment) for one in tried)
    for value in (TEXT, NUMBER, FRACTION, LARGE):
        text = value if isinstance(value, str) else str(value)
        for form in (
            text.encode(),
            text.encode("utf-16-le"),
            b"ab" + base64.b64encode(text.encode()),
            json.dumps(value).encode(),
        ):
            assert where(forms(value), {tmp: b"xyz" + form + b"xyz"}), (form[:20], value)


def nothing_opens(content: dict[Path, bytes], entries: dict[str, Any]) -> None:
    """The dictionary is the true value alone: whatever else it held, nothing more would be found."""
    tries = [
        (field, canonical_value(value, field=field), entry.commitments[field])
        for entry in entries.values()
        for field, value in (("in_income", TEXT), ("outcome", "bad"))
    ]
    for chance in chances(content):
        for field, data, commitment in tries:
            assert not opens(chance, field, data, commitment)
    field, data, commitment = tries[0]
    for path, one in content.items():
        if path.suffix == ".db" or path.name.endswith(("-wal", ".keys", ".backup", ".log")):
            for chance in {*raw_chances(one)}:
                assert not opens(chance, field, data, commitment), path.name


def nothing_groups(g: Greffier, mine: list[str], theirs: list[str]) -> None:
    """Tombstones stand in the order of random ids, both persons' among each other, and say the same of all."""
    with g.reading() as conn:
        told = [entry for _, entry in log_store.entries_of_kinds(conn, g.log.number, {"erasure/1"})]
        everything = [data for _, data in log_store.iterate_entries(conn, g.log.number)]
    assert [str(entry.members["record"]) for entry in told] == sorted([*mine, *theirs])
    assert {(entry.members["ground"], entry.members["role"], entry.time) for entry in told} == {
        ("consent_withdrawn", "administrator", "2026-11-25T08:15Z")
    }
    for data in everything:
        assert sum(data.count(record.encode()) for record in mine) <= 1
    own = {record: [parse_entry(data).kind for data in everything if record.encode() in data] for record in mine}
    assert all(kinds[0] == "decision/1" and kinds[-1] == "erasure/1" for kinds in own.values())
    assert {kind for kinds in own.values() for kind in kinds[1:-1]} <= {"correction/1"}


def audited(home: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "auditlog",
        "audit",
        str(home / "exports" / "log"),
        "--vkey",
        str(home / "keys" / "log.vkey"),
    ]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert told.returncode == 0, told.stdout + told.stderr
    for name in (PERSON, TEXT, REASONS):
        assert name not in told.stdout + told.stderr


def statistics(conn: Any) -> str:
    """What PostgreSQL's planner knows of the tags."""
    columns = "most_common_vals::text, histogram_bounds::text"
    statement = f"SELECT {columns} FROM pg_stats WHERE tablename = 'auditlog_subject'"
    return str(conn.exec_driver_sql(statement).all())


def test_postgresql_keeps_no_value_in_clear(
    postgresql_url: str, postgresql_server: str, loan_home: Path, tmp_path: Path, model_file: Path
) -> None:
    """Every file of the server, before and after: content is sealed before it reaches the database."""
    home, clock = tmp_path / "other", Clock()
    create_home(home, "waterveen", "waterveen.example/log", database_url=postgresql_url, clock=clock)
    from cli.demo.run import CASES
    from service.systems import lifecycle

    shutil.copyfile(CASES / "agency.json", home / "agency.json")
    with talkative(home / "debug.log"), open_home(home, clock=clock) as g:
        register.add_model(g, model_file)
        register.register(g, (CASES / f"{LOAN}.json").read_bytes())
        for state in ("in_review", "approved", "active"):
            lifecycle.change_state(g, LOAN, state)
        mine = [decide(g, (PERSON,), n, "bad", income=TEXT, room=NUMBER, debts=LARGE) for n in (1, 2)]
        decide(g, ("TEST-9",), 3, "good", income="a steady job")
        work_on(g, mine[0])
        secrets = secrets_of(g, mine)
        entries = {record: reading.find(g, record).entry for record in mine}
        with g.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            conn.exec_driver_sql("ANALYZE")
            assert any(tag.hex() in statistics(conn) for tag in secrets["tags"]), "the planner keeps values of rows"
        plan = erase.plan_person(g, PERSON, ground="objection")
        erase.confirm(g, plan, plan.code)
        assert all(erasure_proof.verify(g, record).gone for record in mine)
        assert fsck.check_all(g) == []
        with g.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            assert not any(tag.hex() in statistics(conn) for tag in secrets["tags"])
            # VACUUM lets go of rows and leaves their bytes in the page until others take the place (docs/trust.md).
            for name in [*(table.name for table, _ in ABOUT_A_RECORD), "pg_statistic"]:
                conn.exec_driver_sql(f"VACUUM FULL {name}")
            conn.exec_driver_sql("CHECKPOINT")
            data_folder = Path(str(conn.exec_driver_sql("SHOW data_directory").scalar_one()))
            oid = conn.exec_driver_sql("SELECT oid FROM pg_database WHERE datname = current_database()").scalar_one()
        content = files(home) | files(data_folder / "base" / str(oid)) | files(data_folder / "pg_wal")
    needles = {form for value in (*VALUES, PERSON) for form in forms(value)}
    assert where(needles, content) == []
    gone = secrets["keys"] | secrets["secrets"]
    assert where(gone, content) == []
    tables = {path: one for path, one in content.items() if "pg_wal" not in path.parts}
    assert where(secrets["tags"], tables) == []
    tries = chances(files(home))
    for entry in entries.values():
        data = canonical_value(TEXT, field="in_income")
        assert not any(opens(one, "in_income", data, entry.commitments["in_income"]) for one in tries)
