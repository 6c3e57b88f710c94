"""One opened field verifies alone, and does not help to guess the others: in Python and in JavaScript.

Real receipts of a real log, one of them with a value that lies apart (20,000 bytes and more), in the database and in
object storage. Who guesses has the whole file, a dictionary of 2,000 values in which the right one stands, and uses
whatever in the file could be a salt or a secret.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, delete, insert, select

from auditlog.core.entries.receipt import Receipt, format_receipt, parse_receipt
from auditlog.core.formats.commitment import LARGE, commit
from auditlog.store.blobs import blob_table, find_blobs
from auditlog.store.engine import writing
from home.errors import SettingsError
from home.greffier import Greffier
from lab.bench import records_scene
from service.erasing import erase, erasure_proof
from service.erasing import orphaned_objects as object_storage
from service.external import import_records
from service.keeping import fsck
from service.proving import receipts
from service.records import reading
from service.records.reading import CLI
from service.wiring import open_home

ROOT = Path(__file__).parents[2]
LETTER = "Een verzonnen brief over parkeren. " * 700
STREETS = [f"Test street {n}" for n in range(2_000)]
LETTERS = [LETTER + f"Nummer {n}." for n in range(2_000)]


@pytest.fixture(params=["database", "objects"])
def g(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Greffier]:
    """A home with a system elsewhere, whose field `remarks` takes long texts."""
    version = json.loads(records_scene.system_file())["version"]
    for field in version["fields"]:
        if field["id"] == "remarks":
            field["schema"] = {"type": "string", "maxLength": 200_000}
    home = tmp_path / "home"
    records_scene.make_home(home, version={"fields": version["fields"]})
    if request.param == "objects":
        (tmp_path / "objects").mkdir()
        with (home / "greffier.toml").open("a") as file:
            file.write(f'payload_store = "file://{tmp_path}/objects"\n')
    with open_home(home) as opened:
        yield opened


def recorded(g: Greffier, letter: str = LETTERS[1_500]) -> str:
    given = records_scene.line(7)
    given["input"] |= {"street": STREETS[1_234], "remarks": letter}
    result = import_records.record(g, [given]).results[0]
    assert not isinstance(result, Exception), result
    return result.id


def alone(whole: Receipt, field: str) -> bytes:
    """A receipt that opens this one field."""
    return format_receipt(replace(whole, openings=tuple(one for one in whole.openings if one.field == field)))


def node(*command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    found = shutil.which("node")
    if found is None or not (ROOT / "clients" / "js" / "node_modules").is_dir():
        if os.environ.get("CI"):
            pytest.fail("node, or its packages, are missing: run `make install-test`")
        pytest.skip("node, or its packages, are missing")
    return subprocess.run([found, *command], input=stdin, capture_output=True, text=True, check=False, timeout=120)


def test_each_field_verifies_alone_in_both_languages(g: Greffier, tmp_path: Path) -> None:
    whole = receipts.receipt(g, recorded(g), openings=CLI)
    vkey, file = g.home / "keys" / "log.vkey", tmp_path / "one.receipt.json"
    for field, value in (("in_street", STREETS[1_234]), ("in_remarks", LETTERS[1_500])):
        for changed in (False, True):
            data = alone(whole, field)
            if changed:
                data = data.replace(b"1234" if field == "in_street" else b"Nummer 1500", b"1235" * (1 + changed))
            file.write_bytes(data)
            python = [sys.executable, "-m", "auditlog", "verify", str(file), "--vkey", str(vkey), "--json"]
            ours = subprocess.run(python, capture_output=True, text=True, check=False, cwd=ROOT, timeout=60)
            theirs = node(str(ROOT / "clients/js/verify.mjs"), "verify", str(file), "--vkey", str(vkey), "--json")
            assert (ours.returncode, theirs.returncode) == (int(changed), int(changed)), ours.stderr + theirs.stderr
            if not changed:
                assert json.loads(ours.stdout)["openings"] == {field: value}
                assert json.loads(theirs.stdout)["openings"] == {field: value}


def keys_in(data: bytes, fields: list[str]) -> set[bytes]:
    """Everything in a receipt that could be a salt, or a secret from which one follows for one of these fields."""
    text = data.decode()
    found = {bytes.fromhex(digits) for digits in re.findall(r"[0-9a-f]{64}", text)} | {bytes(32), sha256(data).digest()}
    labels = [f"greffier/1/salt\0{field}".encode() for field in fields]
    return found | {hmac.digest(key, label, "sha256") for key in found for label in labels}


def test_the_others_cannot_be_guessed_from_it(g: Greffier) -> None:
    whole = receipts.receipt(g, recorded(g), openings=CLI)
    commitments = json.loads(whole.entry)["commitments"]
    for opened, other, guesses in (
        ("in_remarks", "in_street", STREETS),
        ("in_street", "in_remarks", LETTERS),
        ("output", "in_street", STREETS),
    ):
        salts = keys_in(alone(whole, opened), ["in_street", "in_remarks"])
        assert len(salts) > 40
        # A long text is hashed anew for each: there all of the values, with the one salt that is known.
        opening = parse_receipt(alone(whole, opened)).openings[0]
        tried = salts if guesses is STREETS else {bytes.fromhex(opening.salt)}
        wanted = commitments[other]
        assert not any(commit(salt, guess) == wanted for salt in tried for guess in guesses)
        # The test can fail: with the right salt the same search finds the value.
        right = next(bytes.fromhex(one.salt) for one in whole.openings if one.field == other)
        assert [guess for guess in guesses if commit(right, guess) == wanted] == [
            {"in_street": STREETS[1_234], "in_remarks": LETTERS[1_500]}[other]
        ]
        if guesses is STREETS:
            few = [salt.hex() for salt in sorted(salts)[:40]] + [opening.salt]
            for given, expected in ((few, []), ([right.hex()], [STREETS[1_234]])):
                question = {"salts": given, "guesses": guesses, "commitments": [wanted]}
                answer = node(str(ROOT / "tests/js/guess.mjs"), stdin=json.dumps(question))
                assert json.loads(answer.stdout) == expected, answer.stderr


def findings(g: Greffier) -> list[tuple[str, str]]:
    return [(one.place, one.message) for one in fsck.check_all(g)]


@contextlib.contextmanager
def tampered(g: Greffier, table: Table, change: dict[str, Any]) -> Iterator[None]:
    """The newest row of a table changed past the program, and put back."""
    with writing(g.engine) as conn:
        row = dict(conn.execute(select(table)).mappings().all()[-1])
        conn.execute(delete(table).where(table.c.name == row["name"]))
        conn.execute(insert(table), row | change)
    yield
    with writing(g.engine) as conn:
        conn.execute(delete(table).where(table.c.name == (row | change)["name"]))
        conn.execute(insert(table), row)


def test_a_large_value_goes_with_its_record(g: Greffier, tmp_path: Path) -> None:
    """Recorded, checked, erased: no row, no object, and the proof that it is so."""
    record = recorded(g)
    result = import_records.record(
        g, [records_scene.line(8, input={**records_scene.line(8)["input"], "remarks": LETTER})]
    )
    kept = result.results[0].id
    with g.reading() as conn:
        held = find_blobs(conn, record)
    assert len(held) == 1
    assert len(LETTER) > LARGE
    assert fsck.check_all(g) == []
    assert reading.open(g, CLI, "evidence", record).values["in_remarks"] == LETTERS[1_500]
    with tampered(g, blob_table, {"name": "00" * 16}):
        assert {place.split("(")[0] for place, _ in findings(g)} == {"auditlog_blob"}
    with tampered(g, blob_table, {"id": record}):
        assert {place.split("(")[0] for place, _ in findings(g)} == {"auditlog_blob"}
    if g.vault.objects is None:
        with tampered(g, blob_table, {"data": bytes(80)}):
            assert {place.split("(")[0] for place, _ in findings(g)} == {"auditlog_blob"}
    assert findings(g) == []
    erase.erase(g, record, ground="objection")
    verified = erasure_proof.verify(g, record)
    assert verified.gone, verified.left
    assert fsck.check_all(g) == []
    objects = {path.name for path in (tmp_path / "objects").rglob("*") if path.is_file()}
    assert not objects & held.keys()
    assert reading.open(g, CLI, "evidence", kept).values["in_remarks"] == LETTER
    if g.vault.objects is not None:
        assert len(objects) == 1
        assert object_storage.sweep(g) == object_storage.Swept(0, 0, 0)
    else:
        with pytest.raises(SettingsError, match=r"^payload_store: "):
            object_storage.sweep(g)


def test_a_repeated_line_is_compared_with_its_large_value(g: Greffier) -> None:
    given: dict[str, Any] = records_scene.line(9)
    given["input"] |= {"remarks": LETTER}
    first, again = (import_records.record(g, [given]).results[0] for _ in range(2))
    assert (again.id, again.repeated) == (first.id, True)
    given["input"] |= {"remarks": LETTER + "x"}
    assert isinstance(import_records.record(g, [given]).results[0], Exception)
