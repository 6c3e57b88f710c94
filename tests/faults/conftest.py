"""Faults are injected into the real program, on homes of its own; see `injection.py` and `invariants.py`."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def load(name: str) -> ModuleType:
    """A module beside this file."""
    full = f"greffier_faults_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[full] = module
        spec.loader.exec_module(module)
    return sys.modules[full]


@pytest.fixture(scope="session")
def injection() -> ModuleType:
    """strace, its points, and the driver."""
    return load("injection")


@pytest.fixture(scope="session")
def invariants() -> ModuleType:
    """What must hold after any fault."""
    return load("invariants")


@pytest.fixture(scope="session")
def acting() -> ModuleType:
    """What the driver does, for tests that do it in their own process."""
    return load("driver")


@pytest.fixture(scope="session")
def soak() -> ModuleType:
    """A server under many clients, and what is done to it."""
    return load("soak")


@pytest.fixture(scope="session")
def driver(injection: ModuleType) -> Iterator[Any]:
    """The process that forks for every run."""
    assert shutil.which("strace"), "these tests need strace (Debian: apt install strace)"
    made = injection.Driver()
    yield made
    made.close()
