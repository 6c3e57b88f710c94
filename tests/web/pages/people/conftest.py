"""Somebody who has not tried anything yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from service.cases import code_attempts


@pytest.fixture
def client(portal: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """All questions of a file come from one address: the limits have a test of their own, with a client of its own."""
    for name in ("PER_ADDRESS", "PER_RECORD", "REQUESTS"):
        monkeypatch.setattr(code_attempts, name, 10_000)
    with portal.client() as client:
        yield client
