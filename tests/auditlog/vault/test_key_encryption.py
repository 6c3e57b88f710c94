"""The key-encryption key: masks that hide, a check that knows the wrong key, and a conversion that survives a kill."""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from auditlog.core.errors import Erased, VaultError
from auditlog.vault import key_conversion, key_encryption
from auditlog.vault.key_conversion import convert
from auditlog.vault.key_encryption import KeyEncryptionKey, read_kek
from auditlog.vault.record_keys import RecordKeys

KEK = KeyEncryptionKey(bytes(range(32)))
OTHER = KeyEncryptionKey(b"o" * 32)


@pytest.fixture
def filled(key_store: Path) -> dict[int, bytes]:
    """A plain store of six keys, of which slot 2 is erased."""
    keys = RecordKeys(key_store)
    given = dict(keys.allocate() for _ in range(6))
    keys.sync()
    keys.overwrite([2])
    keys.close()
    del given[2]
    return given


def holds(key_store: Path, kek: KeyEncryptionKey | None, given: dict[int, bytes]) -> None:
    keys = RecordKeys(key_store, kek=kek)
    assert {slot: keys.read(slot) for slot in given} == given
    assert list(keys.erased()) == [2]
    slot, key = keys.allocate()
    keys.sync()
    assert keys.read(slot) == key
    keys.close()


def left(key_store: Path) -> set[str]:
    return {path.name for path in key_store.parent.iterdir()}


def test_the_mask_is_the_one_that_is_written_down() -> None:
    """HMAC-SHA-256 of "greffier/1/slot", NUL, and the number in 8 bytes, computed here."""
    stream = hmac.new(bytes(range(32)), b"greffier/1/slot\0" + (7).to_bytes(8, "big"), hashlib.sha256).digest()
    assert stream.hex() == "0818c29b48dc573c22a309fa7fd32552346af40f9d3579b64366d3f6b41815e7"
    masked = KEK.mask(7, bytes(31) + b"\1")
    assert masked == stream[:31] + bytes([stream[31] ^ 1])
    assert KEK.mask(7, masked) == bytes(31) + b"\1"
    assert KEK.mask(8, masked) != bytes(31) + b"\1"
    assert KEK.mask(7, bytes(32)) == bytes(32)
    assert "00010203" not in repr(KEK)


def test_a_masked_store_gives_its_keys_and_its_file_does_not(key_store: Path, filled: dict[int, bytes]) -> None:
    assert convert(key_store, None, KEK) == 6
    data = key_store.read_bytes()
    assert not any(key in data for key in filled.values())
    assert data[64:96] == bytes(32)
    holds(key_store, KEK, filled)
    assert left(key_store) == {"record.keys", "record.keys.kek"}
    assert stat.S_IMODE(key_store.stat().st_mode) == 0o600


def test_the_old_file_is_overwritten(key_store: Path, filled: dict[int, bytes]) -> None:
    with key_store.open("rb") as old:
        convert(key_store, None, KEK)
        assert old.read() == bytes(192)


@pytest.mark.parametrize(
    ("kek", "message"),
    [(None, "is encrypted: put the setting back"), (OTHER, "another key than the one of this key store")],
)
def test_a_wrong_or_missing_key_is_noticed_at_open(key_store, filled, kek, message) -> None:
    convert(key_store, None, KEK)
    with pytest.raises(VaultError, match=rf"^key_encryption: .*{message}"):
        RecordKeys(key_store, kek=kek)


def test_a_key_for_a_plain_store_is_refused(key_store: Path, filled: dict[int, bytes]) -> None:
    with pytest.raises(VaultError, match=r"encrypt-keys --confirm"):
        RecordKeys(key_store, kek=KEK)
    with pytest.raises(VaultError, match="encrypt-keys"):
        convert(key_store, OTHER, KEK)
    holds(key_store, None, filled)


def test_another_key_takes_the_place_of_the_first(key_store: Path, filled: dict[int, bytes]) -> None:
    convert(key_store, None, KEK)
    with pytest.raises(VaultError, match="already"):
        convert(key_store, KEK, KEK)
    convert(key_store, KEK, OTHER)
    holds(key_store, OTHER, filled)
    with pytest.raises(VaultError, match="another key"):
        RecordKeys(key_store, kek=KEK)


def test_whoever_has_the_old_file_open_can_do_nothing_with_it(key_store: Path, filled: dict[int, bytes]) -> None:
    keys = RecordKeys(key_store)
    convert(key_store, None, KEK)
    for action in (lambda: keys.read(0), lambda: keys.overwrite([0]), lambda: (keys.allocate(), keys.sync())):
        with pytest.raises(Exception, match="start the program again"):
            action()
    keys.close()
    holds(key_store, KEK, filled)


def test_a_damaged_line_is_no_plain_store(key_store: Path, filled: dict[int, bytes]) -> None:
    convert(key_store, None, KEK)
    key_store.with_name("record.keys.kek").write_bytes(b"greffier-kek/1 masked\n")
    with pytest.raises(VaultError, match=r"record.keys.kek: is damaged"):
        RecordKeys(key_store, kek=KEK)


class Died(BaseException):
    """Stands in for a kill at a call: nothing after it happens, nothing is tidied up."""


@pytest.mark.parametrize("first", [None, OTHER])
def test_a_kill_at_any_step_leaves_one_whole_store(key_store, filled, first, monkeypatch) -> None:
    """Dies before, and after, each call that changes a file; what is opened then holds all keys, under one of two."""
    if first is not None:
        convert(key_store, None, first)
    before = {path.name: path.read_bytes() for path in key_store.parent.iterdir()}
    outcomes = []
    for after in (False, True):
        for number in range(200):
            died = dies_at(key_store, first, number, monkeypatch, after=after)
            if not died:
                break
            try:
                keys = RecordKeys(key_store, kek=KEK)
                outcomes.append("new")
            except VaultError:
                keys = RecordKeys(key_store, kek=first)
                outcomes.append("old")
            assert {slot: keys.read(slot) for slot in filled} == filled
            assert list(keys.erased()) == [2]
            keys.close()
            # A line that was never put in place holds no key, and the next one is written over it.
            assert left(key_store) <= {"record.keys", "record.keys.kek", ".record.keys.kek.new"}
            for path in key_store.parent.iterdir():
                path.unlink()
            for name, data in before.items():
                (key_store.parent / name).write_bytes(data)
                (key_store.parent / name).chmod(0o600)
        assert number > 10
    assert outcomes.count("old") > 5
    assert outcomes.count("new") > 5


def dies_at(key_store: Path, old: KeyEncryptionKey | None, number: int, monkeypatch, *, after: bool) -> bool:
    seen, here = 0, threading.get_ident()

    def wrapped(real):
        def call(*arguments, **options):
            nonlocal seen
            if threading.get_ident() != here:  # a server of an earlier test may still be at work
                return real(*arguments, **options)
            mine, seen = seen, seen + 1
            if mine == number and not after:
                raise Died
            result = real(*arguments, **options)
            if mine == number:
                raise Died
            return result

        return call

    with monkeypatch.context() as patched:
        for owner, name in (
            (Path, "hardlink_to"),
            (Path, "replace"),
            (os, "fsync"),
            (os, "pwrite"),
            (os, "open"),
        ):
            patched.setattr(owner, name, wrapped(getattr(owner, name)))
        unlink = Path.unlink
        patched.setattr(Path, "unlink", wrapped(unlink))
        # What a `finally` or a clean-up would still do, a kill does not.
        patched.setattr(key_conversion.durable, "removed_on_error", untidy)
        try:
            convert(key_store, old, KEK)
        except Died:
            return True
    return False


class untidy:
    def __init__(self, _made) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *_what) -> None: ...


# --- where the key comes from -----------------------------------------------------------------------------------------

HEX = "0f" * 32


def program(folder: Path, text: str) -> Path:
    path = folder / "ask kms"
    path.write_text(f"#!{sys.executable}\n{text}\n")
    path.chmod(0o700)
    return path


def test_the_key_comes_from_a_file_the_environment_or_a_program(tmp_path: Path) -> None:
    (tmp_path / "kek").write_text(f"{HEX}\n")
    (tmp_path / "kek").chmod(0o600)
    wanted = KeyEncryptionKey(bytes.fromhex(HEX))
    assert read_kek(None, tmp_path) is None
    assert read_kek("file:kek", tmp_path) == wanted
    assert read_kek(f"file:{tmp_path / 'kek'}", Path("/nowhere")) == wanted
    assert read_kek("env:GREFFIER_KEK", tmp_path, {"GREFFIER_KEK": HEX.upper()}) == wanted
    asked = program(tmp_path, f"import sys; print({HEX!r} if sys.argv[1:] == ['a b', '$HOME'] else 'no')")
    assert read_kek(f"command:'{asked}' 'a b' $HOME", tmp_path) == wanted


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("kek", "must be file:PATH, env:NAME or command:PROGRAM"),
        ("file:", "must be file:PATH"),
        ("command: ", "must be file:PATH"),
        ("vault:kek", "must be file:PATH"),
        ("file:gone", "cannot be read"),
        ("file:open", "0600"),
        ("file:short", "64 hexadecimal digits"),
        ("env:GONE", "has no GONE"),
        ("env:SHORT", "64 hexadecimal digits"),
        ("command:/nowhere/kms", "cannot be started"),
        ("command:'kms", "open quote"),
        ("command:false", "ended with 1"),
        ("command:echo S3CRET-value", "64 hexadecimal digits"),
    ],
)
def test_a_source_that_gives_no_key_is_named_and_not_repeated(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "open").write_text(HEX)
    (tmp_path / "open").chmod(0o644)
    (tmp_path / "short").write_text("S3CRET-value")
    (tmp_path / "short").chmod(0o600)
    with pytest.raises(VaultError, match=rf"^key_encryption: .*{message}") as told:
        read_kek(source, tmp_path, {"SHORT": "S3CRET-value"})
    assert "S3CRET" not in str(told.value)


def test_a_program_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_encryption, "SECONDS", 0.3)
    asked = program(tmp_path, "import time; time.sleep(60)")
    with pytest.raises(VaultError, match="gave no key within"):
        read_kek(f"command:'{asked}'", tmp_path)


def test_an_erased_slot_is_erased_under_any_key(key_store: Path, filled: dict[int, bytes]) -> None:
    convert(key_store, None, KEK)
    keys = RecordKeys(key_store, kek=KEK)
    keys.overwrite([0, 4])
    with pytest.raises(Erased):
        keys.read(4)
    assert list(keys.erased()) == [0, 2, 4]
    keys.close()
