"""Tag and digest of a request under a key: what they are, what they depend on, and that an erasure takes both."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from auditlog.core.entries.record import make_entry
from auditlog.core.errors import FormatError, VaultError
from auditlog.store.decisions import insert_decision, row_from
from auditlog.store.engine import reading
from auditlog.store.idempotency import KeyRow, find_key, insert_key
from auditlog.store.insert import insert_rows
from auditlog.store.sources import source_row
from auditlog.store.vault import SealedRow
from auditlog.vault.check import check_vault
from auditlog.vault.erasure import Erasure, Ledger, erase
from auditlog.vault.idempotency import SealedRequest, key_row, key_tag, request_digest, request_form
from auditlog.writing.unit import Unit

INDEX_KEY = b"i" * 32
SECRET = b"s" * 32
ASKED = SealedRequest(b"t" * 32, "nl")
VALUES = {
    "in_income": "a steady job",
    "in_ratio": 0.25,
    "in_debts": None,
    "output": {},
    "outcome": "grant",
    **dict.fromkeys(("parent", "usage", "run", "times")),
}


def sha256_hmac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def test_the_formulas_of_the_documentation():
    assert key_tag(INDEX_KEY, "key 0a1b", "case-7731") == sha256_hmac(INDEX_KEY, b"greffier/1/key\0key 0a1b\0case-7731")
    form = request_form("loan-check", {"income": "none", "debts": None}, ["s1:a"], None, "nl")
    assert form == b'{"input":{"income":"none"},"lang":"nl","parent":null,"subjects":["s1:a"],"system":"loan-check"}'
    assert request_digest(SECRET, form) == sha256_hmac(sha256_hmac(SECRET, b"greffier/1/request\0"), form)


def test_tags_depend_on_index_key_scope_and_key():
    tags = {
        key_tag(index_key, scope, key)
        for index_key in (INDEX_KEY, b"j" * 32)
        for scope in ("key 0a1b", "key 0a1c")
        for key in ("a", "b", "ab")
    }
    assert len(tags) == 12


@pytest.mark.parametrize(
    "change",
    [
        {"system": "other"},
        {"inputs": {"income": "none", "debts": 1}},
        {"inputs": {}},
        {"inputs": {"income": "None"}},
        {"subjects": []},
        {"subjects": ["s1:a", "s1:b"]},
        {"parent": str(uuid.UUID(int=0))},
        {"lang": "en"},
    ],
)
def test_each_part_of_a_request_counts(change):
    said = {"system": "loan", "inputs": {"income": "none"}, "subjects": ["s1:a"], "parent": None, "lang": "nl"}
    assert request_form(**said | change) != request_form(**said)


def test_what_no_json_holds_is_refused():
    with pytest.raises(FormatError, match="input"):
        request_form("loan", {"income": "\ud800"}, [], None, "nl")


def test_what_was_asked_lies_sealed_beside_the_values(vault):
    with_key = vault.prepare(str(uuid.uuid4()), VALUES, [], asked=ASKED)
    without = vault.prepare(str(uuid.uuid4()), VALUES, [])
    assert vault.open_row(with_key.row).asked == ASKED
    assert vault.open_row(without.row).asked is None
    assert vault.open_row(with_key.row).values == vault.open_row(without.row).values
    assert with_key.commitments.keys() == without.commitments.keys()
    assert len(with_key.row.ciphertext) % 256 == len(without.row.ciphertext) % 256


@pytest.mark.parametrize(
    "asked",
    [{}, {"lang": "nl"}, {"lang": "nl", "tag": "00"}, {"lang": 7, "tag": "00" * 32}, {"lang": "nl", "tag": 7}, None],
)
def test_a_payload_that_says_it_otherwise_is_none(vault, asked):
    id_, (slot, key) = str(uuid.uuid4()), vault.keys.allocate()
    payload = json.dumps({"asked": asked, "secret": "00" * 32, "values": {}}, separators=(",", ":")).encode()
    sealed = AESGCM(key).encrypt(bytes(12), payload, f"{id_}\n{vault.origin}".encode())
    with pytest.raises(VaultError, match="no payload"):
        vault.open_row(SealedRow(id_, slot, bytes(12), b"\x01" + sealed))


@pytest.fixture
def decided(database, vault, known):
    """A log with one decision that was asked for under a key, and the entry."""
    log = database.started(before_commit=vault.keys.sync)
    prepared = vault.prepare(str(uuid.uuid4()), VALUES, ["WV-1"], asked=ASKED)
    clear = {"system": "loan-check", "version": 1, "manifest": "sha256:" + "0" * 64, "capture": "external"}
    clear |= {"mode": "live", "boot": None, "source": "cases", "n": 1, "opened": None}
    common = {"id": prepared.id, "agency": "example-agency", "time": known.now}
    entry = make_entry("decision/1", **common, commitments=prepared.commitments, **clear)
    form = request_form("loan-check", {"income": "a steady job", "ratio": 0.25}, ["s1:wv1"], None, "nl")

    def apply(conn, sequenced):
        prepared.insert(conn)
        insert_decision(conn, row_from(entry, VALUES, sequenced[0].place))
        insert_rows(conn, [source_row(entry, sequenced[0].place)])
        insert_key(conn, KeyRow(ASKED.tag, entry.id, request_digest(prepared.secret, form)))

    log.append(Unit((entry,), apply)).result(30)
    return log, entry


def test_the_row_can_be_computed_again_from_entry_and_content(database, vault, decided):
    _, entry = decided
    with reading(database.engine) as conn:
        opened = vault.open(conn, entry.id, entry)
        assert opened.asked == ASKED
        assert find_key(conn, ASKED.tag) == key_row(entry, opened.values, opened.secret, opened.asked)


def test_an_erasure_takes_the_row_and_the_check_agrees(database, vault, decided):
    log, entry = decided
    ledger = Ledger.create(database.folder / "erasures")
    order = Erasure(entry.id, "objection", "privacy_officer", "2026-11-24T08:15Z")
    unit = erase(vault.keys, ledger, order, agency="example-agency", id=str(uuid.uuid4()))
    log.append(unit).result(30)
    with reading(database.engine) as conn:
        assert find_key(conn, ASKED.tag) is None
        assert list(check_vault(conn, vault, ledger)) == []
