"""Faults are injected into the real program, on homes of its own; see `injection.py` and `invariants.py`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="session")
def injection(loaded: Callable[[str, str], ModuleType]) -> ModuleType:
    """strace, its points, and the driver."""
    return loaded("injection", __file__)


@pytest.fixture(scope="session")
def invariants(loaded: Callable[[str, str], ModuleType]) -> ModuleType:
    """What must hold after any fault."""
    return loaded("invariants", __file__)


@pytest.fixture(scope="session")
def acting(loaded: Callable[[str, str], ModuleType]) -> ModuleType:
    """What the driver does, for tests that do it in their own process."""
    return loaded("driver", __file__)


@pytest.fixture(scope="session")
def soak(loaded: Callable[[str, str], ModuleType]) -> ModuleType:
    """A server under many clients, and what is done to it."""
    return loaded("soak", __file__)


@pytest.fixture(scope="session")
def driver(injection: ModuleType) -> Iterator[Any]:
    """The process that forks for every run."""
    assert shutil.which("strace"), "these tests need strace (Debian: apt install strace)"
    made = injection.Driver()
    yield made
    made.close()
