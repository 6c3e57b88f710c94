"""The five ways in which certificate logs died (C2SP#79), on ours: each is survived, or refused with what to do.

A bit flips in a stored entry; the database is deleted; the disk is full; two heads are signed for one size; entries
that were taken are lost before a checkpoint covers them.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cli
from auditlog.core.entries.record import parse_entry
from auditlog.core.errors import CannotRecord, GuardError, ProofError
from auditlog.core.formats.checkpoint import parse_checkpoint
from auditlog.core.formats.merkle import leaf_hash, prove_consistency, root_hash, verify_consistency
from auditlog.core.formats.note import parse_note
from auditlog.store import log as log_store
from auditlog.store.engine import open_engine
from auditlog.writing.log import Unit
from home import health
from home.greffier import Greffier
from service.keeping import fsck, migrate
from service.wiring import open_home

DATABASE = "greffier.db"


def copied(home: Path, to: Path) -> Path:
    shutil.copytree(home, to, copy_function=link_models)
    return to


def link_models(name: str, to: str) -> None:
    if name.endswith(".gguf"):
        os.link(name, to)
    else:
        shutil.copy2(name, to)


def entries_of(g: Greffier) -> list[bytes]:
    with g.reading() as conn:
        return [data for _, data in log_store.iterate_entries(conn, g.log.number)]


def kinds(g: Greffier) -> list[str]:
    return [parse_entry(data).kind for data in entries_of(g)]


def signed(note: bytes) -> tuple[int, bytes]:
    checkpoint = parse_checkpoint(parse_note(note).text)
    return checkpoint.size, checkpoint.root


def roots(entries: list[bytes], size: int) -> bytes:
    return root_hash([leaf_hash(data) for data in entries[:size]])


# --- 1. a bit flips (Yeti 2022, Nessie 2024) --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long_home(loan_template: Path, tmp_path_factory: pytest.TempPathFactory, acting: Any) -> Path:
    """A closed home of some 300 entries: a full tile, and a tree of two levels."""
    home = copied(loan_template, tmp_path_factory.mktemp("long") / "home")
    said = acting.Heard()
    with open_home(home) as g:
        for number in range(5):
            acting.decide(g, said, number)
        g.log.append(Unit(tuple(g.make("pulse/1", boots=[], recording="ok") for _ in range(290)))).result(60)
    return home


@pytest.mark.parametrize("index", [0, 9, 255, -1])
def test_a_flipped_bit_in_an_entry_is_named_and_mended_by_the_same_bytes(
    long_home: Path, tmp_path: Path, index: int
) -> None:
    home = copied(long_home, tmp_path / "home")
    with open_home(home) as g:
        entries = entries_of(g)
        index %= len(entries)
    file = (home / DATABASE).read_bytes()
    assert file.count(entries[index]) == 1
    place = file.index(entries[index]) + len(entries[index]) // 2
    damaged = bytearray(file)
    damaged[place] ^= 1
    (home / DATABASE).write_bytes(damaged)
    with open_home(home) as g:
        found = fsck.check_all(g)
        place = f"auditlog_entry(log=1,idx={index})"
        assert f"{place}.data" in [f.place for f in found]
        named = {f.place.removesuffix(".data").removesuffix(".id") for f in found if "auditlog_entry" in f.place}
        assert named == {place}
        # What is signed from now on covers the entry as it was, not as it is now.
        done = g.log.append(Unit((g.make("pulse/1", boots=[], recording="ok"),))).result(30)
        whole = [*entries, done.sequenced[0].entry.data]
        assert signed(done.checkpoint) == (len(whole), roots(whole, len(whole)))
    # The entry's bytes, from an export or a mirror, put back: nothing else is needed.
    with open_home(home) as g, g.engine.connect() as conn:
        triggers = conn.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").all()
        for name, _ in triggers:
            conn.exec_driver_sql(f"DROP TRIGGER {name}")
        conn.exec_driver_sql("UPDATE auditlog_entry SET data = ? WHERE log = 1 AND idx = ?", (entries[index], index))
        for _, sql in triggers:
            conn.exec_driver_sql(sql)
        conn.commit()
        assert fsck.check_all(g) == []


def test_a_flipped_bit_anywhere_in_the_database_is_never_signed(long_home: Path, tmp_path: Path) -> None:
    """Wherever it flips: the log refuses by name, or what it signs is what it would have signed."""
    with open_home(long_home) as g:
        entries = entries_of(g)
    file = (long_home / DATABASE).read_bytes()
    rng = random.Random(20261124)
    outcomes = {"refused": 0, "signed": 0}
    for number in range(60):
        home = copied(long_home, tmp_path / str(number))
        damaged = bytearray(file)
        damaged[rng.randrange(len(file))] ^= 1 << rng.randrange(8)
        (home / DATABASE).write_bytes(damaged)
        outcomes[sign_or_refuse(home, entries)] += 1
        shutil.rmtree(home)
    assert outcomes["signed"] > 30, outcomes


def sign_or_refuse(home: Path, entries: list[bytes]) -> str:
    try:
        with open_home(home) as g:
            done = g.log.append(Unit((g.make("pulse/1", boots=[], recording="ok"),))).result(30)
    except Exception as error:
        assert "internal error" not in cli.message(error), cli.message(error)
        return "refused"
    whole = [*entries, done.sequenced[0].entry.data]
    assert signed(done.checkpoint) == (len(whole), roots(whole, len(whole)))
    return "signed"


@pytest.mark.parametrize("level", [0, 1])
def test_a_flipped_bit_at_the_edge_of_the_tree_is_refused_at_the_start(
    long_home: Path, tmp_path: Path, level: int
) -> None:
    home = copied(long_home, tmp_path / "home")
    engine = open_engine(f"sqlite:///{home / DATABASE}")
    with engine.begin() as conn:
        statement = "SELECT idx, hashes FROM auditlog_tile WHERE level = ? ORDER BY idx DESC"
        index, hashes = conn.exec_driver_sql(statement, (level,)).first() or (0, b"")
        changed = bytes([hashes[0] ^ 1]) + hashes[1:]
        conn.exec_driver_sql("UPDATE auditlog_tile SET hashes = ? WHERE level = ? AND idx = ?", (changed, level, index))
    engine.dispose()
    with pytest.raises(CannotRecord, match="run `greffier log fsck`, and restore the database"), open_home(home):
        pass


# --- 2. the database is deleted ---------------------------------------------------------------------------------------


def test_a_deleted_database_is_refused_with_what_to_do(loan_home: Path) -> None:
    for path in loan_home.glob(f"{DATABASE}*"):
        path.unlink()
    with pytest.raises(CannotRecord, match="is missing: put it back from a backup"), open_home(loan_home):
        pass
    # Nothing was made in its place.
    assert not (loan_home / DATABASE).exists()


def test_an_empty_database_in_its_place_is_refused_by_the_guard(loan_home: Path) -> None:
    for path in loan_home.glob(f"{DATABASE}*"):
        path.unlink()
    engine = open_engine(f"sqlite:///{loan_home / DATABASE}")
    migrate.migrate(engine)
    engine.dispose()
    with (
        pytest.raises(GuardError, match=r"0 entries, but 8 were vouched for.*a successor log that states the loss"),
        open_home(loan_home),
    ):
        pass


def test_no_second_log_begins_where_the_guard_is_gone_too(loan_home: Path) -> None:
    for path in [*loan_home.glob(f"{DATABASE}*"), loan_home / "guard" / "log-1.guard"]:
        path.unlink()
    engine = open_engine(f"sqlite:///{loan_home / DATABASE}")
    migrate.migrate(engine)
    engine.dispose()
    for _ in range(2):
        with pytest.raises(GuardError, match="compare the log with a witness or an export"), open_home(loan_home):
            pass
    with open_home(loan_home, tolerant=True) as g:
        assert not health.health(g).recording


def test_a_database_deleted_under_the_running_log_is_noticed_at_the_next_entry(loan_home: Path, acting: Any) -> None:
    kept = loan_home.parent / "kept"
    kept.mkdir()
    with open_home(loan_home) as g:
        acting.pulse(g)
        for path in loan_home.glob(f"{DATABASE}*"):
            path.rename(kept / path.name)
        with pytest.raises(CannotRecord, match="removed or replaced while it was open: put it back"):
            acting.pulse(g)
        assert not (loan_home / DATABASE).exists()
        for path in kept.iterdir():
            path.rename(loan_home / path.name)
        acting.pulse(g)
        assert kinds(g)[-2:] == ["outage/1", "pulse/1"]
        assert fsck.check_all(g) == []


# --- 3. the disk is full (Mammoth 2024h1) -----------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m,mode=700", "greffier-test", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("no right to mount; test_no_record_no_answer fills a disk by a limit on file sizes")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("free", [0, 8, 40, 120])
def test_a_full_disk_refuses_and_goes_on_when_there_is_space_again(
    small_disk: Path, loan_template: Path, acting: Any, invariants: Any, free: int
) -> None:
    """`free`: kB that are left, so that now this file and now that one is the first that does not fit."""
    home = small_disk / "home"
    shutil.copytree(loan_template, home, ignore=lambda _, names: [name for name in names if name.endswith(".gguf")])
    for model in (loan_template / "models").glob("*.gguf"):
        (home / "models" / model.name).symlink_to(model)
    ballast = small_disk / "ballast"
    said = acting.Heard()
    with open_home(home) as g:
        for round_ in range(2):
            acting.attempt(g, said, lambda: acting.decide(g, said, 1))
            assert "index" in said.all[-1]
            fill(ballast, small_disk, free)
            for number in range(40):
                acting.attempt(g, said, lambda number=number: acting.decide(g, said, number))
                if "refused" in said.all[-1]:
                    break
            for _ in range(3):
                acting.attempt(g, said, lambda: acting.decide(g, said, 1))
            full = [one for one in said.all if "refused" in one]
            assert len(full) >= 2 * (round_ + 1)
            assert {one["refused"] for one in full} == {"disk_full"}, full
            assert all("space" in one["message"] or "until it can" in one["message"] for one in full), full
            ballast.unlink()
            acting.attempt(g, said, lambda: acting.decide(g, said, 1))
            assert "index" in said.all[-1], said.all[-1]
        assert [found for found in invariants.promises(g, said.all) if "models/" not in found] == []


def fill(ballast: Path, disk: Path, free: int) -> None:
    """Leave `free` kB."""
    with ballast.open("wb") as file:
        left = os.statvfs(disk)
        file.truncate(0)
        size = left.f_bavail * left.f_frsize - free * 1024
        file.write(b"x" * max(size, 0))


# --- 4. an inconsistent view (Venafi, TrustAsia 2020) -----------------------------------------------------------------


@pytest.fixture
def twins(loan_template: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two copies of one home, as after a restore on another machine while the first still runs; one guard_dir."""
    guard = shutil.copytree(loan_template / "guard", tmp_path / "guard")
    homes = (copied(loan_template, tmp_path / "one"), copied(loan_template, tmp_path / "two"))
    for home in homes:
        shutil.rmtree(home / "guard")
        settings = home / "greffier.toml"
        settings.write_text(f'guard_dir = "{guard}"\n' + settings.read_text())
    return homes


def test_of_two_copies_of_a_home_only_one_signs(twins: tuple[Path, Path], acting: Any) -> None:
    with open_home(twins[0]) as one, open_home(twins[1]) as two:
        acting.pulse(one)
        with pytest.raises(GuardError, match="holds 8 entries, but 9 were vouched for") as refused:
            acting.pulse(two)
        assert "restore the newest one, or open a successor log" in str(refused.value)
        acting.pulse(one)
    with pytest.raises(GuardError, match="holds 8 entries, but 10 were vouched for"), open_home(twins[1]):
        pass


@pytest.mark.parametrize(("first", "second"), [(1, 1), (1, 2), (2, 1), (3, 1)])
@pytest.mark.parametrize("point", [2, 4, 5, 6])
def test_of_two_copies_that_commit_at_the_same_moment_one_is_told_nothing(
    twins: tuple[Path, Path], point: int, first: int, second: int, acting: Any
) -> None:
    """While a group of the second copy is at that point, having checked the guard, the first one's is acknowledged."""
    with open_home(twins[0]) as one, open_home(twins[1]) as two:
        told: list[Any] = []
        two.log._trace = lambda at: told.append(pulses(one, first)) if at == point and not told else None
        with pytest.raises(GuardError, match=r"forked|vouched for"):
            pulses(two, second)
        assert told[0].size == 8 + first
        assert two.log.state().size == 8
        # The first goes on: the guard is its own.
        assert one.guard.read() == (told[0].size, told[0].root)
        acting.pulse(one)
    with pytest.raises(GuardError, match=r"forked|vouched for"), open_home(twins[1]):
        pass


def pulses(g: Greffier, count: int) -> Any:
    return g.log.append(Unit(tuple(g.make("pulse/1", boots=[], recording="ok") for _ in range(count)))).result(30)


def test_without_a_common_guard_two_checkpoints_prove_the_fork(loan_template: Path, tmp_path: Path) -> None:
    notes, entries = [], []
    for name in ("one", "two"):
        with open_home(copied(loan_template, tmp_path / name)) as g:
            notes.append(pulses(g, 1).checkpoint)
            pulses(g, 2)
            entries.append(entries_of(g))
            with g.reading() as conn:
                head = log_store.read_head(conn, 1)
                assert head is not None
                proof = prove_consistency(9, head.size, log_store.reader(conn, 1, head.size))
    (size, root), (other_size, other_root) = map(signed, notes)
    # Both are signed by the same keys (each log's own check); one size, two roots: that is the proof.
    assert size == other_size == 9
    assert root != other_root
    # Nor does the one's checkpoint lead to the other's later head.
    verify_consistency(9, other_root, 11, roots(entries[1], 11), proof)
    with pytest.raises(ProofError):
        verify_consistency(9, root, 11, roots(entries[1], 11), proof)


# --- 5. entries that were taken are lost (StartCom, WoSign, Nessie 2023) ----------------------------------------------


def dies_at(point: int, home: Path, acting: Any) -> tuple[list[dict[str, Any]], str]:
    """A process that is killed at that point of its third group; what it had promised, and the id that it had taken."""
    said, taken = home.parent / "said", home.parent / "taken"
    child = os.fork()
    if child == 0:
        try:
            _decide_until_killed(point, home, acting, acting.Said(said), taken)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    return [json.loads(line) for line in said.read_text().splitlines()], taken.read_text()


def _decide_until_killed(point: int, home: Path, acting: Any, said: Any, taken: Path) -> None:
    groups = [0]

    def trace(at: int) -> None:
        groups[0] += at == 1
        if at == point and groups[0] == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    with open_home(home) as g:
        g.log._trace = trace
        for _ in range(9):
            entry = g.make("pulse/1", boots=[], recording="ok")
            taken.write_text(entry.id)
            said.integrated(g.log.append(Unit((entry,))).result(30))


@pytest.mark.parametrize("point", range(1, 9))
def test_what_was_sequenced_and_not_covered_is_gone_whole_or_there_whole(
    point: int, loan_home: Path, acting: Any, invariants: Any
) -> None:
    """An index and its checkpoint are one transaction: up to point 5 nothing is left of the entry, then all of it."""
    said, taken = dies_at(point, loan_home, acting)
    assert len([one for one in said if "index" in one]) == (2 if point < 8 else len(said))
    with open_home(loan_home) as g:
        ids = [parse_entry(data).id for data in entries_of(g)]
        assert (taken in ids) == (point >= 6)
        assert g.log.state().size == len(ids) == 8 + 2 + (point >= 6)
    assert invariants.after(loan_home, said) == []
