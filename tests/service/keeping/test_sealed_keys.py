"""Sealed keys of an installation: sealed and unsealed by command, and needed by whoever signs."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditlog.writing.keys import KeyFolder, Unlock
from cli import CANNOT_RECORD, OK, USAGE
from home.key_secrets import unlock_of
from home.settings import read_settings
from service.wiring import create_home

ORIGIN = "waterveen.example/log/1"


@pytest.fixture
def home(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.delenv("GREFFIER_KEY_PASSPHRASE", raising=False)
    create_home(tmp_path / "home", "waterveen", "waterveen.example/log")
    return tmp_path / "home"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "unlock"
    path.write_bytes(bytes(range(32)))
    path.chmod(0o600)
    return path


def plain(home: Path) -> list[bool]:
    return [path.read_text().startswith("PRIVATE+KEY+") for path in KeyFolder(home / "keys").files()]


def test_keys_are_sealed_and_unsealed_by_a_key_file(home, key_file, command):
    before = KeyFolder(home / "keys").signers(ORIGIN)
    told = command("log", "seal-keys", "--home", home, "--key-file", key_file)
    assert told.code == OK
    assert told.line.count("sealed log-1.") == 2
    assert plain(home) == [False, False]
    assert KeyFolder(home / "keys", Unlock(key_file=key_file)).check(ORIGIN) == before
    assert command("log", "unseal-keys", "--home", home, "--key-file", key_file).code == OK
    assert plain(home) == [True, True]


def test_keys_are_sealed_by_the_passphrase_of_the_environment(home, command, monkeypatch):
    monkeypatch.setenv("GREFFIER_KEY_PASSPHRASE", "orchard copper")
    assert command("log", "seal-keys", "--home", home).code == OK
    assert plain(home) == [False, False]
    unlock = unlock_of(home, read_settings(home))
    assert unlock is not None
    assert KeyFolder(home / "keys", unlock).check(ORIGIN)
    monkeypatch.setenv("GREFFIER_KEY_PASSPHRASE", "orchard brass")
    told = command("log", "unseal-keys", "--home", home)
    assert told.code == USAGE
    assert ".key: does not open: the passphrase or key file is another one" in told.line
    assert "orchard" not in told.line
    assert plain(home) == [False, False]


def test_a_key_file_of_the_settings_lies_where_the_home_says(home, key_file, monkeypatch):
    (home / "unlock").write_bytes(key_file.read_bytes())
    monkeypatch.setenv("GREFFIER_KEY_FILE", "unlock")
    assert unlock_of(home, read_settings(home)) == Unlock(key_file=home / "unlock")
    monkeypatch.setenv("GREFFIER_KEY_FILE", str(key_file))
    assert unlock_of(home, read_settings(home)) == Unlock(key_file=key_file)


def test_without_a_secret_nothing_is_sealed(home, command):
    told = command("log", "seal-keys", "--home", home)
    assert told.code == USAGE
    assert told.line.startswith("secret for the keys: give one: set GREFFIER_KEY_PASSPHRASE")
    assert plain(home) == [True, True]
    assert unlock_of(home, read_settings(home)) is None


def test_two_secrets_are_one_too_many(home, command, key_file, tmp_path):
    phrase = tmp_path / "phrase"
    phrase.write_text("orchard copper\n")
    phrase.chmod(0o600)
    told = command("log", "seal-keys", "--home", home, "--key-file", key_file, "--passphrase-file", phrase)
    assert (told.code, told.line) == (USAGE, "unlock: give either a passphrase or a key file")
    assert plain(home) == [True, True]


def test_an_installation_with_sealed_keys_records_rotates_and_goes_on_in_the_next_log(home, command, monkeypatch):
    monkeypatch.setenv("GREFFIER_KEY_PASSPHRASE", "orchard copper")
    monkeypatch.setenv("GREFFIER_PUBLISH_PACE_S", "0")
    assert command("log", "seal-keys", "--home", home).code == OK
    assert command("log", "rotate", "--home", home).code == OK
    assert command("log", "publish", "--home", home).code == OK
    assert command("log", "rotate", "--finish", "--home", home).code == OK
    assert plain(home) == [False, False]
    assert command("log", "succeed", "--reason", "year", "--home", home).code == OK
    assert plain(home) == [False] * 4
    assert command("log", "fsck", "--home", home).code == OK
    monkeypatch.delenv("GREFFIER_KEY_PASSPHRASE")
    told = command("log", "publish", "--home", home)
    assert told.code == CANNOT_RECORD
    assert "GREFFIER_KEY_PASSPHRASE" in told.line
