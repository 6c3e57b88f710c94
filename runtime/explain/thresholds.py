"""Where a number turns the outcome: between a value that does and one that does not, down to one step. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from runtime.explain.question import Plan, Threshold
from runtime.explain.score_cache import ScoreCache
from runtime.explain.variants import Move, Subject
from runtime.prompt import Value

PROBES = 8
"""Numbers between the two that are tried at once."""


@dataclass(slots=True)
class Hunt:
    """A search along one side of the recorded number, with `fixed` other values. `tried`: the outcome that each number
    gave (None: it could not be run); one of them at least is another one than the recorded outcome."""

    name: str
    recorded: int
    fixed: Mapping[str, Value | None]
    tried: dict[int, int | None] = field(default_factory=dict)

    def gap(self, at: int | None) -> tuple[int, int]:
        """The nearest number that turns the outcome, and the one before it that does not."""
        ordered = sorted(self.tried, key=lambda number: abs(number - self.recorded))
        before = self.recorded
        for number in ordered:
            if self.tried[number] not in (None, at):
                return number, before
            before = number
        raise LookupError("no number that was tried turns the outcome")


def hunts(subject: Subject, asked: ScoreCache, name: str, fixed: Mapping[str, Value | None]) -> list[Hunt]:
    """The searches for one field, below and above; none where it has no range, was not given, or nothing turns."""
    recorded = subject.recorded[name]
    if subject.range_of(name) is None or not isinstance(recorded, int):
        return []
    found = []
    for below in (True, False):
        hunt = Hunt(name, recorded, fixed)
        for move in subject.moves(name):
            assert isinstance(move.value, int)
            if (move.value < recorded) == below and asked.knows(subject.variant({**fixed, name: move.value})):
                _note(subject, asked, hunt, move.value)
        if any(outcome not in (None, subject.at) for outcome in hunt.tried.values()):
            found.append(hunt)
    return found


def narrow(subject: Subject, asked: ScoreCache, searched: Iterable[Hunt]) -> Plan[int]:
    """Narrows each gap to one step, all in the same rounds; returns how many numbers were tried."""
    tried = 0
    open_ = list(searched)
    while open_:
        probes = [(hunt, number) for hunt in open_ for number in _probes(subject, hunt)]
        yield from asked.ask(subject.variant({**hunt.fixed, hunt.name: number}) for hunt, number in probes)
        for hunt, number in probes:
            _note(subject, asked, hunt, number)
        tried += len(probes)
        going = {id(hunt) for hunt, _ in probes}
        open_ = [hunt for hunt in open_ if id(hunt) in going]
    return tried


def threshold(subject: Subject, hunt: Hunt) -> tuple[Move, Threshold]:
    """What a search found: the nearest number, and whether all that were tried beyond it give the same outcome."""
    value, _ = hunt.gap(subject.at)
    distance = abs(value - hunt.recorded)
    beyond = [outcome for number, outcome in hunt.tried.items() if abs(number - hunt.recorded) > distance]
    side = "below" if value < hunt.recorded else "above"
    same = all(outcome == hunt.tried[value] for outcome in beyond)
    return subject.move(hunt.name, value), Threshold(hunt.name, value, side, same)


def _probes(subject: Subject, hunt: Hunt) -> tuple[int, ...]:
    within = subject.range_of(hunt.name)
    assert within is not None
    turns, before = hunt.gap(subject.at)
    # The recorded number itself need not lie on the steps of its range: the search starts from the end that does.
    return tuple(number for number in within.spread(turns, before, PROBES + 2) if number not in (turns, before))


def _note(subject: Subject, asked: ScoreCache, hunt: Hunt, number: int) -> None:
    score = asked.score(subject.variant({**hunt.fixed, hunt.name: number}))
    hunt.tried[number] = None if score is None else subject.chosen(score)
