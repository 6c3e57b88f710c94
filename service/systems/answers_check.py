"""The answers about the class of a system against the newest entry that tells of them: what the gate goes by.

`told`: the rows are what the entry says. `changed`: they are not, or none is left; then nothing is opened by them.
`not_told`: from a database of before the log told of answers; what they forbid stays forbidden, and what they would
open is open once they are given again. `none`: nobody answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from auditlog.store import log as log_store
from home.greffier import Greffier
from registry.answers import Answers
from registry.store import answers as store
from registry.store import history as history_store
from registry.store import systems as system_store
from registry.store.answers import Answered
from service.records import reading

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from auditlog.core.entries.record import Entry

KIND: Final = "answers/1"
Standing = Literal["none", "told", "not_told", "changed"]
_MARK: Final = f'"kind":"{KIND}"'.encode()
CHANGED: Final = (
    "the answers in the register are not those that the log tells of: run `greffier log fsck`, and restore the "
    "database from a good backup"
)
MISSING: Final = "the log tells of answers, and the register has none: restore the database, or answer them again"
NOT_TOLD: Final = (
    "the answers are not told of by the log: they forbid, but open nothing until you answer them again with "
    "`greffier classify"
)


@dataclass(frozen=True, slots=True)
class Held:
    """The rounds of answers about a system, the newest first, and how they stand to the log."""

    rounds: tuple[Answered, ...]
    standing: Standing

    @property
    def newest(self) -> Answered | None:
        """The last round that may be shown: None where rows were changed past the program."""
        return self.rounds[0] if self.rounds and self.standing != "changed" else None

    @property
    def counted(self) -> Answers | None:
        """The answers that the log tells of."""
        return self.rounds[0].answers if self.standing == "told" else None

    @property
    def forbidding(self) -> Answers | None:
        """The answers by which a use is refused: those from before the log told of them, too."""
        return None if self.newest is None else self.newest.answers


def held(conn: Connection, slug: str) -> Held:
    """The answers about a system as they lie there, held against the log."""
    rounds = tuple(store.list_answers(conn, slug))
    entry = _newest_entry(conn, slug)
    if entry is None:
        return Held(rounds, "not_told" if rounds else "none")
    as_told = rounds and store.rounds_digest(rounds) == entry.members["answers"]
    return Held(rounds, "told" if as_told else "changed")


def findings(g: Greffier) -> Iterator[tuple[str, str]]:
    """(place, message) for `doctor`: systems whose answers are from before the log told of them."""
    with g.reading() as conn:
        slugs = [one.system.slug for one in system_store.list_systems(conn) if one.state != "retired"]
        standings = [(slug, held(conn, slug).standing) for slug in sorted(store.all_digests(conn)) if slug in slugs]
    for slug, standing in standings:
        if standing == "not_told":
            yield f"system {slug}", f"{NOT_TOLD} {slug}`"


def _newest_entry(conn: Connection, slug: str) -> Entry | None:
    """The last `answers/1` entry of a system; its other entries are not parsed."""
    places = history_store.list_changes(conn, slug)
    for log in sorted({log for log, _ in places}, reverse=True):
        found = log_store.read_scattered(conn, log, [index for number, index in places if number == log])
        for index in sorted(found, reverse=True):
            if _MARK in found[index] and (entry := reading.known(found[index])).kind == KIND:
                return entry
    return None
