"""What a request to the engine came to, for measurements: what was asked for, or the fault that it ended with."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def ended(kind: type[T], result: object) -> T:
    """The result, which is of this kind. Raises the fault that it is instead."""
    if isinstance(result, Exception):
        raise result
    assert isinstance(result, kind)
    return result
