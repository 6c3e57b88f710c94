"""Calls that would abort the process, or half change a context, are refused before they are made."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from runtime import llama
from runtime.engine.batch import BatchRow
from runtime.errors import CallRefused, ModelUnusable, ProgramInvalid
from runtime.models.weights import ModelFile
from runtime.shape import Shape

SHAPE = Shape(n_ctx=256, n_batch=32, n_ubatch=32, n_seq_max=2, threads=2)


@pytest.fixture
def context(model: llama.Model) -> Iterator[llama.Context]:
    context = llama.Context(model, SHAPE)
    yield context
    context.close()


def rows(tokens: list[int], *, sequence: int = 0, start: int = 0) -> list[BatchRow]:
    return [BatchRow(t, start + i, sequence, i == len(tokens) - 1) for i, t in enumerate(tokens)]


@pytest.mark.parametrize(
    ("batch", "field"),
    [
        ([], "batch"),
        (rows([5] * 33), "batch"),
        ([BatchRow(5, i, 0, wanted=True) for i in range(3)], "batch"),
        ([BatchRow(5, 0, 2)], "sequence"),
        ([BatchRow(5, 0, -1)], "sequence"),
        ([BatchRow(49152, 0, 0)], "token"),
        ([BatchRow(-1, 0, 0)], "token"),
        ([BatchRow(5, 1, 0)], "position"),
        ([BatchRow(5, 0, 0), BatchRow(5, 0, 0)], "position"),
        ([BatchRow(5, 0, 0), BatchRow(5, 2, 0)], "position"),
    ],
)
def test_batches_that_are_refused(context: llama.Context, batch: list[BatchRow], field: str) -> None:
    with pytest.raises(CallRefused) as caught:
        context.decode(batch)
    assert caught.value.field == field
    assert context.length(0) == 0
    assert len(context.decode(rows([5, 6, 7]))) == 1  # and the context still works


def test_a_sequence_has_its_own_room(context: llama.Context) -> None:
    assert context.room == 128
    for start in range(0, 128, 32):
        context.decode(rows([5] * 32, start=start))
    with pytest.raises(CallRefused, match="at most 128"):
        context.decode(rows([5], start=128))


def test_only_whole_sequences_are_copied_into_empty_ones(context: llama.Context) -> None:
    first = context.decode(rows([5, 6, 7]))[0]
    for source, target in ((0, 0), (1, 0), (0, 2)):
        with pytest.raises(CallRefused):
            context.copy(source, target)
    context.copy(0, 1)
    with pytest.raises(CallRefused):
        context.copy(0, 1)
    context.rewind(1, 2)
    assert np.array_equal(context.decode(rows([7], sequence=1, start=2))[0], first)
    for length in (-1, 4):
        with pytest.raises(CallRefused):
            context.rewind(0, length)


def test_rows_are_copies(context: llama.Context) -> None:
    first = context.decode(rows([5, 6, 7]))[0]
    kept = first.copy()
    context.decode(rows([9], start=3))
    assert np.array_equal(first, kept)
    assert first.shape == (49152,)


def test_a_grammar_takes_only_what_it_was_asked_about(model: llama.Model) -> None:
    state = model.vocabulary.grammar('root ::= "a" "b"')
    a, b = model.vocabulary.tokenize("a")[0], model.vocabulary.tokenize("b")[0]
    with pytest.raises(CallRefused):
        state.accept(a)
    assert state.allowed([b, a]) == [False, True]
    with pytest.raises(CallRefused):
        state.accept(b)
    state.accept(a)
    for outside in (-1, 49152):
        with pytest.raises(CallRefused):
            state.allowed([outside])
        with pytest.raises(CallRefused):
            model.vocabulary.piece(outside)
    state.close()


def test_a_bad_grammar_is_a_fault(model: llama.Model) -> None:
    with pytest.raises(ProgramInvalid):
        model.vocabulary.grammar("root ::= undefined-rule")


def test_a_context_beyond_the_model_is_refused(model: llama.Model) -> None:
    with pytest.raises(ProgramInvalid) as caught:
        llama.Context(model, Shape(n_ctx=model.trained_context * 2))
    assert caught.value.field == "context.n_ctx"


def test_a_context_wants_a_row_for_each_sequence(model: llama.Model) -> None:
    """Fewer abort the process when the context is made."""
    for shape, outputs, spare in ((SHAPE, 1, 0), (SHAPE, 2, 1), (SHAPE, None, 255)):
        with pytest.raises(CallRefused):
            llama.Context(model, shape, outputs=outputs, spare=spare)


def test_a_file_that_llama_cpp_refuses(model_file: ModelFile, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A sound header of an unknown architecture: added by hash, refused by this build, without an abort."""
    llama.start()
    path = tmp_path_factory.mktemp("other") / "other.gguf"
    key, value = b"general.architecture", b"unheard-of"
    entry = len(key).to_bytes(8, "little") + key + (8).to_bytes(4, "little") + len(value).to_bytes(8, "little") + value
    path.write_bytes(b"GGUF" + (3).to_bytes(4, "little") + bytes(8) + (1).to_bytes(8, "little") + entry)
    with pytest.raises(ModelUnusable):
        llama.Model(str(path))


def test_without_a_gpu_layers_stay_on_the_processor() -> None:
    assert llama.device_name(0) == "cpu"
    if llama.device_memory(1000) is None:
        assert llama.device_name(1000) == "cpu"


def test_what_a_boot_states() -> None:
    assert llama.RELEASE == "llama-cpp-python 0.3.36"
    assert llama.build_digest().startswith("sha256:")
    assert llama.build_digest() == llama.build_digest()
    assert all(1 <= len(code) <= 24 and code.isascii() and code.upper() == code for code in llama.cpu_features())
    assert llama.threads_available() >= 1


def test_a_grammar_asked_twice_takes_what_either_question_allowed(model: llama.Model) -> None:
    state = model.vocabulary.grammar('root ::= "a" | "b" "c"')
    a, b, c = (model.vocabulary.tokenize(text)[0] for text in "abc")
    assert state.allows(b)
    assert not state.allows(c)
    assert state.allowed([a, c]) == [True, False]
    state.accept(b)
    with pytest.raises(CallRefused):
        state.accept(a)
    assert state.allows(c)
    for outside in (-1, 49152):
        with pytest.raises(CallRefused):
            state.allows(outside)
    state.close()


def test_other_threads_give_the_same_rows(context: llama.Context) -> None:
    """And a context goes on to have its own number of them."""
    (own,) = context.decode(rows([5, 6, 7]))
    context.rewind(0, 0)
    context.set_threads(1)
    (other,) = context.decode(rows([5, 6, 7]))
    assert np.array_equal(own, other)
    assert context.threads == 2
