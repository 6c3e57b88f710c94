"""The self-test on the real model: what it finds, what it keeps, and what it does not believe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from runtime import llama
from runtime.engine.background import Background
from runtime.engine.model_cache import Shelf
from runtime.errors import ModelUnusable
from runtime.llama import Context
from runtime.models.weights import ModelFile
from runtime.program import Program
from runtime.replay import selftest_file
from runtime.replay.selftest import LENGTHS, OUTPUT, SelfTest, Trial, cut
from runtime.shape import Shape
from runtime.verdict import Measured, context_digest, format_measured

BUILD = "sha256:" + "1" * 64
SMALL = Shape(n_ctx=384, n_batch=96, n_ubatch=96, n_seq_max=4, threads=2)


@pytest.fixture(scope="module")
def background(model_file: ModelFile) -> Iterator[Background]:
    llama.start()
    shelf = Shelf(model_file.path.parent)
    background = Background(shelf)
    yield background
    background.close()
    shelf.close()


@pytest.fixture
def small(program: Program) -> Program:
    """A context that keeps the texts short: the test is about what is compared, not about long ones."""
    return replace(program, context=SMALL)


def measure(background: Background, program: Program, run_dir: Path, build: str = BUILD) -> tuple[Measured, int]:
    """What is found, and in how many pieces."""
    background.submit("test", SelfTest(program, build, run_dir, clock=lambda: 1_700_000_000.9))
    pieces = 0
    while True:
        pieces += 1
        for _, result in background.step():
            assert isinstance(result, Measured), result
            return result, pieces


def test_the_reproducible_lane_of_this_processor_repeats_to_the_bit(
    background: Background, small: Program, tmp_path: Path
) -> None:
    found, pieces = measure(background, small, tmp_path)
    assert (found.determinism, found.model, found.context) == ("bit", small.model, context_digest(small.context))
    assert (found.build, found.device, found.measured_s) == (BUILD, "cpu", 1_700_000_000)
    # one thread 4 texts, one pass 4, in a batch 7, and the longest three times: each with all its output rows
    assert found.rows == 18 * OUTPUT
    assert pieces > 40  # a request that comes meanwhile never waits for more than one batch


def test_more_sequences_than_rows_of_a_piece_are_measured_too(
    background: Background, small: Program, tmp_path: Path
) -> None:
    many = replace(small, context=Shape(n_ctx=32 * 130, n_batch=130, n_ubatch=64, n_seq_max=130, threads=2))
    assert measure(background, many, tmp_path)[0].determinism == "bit"


def test_texts_are_below_and_above_the_sizes_where_kernels_change(model: llama.Model) -> None:
    texts = cut(model.vocabulary, 2048)
    assert tuple(map(len, texts)) == LENGTHS
    assert any(64 < n < 512 for n in LENGTHS)
    assert any(n > 512 for n in LENGTHS)
    assert len({text[:8] for text in texts}) == len(texts)
    assert max(map(len, cut(model.vocabulary, 100))) == 100 - OUTPUT
    with pytest.raises(ModelUnusable, match="no room for the self-test"):
        cut(model.vocabulary, OUTPUT)


def test_the_class_is_that_of_the_worst_row(model: llama.Model, small: Program) -> None:
    context = Context(model, small.context, outputs=96)
    trial = Trial(context, 4, cut(model.vocabulary, context.room))
    for _ in trial.run(2):
        pass
    assert trial.determinism == "bit"
    rows = [np.zeros(4, np.float32) for _ in range(OUTPUT)]
    for row, (_, token, likely) in zip(rows, trial._reference[0], strict=True):
        row.resize(token + 1, refcheck=False)
        row[token] = np.log(token * np.exp(likely) / (1 - np.exp(likely))) + 1e-5
    trial.compare(0, rows)  # the same best tokens, all but as likely, from other numbers
    assert trial.determinism == "token"
    rows[2][rows[2].argmax()] += 0.5
    trial.compare(0, rows)  # the same, from numbers by which another would often have been the best
    assert trial.determinism == "tolerance"
    context.close()


def test_a_result_is_kept_and_measured_anew_for_another_build_or_a_damaged_file(
    background: Background, small: Program, tmp_path: Path
) -> None:
    small = replace(small, context=Shape(n_ctx=32, n_batch=32, n_ubatch=32, threads=2))
    file = tmp_path / "selftest.json"
    first, _ = measure(background, small, tmp_path)
    assert measure(background, small, tmp_path) == (first, 1)
    other, pieces = measure(background, small, tmp_path, BUILD[:-1] + "2")
    assert pieces > 1
    assert other.build != first.build
    assert measure(background, small, tmp_path) == (first, 1)  # both are kept
    data = json.loads(file.read_text())
    for result in data["results"].values():
        result["determinism"] = "token"  # its checksum is another now
    file.write_text(json.dumps(data))
    assert measure(background, small, tmp_path)[1] > 1
    assert measure(background, small, tmp_path)[1] == 1


def test_a_result_of_something_else_under_this_key_is_not_believed(
    background: Background, small: Program, tmp_path: Path
) -> None:
    small = replace(small, context=Shape(n_ctx=32, n_batch=32, n_ubatch=32, threads=2))
    first, _ = measure(background, small, tmp_path)
    (name,) = json.loads((tmp_path / "selftest.json").read_text())["results"]
    for changes in ({"model": "m"}, {"context": "c"}, {"build": "b"}, {"device": "d"}):
        selftest_file.write(tmp_path / "selftest.json", name, replace(first, **changes))
        found, pieces = measure(background, small, tmp_path)
        assert (found.model, found.context, found.build, found.device) == (
            first.model,
            first.context,
            first.build,
            first.device,
        )
        assert pieces > 1


def test_a_model_that_lies_on_a_device_in_part_is_another_case(small: Program, tmp_path: Path) -> None:
    test = SelfTest(small, BUILD, tmp_path)
    keys = {test._key(SimpleNamespace(device="CUDA0", gpu_layers=n)) for n in (5, 99)}
    assert len(keys) == 2


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", "null", '{"format": 1}', '{"format": 1, "results": {"k": {}}, "check": ""}', "[" * 100_000],
)
def test_what_is_no_result_file_has_no_results(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "selftest.json"
    file.write_text(damage)
    assert selftest_file.read(file, "k") is None
    found = Measured("m", "c", "b", "cpu", "bit", 1, 2, 3)
    selftest_file.write(file, "k", found)
    assert selftest_file.read(file, "k") == found
    assert [path.name for path in tmp_path.iterdir()] == ["selftest.json"]


def _stored(file: Path, **changes: Any) -> None:
    results = {"k": {**format_measured(Measured("m", "c", "b", "cpu", "bit", 1, 2, 3)), **changes}}
    file.write_text(json.dumps({"format": 1, "results": results, "check": selftest_file._check(results)}))


@pytest.mark.parametrize(
    "changes",
    [{"determinism": "perfect"}, {"determinism": "not_measured"}, {"rows": "1"}, {"rows": -1}, {"device": 1}, {"x": 1}],
)
def test_a_result_outside_its_form_is_measured_anew(tmp_path: Path, changes: dict[str, Any]) -> None:
    file = tmp_path / "selftest.json"
    _stored(file)
    assert selftest_file.read(file, "k") is not None
    _stored(file, **changes)
    assert selftest_file.read(file, "k") is None


def test_a_folder_that_cannot_be_written_costs_a_measurement_only(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    selftest_file.write(blocked / "selftest.json", "k", Measured("m", "c", "b", "cpu", "bit", 1, 2, 3))
    assert selftest_file.read(blocked / "selftest.json", "k") is None


def test_the_oldest_results_go_first(tmp_path: Path) -> None:
    file = tmp_path / "selftest.json"
    for number in range(70):
        selftest_file.write(file, f"k{number}", Measured("m", "c", "b", "cpu", "bit", 1, number, 3))
    assert selftest_file.read(file, "k5") is None
    assert selftest_file.read(file, "k6") is not None
