"""`greffier monitor`, `mirror`, `mirrors`, and the pages of mirrored logs: real homes, and a server over loopback."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.checking.audit import audit
from auditlog.core.formats.note import open_note
from auditlog.peers.evidence import open_signed
from auditlog.peers.fetch import folder_source
from auditlog.peers.mirror import Mirror, name_of
from auditlog.writing.keys import read_key_ring
from auditlog.writing.log import Unit
from home.greffier import Greffier
from home.settings import SETTINGS_FILE
from service.logs import export, mirror
from service.wiring import create_home, open_home, succeed_home

pytestmark = pytest.mark.enable_socket

ORIGIN = "tablet-7.waterveen.example/log/1"
HASH = name_of(ORIGIN)


def make_home(folder: Path, origin: str, *, public: bool = True) -> Path:
    create_home(folder, "waterveen", origin)
    with (folder / SETTINGS_FILE).open("a", encoding="utf-8") as settings:
        settings.write(f"publish_pace_s = 0\nentries_public = {str(public).lower()}\n")
    return folder


def say(g: Greffier, times: int) -> None:
    for _ in range(times):
        g.log.append(Unit((g.make("pulse/1", boots=[], recording="ok"),))).result()


@pytest.fixture
def tablet(tmp_path: Path) -> Path:
    """An edge device's home with a few entries."""
    folder = make_home(tmp_path / "tablet", "tablet-7.waterveen.example/log")
    with open_home(folder) as g:
        say(g, 5)
    return folder


def vkey(home: Path) -> Path:
    return home / "keys" / "log.vkey"


def test_a_tablet_that_worked_offline_for_a_week_catches_up_in_one_step(
    tablet: Path, command: Any, tmp_path: Path
) -> None:
    hub = make_home(tmp_path / "hub", "waterveen.example/log")
    first = command("mirror", tablet, "--home", hub, "--vkey", vkey(tablet))
    assert first.code == 0, first.line
    with open_home(tablet) as g:
        g.log.append(Unit(tuple(g.make("pulse/1", boots=[], recording="ok") for _ in range(700)))).result()
        size = g.log.state().size
    stick = tmp_path / "stick"
    shutil.copytree(tablet, stick)
    # The second time the keys are known.
    told = command("mirror", stick, "--home", hub, "--json")
    assert told.code == 0, told.line
    assert json.loads(told.out) == [{"origin": ORIGIN, "size": size, "before": 6, "problem": None}]
    kept = hub / "mirrors" / HASH
    assert audit(folder_source(kept), read_key_ring(vkey(tablet))).size == size
    listed = json.loads(command("mirrors", "--home", hub, "--json").out)[0]
    assert (listed["origin"], listed["size"], listed["state"], listed["evidence"]) == (ORIGIN, size, "ok", 0)
    assert listed["last_entry"][:16] <= listed["last_seen"][:16]
    assert listed["source"] == str(stick)
    assert ORIGIN in command("mirrors", "--home", hub).out


def test_a_stick_that_cannot_be_written_is_read_all_the_same(
    tablet: Path, command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_home(tablet) as g:
        say(g, 3)
        stick = tmp_path / "stick"
        shutil.copytree(tablet, stick)  # with its write-ahead log, as a running device has it
        size = g.log.state().size
    assert (stick / "greffier.db-wal").stat().st_size > 0
    before = {path: path.read_bytes() for path in stick.rglob("*") if path.is_file()}
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).startswith(str(stick)))
    told = command("mirror", stick, "--to", tmp_path / "mirrors", "--vkey", vkey(tablet))
    assert told.code == 0, told.line
    assert f"{size} entries" in told.out
    assert {path: path.read_bytes() for path in stick.rglob("*") if path.is_file()} == before


def test_what_the_devices_guard_does_not_vouch_for_is_not_taken(tablet: Path, command: Any, tmp_path: Path) -> None:
    guard = tablet / "guard" / "log-1.guard"
    origin, size, root = guard.read_text().split(" ")
    guard.write_text(f"{origin} {int(size) - 1} {root}")
    told = command("mirror", tablet, "--to", tmp_path / "mirrors", "--vkey", vkey(tablet))
    assert told.code == 4
    assert "does not vouch" in told.line


def test_export_mirror_and_server_give_the_same_copy(tablet: Path, portals: Any, command: Any, tmp_path: Path) -> None:
    with open_home(tablet) as g:
        say(g, 300)
        export.export_log(g, tmp_path / "export")
    with portals.served(tablet) as portal:
        told = command("mirror", f"{portal.url}/log/1/", "--to", tmp_path / "one", "--vkey", vkey(tablet))
    assert told.code == 0, told.line
    assert command("mirror", tmp_path / "export", "--to", tmp_path / "two", "--vkey", vkey(tablet)).code == 0
    assert command("mirror", tmp_path / "one", "--to", tmp_path / "three", "--vkey", vkey(tablet)).code == 0
    trees = [
        {
            path.relative_to(folder): path.read_bytes()
            for path in sorted((folder / HASH / "tile").rglob("*"))
            if path.is_file()
        }
        for folder in (tmp_path / "one", tmp_path / "three")
    ]
    assert trees[0] == trees[1]
    assert len(trees[0]) > 4
    again = command("mirror", tmp_path / "one", "--to", tmp_path / "two", "--json")
    assert (again.code, json.loads(again.out)[0]["problem"]) == (0, None)


def test_mirrored_logs_are_served_as_tiles_and_nothing_else(
    tablet: Path, portals: Any, command: Any, tmp_path: Path
) -> None:
    hub = make_home(tmp_path / "hub", "waterveen.example/log")
    with open_home(tablet) as g:
        say(g, 300)
        size = g.log.state().size
    assert command("mirror", tablet, "--home", hub, "--vkey", vkey(tablet)).code == 0
    with portals.served(hub) as portal, portal.client() as client:
        base = f"/mirror/{HASH}"
        checkpoint = client.get(f"{base}/checkpoint")
        assert checkpoint.headers["content-type"] == "text/plain; charset=utf-8"
        assert checkpoint.content == (hub / "mirrors" / HASH / "checkpoint").read_bytes()
        tile = client.get(f"{base}/tile/0/000")
        assert (len(tile.content), tile.headers["cache-control"]) == (8192, "public, max-age=31536000, immutable")
        assert client.get(f"{base}/tile/entries/000").status_code == 200
        # Another hub mirrors the mirror, and a monitor follows it.
        second = command("mirror", f"{portal.url}{base}", "--to", tmp_path / "second", "--vkey", vkey(tablet), "--json")
        assert json.loads(second.out)[0]["size"] == size
        options = ("--state", tmp_path / "state", "--vkey", vkey(tablet))
        assert command("monitor", f"{portal.url}{base}", *options).code == 0
        for path in (
            f"{base}/mirror.json",
            f"{base}/log.vkey",
            f"{base}/tile/0/001",
            f"{base}/tile/%2e%2e/checkpoint",
            f"{base}/tile/0/%2e%2e/%2e%2e/log.vkey",
            f"{base}/tile/0%2f..%2f..%2flog.vkey",
            f"{base}/tile/%2e%2e/log.vkey",
            f"{base}/tile/0/x000/000",
            f"/mirror/{'0' * 64}/checkpoint",
            "/mirror/%2e%2e/keys/checkpoint",
            f"/mirror/{HASH.upper()}/checkpoint",
        ):
            answer = client.get(path)
            assert answer.status_code in {404, 422}, path
            assert b"PRIVATE" not in answer.content


def test_entries_of_others_are_served_only_where_our_own_are(
    tablet: Path, portals: Any, command: Any, tmp_path: Path
) -> None:
    hub = make_home(tmp_path / "hub", "waterveen.example/log", public=False)
    assert command("mirror", tablet, "--home", hub, "--vkey", vkey(tablet)).code == 0
    with portals.served(hub) as portal, portal.client() as client:
        assert client.get(f"/mirror/{HASH}/tile/0/000.p/6").status_code == 200
        assert client.get(f"/mirror/{HASH}/tile/entries/000.p/6").status_code == 403


def test_the_monitor_goes_on_with_the_successor(tablet: Path, portals: Any, command: Any, tmp_path: Path) -> None:
    options = ("--state", tmp_path / "state", "--entries", "--max-age", "60")
    succeed_home(tablet, "year")
    with portals.served(tablet) as portal:
        url = f"{portal.url}/log/1"
        told = command("monitor", url, "--vkey", vkey(tablet), *options)
        assert told.code == 0, told.line
        assert f"goes on as {ORIGIN[:-1]}2" in told.out
        assert f"greffier monitor {portal.url}/log/2" in told.out
        both = command("monitor", url, "--vkey", vkey(tablet), *options, "--follow", "--json")
        assert both.code == 0, both.line
    found = json.loads(both.out)
    assert [one["origin"][-1] for one in found["logs"]] == ["1", "2"]
    assert [one["frozen"] for one in found["logs"]] == [True, False]
    assert found["onward"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["monitor", "http://127.0.0.1:1/log", "--state", "{}", "--vkey", "{vkey}"], 4, "try again"),
        (["monitor", "127.0.0.1/log", "--state", "{}", "--vkey", "{vkey}"], 2, "URL"),
        (["monitor", "http://127.0.0.1:1/log", "--state", "{}"], 2, "--policy or --vkey"),
        (["monitor", "http://127.0.0.1:1/log", "--state", "{}", "--vkey", "{}/none"], 2, "none"),
        (["mirror", "{}/nothing", "--to", "{}", "--vkey", "{vkey}"], 2, "SOURCE"),
        (["mirror", "{tablet}", "--to", "{}/m"], 2, "--vkey"),
        (["mirror", "{tablet}", "--vkey", "{vkey}"], 2, "--to"),
        (["mirrors"], 2, "--to"),
    ],
)
def test_what_is_wrong_with_a_call_is_said_in_one_line(
    tablet: Path,
    command: Any,
    tmp_path: Path,
    arguments: list[str],
    code: int,
    word: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("auditlog.peers.fetch.time.sleep", lambda _: None)
    filled = [
        one.replace("{vkey}", str(vkey(tablet))).replace("{tablet}", str(tablet)).replace("{}", str(tmp_path))
        for one in arguments
    ]
    told = command(*filled)
    assert (told.code, word in told.line) == (code, True), told.line


def test_the_policy_of_a_home_has_the_keys_of_its_devices(tablet: Path, command: Any, tmp_path: Path) -> None:
    hub = make_home(tmp_path / "hub", "waterveen.example/log")
    policy = hub / "policy"
    lines = [f"log {line}" for line in vkey(tablet).read_text().splitlines() if not line.startswith("#")]
    policy.write_text("\n".join([*lines, policy.read_text()]))
    told = command("mirror", tablet, "--home", hub)
    assert told.code == 0, told.line
    assert [one.origin for one in mirror.list_kept(hub / "mirrors")] == [ORIGIN]


def test_a_hub_says_that_it_holds_all_of_it(tablet: Path, command: Any, tmp_path: Path) -> None:
    hub = make_home(tmp_path / "hub", "waterveen.example/log")
    call = ("mirror", tablet, "--home", hub, "--vkey", vkey(tablet), "--cosign")
    (tmp_path / "older").mkdir()
    shutil.copy2(tablet / "greffier.db", tmp_path / "older")
    shutil.copy2(tablet / "guard" / "log-1.guard", tmp_path / "older")
    assert command(*call).code == 0
    held, ring = Mirror(hub / "mirrors", ORIGIN), read_key_ring(vkey(tablet))
    vkeys = read_key_ring(hub / "keys" / "mirror" / "witness.vkey").vkeys
    assert {key.name for key in vkeys} == {"waterveen.example/log/mirror"}

    def cosigned() -> tuple[int, int]:
        note = held.checkpoint()
        assert note is not None
        return open_signed(note, ring).checkpoint.size, len(open_note(note, vkeys).by)

    assert cosigned() == (6, 2)
    with open_home(tablet) as g:
        say(g, 300)
        size = g.log.state().size
    assert command(*call).code == 0
    assert command(*call).code == 0
    assert cosigned() == (size, 2)
    # Who removes the copy to take over a fork finds that the cosigner remembers.
    for times, word in ((10, "were cosigned"), (400, "another tree")):
        shutil.rmtree(held.folder)
        for path in tablet.glob("greffier.db*"):
            path.unlink()
        shutil.copy2(tmp_path / "older" / "greffier.db", tablet)
        shutil.copy2(tmp_path / "older" / "log-1.guard", tablet / "guard")
        with open_home(tablet) as g:
            say(g, times)
        told = command(*call)
        assert (told.code, word in told.line) == (1, True), told.line
