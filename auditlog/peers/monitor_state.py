"""What a monitor remembers from one run to the next: one file, replaced whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any, Final

from auditlog.core.errors import FormatError
from auditlog.core.formats.canonical import parse_json
from auditlog.writing import durable

STATE: Final = "state.json"
_FOREIGN: Final = "is not as this program writes it: put it back, or name another --state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the last good run saw of one log. Times in POSIX seconds; `grown`: when more entries were seen first."""

    note: str
    seen: int
    grown: int
    frozen: bool = False
    successor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All logs that this monitor follows: address → origin, origin → memory."""

    origins: Mapping[str, str] = field(default_factory=dict)
    logs: Mapping[str, Memory] = field(default_factory=dict)


def read_state(folder: Path) -> State:
    """The state of a folder; an empty one where there is none. Raises FormatError where it is damaged."""
    path = folder / STATE
    try:
        value: Any = parse_json(path.read_bytes())
    except FileNotFoundError:
        return State()
    except FormatError as error:
        raise FormatError(f"{_FOREIGN} ({error})", field=STATE) from None
    try:
        origins = {url: str.__str__(origin) for url, origin in value["origins"].items()}
        return State(origins=origins, logs={origin: _memory(memory) for origin, memory in value["logs"].items()})
    except (TypeError, KeyError, AttributeError):
        raise FormatError(_FOREIGN, field=STATE) from None


def _memory(value: Any) -> Memory:
    made = Memory(**value)
    kinds = [type(one) for one in (made.note, made.seen, made.grown, made.frozen)]
    if kinds != [str, int, int, bool] or type(made.successor) not in {str, NoneType}:
        raise TypeError
    return made


def write_state(folder: Path, state: State) -> None:
    """Replace the state, whole or not at all, synced."""
    value = {"origins": dict(state.origins), "logs": {origin: asdict(one) for origin, one in state.logs.items()}}
    durable.replace(folder / STATE, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode(), 0o644)
