"""What the requests of a period add up to: numbers by right and system, and how long they took. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

from casework.request import RIGHTS, Request, Right

COUNTS: Final = ("received", "answered", "refused", "withdrawn", "open", "extended", "in_time", "late")


class Group(NamedTuple):
    """A right, and the system that the requests name; None where they name none, `ALL` for all together."""

    right: Right
    system: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """One group's numbers; one that is kept back is None.

    Every request that was received is `answered`, `refused`, `withdrawn` or `open`. `in_time`: answered or refused by
    the day on which that was due; `late`: after it, or still open then. `days_median`, `days_p90`: days from receipt to
    answer or refusal, nearest rank; None as well where there were none.
    """

    right: Right
    system: str | None
    received: int | None
    answered: int | None
    refused: int | None
    withdrawn: int | None
    open: int | None
    extended: int | None
    in_time: int | None
    late: int | None
    days_median: int | None
    days_p90: int | None


ALL: Final = ""


def counts(requests: Iterable[Request], today: date) -> dict[Group, dict[str, int]]:
    """Group → its numbers (`COUNTS`) as they stand today; with each right, all its requests together as well."""
    found: dict[Group, dict[str, int]] = {}
    for one in requests:
        for group in (Group(one.right, ALL), Group(one.right, one.system)):
            mine = found.setdefault(group, dict.fromkeys(COUNTS, 0))
            for name in _counted(one, today):
                mine[name] += 1
    return dict(sorted(found.items(), key=lambda item: (RIGHTS.index(item[0].right), item[0].system or "~")))


def days_of(requests: Iterable[Request]) -> dict[Group, list[int]]:
    """Group → days from receipt to answer or refusal, rising."""
    found: dict[Group, list[int]] = {}
    for one in requests:
        if one.closed is not None and one.state in ("answered", "refused"):
            for group in (Group(one.right, ALL), Group(one.right, one.system)):
                found.setdefault(group, []).append((one.closed - one.received).days)
    return {group: sorted(days) for group, days in found.items()}


def quantile(days: Sequence[int], percent: int) -> int | None:
    """The nearest rank: the least value that so many per cent kept within; None of nothing."""
    return days[-(-len(days) * percent // 100) - 1] if days else None


def _counted(one: Request, today: date) -> list[str]:
    names = ["received", one.state]
    if one.extended:
        names.append("extended")
    if one.overdue(today):
        names.append("late")
    elif one.state in ("answered", "refused"):
        names.append("in_time" if one.in_time else "late")
    return names
