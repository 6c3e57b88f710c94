"""A client of the served home."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest


@pytest.fixture
def client(portal: Any) -> Iterator[httpx.Client]:
    """A client of the one served home (a real server on loopback, a real model, a real log)."""
    with portal.client() as client:
        yield client
