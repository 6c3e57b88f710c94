"""Homes with the system of `tests/echo.py`, each of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.wiring import open_home


@pytest.fixture
def echo(echoing: Any, tmp_path: Path, model_file: Path) -> Any:
    """The signal decides."""
    return echoing.echo(tmp_path, model_file)


@pytest.fixture
def protected(echoing: Any, tmp_path: Path, model_file: Path) -> Any:
    """The signal decides, and is a protected characteristic."""
    return echoing.echo(tmp_path, model_file, protected=True)


@pytest.fixture
def stubborn(echoing: Any, tmp_path: Path, model_file: Path) -> Any:
    """Nothing decides: each result is "halt"."""
    return echoing.echo(tmp_path, model_file, bias=30_000)


@pytest.fixture
def g(echo: Any) -> Iterator[Any]:
    """The home in which the signal decides, open."""
    with open_home(echo.home) as opened:
        yield opened
