"""A question over decisions, and the cursor that leads from one page of its answer to the next.

A cursor is opaque and bound to its question: with another filter it is refused, since it would skip rows in silence.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from hashlib import sha256
from typing import Any, cast

from auditlog.core.entries.kinds import KINDS
from auditlog.core.entries.record import format_time, parse_time
from auditlog.core.entries.vocabulary import CAPTURES, MAX_UINT, MEANING, MODES, PATTERNS, REVIEW_ACTIONS
from auditlog.core.errors import FormatError
from auditlog.core.formats.canonical import format_canonical, parse_canonical

_STALE = "belongs to another query; begin again without it"


NO_REVIEW, ANY_REVIEW = "none", "any"
DECISION = "decision/1"
_RANGES = (("min_total_us", "max_total_us"), ("min_tokens", "max_tokens"), ("min_cost", "max_cost"))
_CODES: Mapping[str, Sequence[str]] = {
    "mode": MODES,
    "capture": CAPTURES,
    "review": (NO_REVIEW, ANY_REVIEW, *REVIEW_ACTIONS),
    "kind": tuple(KINDS),
}
# A filter is kept under a name, and stands in the log: it has codes and ids, and no words of anybody.
_TEXTS: Mapping[str, tuple[re.Pattern[str], str]] = {
    "system": (PATTERNS["slug"], MEANING["slug"]),
    "source": (PATTERNS["slug"], MEANING["slug"]),
    "boot": (PATTERNS["id"], MEANING["id"]),
    "outcome": (re.compile(r"[a-z0-9_-]{1,40}"), "1 to 40 of a-z, 0-9, _ and -"),
    "reason": (re.compile(r"[a-z_]{1,40}"), "1 to 40 of a-z and _"),
    "currency": (re.compile(r"[A-Z]{3}"), "three letters, such as EUR"),
}
_OF_EVENTS = {"kind", "system", "since", "until", "reason"}


@dataclass(frozen=True, slots=True)
class DecisionFilter:
    """What to look for; None means any. `since` (included) and `until` (excluded) are minutes: `2026-11-24T08:15Z`.

    `review`: an action (that of the latest review), `none` or `any`. Ranges include both ends: latency in µs, prompt
    and output tokens together, cost in millionths of `currency`. `kind`: entries of another kind than decisions, which
    have neither content nor usage; `reason` is their code.
    """

    system: str | None = None
    version: int | None = None
    mode: str | None = None
    outcome: str | None = None
    since: str | None = None
    until: str | None = None
    capture: str | None = None
    boot: str | None = None
    source: str | None = None
    review: str | None = None
    currency: str | None = None
    min_total_us: int | None = None
    max_total_us: int | None = None
    min_tokens: int | None = None
    max_tokens: int | None = None
    min_cost: int | None = None
    max_cost: int | None = None
    kind: str | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        for name in ("since", "until"):
            value = getattr(self, name)
            if value is None:
                continue
            try:
                parse_time(value)
            except FormatError as error:
                raise FormatError(str(error).removeprefix("time: "), field=name) from None
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise FormatError("must be later than since", field="until")
        for name, codes in _CODES.items():
            if getattr(self, name) not in (None, *codes):
                raise FormatError(f"must be one of {', '.join(codes)}", field=name)
        for name, (pattern, meaning) in _TEXTS.items():
            value = getattr(self, name)
            if value is not None and pattern.fullmatch(value) is None:
                raise FormatError(f"must be {meaning}", field=name)
        if self.version is not None and (type(self.version) is not int or not 0 <= self.version <= MAX_UINT):
            raise FormatError(f"must be {MEANING['uint']}", field="version")
        self._check_ranges()
        self._check_kind()

    def _check_ranges(self) -> None:
        for low, high in _RANGES:
            least, most = getattr(self, low), getattr(self, high)
            for name, value in ((low, least), (high, most)):
                if value is not None and (type(value) is not int or not 0 <= value <= MAX_UINT):
                    raise FormatError(f"must be {MEANING['uint']}", field=name)
            if least is not None and most is not None and least > most:
                raise FormatError(f"must not lie below {low}", field=high)
        if (self.min_cost, self.max_cost) != (None, None) and self.currency is None:
            raise FormatError(
                "must be given with a range of cost: amounts of two currencies do not compare", field="currency"
            )

    def _check_kind(self) -> None:
        if self.of_decisions:
            if self.reason is not None:
                raise FormatError("is for entries of another kind; give the kind, such as refused/1", field="reason")
            return
        for name in given(self):
            if name not in _OF_EVENTS:
                raise FormatError(f"is for decisions; entries of {self.kind} have none", field=name)

    @property
    def of_decisions(self) -> bool:
        """Whether it asks for decisions, and not for entries of another kind."""
        return self.kind in (None, DECISION)

    @property
    def scoped(self) -> bool:
        """Whether it names a part of the log that an index leads to: a system, a period, a boot or a source."""
        return any(value is not None for value in (self.system, self.since, self.until, self.boot, self.source))

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


def format_cursor(place: Sequence[str | int], where: DecisionFilter) -> str:
    """The cursor behind the row at `place`: minute, number of its log, index."""
    data = format_canonical({"before": [*place], "query": _digest(where)})
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def parse_cursor(cursor: str, where: DecisionFilter) -> tuple[str, int, int]:
    """The minute, log and index to go on below. Raises FormatError for a cursor that is damaged or of another query."""
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        value = parse_canonical(data)
    except (binascii.Error, ValueError, FormatError):
        raise FormatError("is damaged; begin again without it", field="cursor") from None
    if not isinstance(value, dict) or value.keys() != {"before", "query"} or value["query"] != _digest(where):
        raise FormatError(_STALE, field="cursor")
    before = value["before"]
    match before:
        case [str(minute), int(log), int(idx)] if format_cursor((minute, log, idx), where) == cursor:
            if PATTERNS["time"].fullmatch(minute) and (where.since or "") <= minute < (where.until or "~"):
                return minute, log, idx
    raise FormatError("is damaged; begin again without it", field="cursor")


def given(where: DecisionFilter) -> dict[str, Any]:
    """What is asked: name → value, without what may be anything."""
    return {name: value for name, value in asdict(where).items() if value is not None}


def format_filter(where: DecisionFilter) -> str:
    """Canonical JSON of what is asked."""
    return format_canonical(given(where)).decode("utf-8")


def parse_filter(text: str) -> DecisionFilter:
    """What `format_filter` wrote. Raises FormatError for anything else."""
    if not text.isascii():
        raise FormatError("must be ASCII: it has codes and ids, and no words", field="view")
    value = parse_canonical(text.encode("ascii"))
    known = {field.name: field.type for field in fields(DecisionFilter)}
    if not isinstance(value, dict) or not value.keys() <= known.keys():
        raise FormatError("holds members that this version does not know: use a newer version", field="view")
    for name, one in value.items():
        if type(one) is not (int if known[name] == "int | None" else str):
            raise FormatError("is of another type", field=name)
    return DecisionFilter(**cast("dict[str, Any]", value))


def _digest(where: DecisionFilter) -> str:
    return sha256(format_canonical({**given(where), "of": "decisions"})).hexdigest()[:16]
