"""The runtime as an operator sees it: what waits, what runs, which models are loaded, and how busy each device is.

The worker tells its own counts (`runtime.engine`); it is asked between two steps, and not waited for longer than a
scrape may take. What it does not tell is None: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass
from typing import Any, Final

from app.home import Greffier
from runtime.errors import RuntimeFault

PATIENCE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Device:
    """One device since the worker began. `busy_us`: time of decoding; `tokens_per_busy_s`: output tokens in a second of
    it, rounded down."""

    device: str
    name: str | None
    output_tokens: int | None
    prompt_tokens: int | None
    busy_us: int | None
    tokens_per_busy_s: int | None


@dataclass(frozen=True, slots=True)
class Room:
    """A context of a model: rows of its KV memory in use, and how many it has."""

    model: str
    rows: int | None
    room: int | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory."""

    model: str
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Runtime:
    """The worker. `answers`: whether it told; without, all below is unknown. `occupancy`: requests that shared a batch,
    summed over `steps`."""

    running: bool
    answers: bool
    boot: str | None = None
    runtime: str | None = None
    determinism: str | None = None
    queue: int | None = None
    active: int | None = None
    slots: int | None = None
    steps: int | None = None
    occupancy: int | None = None
    up_us: int | None = None
    devices: tuple[Device, ...] = ()
    contexts: tuple[Room, ...] = ()
    models: tuple[Loaded, ...] = ()


def runtime(g: Greffier) -> Runtime:
    """The worker as it is now; none is started for it."""
    facts = g.runtime.boot
    if facts is None:
        return Runtime(running=False, answers=False)
    head: dict[str, Any] = {"boot": facts.boot, "runtime": facts.runtime, "determinism": facts.determinism}
    try:
        told = getattr(g.runtime, "stats")().result(timeout=PATIENCE_S)  # noqa: B009
    except (AttributeError, RuntimeFault, TooLate, OSError):
        return Runtime(running=True, answers=False, **head)
    return parse(told, head)


def parse(told: Mapping[str, Any], head: Mapping[str, Any]) -> Runtime:
    """What the worker told, in its own words, as it is shown."""
    up = _number(told, "up_ns")
    return Runtime(
        running=True,
        answers=True,
        **head,
        queue=_number(told, "queue"),
        active=_number(told, "active"),
        slots=_number(told, "slots"),
        steps=_number(told, "steps"),
        occupancy=_number(told, "occupancy"),
        up_us=None if up is None else up // 1000,
        devices=tuple(_device(one) for one in told.get("devices", ())),
        contexts=tuple(
            Room(str(one.get("model", "")), _number(one, "rows"), _number(one, "room"))
            for one in told.get("contexts", ())
        ),
        models=tuple(Loaded(str(one.get("model", "")), _number(one, "bytes")) for one in told.get("models", ())),
    )


def _device(one: Mapping[str, Any]) -> Device:
    tokens, busy = _number(one, "tokens"), _number(one, "busy_ns")
    rate = None if tokens is None or not busy else tokens * 1_000_000_000 // busy
    name = one.get("name")
    return Device(
        str(one.get("device", "")),
        name if isinstance(name, str) else None,
        tokens,
        _number(one, "prompt_tokens"),
        None if busy is None else busy // 1000,
        rate,
    )


def _number(one: Mapping[str, Any], name: str) -> int | None:
    value = one.get(name)
    return value if type(value) is int else None
