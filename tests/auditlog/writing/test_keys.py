"""Key files: made once, private, sealed or plain, of the right log and type, and no other than `log.vkey` says."""

from __future__ import annotations

import os
import shutil

import pytest

from auditlog.core.errors import AuditLogError, FormatError
from auditlog.core.formats.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from auditlog.core.formats.keyring import KeyRing, LogKey, key_ring
from auditlog.core.formats.merkle import EMPTY_ROOT
from auditlog.core.formats.note import COSIGNATURE, ED25519, ML_DSA_44, format_skey, verifier_key
from auditlog.writing.keys import KeyFolder, create_keys, key_file_name, read_key_ring, read_private_key

ORIGIN = "register.example/audit/1"
NEXT = "register.example/audit/2"
TYPES = ("ed25519", "ml-dsa-44")


@pytest.fixture
def keys(tmp_path):
    made = KeyFolder(tmp_path / "keys")
    made.begin(ORIGIN)
    return made


def file_of(keys, type_):
    return next(path for path in keys.files() if type_ in path.name)


def test_what_is_made_signs_and_is_verified_by_log_vkey(keys):
    signers = keys.check(ORIGIN)
    assert [signer.type for signer in signers] == [ED25519, ML_DSA_44]
    assert keys.ring() == read_key_ring(keys.folder / "log.vkey") == key_ring(signer.vkey for signer in signers)
    assert keys.ring().origins == (ORIGIN,)
    note = sign_checkpoint(Checkpoint(ORIGIN, 0, EMPTY_ROOT), signers)
    assert open_checkpoint(note, keys.ring(), origin=ORIGIN).checkpoint.size == 0


def test_files_are_named_by_log_type_and_key_id_and_are_private(keys):
    names = [f"log-1.{name}.{s.vkey.key_id.hex()}.key" for name, s in zip(TYPES, keys.signers(ORIGIN), strict=True)]
    assert [path.name for path in keys.files()] == names == [key_file_name(s.vkey) for s in keys.signers(ORIGIN)]
    assert {path.stat().st_mode & 0o777 for path in keys.files()} == {0o600}
    assert (keys.folder / "log.vkey").stat().st_mode & 0o777 == 0o644
    assert len(list(keys.folder.iterdir())) == 3


def test_an_installation_begins_once(keys):
    before = {path.name: path.read_bytes() for path in keys.folder.iterdir()}
    with pytest.raises(AuditLogError, match=r"log\.vkey: exists already; keys are never overwritten"):
        keys.begin(ORIGIN)
    assert {path.name: path.read_bytes() for path in keys.folder.iterdir()} == before


def test_no_key_is_overwritten_and_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    seeds = iter([b"a" * 32, b"b" * 32, b"s" * 16, b"c" * 32, b"b" * 32, b"s" * 16])
    monkeypatch.setattr(os, "urandom", lambda _count: next(seeds))
    made = create_keys(tmp_path, ORIGIN)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(AuditLogError, match=rf"{key_file_name(made[1].vkey)}: exists already"):
        create_keys(tmp_path, ORIGIN)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("origin", ["register.example/audit", "register.example/audit/x", "1", "/1", "a/1234567890"])
def test_an_origin_without_the_number_of_its_log_gets_no_keys(tmp_path, origin):
    with pytest.raises(FormatError, match="origin: must read NAME/<number of the log>"):
        create_keys(tmp_path / "keys", origin)
    assert not (tmp_path / "keys").exists()


# --- several logs and keys --------------------------------------------------------------------------------------------


def test_keys_of_a_rotation_lie_beside_the_old_ones_by_type_and_key_id(keys):
    old, new = keys.signers(ORIGIN), keys.create(ORIGIN)
    assert keys.ring().vkeys == tuple(signer.vkey for signer in old)
    expected = [*sorted((old[0], new[0]), key=key_id), *sorted((old[1], new[1]), key=key_id)]
    assert list(keys.signers(ORIGIN)) == expected
    assert {path.name for path in keys.unlisted()} == {key_file_name(signer.vkey) for signer in new}
    assert keys.check(ORIGIN) == old


def key_id(signer):
    return signer.vkey.key_id


def test_after_a_rotation_the_keys_of_each_size_are_the_signers(keys):
    old, new = keys.signers(ORIGIN), keys.create(ORIGIN)
    ring = KeyRing((*(LogKey(s.vkey, 0, 9) for s in old), *(LogKey(s.vkey, 5) for s in new)))
    keys.write_ring(ring)
    assert keys.ring() == ring
    assert keys.unlisted() == ()
    assert keys.check(ORIGIN) == new
    assert keys.check(ORIGIN, 4) == old
    assert set(keys.check(ORIGIN, 5)) == {*old, *new} == set(keys.check(ORIGIN, 8))
    assert keys.check(ORIGIN, 9) == new
    keys.destroy([signer.vkey for signer in old])
    assert keys.signers(ORIGIN) == new == keys.check(ORIGIN, 9)
    with pytest.raises(AuditLogError, match=f"{key_file_name(old[0].vkey)}: is missing"):
        keys.check(ORIGIN, 8)


def test_keys_of_another_log_are_kept_apart(keys):
    first = keys.signers(ORIGIN)
    second = keys.create(NEXT)
    keys.write_ring(key_ring(signer.vkey for signer in (*first, *second)))
    assert keys.signers(ORIGIN) == first == keys.check(ORIGIN)
    assert keys.signers(NEXT) == second == keys.check(NEXT)
    with pytest.raises(AuditLogError, match=rf"is a key of the log {ORIGIN}: move it"):
        keys.signers("other.example/audit/1")


def test_destroying_overwrites_the_bytes_and_is_no_error_twice(keys):
    gone, kept = keys.signers(ORIGIN)
    second_name = keys.folder / "copy"
    os.link(file_of(keys, "ed25519"), second_name)
    secret = second_name.read_bytes()
    for _ in range(2):
        keys.destroy([gone.vkey])
    assert second_name.read_bytes() == bytes(len(secret))
    assert keys.signers(ORIGIN) == (kept,)


def test_a_key_of_another_type_has_no_file_here(keys):
    cosigner = verifier_key(ORIGIN, COSIGNATURE, keys.ring().vkeys[0].public)
    with pytest.raises(FormatError, match="no log of ours signs with"):
        key_file_name(cosigner)
    with pytest.raises(FormatError, match="no log of ours signs with"):
        keys.destroy([cosigner])


def test_the_ring_is_replaced_whole_and_a_leftover_of_a_crash_does_not_matter(keys):
    (keys.folder / ".log.vkey.new").write_text("half a li")
    ring = KeyRing(tuple(LogKey(vkey, 3) for vkey in keys.ring().vkeys))
    keys.write_ring(ring)
    assert keys.ring() == ring
    assert not (keys.folder / ".log.vkey.new").exists()


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("type_", TYPES)
def test_a_swapped_key_is_refused(keys, tmp_path, type_):
    other = KeyFolder(tmp_path / "other")
    other.begin(ORIGIN)
    shutil.copy2(file_of(other, type_), file_of(keys, type_))
    with pytest.raises(FormatError, match=rf"{file_of(keys, type_).name}: holds another key than its name says"):
        keys.check(ORIGIN)


@pytest.mark.parametrize("type_", TYPES)
def test_a_key_in_the_place_of_another_is_refused(keys, tmp_path, type_):
    other = KeyFolder(tmp_path / "other")
    other.begin(ORIGIN)
    name = file_of(keys, type_).name
    file_of(keys, type_).unlink()
    shutil.copy2(file_of(other, type_), keys.folder)
    with pytest.raises(AuditLogError, match=f"{name}: is missing: put it back"):
        keys.check(ORIGIN)


@pytest.mark.parametrize("type_", TYPES)
def test_a_ring_without_a_type_signs_nothing(keys, type_):
    left = [vkey for vkey in keys.ring().vkeys if (vkey.type == ED25519) != (type_ == "ed25519")]
    keys.write_ring(key_ring(left))
    with pytest.raises(AuditLogError, match=rf"log\.vkey: holds no valid {type_} key of {ORIGIN}: put back"):
        keys.check(ORIGIN)


def test_a_ring_of_another_log_signs_nothing(keys):
    with pytest.raises(AuditLogError, match=f"{NEXT}: has no key in the key file"):
        keys.check(NEXT)


def test_keys_in_each_others_file_are_refused(keys):
    shutil.copy2(file_of(keys, "ed25519"), file_of(keys, "ml-dsa-44"))
    with pytest.raises(FormatError, match="holds another key than its name says"):
        keys.signers(ORIGIN)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_can_read_is_refused(keys, mode):
    file_of(keys, "ml-dsa-44").chmod(mode)
    with pytest.raises(AuditLogError, match="set its mode to 600"):
        keys.signers(ORIGIN)


@pytest.mark.parametrize("type_", TYPES)
def test_a_damaged_key_is_named_and_not_repeated(keys, type_):
    path = file_of(keys, type_)
    data = path.read_bytes()
    for bad in (b"", b"\xff\n", data[:-5] + b"\n", b"x" + data, data + b"\n\n", data.replace(b"register", b"registry")):
        path.write_bytes(bad)
        with pytest.raises(AuditLogError, match=rf"^{path.name}: ") as told:
            keys.check(ORIGIN)
        assert data.decode()[-30:-6] not in str(told.value)


def test_a_damaged_or_missing_ring_is_named(keys):
    path = keys.folder / "log.vkey"
    data = path.read_bytes()
    for bad in (b"", b"\xff\n", data[:-1], b"x" + data, data + data):
        path.write_bytes(bad)
        with pytest.raises(AuditLogError, match=r"log\.vkey"):
            keys.check(ORIGIN)
    path.unlink()
    with pytest.raises(AuditLogError, match=r"log\.vkey: is missing: put it back"):
        keys.check(ORIGIN)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(AuditLogError, match="keys: cannot be read"):
        KeyFolder(tmp_path / "keys").signers(ORIGIN)
    assert KeyFolder(tmp_path / "keys").files() == ()


def test_a_key_file_may_be_read_alone(keys):
    path = file_of(keys, "ed25519")
    assert format_skey(read_private_key(path)) + "\n" == path.read_text()
