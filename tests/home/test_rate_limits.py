"""Limits of a key: so many at once, so many a minute; what is refused is told when to come back."""

from __future__ import annotations

import contextlib

import pytest

from home.errors import TooMany
from home.rate_limits import KeyLimits


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_so_many_at_once() -> None:
    limits = KeyLimits(2, 100, clock=Clock())
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(limits.enter("a"))
        with limits.enter("b"):
            """Another key has its own."""
        with pytest.raises(TooMany) as caught, limits.enter("a"):
            raise AssertionError
        assert caught.value.retry_after_s == 1
    with limits.enter("a"):
        """Those that ended make room."""


def test_so_many_a_minute() -> None:
    clock = Clock()
    limits = KeyLimits(9, 3, clock=clock)
    for _ in range(3):
        with limits.enter("a"):
            clock.now += 10
    for _ in range(2):  # what is refused is not counted
        with pytest.raises(TooMany) as caught, limits.enter("a"):
            raise AssertionError
    assert caught.value.retry_after_s == 30
    clock.now = 160.0
    with limits.enter("a"):
        """The first of them is a minute ago."""


def test_a_failure_gives_its_place_back() -> None:
    limits = KeyLimits(1, 100)
    with pytest.raises(ValueError, match="x"), limits.enter("a"):
        raise ValueError("x")
    with limits.enter("a"):
        """There is room."""


def test_keys_that_ask_nothing_are_forgotten_also_after_a_request_of_more_than_a_minute() -> None:
    clock = Clock()
    limits = KeyLimits(1, 100, clock=clock)
    with contextlib.ExitStack() as others, limits.enter("slow"):
        for number in range(1100):
            others.enter_context(limits.enter(f"k{number}"))
        clock.now += 61
        with pytest.raises(TooMany), limits.enter("slow"):
            raise AssertionError
    assert len(limits._uses) <= 1024
