"""How long an answer took, from the request's receipt to its release, and whether that met the system's target.

The record is included: it is integrated before an answer leaves (`decide.release`), so no record can hold this time.
It is counted in this process (`home.telemetry`), by the monotonic clock from the first byte of an HTTP request where
there was one. What records hold is `total_us`, the runtime's part: `operations` counts those above the target.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

from auditlog.core.formats.canonical import Json
from home.greffier import Greffier
from registry.lifecycle import Gate
from service.deciding import costs

_RECEIVED: Final[ContextVar[int | None]] = ContextVar("received", default=None)
_MICRO: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


@contextlib.contextmanager
def received() -> Iterator[None]:
    """A request came now. Everything that is done for it in the block, in threads of the server too, counts from it."""
    token = _RECEIVED.set(time.monotonic_ns())
    try:
        yield
    finally:
        _RECEIVED.reset(token)


def answered(g: Greffier, gate: Gate, content: Mapping[str, Json]) -> None:
    """An answer's record was integrated at this moment, so that it leaves. `content`: what its record commits."""
    g.telemetry.answered(gate.system, _passed_us(g, content), target_ms=gate.record.target_latency_ms)
    usage = content.get("usage")
    if not isinstance(usage, dict):
        return
    for name, member in (("queue", "queue_us"), ("first_token", "first_us"), ("total", "total_us")):
        value = usage.get(member)
        g.telemetry.timed(gate.system, name, value if type(value) is int else None)
    g.telemetry.timed(gate.system, "per_token", costs.per_token_us(usage))


def _passed_us(g: Greffier, content: Mapping[str, Json]) -> int:
    """Since the request came over HTTP; without one, since the record says that it was received."""
    began = _RECEIVED.get()
    if began is not None:
        return (time.monotonic_ns() - began) // 1000
    times = content.get("times")
    said = times.get("received") if isinstance(times, dict) else None
    if not isinstance(said, str):
        return 0
    passed = g.clock() - datetime.strptime(said, _MICRO).replace(tzinfo=UTC)
    return max(0, round(passed.total_seconds() * 1_000_000))
