"""New keys, and the next log: both pairs sign for a time, the old one goes, and what was signed stays verifiable."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

import pytest

from auditlog.core.entries.receipt import format_receipt, parse_receipt, verify_receipt
from auditlog.core.errors import CannotRecord, FormatError, Frozen, GuardError, SignatureError
from auditlog.core.formats.keyring import KeyRing, LogKey
from auditlog.core.formats.note import parse_note
from auditlog.store import log as log_store
from auditlog.store.engine import reading
from auditlog.writing.keys import read_key_ring
from auditlog.writing.log import Unit
from cli import run
from home.errors import Refused
from service.keeping import fsck
from service.logs import rotation, succession
from service.proving import receipts
from service.wiring import create_home, open_home, succeed_home

NAME = "waterveen.example/log"


@pytest.fixture
def home(tmp_path: Path, home_url: str | None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation on each database in turn, which publishes at once."""
    monkeypatch.setenv("GREFFIER_PUBLISH_PACE_S", "0")
    made = tmp_path / "home"
    create_home(made, "waterveen", NAME, database_url=home_url)
    return made


def recorded(g) -> str:
    """An entry; returns its id."""
    entry_id = str(uuid.uuid4())
    entry = g.make("pulse/1", id=entry_id, boots=[], recording="ok")
    g.log.append(Unit((entry,))).result()
    return entry_id


def receipt_of(g, record: str) -> bytes:
    return format_receipt(receipts.receipt(g, record, openings=None))


def publish(g) -> None:
    """Make the integrated checkpoint the public one, as `greffier log publish` does."""
    assert g.publisher.advance(at_once=True)


def signers_of(g) -> list[str]:
    with reading(g.engine) as conn:
        head = log_store.read_head(conn, g.log.number)
    return [line.key_id.hex() for line in parse_note(head.note).signatures]


def holds(receipt: bytes, ring: KeyRing) -> int:
    parsed = parse_receipt(receipt)
    origin = parsed.proof.checkpoint.split(b"\n")[0].decode()
    return verify_receipt(parsed, ring, origin=origin).checkpoint.checkpoint.size


# --- rotation ---------------------------------------------------------------------------------------------------------


def test_both_pairs_sign_until_the_old_one_is_retired(home):
    with open_home(home) as g:
        before = receipt_of(g, recorded(g))
        old = [key.vkey.key_id.hex() for key in g.keys.keys]
        added = rotation.begin(g)
        assert signers_of(g) == [*old, *(key.key_id.hex() for key in added)]
        during = receipt_of(g, recorded(g))
        with pytest.raises(Refused, match="under way"):
            rotation.begin(g)
        publish(g)
        retired = rotation.finish(g)
        assert [key.key_id.hex() for key in retired] == old
        assert signers_of(g) == [key.key_id.hex() for key in added]
        after = receipt_of(g, recorded(g))
        assert fsck.check_all(g) == []
    ring = read_key_ring(home / "keys" / "log.vkey")
    assert [holds(receipt, ring) for receipt in (before, during, after)] == [2, 4, 6]
    # Of the old pair only the public keys remain, for ever.
    assert len(ring.keys) == 4
    assert len(list((home / "keys").glob("log-1.*.key"))) == 2
    # Who takes the retired keys for valid at all sizes misses their signatures, and the other way round.
    with pytest.raises(SignatureError):
        holds(after, KeyRing(tuple(LogKey(key.vkey) for key in ring.keys)))
    with pytest.raises(SignatureError):
        holds(before, KeyRing(tuple(key for key in ring.keys if key.valid_from)))


def test_an_overlap_that_nobody_saw_is_not_ended(home):
    with open_home(home) as g:
        publish(g)
        with pytest.raises(Refused, match="none is under way"):
            rotation.finish(g)
        rotation.begin(g)
        with pytest.raises(Refused, match="greffier log publish"):
            rotation.finish(g)
        assert len(signers_of(g)) == 4


def test_another_process_goes_on_with_the_new_keys(home):
    with open_home(home) as server, open_home(home) as cli:
        first = receipt_of(server, recorded(server))
        rotation.begin(cli)
        second = receipt_of(server, recorded(server))
        publish(cli)
        rotation.finish(cli)
        third = receipt_of(server, recorded(server))
        assert len(signers_of(server)) == 2
        assert [holds(receipt, server.keys) for receipt in (first, second, third)] == [2, 4, 6]
        assert fsck.check_all(server) == []


def test_a_machine_without_the_new_private_keys_records_nothing(home, tmp_path):
    with open_home(home) as server:
        recorded(server)
        elsewhere = tmp_path / "elsewhere"
        shutil.copytree(home / "keys", elsewhere)
        with open_home(home) as cli:
            rotation.begin(cli)
        new = {path.name for path in (home / "keys").iterdir()} - {path.name for path in elsewhere.iterdir()}
        for name in new:
            (home / "keys" / name).rename(elsewhere / name)
        with pytest.raises(CannotRecord, match="copy its file from the machine that rotated") as caught:
            recorded(server)
        assert caught.value.cause == "key_store"
        for name in new:
            (elsewhere / name).rename(home / "keys" / name)
        recorded(server)
        assert fsck.check_all(server) == []


def test_what_a_crash_left_of_a_rotation_is_completed_at_the_next_start(home):
    vkeys = (home / "keys" / "log.vkey").read_bytes()
    with open_home(home) as g:
        prepared = {signer.vkey for signer in g.key_folder.create(g.log.origin)}
        assert len(signers_of(g)) == 2, "keys that no entry names do not sign"
        assert set(rotation.begin(g)) == prepared, "they are used, not forgotten"
    (home / "keys" / "log.vkey").write_bytes(vkeys)  # the crash came before the file was written
    with open_home(home) as g:
        assert prepared < set(read_key_ring(home / "keys" / "log.vkey").vkeys)
        publish(g)
        kept = {path: path.read_bytes() for path in (home / "keys").glob("log-1.*.key")}
        rotation.finish(g)
        for path, data in kept.items():  # the crash came before they were destroyed
            if not path.exists():
                path.touch(mode=0o600)
                path.write_bytes(data)
    with open_home(home) as g:
        assert len(list((home / "keys").glob("log-1.*.key"))) == 2
        recorded(g)
        assert fsck.check_all(g) == []


# --- succession -------------------------------------------------------------------------------------------------------


def test_the_next_log_goes_on_and_old_receipts_keep_verifying(home):
    with open_home(home) as g:
        old = recorded(g)
        before = receipt_of(g, old)
    assert succeed_home(home, "year") == f"{NAME}/2"
    with open_home(home) as g:
        assert (g.log.number, g.log.origin, g.log.state().size) == (2, f"{NAME}/2", 1)
        new = recorded(g)
        again, after = receipt_of(g, old), receipt_of(g, new)
        ring = g.keys
        assert [holds(receipt, ring) for receipt in (before, again, after)] == [2, 3, 2]
        assert fsck.check_all(g) == []
        with pytest.raises(FormatError, match="is in the log already"):
            g.log.append(Unit((g.make("pulse/1", id=old, boots=[], recording="ok"),))).result()
    assert read_key_ring(home / "keys" / "log.vkey").origins == (f"{NAME}/1", f"{NAME}/2")


def test_a_frozen_log_takes_nothing_more(home):
    with open_home(home) as g:
        ended = succession.end(g, "other")
        assert ended.lost is None
        with pytest.raises(Frozen, match="successor"):
            recorded(g)
    with pytest.raises(Frozen), open_home(home):
        pass
    # The crash came here: the log is frozen and has no successor. A second call completes it.
    assert succeed_home(home, "year") == f"{NAME}/2"
    with open_home(home) as g:
        recorded(g)
        assert fsck.check_all(g) == []


def test_a_server_notices_that_its_log_was_frozen(home):
    with open_home(home) as server:
        recorded(server)
        succeed_home(home, "year")
        with pytest.raises(Frozen):
            recorded(server)
        with pytest.raises(Frozen):
            server.log.append(Unit((server.make("pulse/1", boots=[], recording="ok"),)))
        assert not server.log.state().recording
    with open_home(home) as g:
        assert fsck.check_all(g) == []


def test_units_behind_the_last_entry_are_told_so(home):
    with open_home(home) as g:
        freeze = g.make("freeze/1", reason="other", successor=None)
        late = [Unit((g.make("pulse/1", boots=[], recording="ok"),)) for _ in range(20)]
        first = g.log.append(Unit((freeze,), lambda conn, _: None))
        futures = []
        for unit in late:
            try:
                futures.append(g.log.append(unit))
            except Frozen:
                break
        assert first.result().size == 2
        for future in futures:
            with pytest.raises(Frozen):
                future.result()
        assert g.log.state().size == 2


def test_the_successors_keys_can_be_announced_ahead(home):
    assert run(["log", "succeed", "--home", str(home), "--reason", "year", "--announce"]) == 0
    announced = read_key_ring(home / "keys" / "log.vkey").of(f"{NAME}/2").vkeys
    assert run(["log", "succeed", "--home", str(home), "--reason", "year"]) == 0
    with open_home(home) as g:
        assert set(g.keys.of(g.log.origin).vkeys) == set(announced)
        rotation.begin(g)
        assert len(signers_of(g)) == 4


def test_a_loss_is_stated_and_the_log_goes_on(home, tmp_path, home_url):
    if home_url is not None:
        pytest.skip("a database file is put back; PostgreSQL's case is in tests/faults")
    with open_home(home) as g:
        kept = recorded(g)
        publish(g)
    saved = tmp_path / "saved.db"
    shutil.copyfile(home / "greffier.db", saved)
    with open_home(home) as g:
        lost = receipt_of(g, recorded(g))
        recorded(g)
    for rest in home.glob("greffier.db*"):
        rest.unlink()
    shutil.copyfile(saved, home / "greffier.db")
    with pytest.raises(GuardError, match="2 entries, but 4"), open_home(home):
        pass
    with pytest.raises(GuardError):
        succeed_home(home, "year")
    assert succeed_home(home, "loss") == f"{NAME}/2"
    with open_home(home) as g:
        genesis = g.log.state()
        assert genesis.size == 1
        with g.reading() as conn:
            _, first = next(log_store.entries_of_kinds(conn, 2, ("genesis/1",)))
        assert first.members["lost"] == 2
        assert first.members["predecessor"]["size"] == 4
        assert holds(lost, g.keys) == 3, "the lost entry's receipt still proves it"
        assert receipts.receipt(g, kept, openings=None).proof.index == 1
        assert fsck.check_all(g) == []


def test_a_database_of_before_a_rotation_is_seen_to_be_old(home, tmp_path, home_url):
    """Its keys are fewer than those of the key file: the guard says what is wrong, and the loss can be stated."""
    if home_url is not None:
        pytest.skip("a database file is put back; PostgreSQL's case is in tests/faults")
    shutil.copyfile(home / "greffier.db", tmp_path / "saved.db")
    with open_home(home) as g:
        rotation.begin(g)
        during = receipt_of(g, recorded(g))
        publish(g)
        rotation.finish(g)
        after = receipt_of(g, recorded(g))
    for rest in home.glob("greffier.db*"):
        rest.unlink()
    shutil.copyfile(tmp_path / "saved.db", home / "greffier.db")
    with pytest.raises(GuardError, match="1 entries, but 5"), open_home(home):
        pass
    assert succeed_home(home, "loss") == f"{NAME}/2"
    with open_home(home) as g:
        assert [holds(receipt, g.keys) for receipt in (during, after)] == [3, 5]
        assert fsck.check_all(g) == []
    assert [holds(receipt, read_key_ring(home / "keys" / "log.vkey")) for receipt in (during, after)] == [3, 5]


def test_a_database_from_before_the_succession_is_no_place_to_go_on(home, tmp_path, home_url):
    if home_url is not None:
        pytest.skip("a database file is put back")
    with open_home(home) as g:
        recorded(g)
    saved = tmp_path / "saved.db"
    shutil.copyfile(home / "greffier.db", saved)
    succeed_home(home, "year")
    with open_home(home) as g:
        recorded(g)
    for rest in home.glob("greffier.db*"):
        rest.unlink()
    shutil.copyfile(saved, home / "greffier.db")
    for reason in ("year", "loss"):
        with pytest.raises(Refused, match=r"log/2 was begun already.*greffier log import"):
            succeed_home(home, reason)


def test_nothing_is_lost_where_the_guard_agrees(home):
    with pytest.raises(Refused, match="nothing is lost"):
        succeed_home(home, "loss")
    with open_home(home) as g:
        assert g.log.number == 1
        recorded(g)


def test_a_guard_that_fails_after_the_last_entry_lets_nothing_follow(home):
    with open_home(home) as g:
        recorded(g)
        path = g.guard.path
        with pytest.raises(CannotRecord):
            g.log._trace = lambda point: path.rename(path.with_name("away")) if point == 6 else None
            succession.end(g, "year")
        g.log._trace = lambda point: None
        path.with_name("away").rename(path)
        with pytest.raises(Frozen):
            recorded(g)
    assert succeed_home(home, "year") == f"{NAME}/2"
    with open_home(home) as g:
        recorded(g)
        assert fsck.check_all(g) == []
