"""What models and contexts will take is told before they are loaded, and close to what they do take."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

from runtime import llama
from runtime.capture import Generation
from runtime.energy import Meter
from runtime.engine.batch import BatchRow
from runtime.engine.engine import Engine
from runtime.engine.memory import MIB, cache_bytes, total_memory, working_bytes
from runtime.engine.model_cache import Budget
from runtime.models.gguf import Scalar
from runtime.models.weights import ModelFile
from runtime.program import Field, Outcome, Program, Request, Step
from runtime.sampler import Sampler
from runtime.shape import Shape
from runtime.worker.counter import Counter

# GREFFIER_DECISIONS=10000 is the figure in docs/performance.md; fewer show a leak just as well.
DECISIONS = int(os.environ.get("GREFFIER_DECISIONS", "1000"))


def rss() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_the_cache_of_a_known_model(model_file: ModelFile) -> None:
    """30 layers of 3 heads of 64 values, K and V, for 2048 cells: as llama.cpp's own log states it."""
    values = 2048 * 30 * 3 * 64
    assert cache_bytes(model_file.metadata, Shape(n_ctx=2048)) == 2 * values * 34 // 32
    assert cache_bytes(model_file.metadata, Shape(n_ctx=2048, type_k="f16", type_v="f16")) == 4 * values
    # Each stream is rounded up to 256 cells: 1000 / 3 gives 512.
    three = Shape(n_ctx=1000, n_batch=100, n_ubatch=100, n_seq_max=3)
    assert cache_bytes(model_file.metadata, three) == 2 * (1536 * 30 * 3 * 64) * 34 // 32


def test_a_header_that_says_little_is_taken_for_more() -> None:
    known: dict[str, Scalar] = {
        "general.architecture": "x",
        "x.block_count": 2,
        "x.embedding_length": 64,
        "x.attention.head_count": 4,
    }
    few: dict[str, Scalar] = {**known, "x.attention.head_count_kv": 1}
    shape = Shape(n_ctx=256, n_batch=32, n_ubatch=32)
    assert cache_bytes(known, shape) == 4 * cache_bytes(few, shape)
    assert cache_bytes({}, shape) > 0


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's figures of this process")
def test_an_estimate_is_no_less_than_what_is_taken(model: llama.Model, model_file: ModelFile) -> None:
    shape = Shape(n_ctx=4096, n_batch=512, n_ubatch=512, n_seq_max=4, threads=2)
    size = cache_bytes(model_file.metadata, shape)
    more = working_bytes(model_file.metadata, shape, outputs=4, vocabulary=model.vocabulary.size)
    before = rss()
    context = llama.Context(model, shape)
    context.decode([BatchRow(5, i, 0, i == 511) for i in range(512)])
    taken = rss() - before
    context.close()
    assert taken < (size + more) * 5 // 4 + 8 * MIB


def test_a_budget_is_what_was_set_or_half(model_file: ModelFile) -> None:
    assert Budget.of(100, 30) == Budget(100 * MIB, 30 * MIB)
    assert Budget.of(100, 300) == Budget(100 * MIB, 100 * MIB)
    half = total_memory() // 2
    assert Budget.of() == Budget(half, half)
    assert model_file.size < half


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's figures of this process")
def test_memory_is_flat_over_many_decisions(
    model_file: ModelFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sixteen at once, few tokens each, every tenth cancelled, every seventh told in pieces, seeds and inputs all
    different."""
    llama.start()
    counter = Counter(tmp_path, str(uuid.uuid4()))
    engine = Engine(model_file.path.parent, counter, meter=Meter(watts=10), queue=64)
    program = short(model_file.sha256)
    sizes, done = [], 0
    for i in range(DECISIONS + DECISIONS // 9):
        engine.submit(Request(str(i), program, {"text": str(i)}, seed=f"s{i}", pieces=i % 7 == 0, top=i % 3))
        if i % 10 == 9:
            engine.cancel(str(i))
        while engine.stats()["queue"]["waiting"] >= 32:
            done += sum(isinstance(result, Generation) for _, result in engine.step())
        if i % (DECISIONS // 10) == 0:
            sizes.append(rss())
    while engine.busy:
        done += sum(isinstance(result, Generation) for _, result in engine.step())
    sizes.append(rss())
    engine.close()
    counter.close()
    with capsys.disabled():
        print(f"\n{done} decisions; MiB resident on the way: {[size // MIB for size in sizes]}")
    assert done >= DECISIONS
    assert sizes[-1] - sizes[2] < 4 * MIB


def short(model: str) -> Program:
    return Program(
        model=model,
        fields=(Field("text", {"type": "string"}),),
        steps=(Step("result", "{{ text }}: ", 1),),
        output_schema={
            "type": "object",
            "properties": {"result": {"type": "string", "enum": ["yes", "no"]}},
            "required": ["result"],
            "additionalProperties": False,
        },
        outcomes=(Outcome("yes", "yes"), Outcome("no", "no")),
        sampler=Sampler("gumbel", 900),
        context=Shape(n_ctx=1024, n_batch=256, n_ubatch=256, n_seq_max=16, threads=2),
    )
