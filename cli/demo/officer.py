"""The demo's officer, who is invented and writes Dutch: what waits is decided with reasons, half of it by now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from home.greffier import Greffier
from service.cases import reviews
from service.deciding.decide import Answer
from service.records.reading import CLI

SAYS: Final[Mapping[str, tuple[reviews.Action, str, str]]] = {
    "grant": ("confirm", "U krijgt de lening.", "De gegevens in uw dossier kloppen en u kunt de lening betalen."),
    "refer": ("refer", "Wij beslissen nog niet.", "Wij willen eerst uw bankafschriften met u bekijken."),
    "refuse": (
        "confirm",
        "U krijgt de lening niet.",
        "Wij spraken elkaar. U houdt per maand te weinig over om de lening terug te betalen.",
    ),
    "self_care": ("confirm", "U kunt het thuis aankijken.", "De klacht past bij een verkoudheid."),
    "see_gp": ("confirm", "Maak vandaag een afspraak met uw huisarts.", "De klacht moet worden onderzocht."),
    "urgent": ("confirm", "Er komt nu hulp naar u toe.", "De klacht kan gevaarlijk zijn."),
    "object": ("override", "U kunt bezwaar maken.", "Het voorstel van het systeem was te kort; zo hoort het."),
    "remission": ("confirm", "U kunt kwijtschelding vragen.", "U schrijft dat u niet kunt betalen."),
}


def decide_held(g: Greffier, answers: Iterable[Answer], step: Callable[[str, bool, str], None]) -> None:
    """Look at every second result that is held, and decide."""
    held = [answer for answer in answers if answer.held]
    reviewed = held[::2]
    for answer in reviewed:
        action, decision, reasons = says(str(reviews.show(g, CLI, answer.id)["outcome"]))
        made = reviews.Review(action, decision, reasons, notified=g.clock().date().isoformat())
        reviews.record_review(g, answer.id, made)
    step("review", True, f"{len(reviewed)} of {len(held)} held results released by an officer, with reasons")


def says(outcome: str) -> tuple[reviews.Action, str, str]:
    """Action, decision and reasons; refusing follows after a talk."""
    return SAYS.get(outcome, ("refer", "Wij kijken er verder naar.", "Het resultaat van het systeem was niet af."))
