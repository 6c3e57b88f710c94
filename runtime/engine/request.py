"""One request from the queue to its end: what it waits for, what it has used, and the generation that comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from runtime.capture import Generation, Run, Usage
from runtime.energy import Energy
from runtime.engine.batch import Part
from runtime.engine.hashing import Trail
from runtime.engine.sequences import Seat, Seats
from runtime.output.answers import Ask, Tokens, common
from runtime.output.steps import Desk, Paper, Work, take_steps
from runtime.program import Request, program_key
from runtime.prompt import PromptTemplate


@dataclass(frozen=True, slots=True)
class Known:
    """What was made of a program once: its templates, and the tokens that begin each step's prompt for everybody."""

    templates: tuple[PromptTemplate, ...]
    heads: tuple[Tokens, ...]


_WORTH_A_STEP = 32  # tokens, for which a request stays out of a batch


@dataclass(slots=True, eq=False)
class Running:
    """A request that waits or runs; it has a number `n`, a seat and work once it runs. Times in ns, monotonic."""

    request: Request
    handed_ns: int
    deadline_ns: int | None
    program: str = ""
    paper: Paper = field(default_factory=Paper)
    trail: Trail = field(default_factory=Trail)
    heads: tuple[Tokens, ...] = ()
    n: int | None = None
    seats: Seats | None = None
    seat: Seat | None = None
    work: Work | None = None
    ask: Ask | None = None
    waiting: list[int] = field(default_factory=list)
    following: bool = False
    slot: int = 0
    reused: int = 0
    occupancy: int = 1
    started_ns: int = 0
    first_ns: int = 0
    busy_ns: int = 0
    energy_uj: int | None = 0
    blocked_ns: int = 0

    def __post_init__(self) -> None:
        self.program = program_key(self.request.program)

    @property
    def place(self) -> int:
        """The number of its sequence; -1 before it has one."""
        return -1 if self.seat is None else self.seat.number

    @property
    def writing(self) -> bool:
        """Whether it goes on from a prompt that is in place: what it waits for is its own last token."""
        return self.ask is not None and self.ask.keep > 0

    def begin(self, desk: Desk, seats: Seats, heads: tuple[Tokens, ...]) -> Ask:
        """Renders and measures the first prompt; nothing is decoded yet and no seat is taken. Raises RuntimeFault."""
        self.seats, self.heads = seats, heads
        self.work = take_steps(desk, self.paper)
        return next(self.work)

    def prepare(self, ask: Ask) -> None:
        """Cuts the seat to what the next answer builds on, and notes which tokens are missing."""
        assert self.seats is not None
        self.ask = ask
        if ask.keep == 0:
            self._sit(ask.tokens)
            return
        assert self.seat is not None
        if ask.keep == len(self.seat.held):  # the common case, one token after another
            self.waiting = list(ask.tokens)
            return
        wanted = [*self.seat.held[: ask.keep], *ask.tokens]
        self.seats.rewind(self.seat, ask.keep)
        self.waiting = wanted[len(self.seat.held) :]

    def _sit(self, prompt: Tokens) -> None:
        assert self.seats is not None
        step = len(self.paper.prompts)
        self.seat = self.seats.sit(prompt, self.heads[step], self.seat)
        self.waiting = list(prompt[len(self.seat.held) :])
        if step == 0:
            self.slot, self.reused = self.seat.number, len(self.seat.held)

    def follows(self, earlier: Sequence[Running]) -> bool:
        """Whether it had better wait: one before it is reading a head that this prompt begins with, too.

        Once that is read, it is copied.
        """
        if self.ask is None or self.seats is None or self.seat is None or self.writing:
            return False
        prompt, was = self.ask.tokens, self.following
        self.following = any(
            one.seat is not None
            and not one.writing
            and len(one.seat.held) < len(one.seat.head)
            and (gain := common(one.seat.head, prompt)) - len(self.seat.held) >= _WORTH_A_STEP
            and self.seats.worth(self.seat, gain)
            for one in earlier
        )
        if was and not self.following:
            self._sit(prompt)
        return self.following

    def part(self, count: int) -> Part:
        """The first `count` of the tokens that it waits for, as its part of a batch."""
        assert self.seat is not None
        return Part(self.seat.number, self.waiting[:count], int(count == len(self.waiting)))

    def decoded(self, count: int, occupancy: int) -> None:
        """Notes that so many of them are in place, by a batch that so many requests shared."""
        assert self.seat is not None
        self.seat.held += self.waiting[:count]
        del self.waiting[:count]
        if not self.writing and self.seats is not None:
            self.seats.keep(self.seat)
        self.occupancy = max(self.occupancy, occupancy)

    def leave(self) -> None:
        """Ends the work and frees the seat."""
        if self.work is not None:
            self.work.close()
        if self.seat is not None and self.seats is not None:
            self.seats.leave(self.seat)
            self.seat = None

    def usage(self, now_ns: int, energy: Energy) -> Usage:
        """What it took."""
        return Usage(
            prompt_tokens=sum(map(len, self.paper.prompts)),
            output_tokens=sum(map(len, self.paper.tokens)),
            queue_us=(self.started_ns - self.handed_ns) // 1000,
            first_us=(self.first_ns - self.handed_ns) // 1000,
            total_us=(now_ns - self.handed_ns) // 1000,
            busy_us=self.busy_ns // 1000,
            energy_uj=energy.microjoules,
            energy_method=energy.method,
        )

    def generation(self, boot: str, build: str, determinism: str, usage: Usage) -> Generation:
        """The end of it."""
        assert self.n is not None
        assert self.seats is not None
        context, request, paper = self.seats.context, self.request, self.paper
        rows, digest = self.trail.read()
        run = Run(
            prompt_tokens=tuple(paper.prompts),
            output_tokens=tuple(paper.tokens),
            logprobs=tuple(paper.logprobs),
            alternatives=paper.alternatives,
            seed=request.seed,
            sampler=request.program.sampler.code,
            threads=context.threads,
            build=build,
            model=request.program.model,
            slot=self.slot,
            device=context.device,
            occupancy=self.occupancy,
            reused=self.reused,
            rows=rows,
            digest=digest,
            determinism=determinism,
            max_tokens=request.max_tokens,
            stop=request.stop,
        )
        output = dict(paper.output)
        return Generation(request.id, boot, self.n, output, paper.outcome, paper.finish, usage, run)
