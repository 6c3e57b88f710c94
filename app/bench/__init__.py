"""Benchmarks, each a function (writers, seconds, database URL or None, own options) → JSON, for `greffier bench`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from app.bench import append

KINDS: Final[dict[str, Callable[..., dict[str, Any]]]] = {"append": append.run}
