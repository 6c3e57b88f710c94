"""Fetching a log over HTTP: from a real server on loopback that behaves badly in every way we know."""

from __future__ import annotations

import contextlib
import gzip
import os
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from auditlog.core.errors import FormatError, NotFound, VerifyError
from auditlog.core.formats.merkle import leaf_hash, root_hash
from auditlog.core.formats.tiles import Tile
from auditlog.peers import fetch
from auditlog.peers.fetch import (
    HttpSource,
    Tiles,
    Unreachable,
    Withheld,
    check_url,
    fetch_entries,
    fetch_tile,
    folder_source,
)

pytestmark = pytest.mark.enable_socket


class Server:
    """Answers by path: (status, headers, body), one after the other; the last one stays."""

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[int, dict[str, str], bytes]]] = {}
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                left = server.answers.get(self.path, [(404, {}, b"")])
                status, headers, body = left.pop(0) if len(left) > 1 else left[0]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", headers.get("x-length", str(len(body))))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.httpd.server_port}/log/1"

    def put(self, path: str, *answers: bytes | int | tuple[int, dict[str, str], bytes]) -> None:
        made = [
            (200, {}, one) if isinstance(one, bytes) else (one, {}, b"") if isinstance(one, int) else one
            for one in answers
        ]
        self.answers[f"/log/1/{path}"] = made


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.httpd.serve_forever, daemon=True)
    thread.start()
    yield made
    made.httpd.shutdown()
    made.httpd.server_close()
    thread.join(60)


@pytest.fixture
def source(server: Server) -> Iterator[HttpSource]:
    with HttpSource(server.url + "/", sleep=lambda _: None, timeout_s=1.0) as made:
        yield made


def test_a_file_comes_plain_or_packed(server: Server, source: HttpSource) -> None:
    server.put("checkpoint", b"note\n", (200, {"content-encoding": "gzip"}, gzip.compress(b"packed\n")))
    assert source.read("checkpoint") == b"note\n"
    assert source.read("checkpoint") == b"packed\n"


def test_a_server_in_trouble_is_asked_again_and_then_given_up(server: Server, source: HttpSource) -> None:
    server.put("checkpoint", 503, 429, b"note\n")
    assert source.read("checkpoint") == b"note\n"
    server.put("checkpoint", 500)
    with pytest.raises(Unreachable, match="status 500"):
        source.read("checkpoint")
    assert server.asked.count("/log/1/checkpoint") == 6


@pytest.mark.parametrize(
    ("answer", "error", "asked"),
    [
        (404, NotFound, 1),
        (410, NotFound, 1),
        (403, Withheld, 1),
        ((302, {"location": "http://127.0.0.1:1/"}, b""), Unreachable, 3),
        ((200, {"content-encoding": "br"}, b"x"), Unreachable, 3),
        ((200, {"content-encoding": "gzip"}, b"no gzip"), Unreachable, 3),
        ((200, {"content-encoding": "gzip"}, gzip.compress(b"x" * 100)[:-12]), Unreachable, 3),
        ((200, {"x-length": "100"}, b"short"), Unreachable, 3),
        (b"x" * 8193, VerifyError, 1),
        ((200, {"content-encoding": "gzip"}, gzip.compress(bytes(50_000_000))), VerifyError, 1),
    ],
)
def test_what_is_no_tile_is_told_from_what_cannot_be_had(
    server: Server, source: HttpSource, answer: Any, error: type[Exception], asked: int
) -> None:
    server.put("tile/0/000", answer)
    with pytest.raises(error):
        source.read("tile/0/000")
    assert len(server.asked) == asked


def test_nobody_listening_is_unreachable() -> None:
    with HttpSource("http://127.0.0.1:9/log", sleep=lambda _: None) as source, pytest.raises(Unreachable):
        source.read("checkpoint")


def test_a_partial_tile_that_is_gone_is_cut_from_the_full_one(server: Server, source: HttpSource) -> None:
    full = bytes(range(256)) * 32
    server.put("tile/0/000", full)
    assert fetch_tile(source.read, Tile(0, 0, 3)) == full[:96]
    server.put("tile/entries/000", b"\0\1a" * 256)
    assert fetch_entries(source.read, 0, 2) == [b"a", b"a"]
    with pytest.raises(VerifyError, match="missing"):
        fetch_tile(source.read, Tile(0, 1, 3))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "log.example",
        "ftp://log.example/",
        "http://",
        "http://me:secret@log.example/",
        "http://x/?a=1",
        "http://[::1/",
    ],
)
def test_what_is_no_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(FormatError) as told:
        check_url(url)
    assert "secret" not in str(told.value)


def test_tiles_count_only_under_the_signed_root(example: ModuleType) -> None:
    log = example.build_log(70_000 // 100)
    files = log.pack()
    root = root_hash([leaf_hash(entry) for entry in log.entries])

    def read(path: str) -> bytes:
        try:
            return files[path]
        except KeyError:
            raise NotFound("no", field=path) from None

    assert Tiles(read, 700, root).entries(1, 256) == log.entries[256:512]
    good = dict(files)
    for path in ("tile/0/001", "tile/0/002.p/188", "tile/1/000.p/2"):
        files = {**good, path: bytes([good[path][0] ^ 1]) + good[path][1:]}
        with pytest.raises(VerifyError):
            Tiles(read, 700, root).entries(1, 256)
    files = {**good, "tile/entries/001": good["tile/entries/000"]}
    with pytest.raises(VerifyError, match="entry 256"):
        Tiles(read, 700, root).entries(1, 256)


def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "checkpoint")
    (tmp_path / "tile").mkdir()
    read = folder_source(tmp_path)
    with pytest.raises(VerifyError, match="no plain file"):
        read("checkpoint")
    with pytest.raises(Unreachable):
        read("tile")


def test_a_server_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes within the time-out, the file would never be whole."""
    monkeypatch.setattr(fetch, "FILE_S", 0.5)
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            taken, _ = listener.accept()
            with taken, contextlib.suppress(OSError):
                taken.recv(4096)
                taken.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n")
                while not ended.wait(0.05):
                    taken.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        stop = threading.Timer(60, ended.set)
        stop.start()
        began = time.monotonic()
        try:
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with HttpSource(address, retries_s=(), timeout_s=2.0) as source, pytest.raises(Unreachable, match="longer"):
                source.read("checkpoint")
            assert time.monotonic() - began < 30
        finally:
            ended.set()
            stop.cancel()
            thread.join()
