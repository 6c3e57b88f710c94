"""A real browser on a served home. In CI a missing Chromium is a failure, elsewhere the tests are skipped."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright


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
    return load("greffier_portal", Path(__file__).parents[1] / "portal.py")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Debian's Chromium, or another that CHROMIUM names."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        message = "Chromium is missing: install the package `chromium`, or name another in CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


@pytest.fixture(scope="module")  # while it lives, Playwright keeps an event loop running in this thread
def browser(chromium: str) -> Iterator[Browser]:
    # In a container there is no user namespace for its sandbox; it visits our own pages only.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def portal(chromium: str, portals: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A served home with decisions in it."""
    home, records = portals.copy_of_a_home(tmp_path_factory.mktemp("browser"))
    with portals.served(home) as portal:
        portal.records = records
        yield portal
