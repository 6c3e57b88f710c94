"""A witness over real HTTP, and the client that asks it: statuses, limits, and answers that are not believed."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import closing, contextmanager
from hashlib import sha256

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from auditlog.core.formats.note import ED25519, Signer
from auditlog.peers.client import Behind, Cosigned, Rejected, TryLater, add_checkpoint, add_newest, read_cosigned
from auditlog.peers.submission import format_submission
from web.tlog import witness as http

pytestmark = pytest.mark.enable_socket


@pytest.fixture(scope="session")
def stand(witness_stand):
    return witness_stand


@pytest.fixture
def tree(stand):
    return stand.Tree()


@pytest.fixture
def witness(stand, tree, tmp_path):
    made = stand.make_witness(tmp_path / "witness", trusts=(tree,))
    yield made
    made.close()


@pytest.fixture
def url(stand, witness):
    with stand.served(witness, {"name": witness.name}) as url:
        yield url


@pytest.fixture
def web(url):
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        yield client


def test_statuses_and_headers(web, tree):
    good = web.post("/add-checkpoint", content=tree.submission(0, 3))
    assert (good.status_code, good.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert good.text.count("— ") == good.text.count("\n") == 2
    stale = web.post("/add-checkpoint", content=tree.submission(0, 3))
    assert (stale.status_code, stale.text, stale.headers["content-type"]) == (409, "3\n", "text/x.tlog.size")
    assert web.post("/add-checkpoint", content=b"x").status_code == 400
    assert web.post("/add-checkpoint").status_code == 400
    assert web.get("/add-checkpoint").status_code == 405
    assert web.get("/nothing").status_code == 404
    shown = web.get(f"/{sha256(tree.origin.encode()).hexdigest()}/checkpoint")
    assert shown.text.endswith(good.text)
    assert shown.headers["content-type"] == "text/plain; charset=utf-8"
    assert web.head(f"/{sha256(tree.origin.encode()).hexdigest()}/checkpoint").content == b""
    assert web.get(f"/{'0' * 64}/checkpoint").status_code == 404
    assert web.get("/0F/checkpoint").status_code in {404, 422}
    assert web.get("/health").text == "ok\n"


def test_a_body_has_a_limit_declared_or_not(web):
    assert web.post("/add-checkpoint", content=b"x" * (http.MAX_BODY + 1)).status_code == 413
    assert web.post("/add-checkpoint", content=iter([b"x" * 1000] * 300)).status_code == 413
    assert web.post("/add-checkpoint", content=b"x" * (2 << 20)).status_code == 413


def test_a_body_that_does_not_come_is_given_up(stand, witness, monkeypatch):
    monkeypatch.setattr(http, "BODY_S", 0.3)
    with stand.served(witness) as url:
        host, port = url.removeprefix("http://").split(":")
        with closing(socket.create_connection((host, int(port)), timeout=10)) as conn:
            conn.sendall(b"POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ncontent-length: 100\r\n\r\nold 0\n")
            assert b" 408 " in conn.recv(4096)


def test_one_address_has_a_rate(stand, witness, tree):
    with stand.served(witness, rate=0.001, burst=3) as url:
        answers = [httpx.post(f"{url}/add-checkpoint", content=b"x", trust_env=False) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [400, 400, 400, 429]
    assert answers[-1].headers["retry-after"] == "10"


def test_buckets_fill_again_and_are_bounded():
    now = [0.0]
    rates = http.Rates(1.0, 2.0, lambda: now[0])
    assert [rates.take("a") for _ in range(3)] == [True, True, False]
    assert rates.take("b")
    now[0] = 1.0
    assert [rates.take("a") for _ in range(2)] == [True, False]
    for number in range(http._ADDRESSES + 10):
        rates.take(str(number))
    assert len(rates._buckets) == http._ADDRESSES


def test_what_nobody_foresaw_is_503_and_never_500(stand, witness, tree):
    class Broken:
        def add_checkpoint(self, data):
            raise RuntimeError("a bug")

    with stand.serving(http.create_witness_app(Broken(), dict)) as url:
        answer = httpx.post(f"{url}/add-checkpoint", content=b"x", trust_env=False)
    assert answer.status_code == 503
    assert "bug" not in answer.text


# --- the client -------------------------------------------------------------------------------------------------------


def submit(url, tree, witness, old, size, **options):
    keys = options.pop("keys", witness.vkeys)
    proof = tree.proof(old, size) if old <= size else ()
    return add_checkpoint(url, old, proof, tree.note(size), keys, timeout_s=10)


def test_the_client_tells_apart_what_a_witness_says(stand, url, tree, witness):
    assert isinstance(submit(url, tree, witness, 0, 3), Cosigned)
    assert submit(url, tree, witness, 0, 5) == Behind(3)
    assert isinstance(submit(url, tree, witness, 3, 3), Cosigned)
    assert submit(url, stand.Tree("other.example/1"), witness, 0, 3).status == 404
    assert submit(url, stand.Tree(seed=9), witness, 3, 4).status == 403
    fork = stand.Tree(fork=1, branch="x")
    assert submit(url, fork, witness, 3, 3).status == 422
    assert submit(url, fork, witness, 3, 5).status == 422


def test_the_client_asks_again_with_the_size_that_it_learns(url, tree, witness):
    asked = []

    def prove(old):
        asked.append(old)
        return tree.proof(old, 9)

    assert isinstance(submit(url, tree, witness, 0, 4), Cosigned)
    outcome = add_newest(url, 0, 9, tree.note(9), prove=prove, keys=witness.vkeys, timeout_s=10)
    assert isinstance(outcome, Cosigned)
    assert asked == [0, 4]
    behind = add_newest(url, 9, 5, tree.note(5), prove=lambda o: (), keys=witness.vkeys, timeout_s=10)
    assert behind == Behind(9)


def test_a_witness_whose_lines_do_not_verify_is_not_believed(stand, url, tree, witness, tmp_path):
    other = stand.make_witness(tmp_path / "other", name=witness.name)
    found = submit(url, tree, witness, 0, 3, keys=other.vkeys)
    assert isinstance(found, Rejected)
    assert "cosignature" in found.reason
    other.close()
    assert read_cosigned(url, tree.origin, timeout_s=10)
    assert read_cosigned(url, "nobody.example/1", timeout_s=10) is None


@contextmanager
def fake(stand, handler):
    """A witness of someone else's making, with `handler(request)` behind add-checkpoint."""
    with stand.serving(Starlette(routes=[Route("/add-checkpoint", handler, methods=["POST"])])) as url:
        yield url


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (500, {}, b"oops", TryLater),
        (503, {}, b"", TryLater),
        (429, {}, b"", TryLater),
        (302, {"location": "http://127.0.0.1:1/"}, b"", Rejected),
        (200, {}, b"", Rejected),
        (200, {}, b"\xff\xfe", Rejected),
        (200, {}, "— witness.example/w1 AAAAAAAA\n".encode(), Rejected),
        (200, {}, b"x\n" * 1000, Rejected),
        (409, {"content-type": "text/x.tlog.size"}, b"7\n", Behind),
        (409, {"content-type": "text/x.tlog.size"}, b"-7\n", Rejected),
        (409, {"content-type": "text/x.tlog.size"}, b"99999999999999999999999999\n", Rejected),
        (409, {"content-type": "text/plain"}, b"7\n", Rejected),
        (200, {}, b"x" * 300_000, TryLater),
        (418, {}, b"\x1b[2Jtea\npot", Rejected),
    ],
)
def test_no_answer_makes_the_client_fail(stand, tree, witness, status, headers, body, expected):
    async def answer(request):
        return Response(body, status, headers)

    with fake(stand, answer) as url:
        found = submit(url, tree, witness, 0, 3)
    assert type(found) is expected, found
    if isinstance(found, Rejected):
        assert found.reason.isprintable()


def test_a_witness_that_drips_or_is_silent_is_given_up(stand, tree, witness):
    async def drip(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(300):
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await asyncio.sleep(0.1)

    async def silent(request):
        while not await request.is_disconnected():
            await asyncio.sleep(0.05)
        return Response("")

    for app in (drip, Starlette(routes=[Route("/add-checkpoint", silent, methods=["POST"])])):
        with stand.serving(app) as url:
            started = time.monotonic()
            found = add_checkpoint(url, 0, (), tree.note(3), witness.vkeys, timeout_s=0.5)
            assert isinstance(found, TryLater)
            assert time.monotonic() - started < 20


def test_no_witness_there_or_no_address(tree, witness):
    for url in ("http://127.0.0.1:1", "ftp://example.org", "http://", "nonsense", "http://[::1"):
        assert isinstance(submit(url, tree, witness, 0, 3), TryLater)


def test_many_logs_at_once(stand, witness, url):
    trees = [stand.Tree(f"log.example/{number}", types=(ED25519,)) for number in range(8)]
    for tree in trees:
        witness.trust(tree.ring)
    outcomes = []
    threads = [
        threading.Thread(target=lambda tree=tree: outcomes.append(submit(url, tree, witness, 0, 4))) for tree in trees
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(outcome) for outcome in outcomes] == [Cosigned] * 8


def test_a_stranger_is_never_waited_for(stand, witness, tree, url):
    """Rubbish of the largest size, signed by nobody, does not hold up a log."""
    signer = Signer.generate(tree.origin, ED25519, bytes(32))
    lines = b"".join(b"\xe2\x80\x94 x AAAAAAAA\n" for _ in range(90))
    body = format_submission(0, (), tree.note(3).split(b"\n\n")[0] + b"\n\n" + lines)
    assert signer
    for _ in range(20):
        assert httpx.post(f"{url}/add-checkpoint", content=body, trust_env=False).status_code == 403
    assert isinstance(submit(url, tree, witness, 0, 3), Cosigned)
