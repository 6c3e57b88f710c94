"""The runtime as an operator sees it: what waits, what runs, which models are loaded, and how busy each device is.

The worker tells its own counts (`runtime.engine.engine.Engine.stats`), which begin at 0 with it; it is asked between
two steps, and not waited for longer than a scrape may take. What it does not tell is None: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass
from typing import Any, Final

from home.greffier import Greffier
from runtime.errors import RuntimeFault

PATIENCE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Device:
    """One device since the worker began: tokens of finished requests, time of decoding in µs and in ‰ of the worker's
    life, and output tokens in a second of that time, rounded down.

    `occupancy`: requests that shared a batch, summed over `steps`.
    """

    device: str
    output_tokens: int | None
    prompt_tokens: int | None
    busy_us: int | None
    busy_permille: int | None
    tokens_per_busy_s: int | None
    steps: int | None
    occupancy: int | None


@dataclass(frozen=True, slots=True)
class Room:
    """A context of a model: its slots, rows (tokens) of its KV memory in use and how many it has, and its bytes."""

    model: str
    slots: int | None
    active: int | None
    rows: int | None
    room: int | None
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory."""

    model: str
    device: str | None
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Runtime:
    """The worker. `answers`: whether it told; without, all below is unknown. `oldest_us`: the longest present wait."""

    running: bool
    answers: bool
    boot: str | None = None
    runtime: str | None = None
    determinism: str | None = None
    up_us: int | None = None
    queue: int | None = None
    queue_room: int | None = None
    oldest_us: int | None = None
    active: int | None = None
    slots: int | None = None
    reused_tokens: int | None = None
    memory: int | None = None
    memory_budget: int | None = None
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
        told = g.runtime.stats().result(timeout=PATIENCE_S)
    except (RuntimeFault, TooLate, OSError):
        return Runtime(running=True, answers=False, **head)
    return parse(told, head)


def parse(told: Mapping[str, Any], head: Mapping[str, Any]) -> Runtime:
    """What the worker told, as it is shown."""
    queue, memory = _part(told, "queue"), _part(told, "memory")
    contexts = tuple(_room(one) for one in told.get("contexts", ()))
    return Runtime(
        running=True,
        answers=True,
        **head,
        up_us=_micro(told, "uptime_ns"),
        queue=_number(queue, "waiting"),
        queue_room=_number(queue, "room"),
        oldest_us=_micro(queue, "oldest_ns"),
        active=_number(told, "active"),
        slots=sum(one.slots or 0 for one in contexts),
        reused_tokens=_number(told, "reused_tokens"),
        memory=_number(memory, "used"),
        memory_budget=_number(memory, "budget"),
        devices=tuple(_device(one, _number(told, "uptime_ns")) for one in told.get("devices", ())),
        contexts=contexts,
        models=tuple(
            Loaded(str(one["model"]), _text(one, "device"), _number(one, "bytes")) for one in told.get("models", ())
        ),
    )


def _device(one: Mapping[str, Any], up_ns: int | None) -> Device:
    tokens, busy = _number(one, "output_tokens"), _number(one, "busy_ns")
    return Device(
        device=str(one["device"]),
        output_tokens=tokens,
        prompt_tokens=_number(one, "prompt_tokens"),
        busy_us=_micro(one, "busy_ns"),
        busy_permille=None if busy is None or not up_ns else busy * 1000 // up_ns,
        tokens_per_busy_s=None if tokens is None or not busy else tokens * 1_000_000_000 // busy,
        steps=_number(one, "steps"),
        occupancy=_number(one, "occupancy"),
    )


def _room(one: Mapping[str, Any]) -> Room:
    numbers = (_number(one, name) for name in ("slots", "active", "rows_used", "rows_room", "bytes"))
    return Room(str(one["model"]), *numbers)


def _part(told: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = told.get(name)
    return value if isinstance(value, Mapping) else {}


def _number(one: Mapping[str, Any], name: str) -> int | None:
    value = one.get(name)
    return value if type(value) is int else None


def _micro(one: Mapping[str, Any], name: str) -> int | None:
    value = _number(one, name)
    return None if value is None else value // 1000


def _text(one: Mapping[str, Any], name: str) -> str | None:
    value = one.get(name)
    return value if isinstance(value, str) else None
