"""Time stamps of an installation: taken from a real authority, listed, exported, put beside receipts, verified."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from auditlog.core.checking.tree import audit_tree, parse_sums
from auditlog.core.entries.receipt import parse_receipt, verify_receipt
from auditlog.core.errors import SignatureError
from auditlog.peers import tsa
from auditlog.store.engine import writing
from auditlog.store.timestamps import timestamp_table
from auditlog.writing.keys import read_key_ring
from auditlog.writing.log import Unit
from cli import CANNOT_RECORD, CHECK_FAILED, OK, USAGE
from home import health
from home.errors import SettingsError
from service.logs import export as log_action
from service.logs import timestamp
from service.wiring import create_home, open_home, succeed_home

NAME = "waterveen.example/log"
pytestmark = pytest.mark.enable_socket


@pytest.fixture(scope="module")
def house(time_authority, tmp_path_factory):
    return time_authority.Authority(tmp_path_factory.mktemp("tsa") / "house")


@pytest.fixture
def authority(house):
    yield house
    house.configure(digests="sha256, sha384, sha512", precision=0, ess="sha256")


@pytest.fixture
def home(tmp_path: Path, home_url: str | None, monkeypatch) -> Path:
    """An installation on each database in turn, which publishes at once."""
    monkeypatch.setenv("GREFFIER_PUBLISH_PACE_S", "0")
    made = tmp_path / "home"
    create_home(made, "waterveen", NAME, database_url=home_url)
    return made


@pytest.fixture
def served(authority, monkeypatch):
    """The authority, named in the settings."""
    with authority.served() as address:
        monkeypatch.setenv("GREFFIER_TIMESTAMP_URL", address)
        yield authority


def recorded(g) -> str:
    """An entry, published; returns its id."""
    entry_id = str(uuid.uuid4())
    g.log.append(Unit((g.make("pulse/1", id=entry_id, boots=[], recording="ok"),))).result()
    g.publisher.advance(at_once=True)
    return entry_id


def at(home: Path, hours: float):
    """The home, opened at another time of ours (the authority's stays the present)."""
    return open_home(home, clock=lambda: datetime.now(UTC) + timedelta(hours=hours))


# --- taking -----------------------------------------------------------------------------------------------------------


def test_a_token_is_taken_when_there_is_something_new_and_it_is_time(home, served):
    with open_home(home) as g:
        recorded(g)
        (first,) = timestamp.stamp(g)
        assert (first.log, first.size, first.authority) == (1, g.publisher.state().published, "CN=TSA tsa")
        assert timestamp.stamp(g, now=True) == [], "this size has its token"
        recorded(g)
        assert timestamp.stamp(g) == [], "the interval is not over"
        (second,) = timestamp.stamp(g, now=True)
        assert second.size == first.size + 1
        recorded(g)
    with at(home, hours=0.9) as g:
        assert timestamp.stamp(g) == []
    with open_home(home) as g:
        g.settings = g.settings.model_copy(update={"timestamp_every_s": 60})
        with writing(g.engine) as conn:
            earlier = (datetime.now(UTC) - timedelta(seconds=61)).strftime("%Y-%m-%dT%H:%M:%SZ")
            conn.execute(timestamp_table.update().values(time=earlier))
        (third,) = timestamp.stamp(g)
        assert [made.size for made in timestamp.stamps(g)] == [first.size, second.size, third.size]


def test_without_an_address_nothing_is_asked(home, authority):
    count = len(authority.requests)
    with open_home(home) as g:
        recorded(g)
        assert timestamp.stamp(g, now=True) == []
        assert timestamp.late(g) is None
    assert len(authority.requests) == count


def test_what_is_not_published_is_not_stamped(home, served):
    with open_home(home) as g:
        recorded(g)
        g.log.append(Unit((g.make("pulse/1", boots=[], recording="ok"),))).result()
        (made,) = timestamp.stamp(g)
        assert made.size == g.publisher.state().published < g.log.state().size


def test_the_last_checkpoint_of_a_closed_log_is_stamped_too(home, served):
    with open_home(home) as g:
        recorded(g)
        assert timestamp.stamp(g)
    succeed_home(home, "year")
    with open_home(home) as g:
        recorded(g)
        for publisher in g.publishers.values():
            publisher.advance(at_once=True)
        taken = timestamp.stamp(g)
        assert [made.log for made in taken] == [1, 2]
        assert taken[0].size == g.publishers[1].state().integrated
        assert [made.log for made in timestamp.stamps(g)] == [1, 1, 2]


@pytest.mark.parametrize("answer", ["refusing", "garbage", "failing"])
def test_recording_goes_on_while_the_authority_fails_and_it_is_said(home, authority, monkeypatch, answer):
    with authority.served(answer) as address:
        monkeypatch.setenv("GREFFIER_TIMESTAMP_URL", address)
        with open_home(home) as g:
            recorded(g)
            with pytest.raises(tsa.NoToken, match="try again later"):
                timestamp.stamp(g)
            before = g.log.state().size
            recorded(g)
            assert g.log.state().size == before + 1
            assert health.health(g).recording
            assert "no checkpoint has a time stamp yet: run `greffier log timestamp`" in timestamp.late(g)
            assert timestamp.stamps(g) == []


def test_a_stamp_is_late_after_two_intervals_with_something_new(home, served):
    with open_home(home) as g:
        recorded(g)
        timestamp.stamp(g)
    with at(home, hours=72) as g:
        assert timestamp.late(g) is None, "nothing new"
        recorded(g)
        assert "the newest time stamp is of 20" in timestamp.late(g)
    with at(home, hours=47) as g:
        assert timestamp.late(g) is None


def test_an_authority_in_another_time_is_not_believed(home, served):
    with at(home, hours=3) as g:
        recorded(g)
        with pytest.raises(tsa.NoToken, match="more than an hour from our clock: look which of the two is wrong"):
            timestamp.stamp(g)
        assert timestamp.stamps(g) == []


def test_an_address_that_is_none_names_its_setting(home, monkeypatch):
    monkeypatch.setenv("GREFFIER_TIMESTAMP_URL", "tsa.example")
    with open_home(home) as g:
        recorded(g)
        with pytest.raises(SettingsError, match="timestamp_url: must be http"):
            timestamp.stamp(g)


# --- beside receipts and exports --------------------------------------------------------------------------------------


def test_a_receipt_is_proven_against_the_oldest_stamped_checkpoint_that_covers_it(home, served, command, tmp_path):
    with open_home(home) as g:
        first = recorded(g)
        recorded(g)
        (oldest,) = timestamp.stamp(g)
        later = recorded(g)
        timestamp.stamp(g, now=True)
        recorded(g)
        ring = g.keys
    out = tmp_path / "r.receipt.json"
    told = command("receipt", "--home", home, first, "--no-openings", "--time-stamped", "-o", out)
    assert told.code == OK, told.line
    assert oldest.time in told.line
    receipt = parse_receipt(out.read_bytes())
    verified = verify_receipt(receipt, ring, origin=f"{NAME}/1")
    note, token = (tmp_path / f"r.receipt.{ending}" for ending in ("checkpoint", "tsr"))
    assert verified.checkpoint.checkpoint.size == oldest.size
    assert receipt.proof.checkpoint == note.read_bytes()
    assert served.accepts(token.read_bytes(), note.read_bytes())
    with open_home(home) as g:
        assert timestamp.stamped_receipt(g, later, openings=False).receipt.proof.index >= oldest.size


def test_a_receipt_that_no_stamped_checkpoint_covers_is_for_later(home, served, command, tmp_path):
    with open_home(home) as g:
        recorded(g)
        timestamp.stamp(g)
        record = recorded(g)
    out = tmp_path / "r.receipt.json"
    told = command("receipt", "--home", home, record, "--no-openings", "--time-stamped", "-o", out)
    assert told.code == CANNOT_RECORD
    assert told.line.startswith("id: no time-stamped checkpoint covers this record yet")
    told = command("receipt", "--home", home, record, "--no-openings", "--time-stamped", "-o", tmp_path / "r.json")
    assert (told.code, told.line) == (USAGE, "-o: must end in .receipt.json with --time-stamped")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("r.")) == []


def test_an_export_has_every_stamped_checkpoint_beside_it(home, served, tmp_path):
    to = tmp_path / "export"
    with open_home(home) as g:
        for _ in range(2):
            recorded(g)
            timestamp.stamp(g, now=True)
        made = timestamp.stamps(g)
        log_action.export_log(g, to)
        ring = g.keys
    names = sorted(f"timestamps/{one.size}.{ending}" for one in made for ending in ("checkpoint", "tsr"))
    assert len(names) == 4
    assert sorted(path.relative_to(to).as_posix() for path in (to / "timestamps").iterdir()) == names
    assert set(names) < set(parse_sums((to / "SHA256SUMS").read_bytes()))
    assert audit_tree(to, ring).size
    for one in made:
        note, token = ((to / f"timestamps/{one.size}.{ending}").read_bytes() for ending in ("checkpoint", "tsr"))
        assert served.accepts(token, note)
        found = timestamp.verify(note, token, served.ca.read_bytes(), read_key_ring(to / "log.vkey"))
        assert (found.size, found.time, found.signed) == (one.size, one.time, True)


# --- commands ---------------------------------------------------------------------------------------------------------


def test_the_commands_take_list_and_verify(home, served, command, tmp_path):
    with open_home(home) as g:
        recorded(g)
    told = command("log", "timestamp", "--home", home)
    assert told.code == OK
    assert "by CN=TSA tsa" in told.line
    assert command("log", "timestamp", "--home", home, "--now").line.startswith("nothing to stamp")
    (row,) = json.loads(command("log", "timestamps", "--home", home, "--json").out)
    assert row.keys() == {"log", "size", "time", "authority", "serial"}
    assert row["time"] in command("log", "timestamps", "--home", home).out
    assert command("log", "export", "--home", home, "--to", tmp_path / "out").code == OK
    stem = tmp_path / "out" / "timestamps" / str(row["size"])
    files = ("--checkpoint", f"{stem}.checkpoint", "--token", f"{stem}.tsr", "--ca", served.ca)
    told = command("log", "timestamp-verify", *files)
    assert told.code == OK
    assert told.out.startswith(f"OK: at {row['time']} the log {NAME}/1 had {row['size']} entries (whose own signatures")
    told = command("log", "timestamp-verify", *files, "--vkey", home / "keys" / "log.vkey", "--json")
    assert json.loads(told.out)["signed"] is True


def test_a_token_that_does_not_hold_is_one_sentence(home, served, command, tmp_path, time_authority):
    with open_home(home) as g:
        recorded(g)
        timestamp.stamp(g)
        found = timestamp.stamped_receipt(g, recorded_first(g), openings=False)
    note, token = tmp_path / "a.checkpoint", tmp_path / "a.tsr"
    note.write_bytes(found.checkpoint)
    token.write_bytes(found.token)
    other = time_authority.Authority(tmp_path / "other")

    def told(**changed):
        given = {"checkpoint": note, "token": token, "ca": served.ca} | changed
        return command(
            "log", "timestamp-verify", *(part for name, path in given.items() for part in (f"--{name}", path))
        )

    assert told().code == OK
    assert told(ca=other.ca).line.startswith("token: is not signed by an authority under the given CA")
    changed = tmp_path / "b.checkpoint"
    changed.write_bytes(found.checkpoint.replace(b"\n\n", b"\n\n\xe2\x80\x94 x.example AAAAAAAA\n", 1))
    assert told(checkpoint=changed).line == "token: was made over other bytes than this checkpoint's"
    assert {told(ca=other.ca).code, told(checkpoint=changed).code} == {CHECK_FAILED}
    other_home = tmp_path / "elsewhere"
    create_home(other_home, "elsewhere", "elsewhere.example/log")
    assert told(vkey=other_home / "keys" / "log.vkey").line.startswith("checkpoint: is of a log that the key file does")
    assert told(vkey=note).code == USAGE
    assert told(token=tmp_path / "none").code == USAGE
    with pytest.raises(SignatureError):
        ring = read_key_ring(home / "keys" / "log.vkey")
        timestamp.verify(without_a_signature(found.checkpoint), found.token, served.ca.read_bytes(), ring)


def recorded_first(g) -> str:
    """The id of the genesis entry, which every checkpoint covers."""
    from auditlog.core.entries.record import parse_entry
    from auditlog.store.log import iterate_entries

    with g.reading() as conn:
        return parse_entry(next(iter(iterate_entries(conn, g.log.number)))[1]).id


def without_a_signature(note: bytes) -> bytes:
    lines = note.splitlines(keepends=True)
    return b"".join(lines[:-1])


def test_without_an_address_the_command_names_the_setting(home, command):
    told = command("log", "timestamp", "--home", home)
    assert (told.code, told.line) == (
        USAGE,
        "timestamp_url: is not set: name a time-stamping authority (RFC 3161)",
    )


def test_an_authority_that_does_not_answer_is_tried_again(home, authority, command, monkeypatch):
    with authority.served() as address:
        pass
    monkeypatch.setenv("GREFFIER_TIMESTAMP_URL", address)
    with open_home(home) as g:
        recorded(g)
    told = command("log", "timestamp", "--home", home)
    assert told.code == CANNOT_RECORD
    assert told.line.startswith("time-stamping authority 127.0.0.1: cannot be reached (ConnectError): try again later")
