"""Large values lie apart from their record: in the database or as objects, under the record's key, gone with it."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from auditlog.core.entries.record import make_entry
from auditlog.core.errors import CannotRecord, VaultError
from auditlog.core.formats.commitment import LARGE, verify_opening
from auditlog.store.blobs import blob_due_table, blob_table, due_objects, find_blobs, object_names
from auditlog.store.engine import reading, writing
from auditlog.store.vault import delete_sealed
from auditlog.vault import blobs
from auditlog.vault.blobs import Objects, open_objects
from auditlog.vault.seal import Vault

TEXT = "Een verzonnen brief. " * 2000
VALUES = {
    "in_letter": TEXT,
    "in_income": "no income",
    "output": {"words": ["é" * LARGE]},
    "outcome": "refuse",
    "run": {"tokens": [*range(9000)]},
}
LARGE_FIELDS = {"in_letter", "output", "run"}


@pytest.fixture(params=["database", "objects"])
def stored(request, database, keys, tmp_path):
    """(vault, prepared): stored in each way."""
    objects = None
    if request.param == "objects":
        (tmp_path / "objects").mkdir()
        objects = Objects(f"file://{tmp_path}/objects")
    vault = Vault(keys, "register.example/audit/1", b"i" * 32, objects=objects)
    prepared = vault.prepare(str(uuid.uuid4()), VALUES, ["WV-1"])
    keys.sync()
    with writing(database.engine) as conn:
        prepared.insert(conn)
    return vault, prepared


def entry_for(prepared, known):
    common = {"agency": "example-agency", "time": known.now, "system": "s", "version": 1}
    commitments = dict.fromkeys(("parent", "usage", "times"), "0" * 64) | prepared.commitments
    kind = {"capture": "external", "mode": "live", "boot": None, "source": "cases", "n": 1, "opened": None}
    manifest = "sha256:" + "0" * 64
    return make_entry("decision/1", id=prepared.id, commitments=commitments, manifest=manifest, **common, **kind)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_all_values_come_back_and_open(database, stored):
    vault, prepared = stored
    with reading(database.engine) as conn:
        opened = vault.open(conn, prepared.id)
        assert len(find_blobs(conn, prepared.id)) == len(LARGE_FIELDS)
    assert opened.values == {**VALUES, "subjects": ["s1:wv1"]}
    assert opened.stubs == {}
    for opening in opened.openings(opened.values):
        verify_opening(opening, prepared.commitments[opening.field])


def test_a_record_is_checked_without_its_large_values(stored):
    """Who needs none of them does not read them; what stands for them is checked against the entry all the same."""
    vault, prepared = stored
    opened = vault.open_row(prepared.row)
    assert set(opened.stubs) == LARGE_FIELDS
    assert not LARGE_FIELDS & opened.values.keys()
    for name in LARGE_FIELDS:
        with pytest.raises(VaultError, match=f"^{name}: "):
            opened.opening(name)


def test_the_stubs_are_what_the_entry_commits_to(database, vault, known):
    values = {**VALUES, "parent": None, "usage": None, "times": None}
    prepared = vault.prepare(str(uuid.uuid4()), values, [])
    entry = entry_for(prepared, known)
    assert set(vault.open_row(prepared.row, entry).stubs) == LARGE_FIELDS
    changed = {**prepared.commitments, "in_letter": "0" * 64}
    other = make_entry(
        "decision/1",
        id=entry.id,
        agency=entry.agency,
        time=known.now,
        **{**entry.members, "commitments": changed},
    )
    with pytest.raises(VaultError, match=r"^in_letter: "):
        vault.open_row(prepared.row, other)


def test_nothing_of_it_is_in_clear(database, stored, tmp_path):
    _, prepared = stored
    with reading(database.engine) as conn:
        held = [row.data or b"" for row in find_blobs(conn, prepared.id).values()]
    held += [path.read_bytes() for path in files(tmp_path / "objects")]
    assert sum(map(len, held)) > 1000
    assert not any(word in data for data in held for word in (b"verzonnen", prepared.secret, prepared.id.encode()))
    for path in files(tmp_path / "objects"):
        assert prepared.id not in str(path)


def test_a_blob_is_bound_to_its_record_and_place(database, stored, keys):
    vault, prepared = stored
    other = vault.prepare(str(uuid.uuid4()), VALUES, [])
    with writing(database.engine) as conn:
        other.insert(conn)
    mine, theirs = prepared.blobs[0].name, other.blobs[0].name
    if vault.objects is None:
        with writing(database.engine) as conn:
            data = conn.execute(select(blob_table.c.data).where(blob_table.c.name == theirs)).scalar_one()
            conn.execute(update(blob_table).where(blob_table.c.name == mine).values(data=data))
    else:
        vault.objects.put(mine, vault.objects.get(theirs, field="x"))
    with reading(database.engine) as conn, pytest.raises(VaultError, match=r"^in_letter: .*does not open"):
        vault.open(conn, prepared.id)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "gone"])
def test_damage_is_named_by_the_field(database, stored, damage):
    vault, prepared = stored
    name = prepared.blobs[-1].name
    good = prepared.blobs[-1].data if vault.objects is None else vault.objects.get(name, field="x")
    bad = {"flip": good[:-1] + bytes([good[-1] ^ 1]), "cut": good[:40], "empty": b"", "gone": None}[damage]
    if vault.objects is not None:
        vault.objects.delete(name) if bad is None else vault.objects.put(name, bad)
    with writing(database.engine) as conn:
        mine = blob_table.c.name == name
        if vault.objects is None:
            conn.execute(
                delete(blob_table).where(mine) if bad is None else update(blob_table).where(mine).values(data=bad)
            )
    with reading(database.engine) as conn, pytest.raises(VaultError) as error:
        vault.open(conn, prepared.id)
    assert error.value.field in LARGE_FIELDS
    assert "verzonnen" not in str(error.value)


def test_erasing_takes_rows_and_objects(database, stored, tmp_path):
    vault, prepared = stored
    kept = vault.prepare(str(uuid.uuid4()), VALUES, [])
    with writing(database.engine) as conn:
        kept.insert(conn)
    with writing(database.engine) as conn:
        delete_sealed(conn, [prepared.id])
        delete_sealed(conn, [prepared.id])
    vault.keys.overwrite([prepared.row.slot])

    @contextmanager
    def begin():
        with writing(database.engine) as conn:
            yield conn

    with reading(database.engine) as conn:
        assert find_blobs(conn, prepared.id) == {}
        due = due_objects(conn)
    assert due == ([] if vault.objects is None else sorted(blob.name for blob in prepared.blobs))
    if vault.objects is not None:
        vault.objects.delete(due[0])  # a sweep that was killed in between
        assert blobs.sweep(None, begin) == (0, len(due)), "the setting was changed meanwhile: they stay due"
    assert blobs.sweep(vault.objects, begin) == (len(due), 0)
    assert blobs.sweep(vault.objects, begin) == (0, 0)
    with reading(database.engine) as conn:
        assert conn.execute(select(blob_due_table)).all() == []
        assert vault.open(conn, kept.id).values["in_letter"] == TEXT
        names = set(object_names(conn))
    assert {path.name for path in files(tmp_path / "objects")} == names
    if vault.objects is not None:
        assert set(vault.objects.names()) == names == {blob.name for blob in kept.blobs}


def test_what_was_never_recorded_is_swept_but_not_before_its_day(database, keys, known, tmp_path):
    (tmp_path / "objects").mkdir()
    vault = Vault(keys, "register.example/audit/1", b"i" * 32, objects=Objects(f"file://{tmp_path}/objects"))
    kept, dropped = (vault.prepare(str(uuid.uuid4()), VALUES, []) for _ in range(2))
    with writing(database.engine) as conn:
        kept.insert(conn)
    newest = max(path.stat().st_mtime for path in files(tmp_path / "objects"))
    now, before = datetime.fromtimestamp(newest + 1, UTC), datetime.fromtimestamp(newest - 3600, UTC)

    def begin():
        return writing(database.engine)

    assert blobs.sweep_strays(vault.objects, begin, before) == (0, 0)
    assert blobs.sweep_strays(vault.objects, begin, now) == (len(dropped.blobs), 0)
    assert set(vault.objects.names()) == {blob.name for blob in kept.blobs}
    with reading(database.engine) as conn:
        assert vault.open(conn, kept.id).values["in_letter"] == TEXT


def test_the_setting_may_change_for_new_records(database, stored, keys, tmp_path):
    vault, prepared = stored
    here = Vault(keys, vault.origin, b"i" * 32)
    with reading(database.engine) as conn:
        if vault.objects is None:
            assert here.open(conn, prepared.id).values["in_letter"] == TEXT
        else:
            with pytest.raises(VaultError, match=r"^payload_store: .*put back the URL"):
                here.open(conn, prepared.id)


def test_no_object_no_record(keys, tmp_path):
    """Storage that cannot be written is said before an entry is made."""
    folder = tmp_path / "objects"
    folder.mkdir()
    objects = Objects(f"file://{folder}")
    vault = Vault(keys, "register.example/audit/1", b"i" * 32, objects=objects)
    folder.rmdir()
    folder.write_text("a file where the folder was")
    with pytest.raises(CannotRecord) as error:
        vault.prepare(str(uuid.uuid4()), VALUES, [])
    assert (error.value.cause, error.value.field) == ("unwritable", "payload_store")
    assert str(tmp_path) not in str(error.value)
    assert vault.prepare(str(uuid.uuid4()), {"outcome": "grant"}).blobs == (), "small records need no objects"


@pytest.mark.parametrize(
    "setting",
    [
        "",
        "databases",
        "file://",
        "file:///",
        "file:///nowhere/at/all",
        "file://host/x",
        "ftp://x/y",
        "http://x/",
        "s3://",
    ],
)
def test_settings_that_are_none_are_named(setting):
    with pytest.raises(VaultError, match=r"^payload_store: "):
        open_objects(setting)


def test_object_storage_of_the_network_is_the_same_code():
    """No bucket is asked here: what cannot be reached is an error that names the setting and no credentials."""
    objects = open_objects("s3://example-bucket/prefix")
    assert objects is not None
    assert open_objects("database") is None


def test_the_limit_is_exact(vault):
    at, beyond = "x" * (LARGE - 2), "x" * (LARGE - 1)
    prepared = vault.prepare(str(uuid.uuid4()), {"in_a": at, "in_b": beyond})
    assert set(vault.open_row(prepared.row).stubs) == {"in_b"}
