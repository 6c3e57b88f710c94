"""Benchmarks, each a function (writers, seconds, database URL or None) → JSON object, run by `greffier bench KIND`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from app.bench import append

KINDS: Final[dict[str, Callable[[list[int], float, str | None], dict[str, Any]]]] = {"append": append.run}
