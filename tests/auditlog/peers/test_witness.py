"""The witness's decisions: the whole table of statuses, its memory, and what it does when that is lost."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import threading
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditlog.core.errors import AuditLogError, FormatError, NotFound
from auditlog.core.formats.keyring import KeyRing, LogKey, key_ring
from auditlog.core.formats.note import COSIGNATURE, ML_DSA_44, Signer, open_note, parse_note, parse_vkey
from auditlog.peers.client import verified_lines
from auditlog.peers.identity import COUNTER_FILE, KEY_FILES, create_witness, open_witness
from auditlog.peers.submission import MAX_PROOF, SIZE_TYPE, format_submission, parse_submission
from auditlog.peers.witness import WitnessRetired
from auditlog.writing.keyseal import Unlock

SHARED = Path(__file__).parents[4] / "shared" / "vectors" / "tlog-json"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the published vectors (../shared/vectors) are not here")
EMPTY = sha256(b"").digest()


@pytest.fixture(scope="session")
def stand(witness_stand):
    return witness_stand


@pytest.fixture
def tree(stand):
    return stand.Tree()


@pytest.fixture
def clock(stand):
    return stand.Clock()


@pytest.fixture
def witness(stand, tree, clock, tmp_path):
    made = stand.make_witness(tmp_path, trusts=(tree,), clock=clock)
    yield made
    made.close()


def times(witness, answer, note: bytes) -> list[int]:
    lines = verified_lines(answer.body, note, witness.vkeys)
    return [int.from_bytes(line.blob[:8], "big") for line in lines]


def test_the_table_of_statuses(stand, tree, witness):
    """The sequence of transparency-logs.md 5.3, with what it says of other witnesses left behind."""
    add = witness.add_checkpoint
    assert add(tree.submission(0, 3)).status == 200
    stale = add(tree.submission(0, 3))
    assert (stale.status, stale.body, stale.content_type) == (409, b"3\n", SIZE_TYPE)
    assert add(tree.submission(3, 8)).status == 200
    wrong = format_submission(8, (bytes(32), *tree.proof(8, 15)[1:]), tree.note(15))
    assert add(wrong).status == 422
    assert add(format_submission(9, (), tree.note(8))).status == 400
    assert add(tree.submission(8, 8)).status == 200
    assert add(stand.Tree("other.example/1").submission(0, 3)).status == 404
    note = tree.note(9)
    at = note.index(b"\xe2\x80\x94 ") + len(f"— {tree.origin} ".encode()) + 20
    flipped = note[:at] + (b"A" if note[at : at + 1] != b"A" else b"B") + note[at + 1 :]
    assert add(format_submission(8, tree.proof(8, 9), flipped)).status == 403
    assert add(stand.Tree(seed=9).submission(8, 9)).status == 403
    assert add(b"old 8\n\nno note").status == 400
    assert add(tree.submission(8, 9).replace(b"old 8", b"8")).status == 400
    assert add(tree.submission(8, 20)).status == 200


def test_a_proof_with_old_size_zero_is_not_taken(tree, witness):
    assert witness.add_checkpoint(format_submission(0, (bytes(32),), tree.note(3))).status == 422


def test_an_equal_size_with_another_root_is_refused_and_kept_as_evidence(stand, tree, witness):
    fork = stand.Tree(fork=2, branch="x")
    assert witness.add_checkpoint(tree.submission(0, 5)).status == 200
    for old in (5, 0):
        answer = witness.add_checkpoint(format_submission(old, (), fork.note(5)))
        assert answer.status == (422 if old else 409)
    (kept,) = witness.evidence()
    assert open_note(kept.cosigned, tree.ring.vkeys).note.text == parse_note(tree.note(5)).text
    assert open_note(kept.refused, tree.ring.vkeys).note.text == parse_note(fork.note(5)).text
    assert [log.contradictions for log in witness.logs()] == [1]
    assert witness.add_checkpoint(tree.submission(5, 6)).status == 200


def test_an_empty_tree(stand, tree, witness):
    assert witness.add_checkpoint(format_submission(0, (), tree.note(0, root=bytes(32)))).status == 422
    assert witness.add_checkpoint(format_submission(0, (), tree.note(0))).status == 200
    assert witness.add_checkpoint(format_submission(0, (), tree.note(0))).status == 200
    assert witness.add_checkpoint(tree.submission(0, 4)).status == 200
    assert witness.add_checkpoint(format_submission(0, (), tree.note(0))).status == 409


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        b"old 1\n",
        b"old -1\n\nx\n",
        b"old 01\n\nx\n",
        b"old 1 \n\nx\n",
        b"old 1\r\n\r\nx\n",
        b"old 0\nAAAA\n\nx\n",
        b"old 18446744073709551616\n\nx\n",
        b"old 0\n\n\xff\xfe\n\n",
        "old ٣\n\nx\n".encode(),
    ],
)
def test_what_is_malformed_is_400(witness, body):
    assert witness.add_checkpoint(body).status == 400


def test_proof_lines_and_sizes_have_limits(tree, witness):
    note = tree.note(5)
    assert witness.add_checkpoint(format_submission(0, (bytes(32),) * MAX_PROOF, note)).status == 422
    assert witness.add_checkpoint(format_submission(0, (bytes(32),) * (MAX_PROOF + 1), note)).status == 400
    assert witness.add_checkpoint(format_submission(0, (), tree.note(1 << 63, root=EMPTY))).status == 400
    assert witness.add_checkpoint(format_submission(0, (), tree.note((1 << 63) - 1, root=EMPTY))).status == 200


def test_both_cosignature_types_with_the_time_and_refreshed(tree, witness, clock):
    answer = witness.add_checkpoint(tree.submission(0, 5))
    assert [key.type for key in witness.vkeys] == [COSIGNATURE, ML_DSA_44]
    assert times(witness, answer, tree.note(5)) == [clock.now] * 2
    clock.now += 3600
    again = witness.add_checkpoint(tree.submission(5, 5))
    assert times(witness, again, tree.note(5)) == [clock.now] * 2


def test_times_of_one_log_never_go_back(stand, tree, witness, clock):
    other = stand.Tree("other.example/1")
    witness.trust(other.ring)
    assert witness.add_checkpoint(tree.submission(0, 5)).status == 200
    clock.now -= 1
    behind = witness.add_checkpoint(tree.submission(5, 6))
    assert (behind.status, behind.retry_after) == (503, 5)
    assert witness.add_checkpoint(other.submission(0, 5)).status == 200
    clock.now += 1
    assert witness.add_checkpoint(tree.submission(5, 6)).status == 200


def test_extension_lines_are_cosigned_as_the_specification_says(tree, witness):
    """A witness meets every log; what it says is about the first three lines (c2sp.org/tlog-cosignature)."""
    note = tree.note(5, extension="a line of that log\n")
    answer = witness.add_checkpoint(format_submission(0, (), note))
    assert answer.status == 200
    assert len(times(witness, answer, note)) == 2


def test_one_valid_key_is_enough_and_strange_lines_are_ignored_and_not_kept(stand, tree, witness):
    stranger = stand.Tree(seed=7)
    note = parse_note(tree.note(5))
    mixed = parse_note(stranger.note(5)).signatures[:1] + note.signatures[:1] * 2
    from auditlog.core.formats.note import Note, format_note

    data = format_note(Note(note.text, mixed))
    assert witness.add_checkpoint(format_submission(0, (), data)).status == 200
    kept = parse_note(witness.checkpoint(sha256(tree.origin.encode()).hexdigest()))
    assert [line.name for line in kept.signatures] == [tree.origin, stand.NAME, stand.NAME]


def test_a_key_counts_only_at_its_sizes(stand, tree, witness):
    """A retired key, stolen, opens nothing; a checkpoint by the new one is taken once the witness knows it."""
    new = stand.Tree(seed=2)
    old_keys, new_keys = tree.ring.vkeys, new.ring.vkeys
    ring = KeyRing((*(LogKey(k, 0, 6) for k in old_keys), *(LogKey(k, 6, None) for k in new_keys)))
    assert witness.add_checkpoint(tree.submission(0, 5)).status == 200
    assert witness.add_checkpoint(new.submission(5, 6)).status == 403
    witness.trust(ring)
    assert witness.add_checkpoint(tree.submission(5, 6)).status == 403
    assert witness.add_checkpoint(new.submission(5, 6)).status == 200


def test_the_monitoring_endpoint_shows_what_was_cosigned_last(tree, witness):
    name = sha256(tree.origin.encode()).hexdigest()
    with pytest.raises(NotFound):
        witness.checkpoint(name)
    for old, size in ((0, 3), (3, 8)):
        answer = witness.add_checkpoint(tree.submission(old, size))
        shown = witness.checkpoint(name)
        assert len(open_note(shown, (*tree.ring.vkeys, *witness.vkeys)).by) == 4
        assert shown.endswith(answer.body)


def test_a_log_that_is_trusted_no_longer_comes_back_where_it_was(stand, tree, witness):
    assert witness.add_checkpoint(tree.submission(0, 5)).status == 200
    witness.distrust(tree.origin)
    assert witness.add_checkpoint(tree.submission(5, 6)).status == 404
    with pytest.raises(NotFound):
        witness.distrust(tree.origin)
    witness.trust(tree.ring)
    assert witness.add_checkpoint(tree.submission(0, 4)).body == b"5\n"
    assert [(log.size, log.keys) for log in witness.logs()] == [(5, 2)]


def test_it_never_cosigns_under_its_own_name_for_itself(stand, witness):
    signer = Signer.generate(stand.NAME, ML_DSA_44, bytes(32))
    with pytest.raises(FormatError, match="own name"):
        witness.trust(key_ring([signer.vkey]))


# --- many at once -----------------------------------------------------------------------------------------------------


def test_concurrent_submissions_of_one_log_are_cosigned_in_one_order(stand, tree, witness, tmp_path):
    """Of many that all extend size 1, one is cosigned, and the others learn its size: in threads and processes."""
    assert witness.add_checkpoint(tree.submission(0, 1)).status == 200
    bodies = [tree.submission(1, size) for size in range(2, 12)]
    other = stand.reopen(tmp_path)
    answers = []
    threads = [
        threading.Thread(target=lambda body=body, who=who: answers.append(who.add_checkpoint(body)))
        for body in bodies
        for who in (witness, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    (won,) = (answer for answer in answers if answer.status == 200)
    assert {answer.status for answer in answers} == {200, 409}
    assert won.status == 200
    (log,) = witness.logs()
    assert {answer.body for answer in answers if answer.status == 409} == {f"{log.size}\n".encode()}


# --- its memory -------------------------------------------------------------------------------------------------------


def test_every_answer_is_stored_and_counted_before_it_leaves(tree, witness, tmp_path):
    for count, (old, size) in enumerate(((0, 3), (3, 8), (8, 8)), 1):
        witness.add_checkpoint(tree.submission(old, size))
        assert (tmp_path / "keys" / COUNTER_FILE).read_text().split(" ")[1] == str(count)
        with sqlite3.connect(tmp_path / "witness.db") as conn:
            assert conn.execute("SELECT size FROM witness_seen").fetchall() == [(size,)]
            assert conn.execute("PRAGMA synchronous").fetchone()
        conn.close()


def test_a_lost_or_older_database_retires_it(stand, tree, witness, tmp_path):
    witness.add_checkpoint(tree.submission(0, 3))
    witness.close()
    saved = tmp_path / "saved.db"
    shutil.copy(tmp_path / "witness.db", saved)
    again = stand.reopen(tmp_path)
    assert again.add_checkpoint(tree.submission(3, 5)).status == 200
    again.close()
    shutil.copy(saved, tmp_path / "witness.db")
    for _ in range(2):
        with pytest.raises(WitnessRetired, match=r"older copy.*retired"):
            stand.reopen(tmp_path)
    (tmp_path / "witness.db").unlink()
    with pytest.raises(WitnessRetired, match=r"witness\.db: is missing.*retired"):
        stand.reopen(tmp_path)
    (tmp_path / "witness.db").touch()
    with pytest.raises(WitnessRetired, match="holds no witness"):
        stand.reopen(tmp_path)


def test_another_database_of_the_same_length_retires_it(stand, tree, witness, tmp_path):
    """Two copies of one witness that went separate ways are not one witness any more."""
    witness.close()
    shutil.copytree(tmp_path, tmp_path / "twin", ignore=shutil.ignore_patterns("twin"))
    one, two = stand.reopen(tmp_path), stand.reopen(tmp_path / "twin")
    one.add_checkpoint(tree.submission(0, 3))
    two.add_checkpoint(tree.submission(0, 4))
    one.close(), two.close()
    shutil.copy(tmp_path / "twin" / "witness.db", tmp_path / "witness.db")
    with pytest.raises(WitnessRetired, match="older copy"):
        stand.reopen(tmp_path)


def test_a_missing_counter_retires_it_too(stand, witness, tmp_path):
    witness.close()
    (tmp_path / "keys" / COUNTER_FILE).unlink()
    with pytest.raises(WitnessRetired, match="counter"):
        stand.reopen(tmp_path)


def test_a_database_rolled_back_under_a_running_witness_cosigns_nothing(stand, tree, witness, tmp_path):
    witness.add_checkpoint(tree.submission(0, 3))
    before = {path: path.read_bytes() for path in tmp_path.glob("witness.db*")}
    witness.add_checkpoint(tree.submission(3, 5))
    with sqlite3.connect(tmp_path / "witness.db") as conn:
        conn.execute("UPDATE witness_seen SET size = 3, root = ?", (tree.root(3),))
        conn.execute("UPDATE witness_state SET serial = 1")
    conn.close()
    assert before
    fork = stand.Tree(fork=4, branch="x")
    assert witness.add_checkpoint(fork.submission(3, 6)).status == 503


def test_a_crash_between_store_and_counter_is_made_good(stand, tree, witness, tmp_path):
    line = (tmp_path / "keys" / COUNTER_FILE).read_bytes()
    witness.add_checkpoint(tree.submission(0, 3))
    witness.close()
    (tmp_path / "keys" / COUNTER_FILE).write_bytes(line)
    again = stand.reopen(tmp_path)
    assert (tmp_path / "keys" / COUNTER_FILE).read_text().split(" ")[1] == "1"
    assert again.add_checkpoint(tree.submission(0, 3)).body == b"3\n"
    again.close()


def test_a_disk_that_cannot_be_written_is_503_and_nothing_is_cosigned(tree, witness, tmp_path):
    with sqlite3.connect(tmp_path / "witness.db") as conn:
        conn.execute("CREATE TRIGGER full BEFORE INSERT ON witness_seen BEGIN SELECT RAISE(FAIL, 'disk full'); END")
    conn.close()
    assert witness.add_checkpoint(tree.submission(0, 3)).status == 503
    assert witness.logs()[0].size is None


@pytest.mark.slow
def test_a_killed_witness_never_cosigns_two_trees_of_one_size(stand, tree, tmp_path):
    """Killed in the middle of its work, ten times: whatever it answered, the next life knows."""
    stand.make_witness(tmp_path, trusts=(tree,)).close()
    program = (
        "import sys; from pathlib import Path; from auditlog.peers.identity import open_witness\n"
        "w = open_witness(Path(sys.argv[1]) / 'keys', Path(sys.argv[1]) / 'witness.db')\n"
        "for line in sys.stdin:\n"
        "    a = w.add_checkpoint(bytes.fromhex(line)); print(a.status, flush=True)\n"
    )
    size = 0
    for life in range(10):
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        answered = size
        for _ in range(life):
            child.stdin.write(tree.submission(answered, answered + 1).hex() + "\n")
            child.stdin.flush()
            assert child.stdout.readline() == "200\n"
            answered += 1
        child.stdin.write(tree.submission(answered, answered + 1).hex() + "\n")
        child.stdin.flush()
        child.kill()
        child.wait()
        child.stdin.close(), child.stdout.close()
        again = stand.reopen(tmp_path)
        size = next((log.size for log in again.logs() if log.size is not None), 0)
        again.close()
        assert size in {answered, answered + 1}


# --- its keys ---------------------------------------------------------------------------------------------------------


def test_it_is_made_once_with_keys_that_only_its_owner_reads(stand, witness, tmp_path):
    for name in KEY_FILES:
        assert (tmp_path / "keys" / name).stat().st_mode & 0o777 == 0o600
    lines = (tmp_path / "keys" / "witness.vkey").read_text().splitlines()
    assert [parse_vkey(line) for line in lines] == list(witness.vkeys)
    with pytest.raises(AuditLogError, match="exists already"):
        create_witness(tmp_path / "keys", tmp_path / "witness.db", "another.example/w")
    (tmp_path / "keys" / next(iter(KEY_FILES))).chmod(0o640)
    with pytest.raises(AuditLogError, match="mode to 600"):
        stand.reopen(tmp_path)


def test_no_witness_and_a_bad_name(tmp_path):
    with pytest.raises(NotFound, match="greffier witness init"):
        open_witness(tmp_path / "keys", tmp_path / "witness.db")
    with pytest.raises(FormatError, match="name"):
        create_witness(tmp_path / "keys", tmp_path / "witness.db", "a name+with")
    assert list(tmp_path.iterdir()) == []


def test_other_keys_do_not_open_its_database(stand, witness, tmp_path):
    witness.close()
    stand.make_witness(tmp_path / "other").close()
    shutil.copy(tmp_path / "other" / "witness.db", tmp_path / "witness.db")
    with pytest.raises(WitnessRetired, match="other keys"):
        stand.reopen(tmp_path)


def test_sealed_keys_open_with_their_secret_alone(stand, tmp_path):
    unlock = Unlock(passphrase="a long enough passphrase for a test")
    create_witness(tmp_path / "keys", tmp_path / "witness.db", stand.NAME, unlock=unlock)
    for name in KEY_FILES:
        assert "PRIVATE+KEY" not in (tmp_path / "keys" / name).read_text()
    with pytest.raises(AuditLogError, match=next(iter(KEY_FILES))):
        stand.reopen(tmp_path)
    open_witness(tmp_path / "keys", tmp_path / "witness.db", unlock=unlock).close()


# --- published vectors ------------------------------------------------------------------------------------------------

# Where the newest specification, or strictness, says otherwise than the program that the case was taken from.
DIFFERENT = {
    "litewitness-02-403": (400, "the changed signature is no canonical base64 either, and form is looked at first"),
    "litewitness-03-403": (404, "an unknown log is 404"),
    "update-same-size-other-root": (422, "since tlog-witness v1.1; 409 before"),
    "status-same-size-other-root-hash": (422, "since tlog-witness v1.1; 409 before"),
    "update-garbage-proof": (400, "a proof line of two bytes encodes no hash"),
    "parse-ok": (400, "base64 that is not canonical, of no hash"),
}


def published() -> dict:
    return json.loads((SHARED / "witness-http.json").read_text()) if SHARED.is_dir() else {"cases": []}


@needs_shared
def test_the_published_session(stand, tmp_path):
    vectors = published()
    witness = stand.make_witness(tmp_path, name=vectors["litewitness"]["witness_name"])
    witness.trust(key_ring([parse_vkey(vectors["litewitness"]["log_vkey"])]))
    cases = [case for case in vectors["cases"] if case["op"] == "add_checkpoint"]
    assert len(cases) == 9
    for case in cases:
        answer, expect = witness.add_checkpoint(case["input"]["body"].encode()), case["expect"]
        wanted, _ = DIFFERENT.get(case["name"], (expect["status"], ""))
        assert answer.status == wanted, case["name"]
        if answer.status == expect["status"]:
            assert expect.get("body_contains", "") in answer.body.decode()
        assert answer.body.decode() == expect.get("body", answer.body.decode())
    witness.close()


@needs_shared
@pytest.mark.parametrize(
    "case", [c for c in published()["cases"] if c["op"] == "witness_update"], ids=lambda case: case["name"]
)
def test_the_published_updates(stand, tmp_path, case):
    witness = stand.make_witness(tmp_path)
    witness.trust(key_ring([parse_vkey(case["input"]["log_vkey"])]))
    stored = case["input"]["stored"].encode()
    assert witness.add_checkpoint(b"old 0\n\n" + stored).status == 200
    answer = witness.add_checkpoint(case["input"]["body"].encode())
    assert answer.status == DIFFERENT.get(case["name"], (case["expect"]["status"], ""))[0]
    witness.close()


@needs_shared
@pytest.mark.parametrize(
    "case", [c for c in published()["cases"] if c["op"] == "parse_add_checkpoint"], ids=lambda case: case["name"]
)
def test_the_published_bodies(case):
    assert not case["expect"]["ok"] or case["name"] in DIFFERENT
    with pytest.raises(FormatError):
        parse_submission(case["input"]["body"].encode())


# --- any sequence -----------------------------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 2), st.integers(0, 4)), min_size=1, max_size=12
)


@settings(max_examples=60)
@given(steps=steps, restart=st.integers(0, 11))
def test_no_sequence_makes_it_cosign_two_trees_or_a_smaller_one(stand, tmp_path_factory, steps, restart):
    """Two branches that part at leaf 3, and one that parts at leaf 6, signed by the log's own keys."""
    folder = tmp_path_factory.mktemp("witness")
    branches = [stand.Tree(), stand.Tree(fork=3, branch="x"), stand.Tree(fork=6, branch="y")]
    clock = stand.Clock()
    witness = stand.make_witness(folder, trusts=(branches[0],), clock=clock)
    cosigned: dict[int, bytes] = {}
    largest, last_time = -1, 0
    for number, (old, size, branch, tick) in enumerate(steps):
        if number == restart:
            witness.close()
            witness = stand.reopen(folder, clock)
        clock.now += tick - 1
        tree = branches[branch]
        # A proof of the right shape for any pair, from this branch.
        answer = witness.add_checkpoint(tree.submission(old, size))
        assert answer.status in {200, 400, 409, 422, 503}
        if answer.status == 200:
            assert size >= largest
            assert cosigned.setdefault(size, tree.root(size)) == tree.root(size)
            if largest > 0:
                assert tree.root(largest) == cosigned[largest], "it extends what was cosigned before"
            (time,) = set(times(witness, answer, tree.note(size)))
            assert time >= last_time
            largest, last_time = size, time
    witness.close()
    shutil.rmtree(folder)


@settings(max_examples=150)
@given(data=st.data())
def test_no_bytes_make_it_fail(stand, broken, data):
    """Whatever is cut out of, put into or repeated in a good request: one of the specification's answers."""
    witness, body = broken
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(len(body), start + 80)))
    middle = data.draw(
        st.binary(max_size=40) | st.sampled_from([b"\n", b"\n\n", body[start:end] * 2, b"\xe2\x80\x94 ", b"+"])
    )
    answer = witness.add_checkpoint(body[:start] + middle + body[end:])
    assert answer.status in {200, 400, 403, 404, 409, 422}


@pytest.fixture(scope="module")
def broken(stand, tmp_path_factory):
    """A witness, and a request that it would cosign again and again."""
    tree = stand.Tree()
    witness = stand.make_witness(tmp_path_factory.mktemp("broken"), trusts=(tree,))
    assert witness.add_checkpoint(tree.submission(0, 5)).status == 200
    yield witness, tree.submission(5, 5)
    witness.close()
