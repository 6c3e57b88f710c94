"""Planted deciders."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def planted(loaded: Callable[[str, str], ModuleType]) -> ModuleType:
    """The module `planted.py` beside this file: deciders whose rule is known."""
    return loaded("planted", __file__)
