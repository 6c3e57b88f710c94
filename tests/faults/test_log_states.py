"""A log through everything that may happen to it, in any order: nothing promised is lost, nothing signed contradicts.

`GREFFIER_STATES=N` runs N examples on SQLite (and a fifth of them on PostgreSQL) instead of the few of every day.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from auditlog.core.entries.receipt import format_receipt
from auditlog.core.errors import CannotRecord, FormatError, Frozen, GuardError
from auditlog.core.formats.keyring import format_key_ring
from auditlog.peers.fetch import Unreachable
from auditlog.peers.mirror import Mirror
from auditlog.peers.monitor import Monitor
from auditlog.store import log as log_store
from auditlog.store.engine import reading
from auditlog.writing.log import Unit
from home.errors import Refused
from service.logs import publish, rotation, succession
from service.proving import receipts
from service.wiring import open_home, succeed_home
from web.tlog.witness import create_witness_app

pytestmark = [
    pytest.mark.enable_socket,
    # A writer that dies as it was told to is no surprise.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]
EXAMPLES = int(os.environ.get("GREFFIER_STATES", "0"))
STEPS = 24
ENOUGH = 400
"""Examples after which each of these places was reached: the machine's choices come in clusters."""
PLACES = (
    *(f"crash at {point}" for point in range(1, 9)),
    *(f"publish while the line is {mode}" for mode in ("up", "down", "lost")),
    *("rotation finished", "succeeded", "succeeded after a crash", "watched: it grew"),
    *("old database: loss stated", "old database: loss stated, keys went on", "old database: the newest came back"),
    *("all rolled back: the witness said so", "all rolled back: the monitor said so", "all rolled back: loss stated"),
)


@dataclass
class Kept:
    """A copy of the database, of the guards, and of what was known when it was taken."""

    database: Any
    guard: Path
    number: int
    size: int
    keys: str
    rotating: int | None


class LogStates(RuleBasedStateMachine):
    """`stage` and `states` are set by the test."""

    stage: Any
    states: ModuleType

    def __init__(self) -> None:
        super().__init__()
        self.world = self.states.World(self.stage)
        self.kept: list[Kept] = []
        self.rotating: int | None = None
        self.watched: dict[str, int] = {}
        self.outside = self.world.home.with_name(f"{self.world.home.name}-outside")

    def reached(self, what: str) -> None:
        """Note that an example came here: a machine that never does proves nothing about it."""
        self.stage.reached[what] += 1

    # --- recording ----------------------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        self.world.append([1])
        self.kept = [self.keep()]
        self.world.reopen()

    @rule(sizes=st.lists(st.integers(1, 3), min_size=1, max_size=4))
    def append(self, sizes: list[int]) -> None:
        self.world.append(sizes)

    @rule(count=st.integers(2, 8))
    def append_from_threads(self, count: int) -> None:
        self.world.append([1] * count, threads=4)

    @rule()
    def append_a_unit_that_fails(self) -> None:
        """It goes alone; its neighbours are recorded."""
        log, good = self.g.log, [self.world.pulses(1), self.world.pulses(2)]

        def fail(_conn: Any, _sequenced: Any) -> None:
            raise ValueError("this unit's own fault")

        bad = Unit(self.world.pulses(1).entries, fail)
        futures = [log.append(unit) for unit in (good[0], bad, good[1])]
        with pytest.raises(ValueError, match="own fault"):
            futures[1].result(30)
        for future in (futures[0], futures[2]):
            self.world.book.promise(future.result(30))

    @precondition(lambda self: self.world.book.acknowledged)
    @rule(pick=st.integers(0, 10**6))
    def append_a_used_id(self, pick: int) -> None:
        present = [name for name in self.world.book.acknowledged if name not in self.world.book.lost]
        if present:
            entry = self.g.make("pulse/1", id=present[pick % len(present)], boots=[], recording="ok")
            with pytest.raises(FormatError, match="in the log already"):
                self.g.log.append(Unit((entry,))).result(30)

    @rule()
    def another_process_comes_or_goes(self) -> None:
        if self.world.second is None:
            self.world.second = self.states.Process(self.world.home)
        else:
            self.world.second.close()
            self.world.second = None

    @rule(pick=st.integers(0, 10**6))
    def give_a_receipt(self, pick: int) -> None:
        present = [name for name in self.world.book.acknowledged if name not in self.world.book.lost]
        if present:
            receipt = receipts.receipt(self.g, present[pick % len(present)], openings=None)
            self.world.book.receipts.append(format_receipt(receipt))
            self.world.book.see(receipt.proof.checkpoint)

    # --- ends of the program ------------------------------------------------------------------------------------------

    @rule()
    def restart(self) -> None:
        self.world.main.close()
        self.world.reopen()

    @rule(point=st.sampled_from(range(1, 9)), sizes=st.lists(st.integers(1, 2), min_size=1, max_size=3))
    def crash(self, point: int, sizes: list[int]) -> None:
        """What was answered stands; what was not may stand or not."""
        self.reached(f"crash at {point}")
        units = [self.world.pulses(size) for size in sizes]
        for future in self.world.main.die(point, units):
            if future.done() and future.exception() is None:
                self.world.book.promise(future.result())
        self.world.reopen()

    # --- keys ---------------------------------------------------------------------------------------------------------

    @rule()
    def rotate(self) -> None:
        if self.rotating is None:
            rotation.begin(self.g)
            self.rotating = max(key.valid_from for key in self.g.keys.of(self.g.log.origin).keys)
        else:
            with pytest.raises(Refused, match="under way"):
                rotation.begin(self.g)

    @rule(seen=st.booleans())
    def finish_rotation(self, seen: bool) -> None:
        """Where it is under way, and a checkpoint that both pairs signed was published; `seen` makes that so."""
        if seen:
            self.become_known()
        with reading(self.g.engine) as conn:
            published = log_store.read_head(conn, self.g.log.number, "published")
        if self.rotating is None or published is None or published.size < self.rotating:
            with pytest.raises(Refused):
                rotation.finish(self.g)
        else:
            assert len(rotation.finish(self.g)) == 2
            self.reached("rotation finished")
            self.rotating = None

    # --- witness, monitor, mirror -------------------------------------------------------------------------------------

    @rule(knows=st.sampled_from([True, True, False]))
    def the_witness_is_told(self, knows: bool) -> None:
        if knows:
            self.world.tell_witness()
        elif self.world.witness.keys(self.g.log.origin).keys:
            self.world.witness.distrust(self.g.log.origin)
            self.world.told = ""

    @rule(mode=st.sampled_from(["up", "up", "down", "lost"]))
    def publish(self, mode: str) -> None:
        self.stage.line.mode = mode
        self.reached(f"publish while the line is {mode}")
        publish.advance(self.g, at_once=True)
        if mode == "up" and self.world.told == format_key_ring(self.g.keys):
            state = publish.state(self.g)
            assert state.met
            assert state.published == state.integrated

    def become_known(self) -> None:
        """What there is now is published, and cosigned, and the monitor saw it."""
        self.world.tell_witness()
        self.publish("up")
        self.watch()

    @rule()
    def watch(self) -> None:
        """A monitor and a mirror look at what is public: all is well, and they catch up."""
        number, origin = self.g.log.number, self.g.log.origin
        try:
            report = self.monitor().run(f"log {number}", self.world.reader(number), origin=origin)
        except CannotRecord:
            raise
        except Unreachable:
            return
        assert report.holds, report.sentence
        mirror = Mirror(self.outside / "mirrors", origin)
        found = mirror.update(self.world.reader(number), self.world.policy().logs, source="here", now=int(time.time()))
        assert found.checkpoint.size == report.size >= self.watched.get(origin, 0)
        self.reached("watched: it grew" if report.size > self.watched.get(origin, 0) else "watched")
        self.watched[origin] = report.size

    # --- the end of a log ---------------------------------------------------------------------------------------------

    @precondition(lambda self: self.g.log.number < 3)
    @rule(crashed=st.booleans())
    def succeed(self, crashed: bool) -> None:
        """Who has the old log open takes nothing more and says so; a crash between both logs is made good."""
        if crashed:
            succession.end(self.g, "other")
            self.world.close_all()
            with pytest.raises(Frozen):
                self.states.Process(self.world.home)
        self.reached("succeeded after a crash" if crashed else "succeeded")
        old = [] if crashed else self.world.processes()
        number = self.g.log.number
        assert succeed_home(self.world.home, "year") == f"{self.states.NAME}/{number + 1}"
        for process in old:
            for _ in range(2):
                with pytest.raises(Frozen):
                    process.g.log.append(self.world.pulses(1)).result(30)
        if old:
            self.world.close_all()
        self.rotating = None
        self.world.reopen()
        assert self.g.log.number == number + 1

    # --- copies that are put back -------------------------------------------------------------------------------------

    def keep(self) -> Kept:
        """A copy; everything was closed."""
        number = self.g.log.number
        with reading(self.g.engine) as conn:  # the other process may have recorded since this one did
            head = log_store.read_head(conn, number)
        assert head is not None
        keys = format_key_ring(self.g.keys)
        self.world.close_all()
        guard = self.outside / f"guard-{len(self.kept)}-{time.monotonic_ns()}"
        shutil.copytree(self.world.home / "guard", guard)
        return Kept(self.stage.database.copy(self.world.home), guard, number, head.size, keys, self.rotating)

    def put_back(self, kept: Kept, *, guard: bool) -> None:
        self.stage.database.put_back(self.world.home, kept.database)
        if guard:
            shutil.rmtree(self.world.home / "guard")
            shutil.copytree(kept.guard, self.world.home / "guard")

    @rule(known=st.booleans())
    def make_a_backup(self, known: bool) -> None:
        if known:
            self.become_known()
        self.kept = [*self.kept[-3:], self.keep()]
        self.world.reopen()

    @precondition(lambda self: self.kept)
    @rule(pick=st.sampled_from([-1, -1, 0, 1]), accept=st.sampled_from([True, True, False]))
    def restore_the_database(self, pick: int, accept: bool) -> None:
        """The guard knows better. Then the newest copy comes back, or the loss is stated and the next log begins."""
        newest, kept = self.keep(), self.kept[pick % len(self.kept)]
        self.put_back(kept, guard=False)
        if (kept.number, kept.size) == (newest.number, newest.size):
            self.world.reopen()
            return
        with pytest.raises((GuardError, Frozen)):
            self.states.Process(self.world.home)
        with open_home(self.world.home, tolerant=True) as g:
            assert g.problem is not None
        if accept and self.lose(kept, newest, vouched=newest.size):
            self.reached("old database: loss stated" + (", keys went on" if kept.keys != newest.keys else ""))
            return
        self.reached("old database: the newest came back")
        self.put_back(newest, guard=False)
        self.world.reopen()

    def lose(self, kept: Kept, newest: Kept, *, vouched: int) -> bool:
        """State the loss of all above the copy, and go on in the next log; False where there are enough logs."""
        if kept.number != newest.number or newest.number >= 3:
            return False
        origin = f"{self.states.NAME}/{newest.number}"
        assert succeed_home(self.world.home, "loss") == f"{self.states.NAME}/{newest.number + 1}"
        self.kept = [one for one in self.kept if one.size <= kept.size or one.number < kept.number]
        for name, (own, index, _) in self.world.book.acknowledged.items():
            if own == origin and index >= kept.size:
                self.world.book.lost.add(name)
        self.rotating = None
        self.world.reopen()
        with reading(self.g.engine) as conn:
            _, genesis = next(log_store.entries_of_kinds(conn, self.g.log.number, ("genesis/1",)))
        assert genesis.members["lost"] == vouched - kept.size
        return True

    @precondition(lambda self: self.kept)
    @rule(
        pick=st.sampled_from([-1, -1, 0, 1]),
        known=st.booleans(),
        mode=st.sampled_from(["up", "down"]),
        accept=st.booleans(),
    )
    def restore_database_and_guard(self, pick: int, known: bool, mode: str, accept: bool) -> None:
        """Only others can know: the witness when it is asked, the monitor when it looks. Then the newest comes back."""
        if known:
            self.world.append([1])
            self.become_known()
        self.stage.line.mode = mode
        newest, kept = self.keep(), self.kept[pick % len(self.kept)]
        origin = f"{self.states.NAME}/{kept.number}"
        seen = self.world.seen_by_witness(origin)
        asked = self.stage.line.mode == "up" and bool(self.world.witness.keys(origin).keys)
        self.put_back(kept, guard=True)
        if asked and seen > kept.size:
            self.reached("all rolled back: the witness said so")
            with pytest.raises(CannotRecord, match="rolled back" if kept.keys == newest.keys else None):
                self.states.Process(self.world.home)
            if newest.number < 3:
                with pytest.raises(CannotRecord):
                    succeed_home(self.world.home, "year")
            if accept and self.lose(kept, newest, vouched=seen):
                self.reached("all rolled back: loss stated")
                return
        else:
            try:
                self.world.reopen()
            except CannotRecord:
                assert kept.keys != newest.keys, "only keys that went on without it may hinder it"
            else:
                self.reached(f"all rolled back: nobody told the start, line {mode}")
                self.look_at_what_was_rolled_back(kept, origin)
                self.world.close_all()
        self.put_back(newest, guard=True)
        self.world.reopen()

    def look_at_what_was_rolled_back(self, kept: Kept, origin: str) -> None:
        with reading(self.g.engine) as conn:
            published = log_store.read_head(conn, kept.number, "published")
        if published is not None and published.size < self.watched.get(origin, 0):
            folder = self.outside / "look"
            self.reached("all rolled back: the monitor said so")
            shutil.copytree(self.outside / "monitor", folder)
            report = self.monitor(folder).run(f"log {kept.number}", self.world.reader(kept.number), origin=origin)
            assert not report.holds and "rolled back" in report.sentence
            shutil.rmtree(folder)

    # --- what must hold -----------------------------------------------------------------------------------------------

    @property
    def g(self) -> Any:
        return self.world.main.g

    def monitor(self, folder: Path | None = None) -> Monitor:
        return Monitor(folder=folder or self.outside / "monitor", policy=self.world.policy(), now=int(time.time()))

    @invariant()
    def promises_hold(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        try:
            if self.world.main.opened:
                self.world.check(whole=True)
        finally:
            self.world.end()
            shutil.rmtree(self.outside, ignore_errors=True)


@pytest.fixture(scope="module")
def states(request: pytest.FixtureRequest) -> ModuleType:
    """The module beside this one."""
    import sys
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("greffier_tests_faults_states", Path(__file__).with_name("states.py"))
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def play(
    states: ModuleType, witness_stand: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Any, int], None]]:
    """`play(database, examples)` runs the machine on homes whose log lies in such a database."""
    for name, value in (("PUBLISH_PACE_S", "0"), ("WITNESS_GRACE_S", "0"), ("WITNESS_TIMEOUT_S", "20")):
        monkeypatch.setenv(f"GREFFIER_{name}", value)
    line = states.Line()
    with witness_stand.serving(line) as url:

        def run(database: Any, examples: int) -> None:
            def app_of(witness: Any) -> Any:
                return create_witness_app(witness, dict, burst=1e6)

            stage = states.Stage(tmp_path, database, line, url, witness_stand, app_of)
            machine = type("Machine", (LogStates,), {"stage": stage, "states": states})
            run_state_machine_as_test(
                machine,
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=STEPS,
                    deadline=None,
                    database=None,
                    # Each example takes seconds: to make a failure smaller would take many minutes more.
                    phases=[Phase.generate],
                    report_multiple_bugs=False,
                    suppress_health_check=list(HealthCheck),
                ),
            )
            for what in sorted(stage.reached):
                print(f"{stage.reached[what]:6} {what}")
            if examples >= ENOUGH:
                assert {what for what in PLACES if not stage.reached[what]} == set()

        yield run


def test_whatever_happens_on_sqlite(play: Callable[[Any, int], None], states: ModuleType, tmp_path: Path) -> None:
    play(states.Files(tmp_path), EXAMPLES or 10)


def test_whatever_happens_on_postgresql(
    play: Callable[[Any, int], None], states: ModuleType, postgresql_server: str
) -> None:
    server = states.Server(postgresql_server)
    try:
        play(server, EXAMPLES // 5 or 3)
    finally:
        server.close()
