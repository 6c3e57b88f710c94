"""Entries: made and read strictly by the table in `kinds`.

`make_entry` and `parse_entry` run the same checks; what passes is formatted again and compared, so that an entry has
one form only. Errors name the member and what it should be, never the value that was given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from auditlog.core.entries.kinds import COMMON, KINDS, Kind, Member
from auditlog.core.entries.vocabulary import FIELD_ID, INPUT_PREFIX, KIND_NAME, MAX_UINT, MEANING, PATTERNS
from auditlog.core.errors import FormatError, TooLarge
from auditlog.core.formats.canonical import parse_canonical

MAX_ENTRY = 65_535
COMMITMENTS = "commitments"
_HEX = re.compile(r"[0-9a-f]*")

# After the checks below all keys and strings are ASCII and all numbers are integers within 2^53-1: there the sorted
# encoder of the standard library gives the bytes of RFC 8785, ten times as fast. A property test says both agree.
_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a known kind. `members`: those that are not common to all; `data`: the canonical bytes."""

    kind: str
    id: str
    agency: str
    time: str
    members: Mapping[str, Any] = field(compare=False)
    data: bytes = field(repr=False)

    @property
    def commitments(self) -> Mapping[str, str]:
        """Field → commitment (64 hex digits); empty where the kind commits nothing."""
        found: Mapping[str, str] = self.members.get(COMMITMENTS, {})
        return found


@dataclass(frozen=True, slots=True)
class OpaqueEntry:
    """An entry of a kind or version that this program does not know. `id` where it has a well-formed one."""

    kind: str
    data: bytes = field(repr=False)
    id: str | None = None


def format_time(time: datetime) -> str:
    """UTC, cut to the minute: `2026-11-24T08:15Z`. A time without zone is refused."""
    if time.tzinfo is None:
        raise FormatError("give a time with its zone", field="time")
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ").rjust(17, "0")


@lru_cache(maxsize=1024)
def parse_time(text: str) -> datetime:
    """The start of the minute that `format_time` wrote."""
    match = PATTERNS["time"].fullmatch(text)
    if match is None:
        raise FormatError(f"must be {MEANING['time']}", field="time")
    try:
        return datetime(*(int(part) for part in match.groups()), tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError:
        raise FormatError("no such day or minute in the calendar", field="time") from None


def _check_text(member: Member, value: object, where: str) -> None:
    if not isinstance(value, str):
        raise FormatError(f"must be {MEANING[member.type]}", field=where)
    if member.type == "code":
        if value not in member.codes:
            raise FormatError(f"must be one of {', '.join(member.codes)}", field=where)
    elif member.type in ("time", "day"):
        try:
            parse_time(value if member.type == "time" else f"{value}T00:00Z")
        except FormatError:
            raise FormatError(f"must be {MEANING[member.type]}", field=where) from None
    elif PATTERNS[member.type].fullmatch(value) is None:
        raise FormatError(f"must be {MEANING[member.type]}", field=where)


def _check_value(member: Member, value: object, where: str) -> None:
    if member.type == "uint":
        if type(value) is not int or not 0 <= value <= MAX_UINT:
            raise FormatError(f"must be {MEANING['uint']}", field=where)
    elif member.type == "object":
        if not isinstance(value, dict):
            raise FormatError(f"must be {MEANING['object']}", field=where)
        _check_names({one.name for one in member.members}, value, f"{where}.")
        for one in member.members:
            _check_member(one, value[one.name], f"{where}.{one.name}")
    else:
        _check_text(member, value, where)


def _order(member: Member, value: Any) -> Any:
    return value[member.members[0].name] if member.type == "object" else value


def _check_member(member: Member, value: object, where: str) -> None:
    if value is None and member.nullable:
        return
    if not member.many:
        _check_value(member, value, where)
        return
    if not isinstance(value, list):
        raise FormatError(f"must be a list; of each: {MEANING[member.type]}", field=where)
    for position, one in enumerate(value):
        _check_value(member, one, f"{where}[{position}]")
    keys = [_order(member, one) for one in value]
    if any(a >= b for a, b in pairwise(keys)):
        raise FormatError("must be in strictly rising order, nothing twice", field=where)


def _check_names(expected: set[str], given: Mapping[str, object], prefix: str = "") -> None:
    if given.keys() == expected:
        return
    for name in sorted(expected - given.keys()):
        raise FormatError("is missing; give null where it has nothing to say", field=f"{prefix}{name}")
    # The name of an unknown member is the caller's text, so it is not repeated.
    raise FormatError(f"has {len(given.keys() - expected)} unknown member(s)", field=prefix.rstrip(".") or "entry")


def _check_commitments(kind: Kind, value: object) -> None:
    if not isinstance(value, dict):
        raise FormatError("must be an object of commitments", field=COMMITMENTS)
    if _names_fit(kind.name, frozenset(value)) and _are_hashes(value.values()):
        return  # what follows would find nothing, member by member
    fixed = set(kind.commits)
    for name in sorted(fixed - value.keys()):
        raise FormatError("is missing", field=f"{COMMITMENTS}.{name}")
    for name, commitment in value.items():
        if name not in fixed and not (kind.inputs and _is_input(name)):
            raise FormatError("has an unknown member", field=COMMITMENTS)
        if not isinstance(commitment, str) or PATTERNS["hash"].fullmatch(commitment) is None:
            raise FormatError(f"must be {MEANING['hash']}", field=f"{COMMITMENTS}.{name}")


@lru_cache(maxsize=1024)
def _names_fit(kind: str, names: frozenset[str]) -> bool:
    fixed = frozenset(KINDS[kind].commits)
    return fixed <= names and (names == fixed or (KINDS[kind].inputs and all(map(_is_input, names - fixed))))


def _are_hashes(values: Collection[object]) -> bool:
    try:
        text = "".join(values)  # type: ignore[arg-type]
        return all(len(value) == 64 for value in values) and _HEX.fullmatch(text) is not None  # type: ignore[arg-type]
    except TypeError:
        return False


def _is_input(name: object) -> bool:
    return (
        isinstance(name, str)
        and name.startswith(INPUT_PREFIX)
        and FIELD_ID.fullmatch(name, len(INPUT_PREFIX)) is not None
    )


_COMMON_NAMES = {member.name for member in COMMON}
_NAMES = {
    kind.name: {
        *_COMMON_NAMES,
        *(member.name for member in kind.members),
        *((COMMITMENTS,) if kind.committed else ()),
    }
    for kind in KINDS.values()
}


def _check(kind: Kind, value: Mapping[str, object]) -> None:
    _check_names(_NAMES[kind.name], value)
    for member in COMMON[1:]:
        _check_member(member, value[member.name], member.name)
    for member in kind.members:
        _check_member(member, value[member.name], member.name)
    if kind.committed:
        _check_commitments(kind, value[COMMITMENTS])
    if kind.one_of and sum(value[name] is not None for name in kind.one_of) != 1:
        raise FormatError("exactly one of them must not be null", field=" and ".join(kind.one_of))
    if len({value[name] is None for name in kind.together}) > 1:
        raise FormatError("must be null together, or not at all", field=" and ".join(kind.together))


def _entry(kind: Kind, value: dict[str, Any], data: bytes) -> Entry:
    if len(data) > MAX_ENTRY:
        raise TooLarge(f"is {len(data)} bytes long; at most {MAX_ENTRY} are allowed", field="entry")
    members = {name: one for name, one in value.items() if name not in _COMMON_NAMES}
    return Entry(kind.name, value["id"], value["agency"], value["time"], MappingProxyType(members), data)


def _plain(member: Member, value: object) -> object:
    """Python's ways to say the same: a datetime for a time, any sequence for a list, in any order."""
    if member.many and isinstance(value, (list, tuple, set, frozenset)):
        items = [dict(one) if isinstance(one, Mapping) else one for one in value]
        try:
            return sorted(items, key=lambda one: _order(member, one))
        except (TypeError, KeyError):
            return items  # the check says what is wrong
    if member.type == "time" and isinstance(value, datetime):
        return format_time(value)
    if member.type == "object" and isinstance(value, Mapping):
        return dict(value)
    return value


def make_entry(kind: str, /, *, id: str, agency: str, time: datetime, **members: object) -> Entry:
    """A new entry. `time` is cut to the minute; lists are put in order; all else must be as the table says.

    Members whose name is a Python keyword (`from`) are given by `**{"from": …}`. Raises FormatError with the member's
    name, TooLarge above 65,535 bytes.
    """
    known = KINDS.get(kind)
    if known is None:
        raise FormatError("is not in the table of kinds", field="kind")
    value: dict[str, object] = {**members, "kind": kind, "id": id, "agency": agency, "time": format_time(time)}
    for member in known.members:
        if member.name in value:
            value[member.name] = _plain(member, value[member.name])
    if isinstance(value.get(COMMITMENTS), Mapping):
        value[COMMITMENTS] = dict(value[COMMITMENTS])  # type: ignore[call-overload]
    _check(known, value)
    return _entry(known, value, _ENCODER.encode(value).encode("ascii"))


def parse_entry(data: bytes) -> Entry | OpaqueEntry:
    """An entry of the log: known kinds strictly by the table, others as opaque canonical JSON objects with a `kind`.

    Raises FormatError with the member's name, TooLarge above 65,535 bytes. `Entry.data` is `data`.
    """
    if len(data) > MAX_ENTRY:
        raise TooLarge(f"is {len(data)} bytes long; at most {MAX_ENTRY} are allowed", field="entry")
    value = parse_canonical(data)
    if not isinstance(value, dict):
        raise FormatError("must be a JSON object", field="entry")
    kind = value.get("kind")
    if not isinstance(kind, str) or KIND_NAME.fullmatch(kind) is None:
        raise FormatError('must be a name and a version, such as "decision/1"', field="kind")
    known = KINDS.get(kind)
    if known is None:
        found = value.get("id")
        well_formed = isinstance(found, str) and PATTERNS["id"].fullmatch(found) is not None
        return OpaqueEntry(kind, data, found if well_formed and isinstance(found, str) else None)
    _check(known, value)
    return _entry(known, value, data)
