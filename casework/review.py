"""What an officer says about a result: the review, and what was judged before the result was shown. Pure.

AI Act 14 and 26(2): who oversees a system can disregard, override or stop it, and stays aware of leaning on it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from typing import Final, Literal, get_args

from casework.errors import CaseworkError

Action = Literal["confirm", "override", "refer", "release"]
Kind = Literal["held", "referred", "fresh"]
"""Why a person must look: the result is held, a colleague passed it on, or it must be decided anew without it."""

ACTIONS: Final[tuple[Action, ...]] = get_args(Action)


class ReviewInvalid(CaseworkError):
    """A review has a member that it cannot have."""


@dataclass(frozen=True, slots=True)
class Review:
    """What the officer decided; every member is committed, none is in clear. `notified`: a date, YYYY-MM-DD."""

    action: str
    decision: str
    reasons: str
    text: str | None = None
    effect: str | None = None
    notified: str | None = None

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise ReviewInvalid(f"must be one of {', '.join(ACTIONS)}", field="action")
        if self.notified is not None and not _is_date(self.notified):
            raise ReviewInvalid("must be a date, YYYY-MM-DD", field="notified")


MEMBERS: Final = tuple(one.name for one in fields(Review))


@dataclass(frozen=True, slots=True)
class Agreement:
    """How first judgements and results of one system compare; a number that is too small to be told is None.

    `judged`: drawn cases with a first judgement; `agreed` with the result, or `differed` from it. Of those that
    differed: `then_confirmed`, where the officer decided as the result says after seeing it, and `then_overridden`.
    """

    system: str
    judged: int | None
    agreed: int | None
    differed: int | None
    then_confirmed: int | None
    then_overridden: int | None


def is_drawn(digest: bytes, share: int) -> bool:
    """Whether a record belongs to a drawn share (per cent). `digest`: keyed, of its id, so that nobody can choose."""
    return int.from_bytes(digest[:4], "big") * 100 < share << 32


def _is_date(text: str) -> bool:
    """Whether a day of the calendar is written in the one form that a letter reads again."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
