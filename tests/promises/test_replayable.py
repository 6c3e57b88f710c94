"""Promise 5: a record names everything that determines its output, and a replay says how well it does, to the bit.

The recorded facts alone, in another process, give the same tokens and the same log-probabilities. Decisions that were
made in a busy batch, with slots that others used before, come out bit-exact alone, in one pass, on one thread; not one
whose record was altered does. (`greffier bench replay --decisions 200` is the same at full size, in both lanes.)
"""

from __future__ import annotations

import random
import uuid
from collections import Counter as Tally
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.bench import detection
from lab.bench.detection import WAYS, Decided
from registry.store import systems as register_store
from runtime import llama
from runtime.energy import Meter
from runtime.engine.engine import Engine
from runtime.models.quantize import opened, quantize
from runtime.models.weights import add_model
from runtime.program import Request
from runtime.sampler import Sampler
from runtime.worker.counter import Counter
from service.deciding import decide, programs
from service.records import reading
from service.records.reading import CLI
from service.wiring import open_home

GREEDY, DRAWN = Sampler("greedy"), Sampler("gumbel", 800)
MADE, ALTERED = 24, 12  # of each sampler


def test_a_record_runs_again_to_the_same_tokens_and_log_probabilities(
    loan_home: Path, loan_input: dict[str, Any]
) -> None:
    with open_home(loan_home) as g:
        record = decide.decide(g, "social-loan-check", loan_input).id
    with open_home(loan_home) as g:
        recorded: Any = reading.open(g, CLI, "export", record)
        with g.reading() as conn:
            version = register_store.read_version(conn, "social-loan-check", recorded.entry.members["version"])
        assert version.digest == recorded.entry.members["manifest"]
        fields = {name[3:]: value for name, value in recorded.values.items() if name.startswith("in_")}
        request = Request("again", programs.program(version.manifest), fields, recorded.values["run"]["seed"])
        again = g.runtime.generate(request).result()
    facts = programs.run_facts(again)
    for name in ("prompt_tokens", "output_tokens", "logprobs", "alternatives", "model", "build", "sampler"):
        assert facts[name] == recorded.values["run"][name], name
    assert programs.to_json(again.output) == recorded.values["output"]
    assert again.outcome == recorded.values["outcome"]


@pytest.fixture(scope="module")
def models(model_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A folder with the demo's model and a quantisation that batches well: (folder, that one, the demo's)."""
    folder = tmp_path_factory.mktemp("models")
    shipped = add_model(model_file, folder)
    with opened(model_file) as source:
        return folder, quantize(source, folder, "Q4_0").sha256, shipped.sha256


@pytest.fixture(scope="module")
def engine(models: tuple[Path, str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    llama.start()
    counter = Counter(tmp_path_factory.mktemp("run"), str(uuid.uuid4()))
    engine = Engine(models[0], counter, meter=Meter(), slots=detection.SLOTS)
    yield engine
    engine.close()
    counter.close()


@pytest.fixture(scope="module")
def made(engine: Engine, models: tuple[Path, str, str]) -> dict[str, list[Decided]]:
    """Decisions by sampler, from batches of eight."""
    programs = {one.kind: detection.program(models[1], one, words=10) for one in (GREEDY, DRAWN)}
    return {kind: detection.decide(engine, program, MADE) for kind, program in programs.items()}


def test_decisions_of_a_busy_batch_replay_to_the_bit(engine: Engine, made: dict[str, list[Decided]]) -> None:
    """48 in one pass; a third of them alone and on one thread, too."""
    everyone = [*made["greedy"], *made["gumbel"]]
    assert max(one.generation.run.occupancy for one in everyone) == detection.SLOTS
    assert {one.generation.run.slot for one in everyone} == set(range(detection.SLOTS))
    for way, changes in WAYS.items():
        found = [detection.replay(engine, one.order(**changes)) for one in everyone[:: 1 if way == "one_pass" else 3]]
        assert Tally(one.verdict for one in found) == {"bit_exact": len(found)}, way
        assert sum(one.rows_equal for one in found) == sum(one.rows for one in found) > len(found)


@pytest.mark.parametrize("sampler", [GREEDY, DRAWN], ids=lambda one: one.kind)
def test_no_altered_record_replays(
    engine: Engine, made: dict[str, list[Decided]], models: tuple[Path, str, str], sampler: Sampler
) -> None:
    """24 each (12 greedy, 12 drawn): another field, field and prompt, output token, seed, quantisation."""
    others = detection.decide(engine, detection.program(models[2], sampler, words=10), ALTERED)
    chosen = made[sampler.kind]
    found: dict[str, list[str]] = {}
    for at in range(ALTERED):
        near = chosen[at + len(detection.PAYS)]
        for name, order in detection.alterations(chosen[at], near, others[at], random.Random(at)):
            found.setdefault(name, []).append(detection.replay(engine, order).verdict)
    assert set(found) == {"field", "field_and_prompt", "token", "quantisation"} | (
        {"seed"} if sampler is DRAWN else set()
    )
    for name, verdicts in found.items():
        assert "bit_exact" not in verdicts, name
        if name in ("field", "token", "seed"):
            assert Tally(verdicts) == {"mismatch": ALTERED}, name
