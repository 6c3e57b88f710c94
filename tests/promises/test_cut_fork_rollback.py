"""Promise 3, with the guard removed as well: a cut tail, a fork and a rollback are seen by those who looked before."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.errors import GuardError, VerifyError
from auditlog.core.formats.checkpoint import Checkpoint, sign_checkpoint
from auditlog.core.formats.merkle import leaf_hash, root_hash
from auditlog.core.formats.policy import format_policy
from auditlog.core.formats.tiles import grow
from auditlog.peers.evidence import parse_evidence, verify_evidence
from auditlog.writing.guard import Guard
from auditlog.writing.keys import KeyFolder, read_key_ring
from auditlog.writing.log import Unit
from cli import run
from home.greffier import Greffier as Installation
from home.settings import SETTINGS_FILE
from service.logs import publish
from service.wiring import create_home, open_home

pytestmark = pytest.mark.enable_socket

DB = "greffier.db"


@dataclass(frozen=True)
class Told:
    """What a command said."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def greffier(capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """The command line, in this process: nothing here depends on another one."""

    def tell(*arguments: object) -> Told:
        capsys.readouterr()
        code = run([str(one) for one in arguments])
        said = capsys.readouterr()
        return Told(code, said.out, said.err)

    return tell


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home of its own with some entries; its public log shows entries, and what is new at once."""
    folder = tmp_path / "home"
    create_home(folder, "waterveen", "waterveen.example/log")
    with (folder / SETTINGS_FILE).open("a", encoding="utf-8") as settings:
        settings.write("publish_pace_s = 0\nentries_public = true\n")
    with open_home(folder) as g:
        say(g, 8)
    return folder


def say(g: Installation, times: int) -> None:
    for _ in range(times):
        g.log.append(Unit((g.make("pulse/1", boots=[], recording="ok"),))).result()


def snapshot(home: Path, to: Path) -> Path:
    to.mkdir()
    for path in home.glob(f"{DB}*"):
        shutil.copy2(path, to)
    return to


def restore(home: Path, source: Path) -> None:
    for path in home.glob(f"{DB}*"):
        path.unlink()
    for path in source.iterdir():
        shutil.copy2(path, home)


def without_guard(home: Path) -> None:
    """The operator holds everything, the guard too: it is made anew for what the database says now."""
    path = home / "guard" / "log-1.guard"
    path.unlink()
    with contextlib.closing(sqlite3.connect(home / DB)) as conn:
        size, note = conn.execute("SELECT size, note FROM auditlog_head WHERE name = 'integrated'").fetchone()
    Guard(path).create("waterveen.example/log/1", size=size, root=base64.b64decode(note.split(b"\n")[2]))


def roll_back(home: Path, tmp_path: Path) -> str:
    """An older database, put back."""
    restore(home, tmp_path / "older")
    return "rolled back"


def fork(home: Path, tmp_path: Path) -> str:
    """An older database, put back and written on: longer than what was seen, and another history."""
    restore(home, tmp_path / "older")
    without_guard(home)
    with open_home(home) as g:
        say(g, 20)
    return "forked"


def cut(home: Path, tmp_path: Path) -> str:
    """The newest entries deleted, and a head signed for what is left, with the log's own keys."""
    with contextlib.closing(sqlite3.connect(home / DB)) as conn:
        for name in ("update", "delete"):
            conn.execute(f"DROP TRIGGER auditlog_entry_no_{name}")
        left = [bytes(row[0]) for row in conn.execute("SELECT data FROM auditlog_entry ORDER BY idx")][:-5]
        hashes = [leaf_hash(data) for data in left]
        checkpoint = Checkpoint("waterveen.example/log/1", len(left), root_hash(hashes))
        note = sign_checkpoint(checkpoint, KeyFolder(home / "keys").signers(checkpoint.origin))
        conn.execute("DELETE FROM auditlog_entry WHERE idx >= ?", (len(left),))
        for level, index, hashes_ in grow(0, {}, hashes).tiles:
            conn.execute("UPDATE auditlog_tile SET hashes = ? WHERE level = ? AND idx = ?", (hashes_, level, index))
        conn.execute("UPDATE auditlog_head SET size = ?, note = ?", (len(left), note))
        conn.commit()
    return "rolled back"


ATTACKS = [cut, fork, roll_back]


@pytest.mark.parametrize("entries", [False, True], ids=["checkpoints", "entries"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_the_monitor_sees_it_though_the_guard_says_nothing(
    home: Path, portals: Any, greffier: Any, tmp_path: Path, attack: Callable[[Path, Path], str], entries: bool
) -> None:
    snapshot(home, tmp_path / "older")
    with open_home(home) as g:
        say(g, 6)
    state, vkey = tmp_path / "state", home / "keys" / "log.vkey"
    options = ["--state", state, "--vkey", vkey, *(["--entries"] if entries else [])]
    with portals.served(home) as portal:
        good = greffier("monitor", f"{portal.url}/log/1", *options)
    assert good.returncode == 0, good.stderr
    word = attack(home, tmp_path)
    without_guard(home)
    # The installation itself notices nothing any more, and goes on.
    with portals.served(home) as portal:
        told = greffier("monitor", f"{portal.url}/log/1", *options)
        assert told.returncode == 1, (told.stdout, told.stderr)
        assert word in told.stdout
        again = greffier("monitor", f"{portal.url}/log/1", *options, "--json")
    assert again.returncode == 1
    report = json.loads(again.stdout)["logs"][0]
    evidence = parse_evidence(Path(report["evidence"]).read_bytes())
    assert len(list(state.glob("evidence-*.json"))) == 1
    ring = read_key_ring(vkey)
    if evidence.kind == "fork":
        verify_evidence(evidence, ring)
    else:
        with pytest.raises(VerifyError, match="word of whoever kept the file"):
            verify_evidence(evidence, ring)


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_mirror_refuses_it_and_stays_as_it_was(
    home: Path, greffier: Any, tmp_path: Path, attack: Callable[[Path, Path], str]
) -> None:
    snapshot(home, tmp_path / "older")
    with open_home(home) as g:
        say(g, 6)
        size = g.log.state().size
    mirrors, vkey = tmp_path / "mirrors", home / "keys" / "log.vkey"
    assert greffier("mirror", home, "--to", mirrors, "--vkey", vkey).returncode == 0
    word = attack(home, tmp_path)
    without_guard(home)
    told = greffier("mirror", home, "--to", mirrors)
    assert told.returncode == 1, told.stderr
    assert word in told.stdout
    listed = json.loads(greffier("mirrors", "--to", mirrors, "--json").stdout)
    assert [(one["size"], one["state"][:7], one["evidence"]) for one in listed] == [(size, "refused", 1)]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_witness_sees_it_at_the_start_or_when_it_is_to_be_published(
    home: Path, witness_stand: Any, tmp_path: Path, attack: Callable[[Path, Path], str]
) -> None:
    witness = witness_stand.make_witness(tmp_path / "witness", clock=time.time)
    ring = read_key_ring(home / "keys" / "log.vkey")
    witness.trust(ring)
    with contextlib.closing(witness), witness_stand.served(witness) as url:
        policy = home / "policy"
        policy.write_text(format_policy(witness_stand.policy_of({"A": (witness, url)}, "any", ring)), "utf-8")
        with open_home(home) as g:
            assert publish.advance(g, at_once=True)
        snapshot(home, tmp_path / "older")
        with open_home(home) as g:
            say(g, 6)
            assert publish.advance(g, at_once=True)
        # Whoever attacks leaves the witnesses out of it, and puts them back: without them nobody would believe the log.
        policy.rename(tmp_path / "policy")
        word = attack(home, tmp_path)
        without_guard(home)
        (tmp_path / "policy").rename(policy)
        assert word in witnessed(home)


def witnessed(home: Path) -> str:
    """What the installation says of its witnesses: at the start, or once it has tried to publish."""
    try:
        with open_home(home) as g:
            publish.ask_at_start(g)
            assert not publish.advance(g, at_once=True)
            told = " ".join(message for _, message in publish.findings(g))
    except GuardError as error:
        return str(error)
    return told.replace("has cosigned another tree", "forked: has cosigned another tree")
