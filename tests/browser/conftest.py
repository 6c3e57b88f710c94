"""A real browser on a served home. In CI a missing Chromium is a failure, elsewhere the tests are skipped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright


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
