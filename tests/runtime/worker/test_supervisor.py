"""The worker as a process: identical answers, kills, orphans, faults over the pipe."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import (
    Busy,
    DeadlineExceeded,
    InputUndeclared,
    ModelMissing,
    NotRunning,
    PipeBroken,
    RuntimeFault,
    SchemaRefused,
    Stopped,
    WorkerLost,
)
from runtime.models.weights import ModelFile
from runtime.program import Program, Request
from runtime.prompt import Value
from runtime.worker.counter import unclosed
from runtime.worker.supervisor import BootFacts, Supervisor

FIELDS: dict[str, Value] = {"payment_record": "sometimes late", "room": 120}


def boot_of(supervisor: Supervisor) -> bytes:
    """What the command line of its worker says, and that of no other."""
    assert supervisor.boot is not None
    return supervisor.boot.boot.encode()


def test_the_same_request_twice(supervisor: Supervisor, replying: Callable[..., Program]) -> None:
    program = replying(max_tokens=20)
    one, two = (supervisor.generate(Request(f"same{i}", program, FIELDS)).result(60) for i in range(2))
    assert (one.output, one.outcome, one.finish) == (two.output, two.outcome, two.finish)
    # What of the prompt lay in a seat already depends on who sat there before.
    assert dataclasses.replace(one.run, reused=two.run.reused) == two.run
    assert (two.boot, two.n) == (one.boot, one.n + 1)


def test_boot_facts(supervisor: Supervisor) -> None:
    facts = supervisor.start()
    assert facts == supervisor.boot
    assert facts.runtime == "llama-cpp-python 0.3.36"
    assert len(facts.build) == 71
    assert facts.threads >= 1
    assert facts.unclosed == ()
    assert supervisor.reached() is not None


def test_faults_cross_the_pipe(supervisor: Supervisor, program: Program) -> None:
    before = supervisor.reached()
    other = dataclasses.replace(program, model="0" * 64)
    open_schema = {**program.output_schema, "additionalProperties": True}
    cases: list[tuple[type[RuntimeFault], Program, dict[str, Value]]] = [
        (InputUndeclared, program, {"age": 3}),
        (ModelMissing, other, FIELDS),
        (SchemaRefused, dataclasses.replace(program, output_schema=open_schema), FIELDS),
    ]
    for i, (kind, each, fields) in enumerate(cases):
        with pytest.raises(kind) as caught:
            supervisor.generate(Request(f"fault{i}", each, fields)).result(60)
        assert caught.value.n is None
    assert supervisor.reached() == before
    with pytest.raises(ModelMissing):
        supervisor.load("0" * 64).result(60)
    supervisor.load(program.model).result(60)


def test_deadline_and_stop(supervisor: Supervisor, replying: Callable[..., Program]) -> None:
    long = replying(schema={"type": "string", "minLength": 390}, max_tokens=300)
    running = supervisor.generate(Request("long", long, FIELDS))
    queued = supervisor.generate(Request("queued", long, FIELDS), deadline_s=0.05)
    with pytest.raises(PipeBroken):
        supervisor.generate(Request("long", long, FIELDS))
    with pytest.raises(DeadlineExceeded) as late:
        queued.result(60)
    assert late.value.n is None
    supervisor.cancel("long")
    with pytest.raises(Stopped) as stopped:
        running.result(60)
    assert stopped.value.n is not None


def test_many_threads(supervisor: Supervisor, program: Program) -> None:
    results = []

    def ask(i: int) -> None:
        results.append(supervisor.generate(Request(f"thread{i}", program, FIELDS)).result(60))

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = sorted(result.n for result in results)
    assert numbers == list(range(numbers[0], numbers[0] + 6))
    assert len({str(dataclasses.replace(result.run, reused=0)) for result in results}) == 1


class TestOwnWorker:
    """Workers that may be killed."""

    @pytest.fixture
    def own(self, model_file: ModelFile, tmp_path: Path) -> Supervisor:
        return Supervisor(model_file.path.parent, tmp_path / "run")

    def test_a_killed_worker_tells_how_far_it_came(
        self, own: Supervisor, program: Program, replying: Callable[..., Program], tmp_path: Path, workers: Any
    ) -> None:
        first = own.start()
        own.generate(Request("a", program, FIELDS)).result(60)
        long = replying(schema={"type": "string", "minLength": 390}, max_tokens=300)
        running, waiting = (own.generate(Request(name, long, FIELDS)) for name in ("running", "waiting"))
        while own.reached() != (first.boot, 2):
            time.sleep(0.01)
        assert workers.kill(saying=boot_of(own)) == 1
        with pytest.raises(WorkerLost) as lost:
            running.result(60)
        assert (lost.value.boot, lost.value.reached, lost.value.reason) == (first.boot, 2, "worker_lost")
        assert lost.value.n in (2, None)  # None where the kill came before the word that it had begun
        with pytest.raises(WorkerLost) as unbegun:
            waiting.result(60)
        assert unbegun.value.n is None
        assert own.boot is None
        second = own.start()
        assert second.boot != first.boot
        assert second.unclosed == ((first.boot, 2),)
        own.forget([first.boot])
        assert own.generate(Request("b", program, FIELDS)).result(60).n == 1
        assert own.close() == (second.boot, 1)
        assert unclosed(tmp_path / "run") == [(second.boot, 1)]
        own.forget([second.boot])
        assert unclosed(tmp_path / "run") == []

    def test_a_request_starts_a_new_worker_and_the_log_hears_first(
        self, model_file: ModelFile, program: Program, tmp_path: Path, workers: Any
    ) -> None:
        boots: list[BootFacts] = []
        own = Supervisor(model_file.path.parent, tmp_path / "run", on_boot=boots.append)
        assert own.boot is None
        got = own.generate(Request("a", program, FIELDS)).result(60)
        assert [facts.boot for facts in boots] == [got.boot]
        assert workers.kill(saying=boot_of(own)) == 1
        while own.boot is not None:
            time.sleep(0.01)
        again = own.generate(Request("a", program, FIELDS)).result(60)
        assert [facts.boot for facts in boots] == [got.boot, again.boot]
        assert again.run == got.run
        own.close()

    def test_a_boot_that_cannot_be_recorded_is_ended(self, model_file: ModelFile, tmp_path: Path) -> None:
        def refuse(_: BootFacts) -> None:
            raise OSError("disk full")

        own = Supervisor(model_file.path.parent, tmp_path / "run", on_boot=refuse)
        with pytest.raises(OSError, match="disk full"):
            own.start()
        assert own.boot is None
        assert [n for _, n in unclosed(tmp_path / "run")] == [0]

    def test_closing(self, own: Supervisor, program: Program) -> None:
        """What was asked before is answered; what is asked after is not."""
        boot = own.start().boot
        futures = [own.generate(Request(f"c{i}", program, FIELDS)) for i in range(3)]
        assert own.close() == (boot, 3)
        assert [future.result(0).n for future in futures] == [1, 2, 3]
        assert own.close() is None
        assert own.reached() is None
        with pytest.raises(NotRunning):
            own.generate(Request("late", program, FIELDS))

    def test_a_worker_that_cannot_start(self, own: Supervisor, tmp_path: Path) -> None:
        (tmp_path / "run").write_text("a file where the folder should be")
        with pytest.raises(OSError, match="exists"):
            own.start()


def test_the_worker_goes_with_its_parent(model_file: ModelFile, tmp_path: Path, workers: Any) -> None:
    script = (
        "import sys, time; from pathlib import Path; from runtime.worker.supervisor import Supervisor\n"
        "s = Supervisor(Path(sys.argv[1]), Path(sys.argv[2])); s.start()\n"
        "import glob; print(s.boot.boot, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(model_file.path.parent), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    boot = parent.stdout.readline().strip()
    (child,) = workers.children(parent.pid, saying=boot.encode())
    assert b"runtime.worker.child" in workers.command(child)
    assert unclosed(tmp_path) == []
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 60
    while (workers.is_running(child) or not unclosed(tmp_path)) and time.monotonic() < end:
        time.sleep(0.02)
    assert not workers.is_running(child)
    assert unclosed(tmp_path) == [(boot, 0)]


def test_progress_and_figures(model_file: ModelFile, program: Program, tmp_path: Path) -> None:
    """A model on its way into memory tells how far it is; then the worker says what it holds and has done."""
    own = Supervisor(model_file.path.parent, tmp_path / "run", queue=3)
    assert own.progress == {}
    loading = own.load(model_file.sha256)
    seen: set[int] = set()
    while not loading.done():
        seen |= set(own.progress.values())
    assert seen
    assert all(0 <= permille < 1000 for permille in seen)
    assert own.progress == {}
    generation = own.generate(Request("one", program, FIELDS)).result(60)
    stats = own.stats().result(60)
    assert (stats["device"], stats["active"], stats["queue"]["waiting"], stats["queue"]["room"]) == ("cpu", 0, 0, 3)
    assert [one["model"] for one in stats["models"]] == [model_file.sha256]
    [device] = stats["devices"]
    assert device["requests"] == 1
    assert device["busy_ns"] // 1000 == generation.usage.busy_us
    assert stats["memory"]["kv_used"] < stats["memory"]["used"] < stats["memory"]["budget"]
    own.close()


def test_too_many_are_refused_and_nothing_is_begun(model_file: ModelFile, program: Program, tmp_path: Path) -> None:
    own = Supervisor(model_file.path.parent, tmp_path / "run", queue=1)
    own.load(model_file.sha256).result(60)
    futures = [own.generate(Request(f"r{i}", program, FIELDS)) for i in range(6)]
    ends = [future.exception(120) for future in futures]
    busy = [end for end in ends if end is not None]
    assert busy
    assert all(isinstance(end, Busy) and end.n is None for end in busy)
    reached = own.reached()
    assert reached is not None
    assert reached[1] == len(futures) - len(busy)
    own.close()
