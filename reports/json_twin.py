"""A document's form for machines read again: the reverse of `render.json_twin`, strictly."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from datetime import date
from typing import Any, TypeVar

from reports.errors import TwinError
from reports.render import json_twin

T = TypeVar("T")


def read_twin(kind: type[T], data: bytes) -> T:
    """The document that `data` is the form of. Raises TwinError, naming the member, where it is none, byte for byte."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise TwinError("is no JSON file: name a report in its form for machines") from None
    made: T = _build(kind, value, "report")
    if json_twin(made) != data:
        raise TwinError("is not written as this program writes it: use the file as it was published")
    return made


def _build(kind: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return None if value is None else _build(next(one for one in arguments if one is not type(None)), value, where)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, _as(dict, value, where), where)
    made: Any
    if origin is typing.Literal:
        made = _one_of(arguments, value, where)
    elif origin is tuple:
        made = tuple(_build(arguments[0], one, f"{where}[{at}]") for at, one in enumerate(_as(list, value, where)))
    elif origin is Mapping:
        made = {str(key): _build(arguments[1], one, where) for key, one in _as(dict, value, where).items()}
    else:
        made = _day(value, where) if kind is date else _as(kind, value, where)
    return made


def _day(value: Any, where: str) -> date:
    try:
        return date.fromisoformat(_as(str, value, where))
    except ValueError:
        raise TwinError(f"{where}: must be a day") from None


def _dataclass(kind: Any, value: Mapping[str, Any], where: str) -> Any:
    hints = typing.get_type_hints(kind)
    names = [one.name for one in dataclasses.fields(kind)]
    omitted = {one.name for one in dataclasses.fields(kind) if one.metadata.get("omitted") and one.name not in value}
    if value.keys() != set(names) - omitted:
        raise TwinError(f"{where}: must have the members {', '.join(names)}")
    return kind(**{name: _build(hints[name], one, f"{where}.{name}") for name, one in value.items()})


def _one_of(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    if value not in choices:
        raise TwinError(f"{where}: must be one of {', '.join(map(str, choices))}")
    return value


def _as(kind: type[Any], value: Any, where: str) -> Any:
    if type(value) is not kind:
        raise TwinError(f"{where}: must be of another type")
    return value
