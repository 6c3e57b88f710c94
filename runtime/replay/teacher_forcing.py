"""A run held on its recorded tokens: what would have been chosen at each place, and what its record says. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING

from runtime.digests import START, chain, head, row_digest
from runtime.output.schema import choices
from runtime.replay.tolerance import REFUSED
from runtime.sampler import Row, micro_nats
from runtime.verdict import ReplayOrder

if TYPE_CHECKING:
    from runtime.output.choice import Choice
    from runtime.output.steps import Paper


@dataclass(slots=True)
class Forced:
    """Watches one replay. Positions are (step, row of that step)."""

    order: ReplayOrder
    rows: int = 0
    rows_equal: int = 0
    tokens: int = 0
    tokens_equal: int = 0
    margin_max: int = 0
    row_at: tuple[int, int] | None = None
    token_at: tuple[int, int] | None = None
    outcome_at: tuple[int, int] | None = None  # where the outcome was chosen, if another one would have been
    inner: bool = False  # a token differs after which the recorded rows go on as if it had been chosen
    overrun_at: tuple[int, int] | None = None  # where the recorded text ends and this one goes on
    _chain: bytes = START
    _asked: list[int] = field(default_factory=list)

    def row(self, step: int, row: Row) -> None:
        """Compares the next row that a step asked for with its recorded digest."""
        while len(self._asked) <= step:
            self._asked.append(0)
        at = self._asked[step]
        self._asked[step] += 1
        self.rows += 1
        digest = row_digest(row)
        self._chain = chain(self._chain, digest)
        recorded = self.order.run.rows[step] if step < len(self.order.run.rows) else ()
        if at < len(recorded) and recorded[at] == head(digest):
            self.rows_equal += 1
        elif self.row_at is None:
            self.row_at = (step, at)

    def chosen(self, choice: Choice) -> int | None:
        """Notes a choice, and gives the recorded one instead where they differ."""
        recorded = self._recorded(choice)
        if recorded is None:  # the recorded text had ended here: right only where nothing is added to it
            length = self._length(choice.step)
            if choice.at > length and self.overrun_at is None:
                self.overrun_at = (choice.step, length)
            return None
        self.tokens += 1
        if recorded == choice.index:
            self.tokens_equal += 1
            return None
        at = max(self._asked[choice.step] - 1, 0)
        if self.token_at is None:
            self.token_at = (choice.step, at)
        if choice.step == 0 and self._finite(0):
            self.outcome_at = (0, at)
        self.inner |= choice.at + 1 < self._length(choice.step) and not self._finite(choice.step)
        if recorded < 0 or choice.index < 0:
            self.margin_max = REFUSED
            return None
        margin = choice.score(choice.index) - choice.score(recorded)
        self.margin_max = max(self.margin_max, micro_nats(margin) if isfinite(margin) else REFUSED)
        return recorded

    @property
    def rows_agree(self) -> bool:
        """Whether every row was recorded, is equal, and no row is missing; the chain over whole digests included."""
        return self.row_at is None and self._as_many and self._same_chain

    @property
    def rows_contradict(self) -> bool:
        """Whether no engine can have recorded such rows, whatever it computed: another number of them than the same
        tokens ask for, or heads and a chain of which only one is that of this run."""
        return bool(self.order.run.rows) and not (self._as_many and (self.row_at is None) == self._same_chain)

    @property
    def _as_many(self) -> bool:
        return [len(step) for step in self.order.run.rows] == self._asked

    @property
    def _same_chain(self) -> bool:
        return self.order.run.digest == "sha256:" + self._chain.hex()

    def differences(self, paper: Paper) -> list[int]:
        """Absolute differences of log-probabilities, of tokens and of the outcomes' texts, in micro-nats."""
        recorded = self.order.run.alternatives
        others = [(recorded[code], found) for code, found in paper.alternatives.items() if code in recorded]
        return [abs(one - other) for one, other in (*self._logprobs(paper).values(), *others)]

    def logprob_at(self, paper: Paper, most: int) -> tuple[int, int]:
        """The first token whose log-probability differs by more than `most`; the outcome's row where none does."""
        differing = (at for at, (one, other) in self._logprobs(paper).items() if abs(one - other) > most)
        return next(differing, (0, 0))

    def _logprobs(self, paper: Paper) -> dict[tuple[int, int], tuple[int, int]]:
        steps = enumerate(zip(self.order.run.logprobs, paper.logprobs, strict=False))
        return {(step, at): pair for step, both in steps for at, pair in enumerate(zip(*both, strict=False))}

    def _recorded(self, choice: Choice) -> int | None:
        if self._finite(choice.step):
            texts = self._texts(choice.step)
            said = self.order.output.get(self.order.program.steps[choice.step].output)
            return texts.index(said) if said in texts else -1
        tokens = self.order.run.output_tokens
        step = tokens[choice.step] if choice.step < len(tokens) else ()
        return step[choice.at] if choice.at < len(step) else None

    def _length(self, step: int) -> int:
        tokens = self.order.run.output_tokens
        return len(tokens[step]) if step < len(tokens) else 0

    def _finite(self, step: int) -> bool:
        return bool(self._texts(step))

    def _texts(self, step: int) -> Sequence[str]:
        program = self.order.program
        if step == 0:
            return [outcome.text for outcome in program.outcomes]
        return choices(program.output_schema["properties"][program.steps[step].output]) or ()
