"""Scores of many prompts of one program: the exact log-probability of each outcome's text after each of them."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

from runtime.engine.batch import Part
from runtime.errors import RuntimeFault
from runtime.explain.question import Score, Variant
from runtime.explain.tree import Batch, Copy, Prompt, Walk, Wanted, grow
from runtime.llama import Context, Model
from runtime.output.answers import Answers, Tokens
from runtime.output.steps import Desk, Paper, lay_out
from runtime.program import Program, Request, check_fields
from runtime.prompt import PromptTemplate
from runtime.replay.replay import PIECE, alone
from runtime.sampler import Logits, block_logits, micro_nats
from runtime.shape import Shape

SEQUENCES = (16, 8, 4, 2)  # of a context, the first that memory allows
_AT_ONCE = 16  # prompts that are made into tokens between two batches
_WORDINGS_KEPT = 4  # sequences are set apart for one prompt of each, of which later ones are variants


class _Rows:
    """The rows of one variant, by the path that leads to each: of each what the answers need, as a whole one is large
    and many may wait for the last."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self._wanted: dict[Tokens, list[int]] = {}
        for tokens in answers.continuations:
            for at, token in enumerate(tokens):
                self._wanted.setdefault(tokens[:at], []).append(token)
        self._found: dict[Tokens, dict[int, float]] = {}

    @property
    def paths(self) -> tuple[Tokens, ...]:
        """The inner nodes of the answers' tree, each as the tokens that lead to it."""
        return tuple(sorted(self._wanted))

    def note(self, path: Tokens, row: Logits) -> Score | None:
        """Notes a row; the score with the last of them, added up as `answers.weigh` and the record do."""
        self._found[path] = {token: row.logprob(token) for token in self._wanted[path]}
        if len(self._found) < len(self._wanted):
            return None
        totals = [
            sum(self._found[tokens[:at]][token] for at, token in enumerate(tokens))
            for tokens in self.answers.continuations
        ]
        return tuple(map(micro_nats, totals))


class Scorer:
    """Scores variants in a context of its own. `wordings`: templates of the first step, the version's own first.

    `tokens`, `batches`: what was decoded until now.
    """

    def __init__(self, model: Model, context: Context, program: Program, wordings: tuple[str, ...]) -> None:
        self._vocabulary, self._context, self._program = model.vocabulary, context, program
        self._templates = [PromptTemplate(text, f"wordings[{at}]") for at, text in enumerate(wordings)]
        self._kept: set[int] = set()
        kept = min(len(wordings), _WORDINGS_KEPT, context.sequences // 4)
        self._walk = Walk(context.sequences, context.room, kept)
        for sequence in range(context.sequences):
            context.rewind(sequence, 0)
        self.tokens = self.batches = 0

    def prompt_tokens(self, variant: Variant) -> int:
        """How many tokens its prompt has; 0 for one that cannot be run."""
        answers = self._lay_out(variant)
        return 0 if answers is None else len(answers.prompt)

    def score(self, variants: Sequence[Variant]) -> Generator[None, None, tuple[Score | None, ...]]:
        """The scores, in that order, each prompt decoded for itself; pauses after each batch.

        Raises RuntimeFault where the context cannot be used any more.
        """
        scores: list[Score | None] = [None] * len(variants)
        rows: dict[int, _Rows] = {}
        keep = []
        for number, variant in enumerate(variants):
            if number % _AT_ONCE == _AT_ONCE - 1:
                yield
            answers = self._lay_out(variant)
            if answers is None:
                continue
            rows[number] = _Rows(answers)
            if variant.wording not in self._kept:
                self._kept.add(variant.wording)
                keep.append(len(rows) - 1)
        order = list(rows)
        self._walk.plant(grow([Prompt(one.answers.prompt, one.paths) for one in rows.values()]), keep)
        while (batch := self._walk.next(self._most, self._context.outputs)) is not None:
            for (at, path), found in self._decode(batch):
                scores[order[at]] = rows[order[at]].note(path, found)
            yield
        return tuple(scores)

    @property
    def _most(self) -> int:
        return min(PIECE, self._context.n_batch)

    def _decode(self, batch: Batch) -> Iterator[tuple[Wanted, Logits]]:
        """Runs a batch; the rows that were wanted of it."""
        for step in batch.steps:
            if isinstance(step, Copy):
                self._context.copy(step.source, step.target)
            else:
                self._context.rewind(step.sequence, step.length)
        if not batch.pieces:
            return
        parts = [Part(piece.sequence, piece.tokens, int(bool(piece.asks))) for piece in batch.pieces]
        block = self._context.run(parts)
        self.tokens += sum(len(piece.tokens) for piece in batch.pieces)
        self.batches += 1
        found = block_logits(block)  # the library's memory, gone with the next batch
        for piece, row in zip((piece for piece in batch.pieces if piece.asks), found, strict=True):
            for wanted in piece.asks:
                yield wanted, row

    def _lay_out(self, variant: Variant) -> Answers | None:
        """Its prompt and the answers; None where it is not allowed, or does not fit into a sequence."""
        program, template = self._program, self._templates[variant.wording]
        if not template.names <= {declared.id for declared in program.fields}:
            return None
        fields = dict(variant.fields)
        request = Request("", program, fields)
        try:
            values = check_fields(program, fields)
            desk = Desk(request, (template,), values, self._vocabulary, self._context.room, lambda _: None)
            return lay_out(desk, Paper(), 0, program.outcomes)
        except RuntimeFault:
            return None


def wide(shape: Shape, sequences: int, threads: int | None) -> Shape:
    """As `alone`, with so many sequences of that room, each in a stream of its own."""
    lone = alone(shape, threads)
    count = min(sequences, shape.n_batch)
    whole = lone.n_ctx * count
    batch = min(shape.n_batch, whole)
    micro = min(shape.n_ubatch, batch)
    return replace(lone, n_ctx=whole, n_seq_max=count, n_batch=batch, n_ubatch=micro, kv_unified=False)


def outputs(shape: Shape) -> int:
    """How many rows of a batch can be wanted: two for each sequence, as an answer may have several tokens."""
    return 2 * shape.n_seq_max
