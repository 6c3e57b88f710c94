"""One served home for all tests over HTTP: a real server on loopback, a real model, a real log."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest


def load(name: str, path: Path) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def portals() -> ModuleType:
    """The module `tests/portal.py`; tests are no package to import it from."""
    return load("greffier_portal", Path(__file__).parents[2] / "portal.py")


@pytest.fixture(scope="session")
def portal(portals: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A served home with decisions in it."""
    home, records = portals.copy_of_a_home(tmp_path_factory.mktemp("portal"))
    with portals.served(home) as portal:
        portal.records = records
        yield portal


@pytest.fixture
def client(portal: Any) -> Iterator[httpx.Client]:
    with portal.client() as client:
        yield client
