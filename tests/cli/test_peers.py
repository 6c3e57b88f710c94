"""Bad input to monitor, mirror, witness and their servers: addresses that answer anything but a log, folders, keys."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from auditlog.peers import fetch

pytestmark = pytest.mark.enable_socket

PERSON = "Piet Jansen"
BadFile = Callable[[bytes], Path]
Answer = tuple[int, bytes]

HTML = b"<!doctype html><title>Welcome</title><p>Piet Jansen\x1b[31m"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits between tries, and for a server that drips, are shorter here."""
    monkeypatch.setattr(fetch, "RETRIES_S", ())
    monkeypatch.setattr(fetch.HttpSource.__init__, "__kwdefaults__", {
        **(fetch.HttpSource.__init__.__kwdefaults__ or {}), "retries_s": (), "timeout_s": 1.0,
    })  # fmt: skip
    monkeypatch.setattr(fetch, "FILE_S", 1.0)


class Stranger(BaseHTTPRequestHandler):
    """Answers by the first part of the path; below /log it serves an export."""

    def do_GET(self) -> None:
        kind, _, rest = self.path.lstrip("/").partition("/")
        note = (self.server.export / "checkpoint").read_bytes()
        answers: dict[str, Answer] = {
            "html": (200, HTML), "empty": (200, b""), "binary": (200, bytes(range(256))),
            "large": (200, b"x" * 1_100_000),
            "redirect": (302, b""), "absent": (404, HTML), "forbidden": (403, HTML), "failing": (500, HTML),
            "busy": (429, HTML), "windows": (200, note.replace(b"\n", b"\r\n")), "half": (200, note[:120]),
            "other": (200, note.replace(b"waterveen", b"elsewhere")),
        }  # fmt: skip
        if kind in answers:
            self.answer(*answers[kind])
        elif kind == "drip":
            self.drip()
        elif kind == "cut":
            self.answer(200, b"abc", length=9999)
        else:
            path = self.server.export / rest
            only = kind == "bare" and rest != "checkpoint"
            self.answer(200, path.read_bytes()) if path.is_file() and not only else self.answer(404, b"")

    def answer(self, status: int, body: bytes, *, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body) if length is None else length))
        self.send_header("location", "/log/checkpoint")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(40):
                self.wfile.write(b"x")
                time.sleep(0.1)
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stranger(export: Path) -> Iterator[str]:
    """The address of a server that answers anything but what was asked for."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        server.daemon_threads = True
        server.export = export
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def vkey(bare: Path) -> Path:
    return bare / "keys" / "log.vkey"


NO_ADDRESSES = ["", "ftp://x", "http://", "file:///etc/passwd", "http://127.0.0.1:99999", "http://user:geheim@x/log",
                "http://x/log?k=geheim", "http://x/log#geheim"]  # fmt: skip
# path: (exit code, a part of what is said)
ANSWERS: dict[str, tuple[int, str]] = {
    "html": (1, "no checkpoint"),
    "empty": (1, "no checkpoint"),
    "binary": (1, "no checkpoint"),
    "windows": (1, "no checkpoint"),
    "half": (1, "no checkpoint"),
    "large": (1, "check the address"),
    "redirect": (4, "check the address"),
    "absent": (4, "check the address"),
    "forbidden": (2, "ask the log's keeper"),
    "failing": (4, "try again later"),
    "busy": (4, "try again later"),
    "cut": (4, "try again later"),
    "drip": (4, "try again later"),
    "bare": (1, "this file is missing"),
}


# --- monitor ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", NO_ADDRESSES)
@pytest.mark.parametrize("way", ["monitor", "mirror", "peer"])
def test_what_is_no_address(bare: Path, vkey: Path, tmp_path: Path, command: Any, url: str, way: str) -> None:
    if way == "monitor":
        told = command("monitor", url, "--state", tmp_path / "state", "--vkey", vkey)
        assert not (tmp_path / "state").exists()
    elif way == "mirror":
        told = command("mirror", url, "--to", tmp_path / "mirrors", "--vkey", vkey)
        assert not (tmp_path / "mirrors").exists()
    else:
        assert command("witness", "init", "--home", bare, "--name", "w.example/w").code == 0
        policy = (bare / "policy").read_bytes()
        told = command("witness", "peer", "--home", bare, url)
        assert (bare / "policy").read_bytes() == policy
    assert told.code == 2
    assert told.line.startswith(("URL: must", "SOURCE: must"))
    assert "geheim" not in told.line


@pytest.mark.parametrize("name", ANSWERS)
def test_a_monitored_address_that_answers_something_else(
    stranger: str, vkey: Path, tmp_path: Path, command: Any, name: str
) -> None:
    code, says = ANSWERS[name]
    state = tmp_path / "a state"
    told = command("monitor", f"{stranger}/{name}", "--state", state, "--vkey", vkey)
    assert told.code == code
    assert says in told.out + told.line
    assert (told.out + told.line).replace("\n", "").isprintable()
    assert not (state / "state.json").exists()
    kept = list(state.glob("evidence-*.json"))
    assert len(kept) == (1 if code == 1 and told.out else 0)
    # The log itself is not blamed for what another address said.
    assert command("monitor", f"{stranger}/log", "--state", state, "--vkey", vkey).code == 0


def test_another_log_at_the_address(stranger: str, vkey: Path, tmp_path: Path, command: Any) -> None:
    told = command("monitor", f"{stranger}/other", "--state", tmp_path / "state", "--vkey", vkey)
    assert told.code == 1
    assert "get the file that names this log" in told.out


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/log", "https://127.0.0.1:{port}/log", "http://nowhere.invalid/log"]
)
def test_an_address_that_is_not_reached(stranger: str, vkey: Path, tmp_path: Path, command: Any, url: str) -> None:
    url = url.replace("{port}", stranger.rpartition(":")[2])
    for arguments in (("monitor", url, "--state", tmp_path / "state"), ("mirror", url, "--to", tmp_path / "mirrors")):
        told = command(*arguments, "--vkey", vkey)
        assert told.code == 4
        assert "check the address, or try again later" in told.line
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and path.parent.name in {"state", "mirrors"}]
    assert [path.name for path in kept if path.name != ".lock"] == []


@pytest.mark.parametrize("option", ["--vkey", "--policy"])
def test_trust_in_a_file_that_is_none(
    stranger: str, bare: Path, export: Path, tmp_path: Path, command: Any, bad_file: BadFile, option: str
) -> None:
    bad = bad_file((bare / ("keys/log.vkey" if option == "--vkey" else "policy")).read_bytes())
    for arguments in (
        ("monitor", f"{stranger}/log", "--state", tmp_path / "state"),
        ("mirror", export, "--to", tmp_path / "mirrors"),
    ):
        told = command(*arguments, option, bad)
        assert told.code == 2
        assert told.line.startswith(f"{option}: bad: ")
    assert not (tmp_path / "state").exists()
    assert not (tmp_path / "mirrors").exists()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is not as this program writes it"),
        (b"[]", "put it back, or name another --state"),
        (b"{}", "is not as this program writes it"),
        (b"\xff", "is not as this program writes it"),
        (b'{"origins": {}, "logs": {"x": {}}}', "is not as this program writes it"),
        (b'{"origins": 1, "logs": 2}', "is not as this program writes it"),
        (b"[" * 99_999, "is not as this program writes it"),
        (None, "cannot be used as a folder"),
    ],
)
def test_a_state_that_is_none(
    stranger: str, vkey: Path, tmp_path: Path, command: Any, data: bytes | None, says: str
) -> None:
    """Exit 2 and never 1: cron must not cry wolf over the monitor's own folder."""
    state = tmp_path / "state"
    if data is None:
        state.write_bytes(b"")
    else:
        state.mkdir()
        (state / "state.json").write_bytes(data)
    told = command("monitor", f"{stranger}/log", "--state", state, "--vkey", vkey)
    assert told.code == 2
    assert says in told.line
    if data is not None:
        assert (state / "state.json").read_bytes() == data


@pytest.mark.parametrize(
    ("more", "begins"),
    [
        ((), "--policy or --vkey: is needed"),
        (("--vkey", "VKEY", "--policy", "POLICY"), "--policy, --vkey: give one of both"),
        (("--policy", "EMPTY"), "--policy: names no log"),
        (("--vkey", "VKEY", "--max-age", "0"), "Invalid value for '--max-age': must be greater"),
        (("--vkey", "VKEY", "--max-age", "-1"), "Invalid value for '--max-age': must be greater"),
        (("--vkey", "VKEY", "--max-age", PERSON), "Invalid value for '--max-age': must be a valid integer"),
    ],
)
def test_a_monitor_that_makes_no_sense(
    stranger: str, bare: Path, tmp_path: Path, command: Any, more: tuple[str, ...], begins: str
) -> None:
    (tmp_path / "empty").write_text("quorum none\n")
    places = {"VKEY": bare / "keys/log.vkey", "POLICY": bare / "policy", "EMPTY": tmp_path / "empty"}
    told = command("monitor", f"{stranger}/log", "--state", tmp_path / "state", *(places.get(one, one) for one in more))
    assert told.code == 2
    assert told.line.startswith(begins)
    assert "Missing option '--state'" in command("monitor", f"{stranger}/log").line


# --- mirror -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ANSWERS)
def test_a_source_that_answers_something_else(
    stranger: str, vkey: Path, tmp_path: Path, command: Any, name: str
) -> None:
    code, says = ANSWERS[name]
    told = command("mirror", f"{stranger}/{name}", "--to", tmp_path / "mirrors", "--vkey", vkey)
    assert told.code == code
    assert says in told.out + told.line
    assert list(tmp_path.glob("mirrors/*/checkpoint")) == []


def test_a_source_that_is_no_copy(bare: Path, vkey: Path, tmp_path: Path, command: Any, bad_file: BadFile) -> None:
    told = command("mirror", bad_file(vkey.read_bytes()), "--to", tmp_path / "mirrors", "--vkey", vkey)
    assert told.code == 2
    assert told.line.startswith("SOURCE: must be an address, an export")


def test_a_place_for_mirrors_that_is_none(export: Path, vkey: Path, tmp_path: Path, command: Any) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    for place in ("file", "file/below"):
        told = command("mirror", export, "--to", tmp_path / place, "--vkey", vkey)
        assert (told.code, told.line.partition(":")[0]) == (2, "--to")
        told = command("mirrors", "--to", tmp_path / place)
        assert (told.code, told.line) == (2, "--to: is no folder: give the folder of the mirrors")
    assert command("mirrors", "--to", tmp_path / "nowhere").code == 2
    assert (tmp_path / "file").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("more", "begins"),
    [
        ((), "--to: is needed, or --home"),
        (("--to", "X"), "--vkey: its keys are needed the first time"),
        (("--to", "X", "--vkey", "VKEY", "--cosign"), "--home: is needed to cosign"),
        (("--home", "/nowhere"), "home: no greffier.toml"),
    ],
)
def test_a_mirror_that_makes_no_sense(
    export: Path, vkey: Path, tmp_path: Path, command: Any, more: tuple[str, ...], begins: str
) -> None:
    places = {"X": tmp_path / "x", "VKEY": vkey}
    told = command("mirror", export, *(places.get(one, one) for one in more))
    assert told.code == 2
    assert told.line.startswith(begins)


def test_a_name_with_brackets_is_no_markup(export: Path, vkey: Path, tmp_path: Path, command: Any) -> None:
    odd = tmp_path / "[b] [red]\x1b[31m"
    export.rename(odd)
    assert command("mirror", odd, "--to", tmp_path / "mirrors", "--vkey", vkey).code == 0
    told = command("mirrors", "--to", tmp_path / "mirrors")
    assert told.code == 0
    assert "[b] [red]\\x1b[31m" in told.out
    assert "\x1b" not in told.out


# --- witness ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def witness(tmp_path: Path, command: Any) -> Path:
    home = tmp_path / "witness"
    assert command("witness", "init", "--home", home, "--name", "w.example/w").code == 0
    return home


@pytest.mark.parametrize("name", ["", PERSON, "a+b", "x" * 256, "a\x1b[31m", "a\nb"])
def test_a_witness_with_a_name_that_is_none(tmp_path: Path, command: Any, name: str) -> None:
    told = command("witness", "init", "--home", tmp_path / "w", "--name", name)
    assert told.code == 2
    assert told.line.startswith("name: must be")
    assert not (tmp_path / "w").exists()


def test_a_witness_is_made_once(witness: Path, tmp_path: Path, command: Any) -> None:
    files = {path: path.read_bytes() for path in witness.rglob("*.key")}
    told = command("witness", "init", "--home", witness, "--name", "other.example/w")
    assert (told.code, "exists already" in told.line) == (2, True)
    assert {path: path.read_bytes() for path in witness.rglob("*.key")} == files
    (tmp_path / "file").write_bytes(b"")
    assert command("witness", "init", "--home", tmp_path / "file", "--name", "w.example/w").code == 2


@pytest.mark.parametrize(
    "words", [("show",), ("logs",), ("evidence",), ("serve",), ("distrust", "x"), ("peer", "http://127.0.0.1:1")]
)
def test_there_is_no_witness(bare: Path, tmp_path: Path, command: Any, unchanged: Any, words: tuple[str, ...]) -> None:
    with unchanged(bare):
        for home in (bare, tmp_path / "nowhere", bare / "greffier.toml"):
            told = command("witness", words[0], "--home", home, *words[1:])
            assert told.code == 2
            assert told.line.startswith("witness: there is none here")


@pytest.mark.parametrize(
    "name", ["html", "empty", "binary", "windows", "large", "redirect", "absent", "forbidden", "log"]
)
def test_a_peer_that_is_no_witness(stranger: str, witness: Path, command: Any, name: str) -> None:
    told = command("witness", "peer", "--home", witness, f"{stranger}/{name}", "--expect", PERSON)
    assert told.code == 1
    assert told.line.startswith("witness: is not what answers there")
    assert told.line.endswith("give the address of its `greffier witness serve`")
    assert told.out == ""


@pytest.mark.parametrize("name", ["failing", "busy", "cut"])
def test_a_peer_that_does_not_answer_now(stranger: str, witness: Path, command: Any, name: str) -> None:
    for url in (f"{stranger}/{name}", "http://127.0.0.1:1", stranger.replace("http", "https")):
        told = command("witness", "peer", "--home", witness, url)
        assert (told.code, "try again later" in told.line) == (4, True)


def test_trust_in_what_is_no_key_file(witness: Path, vkey: Path, command: Any, bad_file: BadFile) -> None:
    told = command("witness", "trust", "--home", witness, bad_file(vkey.read_bytes()))
    assert told.code == 2
    assert told.line.startswith(("FILE: ", "file"))
    assert json.loads(command("witness", "logs", "--home", witness, "--json").out) == []


def test_trust_in_its_own_keys_or_in_none(witness: Path, vkey: Path, tmp_path: Path, command: Any) -> None:
    (tmp_path / "policy").write_text("quorum none\n")
    assert "names no log" in command("witness", "trust", "--home", witness, tmp_path / "policy").line
    own = command("witness", "trust", "--home", witness, witness / "keys/witness.vkey")
    assert (own.code, "own name or key" in own.line) == (2, True)
    for _ in range(2):
        assert command("witness", "trust", "--home", witness, vkey).code == 0
    assert command("witness", "distrust", "--home", witness, "waterveen.example/log/1").code == 0
    for name in ("waterveen.example/log/1", PERSON):
        told = command("witness", "distrust", "--home", witness, name)
        assert (told.code, told.line) == (2, "origin: is no log that this witness cosigns")


# name: (file, its bytes or None for none, exit code, beginning of the line)
DAMAGE: dict[str, tuple[str, bytes | None, int, str]] = {
    "key empty": ("keys/witness.ed25519.key", b"", 1, "witness.ed25519.key: "),
    "key binary": ("keys/witness.ed25519.key", b"\xff\x00", 1, "witness.ed25519.key: is no key file"),
    "key missing": ("keys/witness.ed25519.key", None, 2, "witness.ed25519.key: is missing"),
    "counter empty": ("keys/witness.counter", b"", 1, "witness.counter: is missing or damaged"),
    "counter missing": ("keys/witness.counter", None, 1, "witness.counter: is missing or damaged"),
    "memory missing": ("witness.db", None, 1, "witness.db: is missing"),
    "memory empty": ("witness.db", b"", 1, "witness.db: holds no witness"),
    "memory no database": ("witness.db", b"letters" * 999, 1, "witness.db: is damaged; this witness must be retired"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_witness_that_was_damaged(witness: Path, command: Any, name: str) -> None:
    file, data, code, begins = DAMAGE[name]
    for path in witness.glob(f"{file}*"):
        path.unlink()
    if data is not None:
        (witness / file).write_bytes(data)
        (witness / file).chmod(0o600)
    for words in (("show",), ("logs",), ("serve", "--port", "1")):
        told = command("witness", words[0], "--home", witness, *words[1:])
        assert told.code == code
        assert told.line.startswith(begins)


def test_a_witness_whose_table_is_gone(witness: Path, command: Any) -> None:
    with closing(sqlite3.connect(witness / "witness.db", isolation_level=None)) as conn:
        names = [name for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            conn.execute(f"DROP TABLE {name}")
    told = command("witness", "logs", "--home", witness)
    assert told.code in {1, 4}
    assert told.line.startswith("witness.db: ")


@pytest.mark.parametrize(
    ("more", "begins"),
    [
        (("--port", "PORT"), "--host, --port: cannot be listened on (Address already in use)"),
        (("--host", "nowhere.invalid"), "--host, --port: cannot be listened on"),
        (("--host", "256.1.1.1"), "--host, --port: cannot be listened on"),
        (("--host", "192.0.2.1"), "--host, --port: cannot be listened on"),
        (("--host", "a..b"), "--host, --port: cannot be listened on"),
        (("--host", ""), "--host: must name an address"),
        (("--port", "0"), "Invalid value for '--port'"),
        (("--port", "99999"), "Invalid value for '--port'"),
        (("--port", PERSON), "Invalid value for '--port': must be a valid integer"),
    ],
)
def test_an_address_that_cannot_be_had(
    witness: Path, bare: Path, command: Any, unchanged: Any, more: tuple[str, ...], begins: str
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken, unchanged(bare):
        port = str(taken.getsockname()[1])
        given = [port if one == "PORT" else one for one in more]
        for words in (("witness", "serve", "--home", witness), ("serve", "--home", bare)):
            told = command(*words, *given)
            assert told.code == 2
            assert told.line.startswith(begins)


# --- the servers ------------------------------------------------------------------------------------------------------


def test_a_witness_is_asked_nonsense(tmp_path: Path, witness_stand: Any) -> None:
    witness = witness_stand.make_witness(tmp_path / "w")
    bodies = [b"", b"\xff" * 99, b"old 0\n\n", b"old -1\n\nx", b"old 99999999999999999999\n\nx\n", b"a\n" * 99_999]
    with witness_stand.served(witness) as url, httpx.Client(base_url=url, timeout=30) as client:
        for body in bodies:
            answer = client.post("/add-checkpoint", content=body)
            assert answer.status_code in {400, 413}
            assert answer.text.count("\n") == 1
        assert client.post("/add-checkpoint", content=b"x" * 999_999).status_code == 413
        assert client.post("/add-checkpoint", content=witness_stand.Tree().submission(0, 5)).status_code == 404
        for path in ("/", "/x/checkpoint", f"/{'0' * 64}/checkpoint", f"/{'0' * 63}/checkpoint", "/..%2f/checkpoint",
                     "/add-checkpoint", "/%00", f"/{PERSON}/checkpoint", "/witness/about/x"):  # fmt: skip
            answer = client.get(path)
            assert answer.status_code in {404, 405, 422}, path
            assert "Jansen" not in answer.text
            assert "Traceback" not in answer.text
    witness.close()


def test_mirrors_are_asked_for_nonsense(portal: Any) -> None:
    """Also by paths that lead out of the folder of mirrors."""
    name = "0" * 64
    with portal.client() as client:
        for path in (f"{name}/checkpoint", f"{name}/tile/0/000", "x/checkpoint", "..%2f..%2fkeys/checkpoint",
                     f"{'0' * 63}/checkpoint", "Piet%20Jansen/checkpoint", f"{name}/tile/entries/000",
                     f"{name}/tile/../../checkpoint", f"{name}/tile/%2e%2e/%2e%2e/policy", f"{name}/tile/0/0",
                     f"{name}/tile/0/000.p/0", f"{name}/tile/64/000", f"{name}/tile/%00",
                     f"{name.upper()}F/checkpoint"):  # fmt: skip
            answer = client.get(f"/mirror/{path}", headers={"accept": "application/json"})
            assert answer.status_code in {403, 404, 422}, path
            assert answer.headers["content-type"] == "application/problem+json"
            assert "Jansen" not in answer.text
            assert "quorum" not in answer.text
