"""A question over decisions, and the cursor that leads from one page of its answer to the next.

A cursor is opaque and bound to its question: with another filter it is refused, since it would skip rows in silence.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from auditlog.canonical import format_canonical, parse_canonical
from auditlog.errors import FormatError
from auditlog.record import format_time, parse_time

_STALE = "belongs to another query; begin again without it"


@dataclass(frozen=True, slots=True)
class DecisionFilter:
    """What to look for; None means any. `since` (included) and `until` (excluded) are minutes: `2026-11-24T08:15Z`."""

    system: str | None = None
    version: int | None = None
    mode: str | None = None
    outcome: str | None = None
    since: str | None = None
    until: str | None = None

    def __post_init__(self) -> None:
        for name in ("since", "until"):
            value = getattr(self, name)
            if value is None:
                continue
            try:
                parse_time(value)
            except FormatError as error:
                raise FormatError(str(error).removeprefix("time: "), field=name) from None

    @classmethod
    def between(cls, since: datetime | None, until: datetime | None, **others: Any) -> DecisionFilter:
        """As the constructor, from times with zone; both are cut to the minute."""
        return cls(
            since=None if since is None else format_time(since),
            until=None if until is None else format_time(until),
            **others,
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one page, and the cursor of the next (None after the last)."""

    rows: tuple[Mapping[str, Any], ...]
    next: str | None


def format_cursor(place: tuple[int, int], where: DecisionFilter) -> str:
    """The cursor behind the row of the entry at `place`: number of its log, index."""
    data = format_canonical({"before": [*place], "query": _digest(where)})
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def parse_cursor(cursor: str, where: DecisionFilter) -> tuple[int, int]:
    """The log and index to go on below. Raises FormatError for a cursor that is damaged or of another query."""
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        value = parse_canonical(data)
    except (binascii.Error, ValueError, FormatError):
        raise FormatError("is damaged; begin again without it", field="cursor") from None
    if not isinstance(value, dict) or value.keys() != {"before", "query"} or value["query"] != _digest(where):
        raise FormatError(_STALE, field="cursor")
    before = value["before"]
    match before:
        case [int(log), int(idx)] if format_cursor((log, idx), where) == cursor:
            return log, idx
    raise FormatError("is damaged; begin again without it", field="cursor")


def _digest(where: DecisionFilter) -> str:
    return sha256(format_canonical({**asdict(where), "of": "decisions"})).hexdigest()[:16]
