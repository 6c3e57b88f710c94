"""Publishing with real witnesses over loopback: quorum, grace, heartbeat, failure, two processes, forks, roll-back."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from auditlog.core.entries.record import make_entry, parse_entry
from auditlog.core.errors import GuardError
from auditlog.core.formats.checkpoint import open_checkpoint
from auditlog.core.formats.merkle import prove_consistency
from auditlog.core.formats.policy import check_policy, cosigned_by
from auditlog.peers.ask_witnesses import ask_witnesses
from auditlog.peers.cosign import NO_ANSWER, Cosigner
from auditlog.store import metadata
from auditlog.store.log import open_engine, read_head, reader, reading
from auditlog.writing.guard import Guard
from auditlog.writing.log import Unit
from auditlog.writing.publish import NO_WITNESSES, Publisher

pytestmark = pytest.mark.enable_socket
CLOSED = "http://127.0.0.1:1"


@pytest.fixture(scope="session")
def stand(witness_stand):
    return witness_stand


@pytest.fixture
def log(example):
    return example.build_log(120)


class Installation:
    """A log that grows on request, and publishers over it that ask the witnesses of `policy`."""

    def __init__(self, example, log, folder, url):
        self.example, self.log, self.folder = example, log, folder
        self.guard = Guard(folder / "guard")
        self.engine = open_engine(url)
        metadata.create_all(self.engine)
        self.writer = example.start_writer(log, self.engine, self.guard)
        self.policy = NO_WITNESSES
        self.size = 0
        self.now = 1000.0
        self.time = datetime.now(UTC)
        self.publisher = self.make_publisher()

    def make_publisher(self, **options) -> Publisher:
        asked = {"timeout_s": 10.0, "grace_s": 0.3} | options
        return Publisher(
            self.engine,
            1,
            60,
            guard=self.guard,
            cosigner=Cosigner(lambda: self.policy, **asked),
            republish=3600,
            monotonic=lambda: self.now,
            clock=lambda: self.time,
        )

    def grow_to(self, size):
        entries = tuple(parse_entry(data) for data in self.log.entries[self.size : size])
        self.writer.append(Unit(entries)).result(60)
        self.size = size

    def note(self) -> bytes:
        return self.publisher.checkpoint()

    def published(self) -> int:
        return open_checkpoint(self.note(), self.log.keys, origin=self.log.origin).checkpoint.size

    def close(self):
        self.writer.close()
        self.engine.dispose()


@pytest.fixture
def installation(example, log, sqlite_url, tmp_path):
    made = Installation(example, log, tmp_path, sqlite_url)
    yield made
    made.close()


@pytest.fixture
def witnesses(stand, log, installation, tmp_path):
    """Makes a running witness that trusts the log: `make(name, trusts=True) -> (witness, url)`."""
    with contextlib.ExitStack() as stack:

        def make(name, *, trusts=True, clock=time.time):
            witness = stand.make_witness(tmp_path / name, name=f"{name}.example/w", clock=clock)
            stack.callback(witness.close)
            if trusts:
                witness.trust(log.keys)
            return witness, stack.enter_context(stand.served(witness))

        yield make


def test_a_checkpoint_is_published_once_the_quorum_has_cosigned(stand, installation, witnesses):
    a, b = witnesses("a"), witnesses("b")
    installation.policy = stand.policy_of({"A": a, "B": b}, "all")
    installation.grow_to(10)
    assert installation.publisher.advance()
    assert sorted(check_policy(installation.policy, installation.note())) == ["A-4", "A-6", "B-4", "B-6"]
    assert installation.published() == 10
    state = installation.publisher.state()
    assert (state.published, state.met, state.since, dict(state.missing)) == (10, True, None, {})
    installation.grow_to(20)
    assert not installation.publisher.advance()
    installation.now += 60
    assert installation.publisher.advance()
    assert installation.published() == 20


def test_without_a_quorum_the_old_one_stays_and_recording_goes_on(stand, installation, witnesses):
    a, b = witnesses("a"), witnesses("b", trusts=False)
    installation.policy = stand.policy_of({"A": a}, "any")
    installation.grow_to(10)
    assert installation.publisher.advance()
    installation.policy = stand.policy_of({"A": a, "B": b}, "all")
    installation.now += 60
    installation.grow_to(20)
    for _ in range(2):
        assert not installation.publisher.advance()
        assert installation.published() == 10
    state = installation.publisher.state()
    assert state.since == installation.time
    assert not state.met, "the old one does not meet the new policy either"
    assert set(state.missing) == {"B-4", "B-6"}
    assert all("does not know this log" in reason for reason in state.missing.values())
    installation.grow_to(30)
    b[0].trust(installation.log.keys)
    assert installation.publisher.advance()
    assert installation.published() == 30
    assert installation.publisher.state().since is None


def test_a_witness_that_is_gone_delays_nothing_once_there_is_a_quorum(stand, installation, witnesses):
    a, b = witnesses("a"), witnesses("b")
    installation.policy = stand.policy_of({"A": a, "B": b, "C": (stand_in(stand, installation), CLOSED)}, "2")
    installation.grow_to(10)
    started = time.monotonic()
    assert installation.publisher.advance()
    assert time.monotonic() - started < 10
    state = installation.publisher.state()
    assert state.met
    assert set(state.missing) == {"C-4", "C-6"}


def stand_in(stand, installation):
    """A witness that exists, at an address where nobody listens."""
    return stand.make_witness(installation.folder / "absent", name="absent.example/w")


def test_one_request_an_address_serves_both_keys(stand, installation, witnesses):
    a = witnesses("a")
    asked = []
    real = a[0].add_checkpoint
    a[0].add_checkpoint = lambda data: asked.append(data) or real(data)
    installation.policy = stand.policy_of({"A": a}, "any")
    installation.grow_to(10)
    assert installation.publisher.advance()
    assert len(asked) == 1
    installation.grow_to(20)
    installation.now += 60
    assert installation.publisher.advance()
    assert [body.split(b"\n")[0] for body in asked] == [b"old 0", b"old 10"]


def test_a_quiet_log_gets_fresh_cosignatures_and_a_frozen_one_does_not(stand, installation, witnesses):
    clock = stand.Clock(installation.time.timestamp())
    a = witnesses("a", clock=clock)
    installation.policy = stand.policy_of({"A": a}, "any")
    installation.grow_to(10)
    assert installation.publisher.advance()
    installation.now += 3000
    assert not installation.publisher.advance(), "nothing has changed and nothing is old"
    clock.now += 3601
    installation.time += timedelta(seconds=3601)
    assert installation.publisher.advance()
    times = check_policy(installation.policy, installation.note(), max_age=60, now=int(clock.now))
    assert set(times.values()) == {int(clock.now)}
    entry = make_entry(
        "freeze/1",
        id=installation.log.id(),
        agency="example-agency",
        time=installation.time,
        reason="year",
        successor=None,
    )
    installation.writer.append(Unit((entry,))).result(60)
    assert installation.publisher.advance(), "the last checkpoint does not wait for the pace"
    assert installation.published() == 11
    assert installation.publisher.ended()
    clock.now += 9000
    installation.time += timedelta(seconds=9000)
    assert not installation.publisher.advance()


def test_a_refresh_that_one_witness_misses_keeps_its_older_line(stand, installation, witnesses):
    clock = stand.Clock(installation.time.timestamp())
    a, b = witnesses("a", clock=clock), witnesses("b", clock=clock)
    installation.policy = stand.policy_of({"A": a, "B": b}, "any")
    installation.grow_to(10)
    assert installation.publisher.advance()
    first = int(clock.now)
    b[0].distrust(installation.log.origin)
    clock.now += 4000
    installation.time += timedelta(seconds=4000)
    assert installation.publisher.advance()
    times = check_policy(installation.policy, installation.note())
    assert times == {"A-4": first + 4000, "A-6": first + 4000, "B-4": first, "B-6": first}


def test_two_processes_never_publish_an_older_one(stand, installation, witnesses):
    a = witnesses("a")
    installation.policy = stand.policy_of({"A": a}, "any")
    installation.grow_to(5)
    publishers = [installation.make_publisher(timeout_s=5) for _ in range(4)]
    sizes, ended = [], threading.Event()

    def run(publisher):
        while not ended.is_set():
            publisher.advance(at_once=True)

    def watch():
        while not ended.is_set():
            with contextlib.suppress(Exception):
                sizes.append(installation.published())

    threads = [threading.Thread(target=run, args=(one,)) for one in publishers] + [threading.Thread(target=watch)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    for size in range(6, 120):
        installation.grow_to(size)
        time.sleep(0.05)
        if len(set(sizes)) > 5 or time.monotonic() > deadline:
            break
    ended.set()
    for thread in threads:
        thread.join()
    installation.publisher.advance(at_once=True)
    assert sizes == sorted(sizes)
    assert len(set(sizes)) > 2
    assert installation.published() == installation.size


def test_a_silent_witness_is_asked_once_at_a_time(stand, installation, tmp_path):
    import asyncio

    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    asked = []

    async def silent(request):
        asked.append(1)
        while not await request.is_disconnected():
            await asyncio.sleep(0.05)
        return Response("")

    witness = stand.make_witness(tmp_path / "silent", name="silent.example/w")
    with stand.serving(Starlette(routes=[Route("/add-checkpoint", silent, methods=["POST"])])) as url:
        installation.policy = stand.policy_of({"S": (witness, url)}, "any")
        installation.grow_to(10)
        installation.publisher = installation.make_publisher(timeout_s=3)
        cosigner_timeout = time.monotonic()
        installation.publisher._cosigner.timeout_s = 0.2
        for _ in range(3):
            assert not installation.publisher.advance()
        assert time.monotonic() - cosigner_timeout < 8
        assert set(installation.publisher.state().missing.values()) <= {NO_ANSWER, "took too long"} | {
            "cannot be reached (ReadTimeout)"
        }
    witness.close()


# --- a log that was rolled back or forked -----------------------------------------------------------------------------


def ask(installation, *, origin=None) -> None:
    """What a start asks, over what the database holds now."""
    with reading(installation.engine) as conn:
        integrated, published = read_head(conn, 1), read_head(conn, 1, "published")
    head = published or integrated

    def prove(old):
        with reading(installation.engine) as conn:
            return prove_consistency(old, head.size, reader(conn, 1, head.size))

    log = installation.log
    ask_witnesses(installation.policy, log.keys, log.origin, head, size=integrated.size, prove=prove, timeout_s=2)


@pytest.fixture
def rolled_back(example, log, installation, witnesses, stand, tmp_path):
    """Database *and guard* put back from a copy at 20 entries, after 40 were published."""
    a = witnesses("a")
    installation.policy = stand.policy_of({"A": a}, "any")
    installation.grow_to(20)
    assert installation.publisher.advance(at_once=True)
    installation.close()
    saved = {path: path.read_bytes() for path in (*tmp_path.glob("greffier.db*"), installation.guard.path)}
    again = Installation(example, log, tmp_path, f"sqlite:///{tmp_path}/greffier.db")
    again.policy, again.size = installation.policy, 20
    again.grow_to(40)
    assert again.publisher.advance(at_once=True)
    ask(again)
    again.close()
    for path in tmp_path.glob("greffier.db*"):
        path.unlink()
    for path, data in saved.items():
        path.write_bytes(data)
    back = Installation(example, log, tmp_path, f"sqlite:///{tmp_path}/greffier.db")
    back.policy, back.size, back.witness = installation.policy, 20, a
    yield back
    back.close()


def test_a_rollback_that_took_the_guard_along_is_told_by_the_witness(rolled_back):
    with pytest.raises(GuardError, match=r"rolled back: .* has cosigned 40 entries.*database holds 20") as told:
        ask(rolled_back)
    assert "own keys signed" in str(told.value)
    # Grown again past the witness's size it is a fork, and neither published nor started.
    rolled_back.log.entries[20:] = list(reversed(rolled_back.log.entries[20:60])) + rolled_back.log.entries[60:]
    rolled_back.grow_to(50)
    assert not rolled_back.publisher.advance(at_once=True)
    state = rolled_back.publisher.state()
    assert state.refuted == ("A-4", "A-6")
    assert rolled_back.published() == 20


def test_a_fork_of_the_published_size_is_told_by_the_witness(example, stand, rolled_back, tmp_path):
    """Another tree of the published size, with a guard that agrees to it."""
    shutil.rmtree(tmp_path / "fork", ignore_errors=True)
    (tmp_path / "fork").mkdir()
    log = example.build_log(120, seed=5)
    log.signers = rolled_back.log.signers
    fork = Installation(example, log, tmp_path / "fork", f"sqlite:///{tmp_path}/fork/greffier.db")
    fork.grow_to(40)
    assert fork.publisher.advance()
    fork.policy = rolled_back.policy
    with pytest.raises(GuardError, match="forked or replaced"):
        ask(fork)
    fork.grow_to(60)
    fork.now += 60
    fork.policy = NO_WITNESSES
    assert fork.publisher.advance()
    fork.policy = rolled_back.policy
    with pytest.raises(GuardError, match="forked or replaced"):
        ask(fork)
    fork.close()


def test_a_witness_that_lies_about_sizes_is_told_apart(stand, installation, witnesses, tmp_path):
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    async def lie(request):
        return Response("99\n", 409, {"content-type": "text/x.tlog.size"})

    witness = stand.make_witness(tmp_path / "liar", name="liar.example/w")
    installation.grow_to(10)
    with stand.serving(Starlette(routes=[Route("/add-checkpoint", lie, methods=["POST"])])) as url:
        installation.policy = stand.policy_of({"L": (witness, url)}, "any")
        with pytest.raises(GuardError, match=r"shows no checkpoint that says so.*take it out of the policy"):
            ask(installation)
    witness.close()


def test_witnesses_that_cannot_be_reached_or_do_not_know_us_hinder_no_start(stand, installation, witnesses):
    stranger = witnesses("stranger", trusts=False)
    installation.policy = stand.policy_of({"S": stranger, "C": (stand_in(stand, installation), CLOSED)}, "any")
    installation.grow_to(10)
    ask(installation)


def test_a_witness_that_is_ahead_of_what_is_published_is_no_alarm(stand, installation, witnesses):
    """A quorum failed once: one witness has seen a larger size than is public. The start says nothing of it."""
    a, b = witnesses("a"), witnesses("b", trusts=False)
    installation.policy = stand.policy_of({"A": a}, "any")
    installation.grow_to(10)
    assert installation.publisher.advance()
    installation.policy = stand.policy_of({"A": a, "B": b}, "all")
    installation.grow_to(20)
    assert not installation.publisher.advance(at_once=True)
    assert installation.publisher.state().refuted == ()
    assert a[0].logs()[0].size == 20
    ask(installation)


def test_a_witness_whose_clock_is_ahead_does_not_end_refreshing(stand, installation, witnesses):
    """Verifiers do not count a time in the future, so the log must not rest on it either."""
    right = stand.Clock(installation.time.timestamp())
    a, b = witnesses("a", clock=stand.Clock(right.now + 10 * 365 * 86_400)), witnesses("b", clock=right)
    installation.policy = stand.policy_of({"A": a, "B": b}, "any")
    installation.grow_to(10)
    assert installation.publisher.advance()
    assert set(cosigned_by(installation.policy, installation.note())) == {"A-4", "A-6", "B-4", "B-6"}
    right.now += 3601
    installation.time += timedelta(seconds=3601)
    assert installation.publisher.advance()
    times = check_policy(installation.policy, installation.note(), max_age=60, now=int(right.now))
    assert times["B-4"] == int(right.now)
    assert installation.publisher.state().fresh == int(right.now)
