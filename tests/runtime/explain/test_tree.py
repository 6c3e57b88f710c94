"""The tree of prompts and its way through a few sequences, on a memory that is only lists of tokens."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.explain.tree import Batch, Copy, Prompt, Walk, Wanted, grow, level
from runtime.output.answers import Tokens

TOKENS = st.lists(st.integers(0, 2), min_size=1, max_size=9).map(tuple)
PATHS = st.lists(st.lists(st.integers(0, 2), max_size=3).map(tuple), max_size=3).map(
    lambda paths: ((), *set(paths) - {()})
)
PROMPTS = st.lists(st.builds(Prompt, TOKENS, PATHS), max_size=14)


class Memory:
    """What the sequences of a context would hold, and which rows came out of it."""

    def __init__(self, sequences: int) -> None:
        self.held: list[Tokens] = [()] * sequences
        self.rows: dict[Wanted, Tokens] = {}
        self.decoded: list[Tokens] = []  # what each decoded token came after, itself included
        self.places: dict[Wanted, int] = {}

    def run(self, batch: Batch, rows: int, wanted: int) -> None:
        for step in batch.steps:
            if isinstance(step, Copy):
                assert self.held[step.source]
                assert not self.held[step.target]
                self.held[step.target] = self.held[step.source]
            else:
                assert 0 <= step.length < len(self.held[step.sequence])
                self.held[step.sequence] = self.held[step.sequence][: step.length]
        assert sum(len(piece.tokens) for piece in batch.pieces) <= rows
        assert sum(bool(piece.asks) for piece in batch.pieces) <= wanted
        for piece in batch.pieces:
            assert piece.tokens
            for token in piece.tokens:
                self.held[piece.sequence] += (token,)
                self.decoded.append(self.held[piece.sequence])
            for ask in piece.asks:
                assert ask not in self.rows
                self.rows[ask] = self.held[piece.sequence]
                self.places[ask] = len(self.decoded)


def through(walk: Walk, memory: Memory, prompts: list[Prompt], rows: int, wanted: int, keep: Iterable[int] = ()) -> int:
    """Runs all of them; how many batches that took."""
    walk.plant(grow(prompts), tuple(keep))
    memory.rows, memory.places, batches = {}, {}, 0
    while (batch := walk.next(rows, wanted)) is not None:
        memory.run(batch, rows, wanted)
        batches += 1
        assert batches < 10_000
    return batches


def least(prompts: list[Prompt]) -> int:
    """The fewest tokens: each that is shared once; of equal prompts each its last token, and what follows, again."""
    shared: set[Tokens] = set()
    again = 0
    seen: set[Tokens] = set()
    for prompt in prompts:
        whole = {prompt.tokens + path for path in prompt.paths}
        if prompt.tokens in seen:
            own = {one[:at] for one in whole for at in range(len(prompt.tokens), len(one) + 1)}
            again += len(own)
            continue
        seen.add(prompt.tokens)
        shared |= {one[:at] for one in whole for at in range(1, len(one) + 1)}
    return len(shared) + again


@given(PROMPTS, st.integers(1, 6), st.integers(1, 9), st.integers(1, 4), st.sampled_from([1, 200, 10_000]))
def test_every_row_comes_out_once_and_no_token_is_decoded_twice(
    prompts: list[Prompt], sequences: int, rows: int, wanted: int, room: int
) -> None:
    walk, memory = Walk(sequences, room), Memory(sequences)
    through(walk, memory, prompts, rows, wanted)
    expected = {(n, path): prompt.tokens + path for n, prompt in enumerate(prompts) for path in prompt.paths}
    assert memory.rows == expected
    assert len(memory.decoded) <= least(prompts) == grow(prompts).weight
    if len({prompt.tokens for prompt in prompts}) == len(prompts):
        assert len(memory.decoded) == least(prompts)
    # Equal prompts: the row of each was decoded for itself.
    places = [memory.places[(number, ())] for number in range(len(prompts))]
    assert len(set(places)) == len(places)


@given(st.lists(PROMPTS, min_size=2, max_size=4), st.integers(2, 6), st.integers(0, 1), st.integers(4, 9))
def test_what_is_held_serves_the_next_tree(trees: list[list[Prompt]], sequences: int, keepers: int, rows: int) -> None:
    walk, memory = Walk(sequences, 1, keepers), Memory(sequences)
    for prompts in trees:
        before = len(memory.decoded)
        through(walk, memory, prompts, rows, 4, range(len(prompts)))
        expected = {(n, path): prompt.tokens + path for n, prompt in enumerate(prompts) for path in prompt.paths}
        assert memory.rows == expected
        assert len(memory.decoded) - before <= least(prompts)


def test_the_answers_of_equal_prompts_are_decoded_for_each() -> None:
    tokens = tuple(range(10))
    prompts = [Prompt(tokens, ((), (1, 2, 3), (4,))), Prompt(tokens, ((), (1,)))]
    for rows in range(3, 20):
        memory = Memory(3)
        through(Walk(3, 1), memory, prompts, rows, 3)
        assert len(memory.decoded) == 10 + 3 + 1 + 2


def test_a_prompt_that_is_kept_is_decoded_once_for_all_trees() -> None:
    head = tuple(range(100, 200))
    walk, memory = Walk(4, 640, 1), Memory(4)
    through(walk, memory, [Prompt((*head, 1, 2, 3))], 64, 4, [0])
    others = [Prompt((7, *range(n, n + 60))) for n in range(300, 1500, 100)]
    through(walk, memory, others, 64, 4, [0])  # writes over all that is not kept
    before = len(memory.decoded)
    through(walk, memory, [Prompt((*head, 1, 9)), Prompt((*head, 1, 2, 3))], 64, 4)
    assert len(memory.decoded) - before == 2


def test_branches_are_shared_out_where_a_copy_is_worth_it() -> None:
    head = tuple(range(50))
    prompts = [Prompt((*head, 100 + n, *range(30))) for n in range(12)]
    together, memory = Walk(8, 512), Memory(8)
    batches = through(together, memory, prompts, 128, 16)
    alone = through(Walk(8, 10**6), Memory(8), prompts, 128, 16)  # so large that no copy is worth it
    assert sum(bool(held) for held in memory.held) == 8
    assert batches < alone == 12


@pytest.mark.parametrize(
    ("lengths", "rows", "most"),
    [
        ([150], 128, 128),
        ([8] * 16, 128, 8),
        ([7, 8, 8, 8, 8, 8, 8, 8], 128, 7),  # one pass with a row less each, rather than two
        ([150, 2, 2], 128, 124),
        ([1] * 4, 4, 1),
        ([5, 9], 2, 1),
    ],
)
def test_as_many_tokens_as_make_a_batch_cheap(lengths: list[int], rows: int, most: int) -> None:
    assert level(lengths, rows) == most


@given(st.lists(st.integers(1, 300), min_size=1, max_size=16), st.integers(16, 200))
def test_a_batch_is_never_too_long(lengths: list[int], rows: int) -> None:
    assert 1 <= level(lengths, rows) <= max(lengths)
    assert sum(min(one, level(lengths, rows)) for one in lengths) <= rows
