"""A case system's own list, as a CSV file: which cases were decided with a result, and when the result was used.

The first line names the columns, in any order, separated by commas or semicolons: `case` and `decided`, and as far as
the case system knows them `id` (of the record), `subject` (the person's reference) and `used`. Errors name line and
column, never what stands there. Pure.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from itertools import chain
from typing import Final

from auditlog.core.entries.vocabulary import PATTERNS
from home.errors import UsageError

OPTION: Final = "--from"
REQUIRED: Final = ("case", "decided")
OPTIONAL: Final = ("id", "subject", "used")
MAX_CASES: Final = 5_000_000
MAX_TEXT: Final = 200
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Moment:
    """A time in UTC; `whole_day`: only its day is known (the time is the start of it)."""

    time: datetime
    whole_day: bool

    def before(self, minute: datetime) -> bool:
        """Whether it certainly lies before this minute: the same minute or day decides nothing."""
        return self.time.date() < minute.date() if self.whole_day else self.time < minute


@dataclass(frozen=True, slots=True)
class Case:
    """One line. What says who it is about is left out of every message."""

    line: int
    case: str = field(repr=False)
    decided: Moment = field(repr=False)
    id: str | None = field(repr=False)
    subject: str | None = field(repr=False)
    used: Moment | None = field(repr=False)


def parse_cases(lines: Iterable[str], zone: tzinfo | None = None) -> Iterator[Case]:
    """The cases of a file's lines. Times without a zone are in `zone`. Raises UsageError("--from: line N: …")."""
    rows = _rows(lines)
    header = next(rows, None)
    if header is None:
        raise UsageError("is empty: its first line names the columns", field=OPTION)
    columns = _columns(header[1])
    for count, (line, row) in enumerate(rows):
        if count >= MAX_CASES:
            raise UsageError(f"has more than {MAX_CASES} cases: split it by period", field=OPTION)
        if row:
            yield _case(line, columns, row, zone)


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """(number of the line, values), by the separator that the first line uses."""
    text, at = iter(lines), 0
    try:
        first = next(text, "")
        separator = ";" if first.count(";") > first.count(",") else ","
        reader = csv.reader(chain((first.removeprefix("\ufeff"),), text), delimiter=separator, strict=True)
        for row in reader if first else ():
            at = reader.line_num
            yield at, row
    except csv.Error:
        raise _wrong(at + 1, "cannot be read as CSV: check its quotation marks") from None
    except UnicodeDecodeError:
        raise _wrong(at + 1, "or one soon after it is not UTF-8: save the file as UTF-8") from None


def _columns(names: list[str]) -> dict[str, int]:
    found = [name.strip().casefold() for name in names]
    known = (*REQUIRED, *OPTIONAL)
    if len(set(found)) < len(found) or not set(found) <= set(known) or not set(REQUIRED) <= set(found):
        raise _wrong(1, f"must name each column once: case, decided, and as far as known {', '.join(OPTIONAL)}")
    return {name: place for place, name in enumerate(found)}


def _case(line: int, columns: Mapping[str, int], row: list[str], zone: tzinfo | None) -> Case:
    if len(row) != len(columns):
        raise _wrong(line, f"must have {len(columns)} values, as the first line has names")
    values = {name: row[place].strip() for name, place in columns.items()}
    if any(len(value) > MAX_TEXT for value in values.values()):
        raise _wrong(line, f"has a value of more than {MAX_TEXT} characters: give numbers and times, not texts")
    if not values["case"]:
        raise _wrong(line, "is empty", "case")
    id_ = values.get("id", "").lower() or None
    if id_ is not None and PATTERNS["id"].fullmatch(id_) is None:
        raise _wrong(line, "is no id of a record; leave it empty where it is not known", "id")
    decided = _moment(line, "decided", values["decided"], zone)
    if decided is None:
        raise _wrong(line, "is empty: leave out cases that were not decided yet", "decided")
    used = _moment(line, "used", values.get("used", ""), zone)
    return Case(line, values["case"], decided, id_, values.get("subject") or None, used)


def _moment(line: int, column: str, text: str, zone: tzinfo | None) -> Moment | None:
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise _wrong(line, "must be a time or a day as 2026-11-24T08:15:00+01:00 or 2026-11-24", column) from None
    whole_day = _DAY.fullmatch(text) is not None
    if whole_day:
        return Moment(time.replace(tzinfo=UTC), whole_day=True)
    if time.tzinfo is None:
        if zone is None:
            raise _wrong(line, "has no time zone: write it behind the time, or give --zone for all", column)
        time = time.replace(tzinfo=zone)
    try:
        return Moment(time.astimezone(UTC), whole_day=False)
    except OverflowError:
        raise _wrong(line, "lies outside of the calendar", column) from None


def _wrong(line: int, sentence: str, column: str | None = None) -> UsageError:
    return UsageError(f"line {line}{'' if column is None else f', {column}'}: {sentence}", field=OPTION)
