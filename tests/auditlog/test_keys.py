"""Key files: made once, private, of the right type, and no other than `log.vkey` says."""

from __future__ import annotations

import shutil

import pytest

from auditlog.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from auditlog.errors import AuditLogError, FormatError
from auditlog.keys import SIGNING_KEYS, create_keys, load_signers, read_vkeys
from auditlog.merkle import EMPTY_ROOT
from auditlog.note import ED25519, ML_DSA_44

ORIGIN = "register.example/audit/1"


@pytest.fixture
def folder(tmp_path):
    create_keys(tmp_path / "keys", ORIGIN)
    return tmp_path / "keys"


def test_what_is_made_signs_and_is_verified_by_log_vkey(folder):
    signers = load_signers(folder)
    vkeys = read_vkeys(folder / "log.vkey")
    assert [key.type for key in vkeys] == [ED25519, ML_DSA_44]
    assert {key.name for key in vkeys} == {ORIGIN}
    note = sign_checkpoint(Checkpoint(ORIGIN, 0, EMPTY_ROOT), signers)
    assert open_checkpoint(note, vkeys, origin=ORIGIN).checkpoint.size == 0


def test_private_keys_are_private_and_differ_each_time(folder, tmp_path):
    create_keys(tmp_path / "other", ORIGIN)
    for name, _ in SIGNING_KEYS:
        assert (folder / name).stat().st_mode & 0o777 == 0o600
        assert (folder / name).read_bytes() != (tmp_path / "other" / name).read_bytes()


def test_keys_are_never_overwritten(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(AuditLogError, match="never overwritten"):
        create_keys(folder, ORIGIN)
    (folder / "log.vkey").unlink()
    with pytest.raises(AuditLogError, match=r"log\.ed25519\.key: exists"):
        create_keys(folder, ORIGIN)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} | {"log.vkey": before["log.vkey"]} == before


@pytest.mark.parametrize("name", [name for name, _ in SIGNING_KEYS])
def test_a_swapped_key_is_refused(folder, tmp_path, name):
    create_keys(tmp_path / "other", ORIGIN)
    shutil.copy2(tmp_path / "other" / name, folder / name)
    with pytest.raises(AuditLogError, match=r"log\.vkey: does not belong"):
        load_signers(folder)


def test_keys_in_each_others_file_are_refused(folder):
    ed25519, ml_dsa = (folder / name for name, _ in SIGNING_KEYS)
    shutil.copy2(ed25519, ml_dsa)
    with pytest.raises(FormatError, match="another type"):
        load_signers(folder)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_can_read_is_refused(folder, mode):
    (folder / "log.ml-dsa-44.key").chmod(mode)
    with pytest.raises(AuditLogError, match="set its mode to 600"):
        load_signers(folder)


@pytest.mark.parametrize("name", ["log.ed25519.key", "log.ml-dsa-44.key", "log.vkey"])
def test_a_missing_or_damaged_file_is_named(folder, name):
    data = (folder / name).read_bytes()
    for bad in (b"", b"\xff\n", data[:-1] if name == "log.vkey" else data[:-5] + b"\n", b"x" + data, data + b"\n\n"):
        (folder / name).write_bytes(bad)
        with pytest.raises(AuditLogError, match=name.replace(".", r"\.")):
            load_signers(folder)
    (folder / name).unlink()
    with pytest.raises(AuditLogError, match=f"{name}: is missing"):
        load_signers(folder)


def test_a_key_named_twice_is_refused(folder):
    line = (folder / "log.vkey").read_bytes().splitlines(keepends=True)[0]
    (folder / "log.vkey").write_bytes(line + line)
    with pytest.raises(FormatError, match="twice"):
        read_vkeys(folder / "log.vkey")
