"""The list of attacks: each is a function that breaks a scene, filed under who could do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lab.attack.scene import Scene

COPY: Final = "Someone changes a copy of the log"
DATABASE: Final = "Someone changes the database"
HISTORY: Final = "Someone at the agency holds the keys, and changes the past"
RECORDS: Final = "Someone at the agency holds the keys, and what is recorded is not what happened"
SERVING: Final = "Someone at the agency decides what is shown to whom"
GROUPS: Final = (COPY, DATABASE, HISTORY, RECORDS, SERVING)


@dataclass(frozen=True, slots=True)
class Attack:
    """`what` is what the page says. One of a copy gets the folder of an export, the others the scene alone."""

    name: str
    group: str
    what: str
    play: Callable[[Scene, Path], None]


ATTACKS: Final[dict[str, Attack]] = {}


def attack(group: str, what: str) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    """File a function under a group."""

    def add(play: Callable[[Scene], None]) -> Callable[[Scene], None]:
        _file(Attack(play.__name__, group, what, lambda s, _: play(s)))
        return play

    return add


def attack_on_copy(what: str) -> Callable[[Callable[[Scene, Path], None]], Callable[[Scene, Path], None]]:
    """File a function that changes an exported log."""

    def add(play: Callable[[Scene, Path], None]) -> Callable[[Scene, Path], None]:
        _file(Attack(play.__name__, COPY, what, play))
        return play

    return add


def _file(one: Attack) -> None:
    if one.name in ATTACKS:
        raise ValueError(f"two attacks are called {one.name}")
    ATTACKS[one.name] = one
