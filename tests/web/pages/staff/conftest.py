"""Somebody who has signed in."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="module")
def officer(portal: Any) -> dict[str, str]:
    """The headers of an officer who reaches every system."""
    return dict(portal.staff("officer"))
