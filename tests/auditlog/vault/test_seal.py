"""Sealing and opening: what goes in comes out, for this record, with this key, and not otherwise."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auditlog.core.entries.kinds import KINDS
from auditlog.core.entries.record import make_entry
from auditlog.core.errors import CannotRecord, Erased, FormatError, NotFound, VaultError
from auditlog.core.formats.canonical import format_canonical
from auditlog.core.formats.commitment import commit_all, verify_opening
from auditlog.store.engine import reading, writing
from auditlog.store.vault import find_sealed, insert_erasure
from auditlog.vault.record_keys import RecordKeys
from auditlog.vault.seal import PADDING, Vault

VALUES = {
    "in_income": "no income",
    "in_ratio": 0.25,
    "output": {"result": "poor", "words": ["één", "😀"]},
    "outcome": "refuse",
    "parent": None,
    "usage": None,
    "run": {"logprobs": [-1, -2]},
    "times": None,
}


def entry_for(prepared, known):
    common = {
        "agency": "example-agency",
        "time": known.now,
        "system": "s",
        "version": 1,
        "manifest": "sha256:" + "0" * 64,
    }
    kind = {"capture": "external", "mode": "live", "boot": None, "source": "cases", "n": 1, "opened": None}
    return make_entry("decision/1", id=prepared.id, commitments=prepared.commitments, **common, **kind)


@pytest.fixture
def stored(database, vault):
    prepared = vault.prepare(str(uuid.uuid4()), VALUES, ["WV-004711", "wv 004712"])
    vault.keys.sync()
    with writing(database.engine) as conn:
        prepared.insert(conn)
    return prepared


def test_a_record_opens_with_all_its_values(database, vault, stored, known):
    with reading(database.engine) as conn:
        opened = vault.open(conn, stored.id, entry_for(stored, known))
    assert opened.values == {**VALUES, "subjects": ["s1:wv004711", "s1:wv004712"]}
    for opening in opened.openings(opened.values):
        verify_opening(opening, stored.commitments[opening.field])
    with pytest.raises(NotFound, match=r"^in_age: "):
        opened.opening("in_age")


def test_people_are_found_by_any_spelling(database, vault, stored):
    with reading(database.engine) as conn:
        assert vault.find(conn, "wv.004711") == [stored.id]
        assert vault.find(conn, "WV 004712") == [stored.id]
        assert vault.find(conn, "WV 004713") == []
        opened = vault.open(conn, stored.id)
    assert sorted(vault.tags_of(opened)) == sorted(stored.tags)
    assert {tag.kind for tag in stored.tags} == {"subject"}


def test_nothing_of_the_content_is_stored_in_clear(database, vault, stored):
    row = stored.row
    stored_bytes = row.nonce + row.ciphertext + b"".join(tag.tag for tag in stored.tags) + row.id.encode()
    for word in (b"income", b"refuse", b"wv004711", b"poor", stored.secret, stored.secret.hex().encode()):
        assert word not in stored_bytes
    assert all(word not in repr(stored) for word in ("refuse", stored.secret.hex(), "wv004711"))


def test_a_ciphertext_does_not_tell_lengths(vault):
    """Form, payload in steps of 256 bytes, authentication tag."""
    outcomes = ("grant", "refuse", "x" * 100)
    sizes = {len(vault.prepare(str(uuid.uuid4()), {"outcome": outcome}).row.ciphertext) for outcome in outcomes}
    assert sizes == {1 + PADDING + 16}


def test_every_column_is_bound_to_the_record(database, vault, stored, known):
    row = stored.row
    other = vault.prepare(str(uuid.uuid4()), VALUES, [])
    wrong = [replace(row, id=other.id), replace(row, slot=other.row.slot), replace(row, nonce=other.row.nonce)]
    wrong += [replace(row, ciphertext=other.row.ciphertext), replace(row, nonce=row.nonce[:-1])]
    wrong += [replace(row, nonce=bytes([row.nonce[0] ^ 1]) + row.nonce[1:])]
    for position in range(len(row.ciphertext)):
        changed = bytearray(row.ciphertext)
        changed[position] ^= 1
        wrong.append(replace(row, ciphertext=bytes(changed)))
    for changed_row in wrong:
        with pytest.raises(VaultError) as error:
            vault.open_row(changed_row)
        assert error.value.field == "ciphertext"
        assert "income" not in str(error.value)
    assert vault.open_row(row, entry_for(stored, known))


def test_content_of_another_log_does_not_open(vault, stored):
    elsewhere = Vault(vault.keys, "register.example/audit/2", b"i" * 32)
    with pytest.raises(VaultError, match=r"^ciphertext: "):
        elsewhere.open_row(stored.row)


def test_content_must_be_what_the_entry_commits_to(vault, stored, known):
    entry = entry_for(stored, known)
    for name in ("outcome", "in_income", "subjects"):
        changed = {**entry.commitments, name: "0" * 64}
        with pytest.raises(VaultError, match=f"^{name}: "):
            vault.open_row(stored.row, entry_for(replace(stored, commitments=changed), known))
    more = {**entry.commitments, "in_more": "0" * 64}
    with pytest.raises(VaultError, match=r"^in_more: "):
        vault.open_row(stored.row, entry_for(replace(stored, commitments=more), known))
    less = {name: one for name, one in entry.commitments.items() if name != "in_income"}
    with pytest.raises(VaultError, match=r"^in_income: "):
        vault.open_row(stored.row, entry_for(replace(stored, commitments=less), known))
    with pytest.raises(VaultError, match=r"^id: "):
        vault.open_row(stored.row, entry_for(replace(stored, id=str(uuid.uuid4())), known))


def test_gone_for_good_and_never_there_are_told_apart(database, vault, stored):
    with reading(database.engine) as conn, pytest.raises(NotFound):
        vault.open(conn, str(uuid.uuid4()))
    vault.keys.overwrite([stored.row.slot])
    with reading(database.engine) as conn, pytest.raises(Erased):
        vault.open(conn, stored.id)
    gone = str(uuid.uuid4())
    with writing(database.engine) as conn:
        insert_erasure(conn, record=gone, id_=str(uuid.uuid4()))
        with pytest.raises(Erased):
            vault.open(conn, gone)


def test_an_older_key_store_is_named(database, vault, stored, tmp_path):
    RecordKeys.create(tmp_path / "older")
    older = RecordKeys(tmp_path / "older")
    with reading(database.engine) as conn, pytest.raises(VaultError, match=r"^key_store: .*younger replica"):
        Vault(older, vault.origin, b"i" * 32).open(conn, stored.id)
    older.close()


def test_subjects_are_always_committed_where_the_kind_has_them(vault):
    assert set(vault.prepare("x", {"a": 1}, []).commitments) == {"a", "subjects"}
    assert set(vault.prepare("x", {"a": 1}).commitments) == {"a"}
    for subjects in ([], None):
        with pytest.raises(FormatError, match=r"^subjects: "):
            vault.prepare("x", {"subjects": ["s1:a"]}, subjects)


def test_one_person_twice_is_one_tag(vault):
    assert len(vault.prepare("x", {}, ["A 1", "a-1"]).tags) == 1


def test_a_key_store_that_is_full_or_gone_seals_nothing(vault, key_store):
    key_store.unlink()
    vault.prepare(str(uuid.uuid4()), VALUES, [])
    with pytest.raises(CannotRecord) as error:
        vault.keys.sync()  # what the log does before it commits
    assert error.value.cause == "key_store"


def test_a_wrong_value_takes_no_slot(vault):
    before = vault.keys.count()
    with pytest.raises(FormatError, match=r"^outcome: "):
        vault.prepare("x", {"outcome": "\ud800"}, [])
    with pytest.raises(FormatError, match=r"^subject: "):
        vault.prepare("x", {"outcome": "grant"}, ["--"])
    assert vault.keys.count() == before


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from([*sorted(KINDS["decision/1"].commits), "in_a", "in_b"]), JSON, max_size=6))
def test_any_values_come_back(vault, values):
    values.pop("subjects", None)
    prepared = vault.prepare(str(uuid.uuid4()), values)
    opened = vault.open_row(prepared.row)
    assert format_canonical(opened.values, fractions=True) == format_canonical(values, fractions=True)
    assert prepared.commitments == commit_all(opened.secret, values)


def test_rows_come_back_from_both_databases(database, stored):
    with reading(database.engine) as conn:
        assert find_sealed(conn, stored.id) == stored.row
