"""Sealed key files: the right secret opens them, nothing else does, and no crash loses a key or leaves it in clear."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from base64 import b64decode, b64encode
from pathlib import Path

import pytest

from auditlog.core.errors import AuditLogError, FormatError
from auditlog.core.formats.note import format_skey
from auditlog.writing.keys import KeyFolder, Unlock, create_keys, read_private_key, read_unlock, seal_keys, unseal_keys

ORIGIN = "register.example/audit/1"
PHRASE = "orchard näive copper"
CRASH = """
import os, sys
from pathlib import Path
from auditlog.writing.keys import Unlock, seal_keys, unseal_keys
folder, limit, way = sys.argv[1], int(sys.argv[2]), sys.argv[3]
seen = 0
def crash(event, arguments):
    global seen
    if event in ("open", "os.link", "os.rename", "os.remove") and str(arguments[0]).startswith(folder):
        seen += 1
        if seen == limit:
            os._exit(9)
unlock = Unlock(key_file=Path(folder).with_name("unlock"))
sys.addaudithook(crash)
(seal_keys if way == "seal" else unseal_keys)(Path(folder), unlock)
"""


@pytest.fixture(scope="session")
def passphrase():
    """One object for all tests: what it derived is not derived again."""
    return Unlock(PHRASE)


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "unlock"
    path.write_bytes(bytes(range(32)))
    path.chmod(0o600)
    return path


@pytest.fixture
def folder(tmp_path):
    KeyFolder(tmp_path / "keys").begin(ORIGIN)
    return tmp_path / "keys"


def contents(folder):
    return {path.name: path.read_bytes() for path in KeyFolder(folder).files()}


def secrets_of(folder):
    return [signer.private for signer in KeyFolder(folder).signers(ORIGIN)]


# --- there and back ---------------------------------------------------------------------------------------------------


def test_a_passphrase_seals_and_unseals(folder, passphrase):
    plain, signers = contents(folder), KeyFolder(folder).signers(ORIGIN)
    assert seal_keys(folder, passphrase) == tuple(sorted(plain))
    for name, sealed in contents(folder).items():
        header, body = sealed.decode().splitlines()
        assert re.fullmatch(
            r"greffier-sealed-key/1 scrypt n=131072 r=8 p=1 salt=[A-Za-z0-9+/]{22}== nonce=\S{16}", header
        )
        assert len(b64decode(body)) == len(plain[name]) + 16
        assert (folder / name).stat().st_mode & 0o777 == 0o600
        assert b"PRIVATE" not in b64decode(body)
    assert KeyFolder(folder, passphrase).check(ORIGIN) == signers
    assert KeyFolder(folder, Unlock(PHRASE)).check(ORIGIN) == signers
    assert unseal_keys(folder, passphrase) == tuple(sorted(plain))
    assert contents(folder) == plain
    assert sorted(path.name for path in folder.iterdir()) == sorted([*plain, "log.vkey"])


def test_a_key_file_seals_and_unseals_and_equal_keys_never_look_equal(folder, key_file):
    plain, unlock = contents(folder), Unlock(key_file=key_file)
    looks = set()
    for _ in range(2):
        seal_keys(folder, unlock)
        assert all(data.startswith(b"greffier-sealed-key/1 hkdf salt=") for data in contents(folder).values())
        looks |= set(contents(folder).values())
        unseal_keys(folder, Unlock(key_file=key_file))
    assert contents(folder) == plain
    assert len(looks) == 4


def test_a_new_key_is_sealed_from_its_first_byte_on(tmp_path, key_file):
    unlock = Unlock(key_file=key_file)
    made = create_keys(tmp_path / "keys", ORIGIN, unlock)
    for data in contents(tmp_path / "keys").values():
        assert data.startswith(b"greffier-sealed-key/1 ")
    assert KeyFolder(tmp_path / "keys", unlock).signers(ORIGIN) == made


def test_sealing_again_leaves_sealed_keys_and_seals_the_plain_ones(folder, key_file):
    unlock = Unlock(key_file=key_file)
    seal_keys(folder, unlock)
    before = contents(folder)
    assert seal_keys(folder, unlock) == ()
    new = create_keys(folder, ORIGIN)
    assert len(seal_keys(folder, unlock)) == 2
    assert contents(folder).items() >= before.items()
    assert {s.vkey for s in KeyFolder(folder, unlock).signers(ORIGIN)} >= {s.vkey for s in new}


def test_the_plain_bytes_are_overwritten(folder, tmp_path, key_file):
    for path in KeyFolder(folder).files():
        os.link(path, tmp_path / path.name)
    seal_keys(folder, Unlock(key_file=key_file))
    for path in KeyFolder(folder).files():
        assert set((tmp_path / path.name).read_bytes()) == {0}


def test_the_same_words_in_another_spelling_of_their_letters_open(folder, passphrase):
    seal_keys(folder, passphrase)
    assert "ä" in PHRASE
    assert KeyFolder(folder, Unlock(PHRASE.replace("ä", "a\u0308"))).signers(ORIGIN)


# --- what is refused --------------------------------------------------------------------------------------------------


def test_another_passphrase_opens_nothing_and_is_not_repeated(folder, passphrase):
    seal_keys(folder, passphrase)
    with pytest.raises(AuditLogError, match=r"^log-1\.ed25519\.\w{8}\.key: does not open: the passphrase") as told:
        KeyFolder(folder, Unlock("orchard wrong")).signers(ORIGIN)
    assert "orchard" not in repr(told.value) + repr(Unlock(PHRASE))
    with pytest.raises(AuditLogError, match="key passphrase: is empty"):
        KeyFolder(folder, Unlock("")).signers(ORIGIN)


@pytest.mark.parametrize("given", ["nothing", "a key file"])
def test_a_sealed_key_without_its_passphrase_says_where_to_give_it(folder, passphrase, key_file, given):
    seal_keys(folder, passphrase)
    unlock = None if given == "nothing" else Unlock(key_file=key_file)
    with pytest.raises(AuditLogError, match=r"\.key: is sealed by a passphrase: give it in GREFFIER_KEY_PASSPHRASE"):
        KeyFolder(folder, unlock).signers(ORIGIN)


def test_a_sealed_key_without_its_key_file_says_where_to_name_it(folder, key_file):
    seal_keys(folder, Unlock(key_file=key_file))
    with pytest.raises(AuditLogError, match=r"\.key: is sealed by a key file: name it in key_file"):
        KeyFolder(folder, Unlock(PHRASE)).signers(ORIGIN)
    key_file.write_bytes(bytes(32))
    with pytest.raises(AuditLogError, match="does not open"):
        KeyFolder(folder, Unlock(key_file=key_file)).signers(ORIGIN)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.chmod(0o640), "can be read by others: set its mode to 600"),
        (lambda path: path.write_bytes(b"x" * 31), "must hold 32 random bytes"),
        (lambda path: path.write_bytes(b"x" * 33), "must hold 32 random bytes"),
        (lambda path: path.unlink(), "cannot be read: No such file"),
    ],
)
def test_a_key_file_that_cannot_be_used_is_named(folder, key_file, change, message):
    seal_keys(folder, Unlock(key_file=key_file))
    change(key_file)
    with pytest.raises(AuditLogError, match=f"{re.escape(str(key_file))}: {message}"):
        KeyFolder(folder, Unlock(key_file=key_file)).signers(ORIGIN)


@pytest.mark.parametrize("unlock", [Unlock(), Unlock("a", Path("b"))])
def test_sealing_takes_exactly_one_secret(folder, unlock):
    before = contents(folder)
    with pytest.raises(AuditLogError, match="unlock: give either a passphrase or a key file"):
        seal_keys(folder, unlock)
    assert contents(folder) == before


def test_keys_under_another_secret_stop_the_sealing_before_anything_is_written(folder, tmp_path, key_file):
    seal_keys(folder, Unlock(key_file=key_file))
    create_keys(folder, ORIGIN)
    before = contents(folder)
    other = tmp_path / "other"
    other.write_bytes(b"o" * 32)
    other.chmod(0o600)
    for way in (seal_keys, unseal_keys):
        with pytest.raises(AuditLogError, match="does not open"):
            way(folder, Unlock(key_file=other))
    assert contents(folder) == before


def mutations(text):
    """Every truncation at a line or field, and every member of the header changed."""
    header, body, _ = text.split("\n")
    yield from (text[:-1], header, header + "\n", f"{header}\n\n", text + "\n", text * 2, f"{header}\n{body[:40]}\n")
    flipped = b64encode(bytes([b64decode(body)[0] ^ 1]) + b64decode(body)[1:]).decode()
    yield from (f"{header}\n{flipped}\n", f"{header}\n{body[:-4]}!!!!\n", text.replace("key/1", "key/2"))
    yield from (re.sub(r"salt=...", "salt=AAA", text), re.sub(r"nonce=...", "nonce=AAA", text))
    yield from (text.replace("hkdf", method) for method in ("hkdf ", "scrypt", "scrypt n=3 r=8 p=1"))
    yield from (text.replace("hkdf", f"scrypt n={n} r={r} p={p}") for n, r, p in ((1 << 21, 8, 1), (1 << 14, 9, 1)))
    yield text.replace("hkdf", "scrypt n=16384 r=8 p=1")


def test_a_damaged_sealed_key_is_named_whatever_was_damaged(folder, key_file):
    unlock = Unlock("any", key_file)
    seal_keys(folder, Unlock(key_file=key_file))
    path = KeyFolder(folder).files()[0]
    whole = path.read_text()
    count = 0
    for damaged in mutations(whole):
        path.write_text(damaged)
        with pytest.raises(AuditLogError, match=rf"^{path.name}: "):
            read_private_key(path, unlock)
        count += 1
    assert count == 18
    path.write_text(whole)
    assert read_private_key(path, unlock)


def test_a_sealed_key_under_the_name_of_another_is_refused(folder, key_file):
    unlock = Unlock(key_file=key_file)
    seal_keys(folder, unlock)
    ed25519, ml_dsa = KeyFolder(folder).files()
    ed25519.write_bytes(ml_dsa.read_bytes())
    with pytest.raises(FormatError, match="holds another key than its name says"):
        KeyFolder(folder, unlock).signers(ORIGIN)


# --- where the secret comes from --------------------------------------------------------------------------------------


def test_a_passphrase_comes_from_the_environment_a_file_or_a_descriptor(tmp_path):
    file = tmp_path / "phrase"
    file.write_text(f"{PHRASE}\r\nsecond line\n")
    file.chmod(0o600)
    assert read_unlock() is None
    assert read_unlock("given", file).passphrase == "given"
    assert read_unlock(None, file).passphrase == PHRASE
    reading, writing = os.pipe()
    os.write(writing, PHRASE.encode() + b"\n")
    os.close(writing)
    assert read_unlock(None, Path(f"/dev/fd/{reading}")).passphrase == PHRASE
    os.close(reading)
    file.chmod(0o644)
    with pytest.raises(AuditLogError, match="phrase: can be read by others"):
        read_unlock(None, file)
    with pytest.raises(AuditLogError, match="none: cannot be read"):
        read_unlock(None, tmp_path / "none")


# --- crashes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["seal", "unseal"])
def test_a_crash_at_any_step_loses_no_key_and_the_next_run_ends_the_work(folder, key_file, way):
    unlock = Unlock(key_file=key_file)
    secrets = secrets_of(folder)
    run, undo = (seal_keys, unseal_keys) if way == "seal" else (unseal_keys, seal_keys)
    crashes = 0
    while True:
        if way == "unseal":
            seal_keys(folder, unlock)
        step = [sys.executable, "-c", CRASH, str(folder), str(crashes + 1), way]
        told = subprocess.run(step, check=False, capture_output=True, timeout=60)
        if told.returncode == 0:
            break
        assert told.returncode == 9, told.stderr
        crashes += 1
        assert [signer.private for signer in KeyFolder(folder, unlock).signers(ORIGIN)] == secrets
        run(folder, unlock)
        assert {data.startswith(b"greffier-sealed") for data in contents(folder).values()} == {way == "seal"}
        assert len(list(folder.iterdir())) == 3
        undo(folder, unlock)
    assert crashes > 12


def test_what_a_crash_left_in_clear_is_overwritten_by_the_next_run(folder, key_file):
    unlock = Unlock(key_file=key_file)
    path = KeyFolder(folder).files()[0]
    plain = path.read_bytes()
    seal_keys(folder, unlock)
    left, second_name = folder / f".{path.name}.old", folder / "copy"
    left.write_bytes(plain)
    os.link(left, second_name)
    seal_keys(folder, unlock)
    assert not left.exists()
    assert second_name.read_bytes() == bytes(len(plain))


def test_the_plain_text_is_that_of_a_plain_file(folder, key_file):
    unlock = Unlock(key_file=key_file)
    seal_keys(folder, unlock)
    signer = read_private_key(KeyFolder(folder).files()[0], unlock)
    unseal_keys(folder, unlock)
    assert KeyFolder(folder).files()[0].read_text() == format_skey(signer) + "\n"
