"""Rows of time-stamped checkpoints, as `fsck` checks them: every column is signed, or said by the token."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from auditlog.core.formats.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from auditlog.core.formats.note import ED25519, ML_DSA_44, Signer, parse_note
from auditlog.peers.tsa import describe_token
from auditlog.recovery.timestamps import check_timestamps, format_time, timestamp_files, timestamp_sizes
from auditlog.store.log import read_head
from auditlog.store.timestamps import StampedNote, insert_timestamp, timestamp_table
from auditlog.writing.unit import Unit


@pytest.fixture(scope="module")
def authority(time_authority, tmp_path_factory):
    return time_authority.Authority(tmp_path_factory.mktemp("tsa") / "house")


@pytest.fixture
def stamped(database, make, known, authority):
    """A log of three entries whose checkpoint is stamped: the database, the note, and the true roots by size."""
    log = database.started()
    for _ in range(3):
        log.append(Unit((make(),))).result()
    log.close()
    with database.engine.begin() as conn:
        head = read_head(conn, 1)
        token = authority.stamp(head.note)
        insert_timestamp(conn, StampedNote(1, head.size, head.note, token, format_time(describe_token(token).time)))
    database.roots = {3: parse_checkpoint(parse_note(head.note).text).root}
    database.note, database.token = head.note, token
    return database


@pytest.fixture
def problems(stamped, known):
    """What is found, as "column: message", after `changes` to the row."""

    def find(**changes):
        roots = changes.pop("roots", stamped.roots)
        with stamped.engine.begin() as conn:
            if changes:
                conn.execute(update(timestamp_table).values(**changes))
            found = list(check_timestamps(conn, known.keys, 1, origin=known.origin, roots=roots))
        return [f"{finding.place.rpartition('.')[2]}: {finding.message}" for finding in found]

    return find


def test_a_true_row_has_no_problem_and_gives_the_files(stamped, problems):
    assert problems() == []
    with stamped.engine.begin() as conn:
        assert timestamp_sizes(conn, 1) == {3}
        assert dict(timestamp_files(conn, 1, 3)) == {
            "timestamps/3.checkpoint": stamped.note,
            "timestamps/3.tsr": stamped.token,
        }
        assert list(timestamp_files(conn, 1, 2)) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"size": 2}, "size: is 2, the note says 3"),
        ({"time": "2020-01-01T00:00:00Z"}, "time: is 2020-01-01T00:00:00Z, the token says 20"),
        ({"token": b""}, "token: token: is no time-stamp response"),
        ({"roots": {}}, "note: covers 3 entries, more than the log has"),
        ({"roots": {3: bytes(32)}}, "note: signs another root than that of the first 3 entries: the log was forked"),
    ],
)
def test_a_changed_column_is_named(problems, changes, expected):
    (found,) = problems(**changes)
    assert found.startswith(expected)


def test_a_changed_note_breaks_its_signature_and_its_imprint(stamped, problems):
    changed = bytearray(stamped.note)
    changed[-10] ^= 1
    assert [found.partition(":")[0] for found in problems(note=bytes(changed))] == ["note", "token"]
    assert [found.partition(":")[0] for found in problems(note=b"")] == ["note", "token"]


def test_a_note_that_others_signed_is_none_of_this_log(stamped, problems, known, authority):
    strangers = [Signer.generate(known.origin, type_, b"s" * 32) for type_ in (ED25519, ML_DSA_44)]
    note = sign_checkpoint(Checkpoint(known.origin, 3, stamped.roots[3]), strangers)
    token = authority.stamp(note)
    (found,) = problems(note=note, token=token, time=format_time(describe_token(token).time))
    assert found.startswith("note: ")


def test_the_token_of_another_note_is_found(stamped, problems, authority):
    token = authority.stamp(b"another note")
    (found,) = problems(token=token)
    assert found == "token: token: was made over other bytes than this checkpoint's"
