"""Mirrors: complete, verified, taken up where they were cut off, and not led astray by a log that was forked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from auditlog.core.checking.audit import audit
from auditlog.core.checking.tree import tile_files
from auditlog.core.errors import NotFound, SignatureError, VerifyError
from auditlog.core.formats.keyring import key_ring
from auditlog.core.formats.tiles import tiles_of_size
from auditlog.peers.evidence import open_signed, parse_evidence, verify_evidence
from auditlog.peers.fetch import Unreachable, Withheld, folder_source
from auditlog.peers.mirror import Mirror, Refused, last_entry, list_mirrors, name_of, read_entries
from auditlog.peers.mirror_cosigner import cosign

SOURCE = "https://register.example/log/1"
NOW = 1_800_000_000


class Files:
    """A log's files, of which reading can be made to fail; counts what was read."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.asked: list[str] = []
        self.limit: int | None = None

    def read(self, path: str) -> bytes:
        self.asked.append(path)
        if self.limit is not None and len(self.asked) > self.limit:
            raise Unreachable("the stick was pulled out", field=path)
        if path not in self.files:
            raise NotFound("no such file", field=path)
        return self.files[path]


@pytest.fixture(scope="module")
def log(example: ModuleType) -> Any:
    return example.build_log(800)


@pytest.fixture(scope="module")
def ring(log: Any) -> Any:
    return log.keys


def fill(tmp_path: Path, log: Any, ring: Any, size: int) -> Mirror:
    mirror = Mirror(tmp_path, log.origin)
    mirror.update(Files(log.pack(size=size)).read, ring, source=SOURCE, now=NOW)
    return mirror


def kept(mirror: Mirror) -> dict[str, bytes]:
    paths = [path for path in mirror.folder.rglob("*") if path.is_file() and not path.name.startswith("evidence")]
    return {path.relative_to(mirror.folder).as_posix(): path.read_bytes() for path in paths}


def test_a_copy_is_a_complete_log_that_the_verifier_accepts(log: Any, ring: Any, tmp_path: Path) -> None:
    mirror = fill(tmp_path, log, ring, 700)
    assert mirror.folder.name == name_of(log.origin)
    result = audit(mirror.read, ring)
    assert (result.size, result.strict) == (700, True)
    assert set(kept(mirror)) == {*tile_files(700), "checkpoint", "log.vkey", "mirror.json", ".lock"}
    assert [data for _, data in read_entries(mirror, 700)] == log.entries[:700]
    assert last_entry(mirror, 700).id == log.made[699].id
    assert mirror.ring() == ring
    assert [(one.origin, one.status().seen, one.status().source) for one in list_mirrors(tmp_path)] == [
        (log.origin, NOW, SOURCE)
    ]


@pytest.mark.parametrize("sizes", [(1, 2), (40, 300), (255, 256), (256, 257), (300, 600), (511, 512), (600, 800)])
def test_it_catches_up_in_one_step_and_fetches_only_what_is_new(
    log: Any, ring: Any, tmp_path: Path, sizes: tuple[int, int]
) -> None:
    old, new = sizes
    mirror = fill(tmp_path, log, ring, old)
    files = Files(log.pack(size=new))
    assert mirror.update(files.read, ring, source=SOURCE, now=NOW + 60).checkpoint.size == new
    assert audit(mirror.read, ring).size == new
    settled = {f"tile/entries/{index:03}" for index in range(old // 256)}
    assert not settled & set(files.asked)
    extra = set(kept(mirror)) - {*tile_files(new), "checkpoint", "log.vkey", "mirror.json", ".lock"}
    # What stays of the old edge is what tlog-tiles keeps for readers of the old checkpoint: tiles not full as yet.
    assert all(path in tile_files(old) and path.rpartition(".p/")[0] not in tile_files(new) for path in extra)


def test_a_run_that_is_cut_off_at_any_file_leaves_the_old_log_and_the_next_one_goes_on(
    log: Any, ring: Any, tmp_path: Path
) -> None:
    mirror = fill(tmp_path, log, ring, 300)
    whole = Files(log.pack(size=800))
    needed = len(tiles_of_size(800))
    for limit in range(1, 40):
        files = Files(whole.files)
        files.limit = limit
        try:
            mirror.update(files.read, ring, source=SOURCE, now=NOW)
        except Unreachable:
            assert open_signed(mirror.checkpoint(), ring).checkpoint.size == 300
            assert audit(mirror.read, ring).size == 300
        else:
            break
    assert limit > needed
    assert audit(mirror.read, ring).size == 800


KILLED = """
import os, sys
from pathlib import Path
from auditlog.writing import durable
from auditlog.core.formats.keyring import parse_key_ring
from auditlog.peers.fetch import folder_source
from auditlog.peers.mirror import Mirror
root, source, vkey, origin, count = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5])
real, done = durable.replace, 0
def replace(path, data, mode):
    global done
    done += 1
    if done == count:
        path.with_name(f".{path.name}.new").write_bytes(data[:7])
        os._exit(9)
    real(path, data, mode)
durable.replace = replace
Mirror(root, origin).update(folder_source(source), parse_key_ring(vkey), source="a stick", now=1)
"""


def test_a_crash_at_each_write_leaves_a_log_that_verifies(log: Any, ring: Any, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    for path, data in log.pack(size=600).items():
        (stick / path).parent.mkdir(parents=True, exist_ok=True)
        (stick / path).write_bytes(data)
    mirror = fill(tmp_path / "hub", log, ring, 300)
    for count in (1, 2, 3, 5, 7, 8, 9, 10, 11):
        told = subprocess.run(
            [sys.executable, "-c", KILLED, tmp_path / "hub", stick, log.vkey, log.origin, str(count)],
            cwd=Path(__file__).parents[3],
            check=False,
            timeout=60,
        )
        assert audit(mirror.read, ring).size in {300, 600}
        if told.returncode == 0:
            break
        assert told.returncode == 9
    mirror.update(folder_source(stick), ring, source="a stick", now=NOW)
    assert audit(mirror.read, ring).size == 600


@pytest.mark.parametrize(("size", "kind"), [(500, "fork"), (700, "fork"), (300, "rollback")])
def test_a_log_that_contradicts_the_copy_is_refused_with_evidence(
    example: ModuleType, log: Any, ring: Any, tmp_path: Path, size: int, kind: str
) -> None:
    mirror = fill(tmp_path, log, ring, 500)
    before = kept(mirror)
    forked = example.build_log(800) if kind == "rollback" else other_history(example, log)
    with pytest.raises(Refused) as refused:
        mirror.update(Files(forked.pack(size=size)).read, ring, source=SOURCE, now=NOW + 5)
    after = kept(mirror)
    assert {**after, "mirror.json": before["mirror.json"]} == before
    assert mirror.status().refused == NOW + 5
    evidence = parse_evidence(refused.value.evidence.read_bytes())
    assert evidence.kind == kind
    if kind == "fork":
        verify_evidence(evidence, ring)
    else:
        with pytest.raises(VerifyError, match="word of whoever kept the file"):
            verify_evidence(evidence, ring)
    # And when the log is itself again, the copy goes on.
    mirror.update(Files(log.pack(size=800)).read, ring, source=SOURCE, now=NOW + 9)
    assert (audit(mirror.read, ring).size, mirror.status().refused) == (800, None)


def test_a_cut_log_that_grew_again_below_the_copy_is_a_fork(
    example: ModuleType, log: Any, ring: Any, tmp_path: Path
) -> None:
    mirror = fill(tmp_path, log, ring, 500)
    with pytest.raises(Refused, match="forked") as refused:
        mirror.update(Files(other_history(example, log).pack(size=450)).read, ring, source=SOURCE, now=NOW)
    verify_evidence(parse_evidence(refused.value.evidence.read_bytes()), ring)


@pytest.mark.parametrize("path", ["tile/entries/002", "tile/0/002", "tile/1/000.p/3", "tile/entries/003.p/32"])
def test_a_file_that_is_not_the_signed_one_is_not_taken(log: Any, ring: Any, tmp_path: Path, path: str) -> None:
    mirror = fill(tmp_path, log, ring, 300)
    files = Files(log.pack(size=800))
    data = bytearray(files.files[path])
    data[-1] ^= 1
    files.files[path] = bytes(data)
    with pytest.raises(Refused):
        mirror.update(files.read, ring, source=SOURCE, now=NOW)
    assert audit(mirror.read, ring).size == 300
    assert not (mirror.folder / path).exists()


def test_another_logs_keys_are_no_keys(example: ModuleType, log: Any, tmp_path: Path) -> None:
    others = key_ring(signer.vkey for signer in example.make_signers(log.origin, 9))
    with pytest.raises(Refused, match="signature"):
        Mirror(tmp_path, log.origin).update(Files(log.pack(size=40)).read, others, source=SOURCE, now=NOW)
    with pytest.raises(SignatureError):
        open_signed(log.checkpoint(log.entries[:40]), others)
    assert Mirror(tmp_path, log.origin).checkpoint() is None


def test_entries_that_are_withheld_are_said_to_be(log: Any, ring: Any, tmp_path: Path) -> None:
    files = Files(log.pack(size=40))

    def read(path: str) -> bytes:
        if path.startswith("tile/entries/"):
            raise Withheld("is not given to everyone", field=path)
        return files.read(path)

    with pytest.raises(Withheld):
        Mirror(tmp_path, log.origin).update(read, ring, source=SOURCE, now=NOW)


def test_two_runs_over_one_copy_take_turns(log: Any, ring: Any, tmp_path: Path) -> None:
    mirror = fill(tmp_path, log, ring, 40)
    import fcntl

    lock = os.open(mirror.folder / ".lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(Unreachable, match="another run"):
        mirror.update(Files(log.pack(size=300)).read, ring, source=SOURCE, now=NOW)
    os.close(lock)


def other_history(example: ModuleType, log: Any) -> Any:
    """The same log up to entry 399, and other entries from there on, signed by the same keys."""
    made = example.build_log(800)
    version = {"system": "credit-score", "version": 1, "manifest": log.digest()}
    made.entries = log.entries[:400]
    for n in range(400):
        made.decide(version, n=n + 10_000, boot=None)
    return made


def test_a_cosignature_does_not_put_an_older_checkpoint_back(
    log: Any, ring: Any, tmp_path: Path, witness_stand: ModuleType
) -> None:
    """A run that brings more entries waits until the copy was cosigned."""
    held = fill(tmp_path, log, ring, 10)
    cosigner = witness_stand.make_witness(tmp_path / "cosigner", name="keeper.example/mirror")
    add = cosigner.add_checkpoint

    def beside(data: bytes) -> Any:
        with pytest.raises(Unreachable, match="another run"):
            fill(tmp_path, log, ring, 20)
        return add(data)

    cosigner.add_checkpoint = beside
    assert cosign(held, ring, cosigner) == ("keeper.example/mirror",)
    cosigner.close()
    assert open_signed(fill(tmp_path, log, ring, 20).read("checkpoint"), ring).checkpoint.size == 20
