"""Who may run: from the queue to a seat, with everything checked that can be checked before a number is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from runtime.capture import Piece
from runtime.engine.model_cache import Shelf
from runtime.engine.request import Running
from runtime.engine.sequences import WORTH_KEEPING, Seats
from runtime.engine.shared_prefix import heads
from runtime.llama import Vocabulary
from runtime.output.answers import Ask, Tokens
from runtime.output.choice import Choice
from runtime.output.steps import Desk
from runtime.program import Program, check_fields, check_program, check_seed
from runtime.prompt import PromptTemplate
from runtime.shape import Shape

_PROGRAMS = 64
_PATIENCE_NS = 1_000_000_000  # so long others may go before one that needs memory which they use


@dataclass(frozen=True, slots=True)
class _Known:
    """What was made of a program once: its templates, and (with its model) the tokens that begin each prompt."""

    templates: tuple[PromptTemplate, ...]
    heads: tuple[Tokens, ...] = ()

    @property
    def spare(self) -> int:
        """How many heads are worth a sequence of their own: those that a seat cannot keep, as other prompts follow."""
        return sum(len(head) >= WORTH_KEEPING for head in self.heads) if len(self.heads) > 1 else 0


class Admission:
    """Seats for requests, in contexts that a shelf makes. `limit`: the most requests at once in one context."""

    def __init__(self, shelf: Shelf, limit: int | None, clock: Callable[[], int]) -> None:
        self._shelf = shelf
        self._limit = limit
        self._clock = clock
        self._programs: dict[str, _Known] = {}
        self._seats: dict[tuple[str, Shape], Seats] = {}

    def seats(self) -> list[tuple[str, Shape, Seats]]:
        """The seats of every context that there is, with its model and shape."""
        there = {kept.context for kept in self._shelf.contexts}
        self._seats = {key: seats for key, seats in self._seats.items() if seats.context in there}
        return [(*key, seats) for key, seats in self._seats.items()]

    def turns(self, queue: Iterable[Running]) -> list[Running]:
        """Of the first of each program those that may be placed now.

        One that has waited for memory for a while goes alone, until what the others use has become free.
        """
        firsts, now = list(queue), self._clock()
        late = [one for one in firsts if one.blocked_ns and now - one.blocked_ns > _PATIENCE_NS]
        return sorted(late, key=lambda one: one.blocked_ns)[:1] or firsts

    def place(
        self, running: Running, chosen: Callable[[Choice], None], said: Callable[[Piece], None] | None
    ) -> Ask | None:
        """What a request asks first, once it can run; None while it must wait. Raises RuntimeFault if it never can."""
        program = running.request.program
        key = (program.model, program.context)
        seats = self._seats.get(key)
        if seats is not None and not seats.free:
            return None  # asked at every step, so nothing else is looked at
        known = self._know(running.program, program)
        check_seed(program, running.request.seed)
        values = check_fields(program, running.request.fields)
        model = self._shelf.ready(*key)
        if model is not None:
            known = self._know(running.program, program, model.vocabulary)
        context = None if model is None else self._shelf.context(*key, spare=known.spare)
        if model is None or context is None:
            if not self._shelf.loading:
                running.blocked_ns = running.blocked_ns or self._clock()
            return None
        if seats is None or seats.context is not context:
            self.seats()  # forgets those whose context is gone
            seats = self._seats[key] = Seats(context, program.context.n_seq_max, self._limit)
        desk = Desk(running.request, known.templates, values, model.vocabulary, context.room, chosen, said)
        return running.begin(desk, seats, known.heads)

    def _know(self, key: str, program: Program, vocabulary: Vocabulary | None = None) -> _Known:
        known = self._programs.get(key)
        if known is None:
            check_program(program)
            if len(self._programs) >= _PROGRAMS:
                self._programs.clear()
            known = _Known(tuple(program.template(i) for i in range(len(program.steps))))
        if vocabulary is not None and not known.heads:
            known = _Known(known.templates, heads(program, vocabulary))
        self._programs[key] = known
        return known
