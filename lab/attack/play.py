"""Play attacks: one scene, a copy of it for each attack, and what everybody said afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.attack import copies, databases, histories, recordings, servings
from lab.attack.attacks import ATTACKS, COPY, Attack
from lab.attack.parties import PARTIES, examine, examine_exports
from lab.attack.scene import Scene, build
from service.logs import export as log_action

MODULES = (copies, databases, histories, recordings, servings)


@dataclass(frozen=True, slots=True)
class Outcome:
    """An attack and who noticed: party → the sentence that it would act on, in the order of `PARTIES`.

    `scene`: what it left behind, for as long as the stage stands.
    """

    attack: Attack
    noticed: dict[str, str]
    scene: Scene | None = None


@contextmanager
def stage() -> Iterator[Scene]:
    """The honest scene, in a temporary folder. Raises RuntimeError where somebody notices something in it."""
    with tempfile.TemporaryDirectory(prefix="greffier-attack-") as folder:
        made = build(Path(folder) / "scene")
        calm = examine(made.copy(Path(folder) / "calm"))
        if calm:
            raise RuntimeError(f"without any attack these parties complain: {calm}")
        yield made


def play(base: Scene, name: str) -> Outcome:
    """One attack on a copy of the scene."""
    attack = ATTACKS[name]
    s = base.copy(base.folder.with_name(name))
    if attack.group != COPY:
        attack.play(s, s.home)
        return Outcome(attack, examine(s), s)
    export = s.folder / "export-1"
    with s.opened() as g:
        log_action.export_log(g, export)
    attack.play(s, export)
    found: dict[str, str] = {}
    for party, sentence in examine_exports(s, [export]):
        found.setdefault(party, sentence)
    return Outcome(attack, {party: found[party] for party in PARTIES if party in found}, s)


def play_all(names: Sequence[str], tell: Callable[[Outcome], None] = lambda _: None) -> list[Outcome]:
    """Several attacks, each on a fresh copy."""
    outcomes = []
    with stage() as base:
        for name in names:
            outcomes.append(play(base, name))
            tell(outcomes[-1])
    return outcomes
