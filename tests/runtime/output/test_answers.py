from __future__ import annotations

import numpy as np

from runtime.output.answers import Answers, Ask, common, split, weigh, weights
from runtime.sampler import Draw, Sampler, best, logits


def test_the_prompt_ends_where_all_agree() -> None:
    answers = split((1, 2, 9), [(1, 2, 3), (1, 2, 4, 5), (1, 2, 4, 6)])
    assert answers == Answers((1, 2), ((3,), (4, 5), (4, 6)))
    assert answers.longest == 3
    # An answer's own beginning is never taken for the prompt.
    assert split((1, 2), [(1, 2, 7, 3), (1, 2, 7, 4)]) == Answers((1, 2), ((7, 3), (7, 4)))
    assert common((), (1,)) == 0


def test_the_trie_is_walked_once_and_sums_are_exact() -> None:
    """Rows made from the path that was asked for: each inner node is asked once, with its path in the sequence."""
    answers = Answers((1, 2), ((3, 5), (4, 6, 7), (4, 6, 3), (8,)))
    held: list[int] = []
    asked = []

    def row_of(path: tuple[int, ...]) -> np.ndarray:
        return np.random.default_rng([len(path), *path]).normal(size=10).astype(np.float32)

    walk = weigh(answers)
    ask = next(walk)
    while True:
        held[ask.keep :] = ask.tokens
        asked.append(tuple(held))
        try:
            ask = walk.send(logits(row_of(tuple(held))))
        except StopIteration as stop:
            logprobs = stop.value.logprobs
            break
    assert sorted(asked) == [(1, 2), (1, 2, 3), (1, 2, 4), (1, 2, 4, 6)]
    for tokens, found in zip(answers.continuations, logprobs, strict=True):
        for i, token in enumerate(tokens):
            row = row_of((1, 2, *tokens[:i])).astype(np.float64)
            assert abs(found[i] - (row[token] - np.log(np.exp(row).sum()))) < 1e-6


def test_bias_and_noise_decide() -> None:
    greedy = Draw(Sampler("greedy"), None)
    assert best(weights([-1.0, -2.0], [0, 0], greedy, 0)) == 0
    assert best(weights([-1.0, -2.0], [0, 1001], greedy, 0)) == 1
    drawn = [best(weights([-1.0, -1.5], [0, 0], Draw(Sampler("gumbel", 1000), f"s{i}"), 0)) for i in range(400)]
    assert 0.25 < sum(drawn) / 400 < 0.5
    assert Ask(0, (1,)) == Ask(0, (1,))
