"""The sequences of one context: who has which, and what they hold.

A freed sequence keeps the head of its version's prompt and nothing else: all that came from a person leaves the cache.
Whoever comes next takes a free sequence that holds its head, or has one copied whole and cut (parts cannot be copied).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from runtime.errors import CallRefused
from runtime.llama import Context
from runtime.output.answers import Tokens, common

# A copy moves a sequence's whole room through memory; decoding a token costs as much as moving about so many cells.
_CELLS_A_TOKEN = 64
WORTH_KEEPING = 32  # tokens of a head, for a sequence of its own


@dataclass(slots=True)
class Seat:
    """One sequence: the tokens that it holds, and the head of its prompt, which is kept when all else goes."""

    number: int
    held: list[int] = field(default_factory=list)
    head: Tokens = ()

    @property
    def shown(self) -> Tokens:
        """What a neighbour may use of it: its head, as far as it is there."""
        return tuple(self.held[: len(self.head)])


class Seats:
    """The seats of a context: the first `count` of its sequences, or fewer (`limit`). The spare ones keep heads."""

    def __init__(self, context: Context, count: int, limit: int | None = None) -> None:
        self.context = context
        self.seats = [Seat(number) for number in range(min(count, limit or count))]
        self._free = list(self.seats)
        self._shelf = [Seat(number) for number in range(count, context.sequences)]  # the least recently used first

    @property
    def free(self) -> int:
        """How many are free."""
        return len(self._free)

    @property
    def rows(self) -> int:
        """How many tokens are held."""
        return sum(len(seat.held) for seat in (*self.seats, *self._shelf))

    def sit(self, prompt: Tokens, head: Tokens, own: Seat | None = None) -> Seat:
        """A seat for a prompt with as much of its beginning in place as there is; `own` is given back for a better one.

        What a neighbour holds is used up to its head only: nothing that came from a person is shared, not even unseen.
        """
        best = self._best(prompt, own)
        if best is not own:
            self._free.remove(best)
            if own is not None:
                self.leave(own)
        kept = self._reach(best, prompt, own)
        donor, gain = self._donor(best, prompt)
        self.rewind(best, kept)
        if gain > kept and self.worth(best, gain):
            self.rewind(best, 0)
            self._copy(donor, best)
            self._use(donor)
            kept = gain
        self.rewind(best, kept)
        best.head = head[: common(head, prompt)]
        return best

    def rewind(self, seat: Seat, length: int) -> None:
        """Cuts what a seat holds to `length` tokens, or to none where this model's memory cannot be cut in part."""
        if length == len(seat.held):
            return
        try:
            self.context.rewind(seat.number, length)
        except CallRefused:
            length = 0
            self.context.rewind(seat.number, 0)
        del seat.held[length:]

    def leave(self, seat: Seat) -> None:
        """Frees a seat; its head stays."""
        self._free.append(seat)
        self.rewind(seat, min(len(seat.head), len(seat.held)))
        seat.head = tuple(seat.held)

    def keep(self, seat: Seat) -> None:
        """Copies a head that is complete to a spare sequence, once, as its seat will go on to another prompt."""
        head = seat.head
        if not self._shelf or not WORTH_KEEPING <= len(head) <= len(seat.held):
            return
        if any(kept.held[: len(head)] == list(head) for kept in self._shelf):
            return
        oldest = self._shelf[0]
        self.rewind(oldest, 0)
        self._copy(seat, oldest)
        self.rewind(oldest, len(head))
        oldest.head = tuple(oldest.held)
        self._use(oldest)

    def forget(self) -> bool:
        """Drops the heads that nobody uses, where the cells are needed; False where there were none."""
        found = [seat for seat in (*self._free, *self._shelf) if seat.held]
        for seat in found:
            self.rewind(seat, 0)
            seat.head = ()
        return bool(found)

    def worth(self, seat: Seat, gain: int) -> bool:
        """Whether having so many tokens more in place is worth a copy."""
        return (gain - len(seat.held)) * _CELLS_A_TOKEN >= self.context.room

    def _copy(self, source: Seat, target: Seat) -> None:
        self.context.copy(source.number, target.number)
        target.held = list(source.held)

    def _use(self, kept: Seat) -> None:
        if kept in self._shelf:
            self._shelf.remove(kept)
            self._shelf.append(kept)

    def _best(self, prompt: Tokens, own: Seat | None) -> Seat:
        """The most tokens in place; of equals the one whose own head is the least loss.

        Then the first: llama.cpp decodes sequences of neighbouring numbers at once, and others one after another.
        """
        known = [*self._free, own] if own is not None else self._free
        return max(known, key=lambda seat: (self._reach(seat, prompt, own), -len(seat.head), -seat.number))

    def _reach(self, seat: Seat, prompt: Tokens, own: Seat | None) -> int:
        # The last token of a prompt is always decoded: its logits are wanted.
        held = tuple(seat.held) if seat is own else seat.shown
        return min(common(held, prompt), len(prompt) - 1)

    def _donor(self, best: Seat, prompt: Tokens) -> tuple[Seat, int]:
        found = [(common(seat.shown, prompt), seat) for seat in (*self.seats, *self._shelf) if seat is not best]
        gain, donor = max(found, key=lambda one: one[0], default=(0, best))
        return donor, min(gain, len(prompt) - 1)
