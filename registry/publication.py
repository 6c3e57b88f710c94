"""What of a record the public sees: all of it, but for members that are withheld for a stated reason.

Whatever shows or exports a record in public takes `public_system` of it. The entry in the log names the digest of the
whole record: of one with withheld members the public part alone does not give that digest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from registry import declaration
from registry.parts.publication import REASONS, Withheld
from registry.system import AISystem
from registry.values import Words

NOT_YET: Final = frozenset({"draft", "in_review"})
"""States in which a system is in no public list."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """A member that is not shown: its name and label, the reason in words, why, and until when (None: no end set)."""

    member: str
    label: Words
    reason: Words
    why: Words
    until: date | None


def is_public(system: AISystem, state: str) -> bool:
    """Whether the register shows the system: it was approved once, and is not restricted as a whole."""
    return state not in NOT_YET and not is_restricted(system)


def is_restricted(system: AISystem) -> bool:
    """Whether nothing of the record is public (as AI Act 49(4) allows for its fields)."""
    return system.publication is not None and system.publication.state == "restricted"


def withheld(system: AISystem, today: date) -> tuple[Hidden, ...]:
    """What is not shown on this day, and why, in the order of the record."""
    labels = {member.name: member.label for member in declaration.fields(AISystem)}
    found = {one.member: one for one in _in_force(system, today)}
    return tuple(
        Hidden(name, labels[name], REASONS.codes[found[name].reason], found[name].explanation, found[name].until)
        for name in labels
        if name in found
    )


def public_system(system: AISystem, today: date) -> AISystem:
    """The record as the public sees it on this day: what is withheld is left out, and `publication` says why.

    A reason that ended is left out, too.
    """
    if system.publication is None:
        return system
    hidden = _in_force(system, today)
    names = {one.member for one in hidden}
    left: dict[str, Any] = dict.fromkeys(names)
    left["publication"] = replace(system.publication, withheld=hidden)
    if system.machine_translated is not None:
        shown = tuple(path for path in system.machine_translated if member_of(path) not in names)
        left["machine_translated"] = shown or None
    return replace(system, **left)


def member_of(path: str) -> str:
    """The member of the record in which a path begins: `fria` of `fria.harms.nl`."""
    return path.split(".", 1)[0].split("[", 1)[0]


def _in_force(system: AISystem, today: date) -> tuple[Withheld, ...]:
    if system.publication is None:
        return ()
    return tuple(one for one in system.publication.withheld if one.until is None or today < one.until)
