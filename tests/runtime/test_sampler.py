from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from runtime.sampler import Draw, Sampler, best, block_logits, log_sum_exp, micro_nats, noise, top


def test_noise_depends_on_seed_and_position_alone() -> None:
    assert np.array_equal(noise("seed", 3, 50), noise("seed", 3, 50))
    assert np.array_equal(noise("seed", 3, 50), noise("seed", 3, 80)[:50])
    assert not np.array_equal(noise("seed", 3, 50), noise("seed", 4, 50))
    assert not np.array_equal(noise("seed", 3, 50), noise("seee", 3, 50))


def test_noise_is_what_it_was() -> None:
    """A later NumPy must give the same numbers, or recorded decisions could not be replayed."""
    assert [round(float(x), 9) for x in noise("waterveen", 0, 3)] == KNOWN


KNOWN = [-0.396073952, 1.086850286, 1.050578562]


def test_gumbel_samples_from_the_softmax() -> None:
    draw = [Draw(Sampler("gumbel", 1000), f"s{i}") for i in range(4000)]
    values = np.log(np.array([0.6, 0.3, 0.1]))
    counts = np.bincount([best(d.scores(values, 0)) for d in draw], minlength=3) / 4000
    assert np.allclose(counts, [0.6, 0.3, 0.1], atol=0.03)


def test_greedy_ignores_the_seed() -> None:
    values = np.array([1.0, 3.0, 3.0, 2.0])
    assert best(Draw(Sampler("greedy"), "s").scores(values, 9)) == 1


@given(arrays(np.float64, st.integers(1, 60), elements=st.integers(-3, 3).map(float)), st.integers(1, 70))
def test_top_is_the_head_of_the_whole_order(scores: np.ndarray, count: int) -> None:
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    chosen = top(scores, count)
    assert chosen == order[: len(chosen)]
    assert len(chosen) >= min(count, len(scores))
    assert chosen[0] == best(scores)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("digits", [0, 1, 6])
@pytest.mark.parametrize("size", [1024, 49_152, 49_171])
def test_top_of_a_vocabulary_is_the_head_of_the_whole_order(kind: type, digits: int, size: int) -> None:
    """Large enough that most scores are never sorted, with and without equals; the best all in one place, too."""
    generator = np.random.default_rng(size + digits)
    scores = np.round(generator.standard_normal(size) * 4, digits).astype(kind)
    scores[generator.random(size) < 0.3] = -np.inf
    ascending = np.sort(scores)
    for values in (scores, ascending, ascending[::-1].copy()):
        order = np.lexsort((np.arange(size), -values)).tolist()
        for count in (1, 5, 20, 32):
            chosen = top(values, count)
            assert len(chosen) >= count
            assert chosen == order[: len(chosen)]
            assert values[chosen[-1]] == values[order[count - 1]], "only equals of the last come along"


def test_log_sum_exp() -> None:
    row = np.array([1000.0, 999.0, -50.0], dtype=np.float32)
    assert abs(log_sum_exp(row) - (1000 + np.log(1 + np.exp(-1)))) < 1e-6
    assert micro_nats(-0.1234567) == -123457


def test_codes() -> None:
    assert (Sampler("greedy").code, Sampler("gumbel", 700).code) == ("greedy", "gumbel/700")


def test_rows_of_a_block_are_as_each_alone() -> None:
    """Bit for bit: a replay has one row where the engine had a block."""
    generator = np.random.default_rng(7)
    for count in (1, 3, 16):
        block = (generator.standard_normal((count, 49_152)) * 6).astype(np.float32)
        for row, found in zip(block, block_logits(block), strict=True):
            assert found.total == log_sum_exp(row)
            assert np.array_equal(found.row, row)
    assert block_logits(np.empty((0, 49_152), np.float32)) == []
