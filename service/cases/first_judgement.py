"""The officer's own judgement, before the system's result is shown: on a drawn share of cases (`blind_review`).

People lean on what a machine says (AI Act 14(4)(b)). What an officer says before seeing it cannot lean; how often both
agree, and how often the officer changes course afterwards, is counted. The access that precedes the showing commits to
the judgement: nobody can give it afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Final, cast

from auditlog.core.formats.canonical import Json
from auditlog.store import decisions as decision_store
from casework.review import Agreement
from casework.store import work
from home import calendar
from home.errors import Refused, UsageError
from home.greffier import Greffier
from registry.store import systems as register_store
from service.cases import reviews
from service.records import blind_review, reading
from service.records.accesses import STAFF
from service.systems import register

if TYPE_CHECKING:
    from sqlalchemy import Connection

SCOPE: Final = "first_judgement"
MAX_REASONS: Final = 4000


def is_due(g: Greffier, record_id: str, *, role: str = "officer") -> bool:
    """Whether whoever decides must judge this case before its result is shown."""
    return blind_review.is_due(g, reading.Reader(role, None), record_id)


def first_judgement(g: Greffier, reader: reading.Reader, record_id: str, outcome: str, reasons: str) -> dict[str, Json]:
    """Put down what the officer makes of a drawn case, and show it with its result, as `reviews.show` does.

    `outcome`: one that the version declares. Raises Refused where this reader need not judge first, TakenMeanwhile
    where somebody has, UsageError, and what `reading.open` raises.
    """
    found = reading.find_live(g, record_id)
    if found.entry.kind != "decision/1" or not blind_review.is_due(g, reader, record_id):
        raise Refused("no first judgement is asked of this case", reason="not_drawn", field="id")
    with g.reading() as conn:
        system, version = str(found.entry.members["system"]), cast("int", found.entry.members["version"])
        manifest = register_store.read_version(conn, system, version).manifest
    codes = [one.code for one in manifest.outcomes]
    if outcome not in codes:
        raise UsageError(f"must be one of {', '.join(codes)}", field="outcome")
    if not reasons.strip() or len(reasons) > MAX_REASONS:
        raise UsageError(f"must be a text of 1 to {MAX_REASONS} characters", field="reasons")
    day = calendar.today(g).isoformat()

    def also(conn: Connection, access: str) -> None:
        work.insert_judgement(conn, work.Judgement(record_id, access, day, outcome, reader.account))

    said: dict[str, Json] = {SCOPE: {"day": day, "outcome": outcome, "reasons": reasons}}
    return reviews.shown(g, reading.open(g, reader, "review", record_id, scope=said, also=also), blind=False)


def agreement(
    g: Greffier, reader: reading.Reader, first: date, last: date, *, system: str | None = None
) -> list[Agreement]:
    """How first judgements of these days compare with the results, by system. Numbers that are too small are None.

    Raises Refused for others than staff and operators, UnknownSystem.
    """
    if reader.role not in STAFF | {"operator"}:
        raise Refused("is for staff only", reason="role", field="role")
    if system is not None:
        register.show(g, system)
    counts: dict[str, Counter[str]] = {}
    with g.reading() as conn:
        for judgement in work.judgements_between(conn, first, last):
            row = decision_store.find_decision(conn, judgement.record)
            if row is None or system not in (None, row["system"]):
                continue
            mine = counts.setdefault(str(row["system"]), Counter())
            same = row["outcome"] == judgement.outcome
            mine["agreed" if same else "differed"] += 1
            if not same:
                mine[str(row["review"])] += 1
    return [_agreement(g, slug, mine) for slug, mine in sorted(counts.items())]


def _agreement(g: Greffier, slug: str, mine: Counter[str]) -> Agreement:
    floor = g.settings.small_cell
    agreed, differed = _parts(floor, (mine["agreed"], mine["differed"]))
    confirmed, overridden = mine["confirm"], mine["override"]
    rest = mine["differed"] - confirmed - overridden
    judged = mine["agreed"] + mine["differed"]
    shown = (None, None, None) if differed is None else _parts(floor, (confirmed, overridden, rest))
    return Agreement(slug, judged if judged >= floor else None, agreed, differed, shown[0], shown[1])


def _parts(floor: int, numbers: Sequence[int]) -> tuple[int | None, ...]:
    """The parts of a whole that is known: all of them, or none where one is small and could be told from the others."""
    if any(0 < number < floor for number in numbers):
        return (None,) * len(numbers)
    return tuple(numbers)
