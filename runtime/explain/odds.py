"""Odds of an outcome, and what the version's sampler would have chosen. Pure; micro-nats at the border."""

from __future__ import annotations

from math import exp, log

from runtime.explain.question import Score
from runtime.output.answers import weights
from runtime.program import Outcome
from runtime.sampler import MICRO, Draw, best


def odds(score: Score, outcomes: tuple[Outcome, ...], at: int) -> int:
    """Log-odds of outcome number `at` against all others together, biases included; there are at least two."""
    biased = [one / MICRO + outcome.bias_millinats / 1000 for one, outcome in zip(score, outcomes, strict=True)]
    own = biased.pop(at)
    top = max(biased)
    return round((own - top - log(sum(exp(other - top) for other in biased))) * MICRO)


def chosen(score: Score, outcomes: tuple[Outcome, ...], draw: Draw) -> int:
    """The number of the outcome that the decision itself would have given: same sampler, same seed, position 0."""
    totals = [one / MICRO for one in score]
    return best(weights(totals, [outcome.bias_millinats for outcome in outcomes], draw, 0))
