"""Conversations: each turn keeps what was new in it, and names the turn before. Pure.

A turn's record holds the messages that came with it, its `output`, and as `parent` the id of the turn before, which is
committed. So a conversation of n turns takes the room of its n parts, and each turn still proves what went before: by
the parents' own entries. A turn that was erased leaves its id in the turn after it, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from auditlog.core.errors import FormatError
from auditlog.core.formats.canonical import Json


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn. `number`: its place in the conversation from 1, where known; `values` is None where it was erased."""

    id: str
    number: int | None
    parent: str | None
    values: dict[str, Json] | None = field(repr=False)

    @property
    def erased(self) -> bool:
        """Whether nothing but its id is left."""
        return self.values is None


def thread(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """All turns, oldest first, with a place for each erased one that a turn after it names.

    `turns`: those whose content is there, in the order of the log.
    """
    there = {turn.id for turn in turns}
    whole: list[Turn] = []
    for turn in turns:
        if turn.parent is not None and turn.parent not in there:
            there.add(turn.parent)
            whole.append(Turn(turn.parent, None if turn.number is None else turn.number - 1, None, None))
        whole.append(turn)
    return tuple(whole)


def path_to(turns: Iterable[Turn], id_: str) -> tuple[Turn, ...]:
    """The turns that led to one of them, which is the last: where a conversation was gone on with in two ways, one."""
    by_id = {turn.id: turn for turn in turns}
    path: list[Turn] = []
    at: str | None = id_
    while at is not None and at in by_id:
        turn = by_id.pop(at)  # each once, whatever the parents say
        path.append(turn)
        at = turn.parent
    return tuple(reversed(path))


def new_messages(earlier: Sequence[Json], given: Sequence[Json]) -> list[Json]:
    """What is new in a list of messages that a client sends whole each time.

    `earlier`: the messages of the turns before. Raises FormatError where the list does not begin with them: then it is
    no next turn of this conversation.
    """
    if list(given[: len(earlier)]) != list(earlier):
        raise FormatError("does not go on from the turns before: begin a new conversation", field="messages")
    return list(given[len(earlier) :])
