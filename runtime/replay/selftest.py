"""The start-up self-test: how exactly this model, build and device repeat a result in a version's own context.

Eight texts are run alone, and each of their rows of logits is remembered. Then the same again in every way in which
the engine and a replay will run them: in a batch with slots that others used before, from a sequence that was copied,
on one thread, in one pass over prompt and output, and in the context of a replay. Equal digests of all rows make the
class *bit*; equal best tokens, each as likely to a thousandth of a nat, *token*; anything else *tolerance*: a few equal
tokens promise none where numbers move further than the likeliest ones lie apart. The class is measured, never assumed
(`../shared/reference/runtime.md` 3, 3b).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from pathlib import Path

from runtime import llama
from runtime.digests import row_digest
from runtime.engine.background import Spare
from runtime.engine.batch import BatchRow
from runtime.errors import ModelUnusable
from runtime.llama import Context
from runtime.program import Program
from runtime.replay import selftest_file
from runtime.replay.replay import PIECE, alone
from runtime.replay.selftest_texts import TEXT
from runtime.sampler import Row, best, logits
from runtime.verdict import Measured, context_digest

# In tokens: below and above 64 rows and 512 cells, where kernels change. The longest is cut to what a sequence holds.
LENGTHS = (9, 14, 20, 26, 33, 41, 72, 520)
OUTPUT = 6  # tokens that each text is continued by
# Which of the shorter texts are run on one thread, and which in one pass: the time of a start is counted.
_ONE_THREAD, _ONE_PASS = (1, 3, 5, 6), (0, 2, 4, 6)
_SLOTS = 4  # fewer than texts, so that slots are used again
_PACKED = 32  # prompt rows of each text that joins a batch
_CLOSE = 1e-3  # nats
_METHOD = "2"  # what other releases measured in another way is measured again

Seen = list[tuple[bytes, int, float]]  # of each output row: its digest, its best token, and how likely that is
Work = Generator[None, None, str]


class SelfTest:
    """A job of the background."""

    urgent = True

    def __init__(
        self,
        program: Program,
        build: str,
        run_dir: Path,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._program, self._build, self._file = program, build, run_dir / "selftest.json"
        self._clock = clock
        self._work: Work | None = None
        self._rows = 0
        self._spent_ns = 0

    def step(self, spare: Spare) -> Measured | None:
        """One batch; or what an earlier boot of the same model, build and device has found. Raises RuntimeFault."""
        began = time.monotonic_ns()
        model = spare.model(self._program.model)
        if model is None:
            return None
        if self._work is None:
            kept = selftest_file.read(self._file, self._key(model))
            if kept is not None and kept == self._of_this(kept, model):
                return kept
            self._work = self._measure(spare, model)
        try:
            next(self._work)
        except StopIteration as end:
            self._spent_ns += time.monotonic_ns() - began
            found = self._found(model, end.value)
            selftest_file.write(self._file, self._key(model), found)
            return found
        self._spent_ns += time.monotonic_ns() - began
        return None

    def close(self) -> None:
        """Ends what was begun; the context is the background's."""
        if self._work is not None:
            self._work.close()

    def _key(self, model: llama.Model) -> str:
        shape = self._program.context
        threads = shape.threads or llama.threads_available()
        facts = (self._program.model, context_digest(shape), self._build, *llama.cpu_features(), model.device)
        return selftest_file.key(*facts, str(threads), str(model.gpu_layers), _METHOD)

    def _of_this(self, found: Measured, model: llama.Model) -> Measured:
        context = context_digest(self._program.context)
        return replace(found, model=self._program.model, context=context, build=self._build, device=model.device)

    def _found(self, model: llama.Model, determinism: str) -> Measured:
        return Measured(
            model=self._program.model,
            context=context_digest(self._program.context),
            build=self._build,
            device=model.device,
            determinism=determinism,
            rows=self._rows,
            measured_s=int(self._clock()),
            elapsed_us=self._spent_ns // 1000,
        )

    def _measure(self, spare: Spare, model: llama.Model) -> Work:
        shape = self._program.context
        context = spare.context(self._program.model, shape, max(PIECE, shape.n_seq_max))
        texts = cut(model.vocabulary, context.room)
        trial, threads = Trial(context, shape.n_seq_max, texts), context.threads
        try:
            yield from trial.run(threads)
        finally:
            context.set_threads(threads)
        other = spare.context(self._program.model, alone(shape, None), PIECE)
        yield from trial.elsewhere(other)
        self._rows = trial.rows
        return trial.determinism


def cut(vocabulary: llama.Vocabulary, room: int) -> list[tuple[int, ...]]:
    """Texts in tokens, of the lengths that a sequence has room for, each from another place of the text."""
    tokens = vocabulary.tokenize(TEXT)
    first = () if vocabulary.bos is None else (vocabulary.bos,)
    lengths = [min(length, room - OUTPUT, len(tokens)) for length in LENGTHS]
    if min(lengths) <= len(first):
        raise ModelUnusable("a sequence has no room for the self-test", field="context.n_ctx", fix="raise n_ctx")
    starts = [i * 3 % (len(tokens) - length + 1) for i, length in enumerate(lengths)]
    return [(*first, *tokens[at : at + n - len(first)]) for at, n in zip(starts, lengths, strict=True)]


class Trial:
    """The runs of one self-test. A text's sequence is its prompt and the tokens that continued it when it ran alone."""

    def __init__(self, context: Context, slots: int, texts: list[tuple[int, ...]]) -> None:
        self._context = context
        self._slots = range(slots)[:_SLOTS]
        self._texts = texts
        for slot in range(slots):
            context.rewind(slot, 0)
        self._outputs: list[tuple[int, ...]] = []
        self._reference: list[Seen] = []
        self.rows = 0
        self._bits = self._tokens = True

    @property
    def determinism(self) -> str:
        """The class of what was compared until now."""
        return "bit" if self._bits else "token" if self._tokens else "tolerance"

    def run(self, threads: int) -> Generator[None, None, None]:
        """All that happens in the version's own context."""
        last = len(self._texts) - 1
        for number in range(len(self._texts)):
            yield from self._alone(number)
            if number == last:  # what the longest holds is used once more, instead of decoding it again
                yield from self._forced(self._context, number, keep=len(self._texts[number]) - 1, rows=1, threads=1)
                length = len(self._texts[number])
                if len(self._slots) > 1:  # as a slot takes the head of a version from another
                    self._context.copy(0, 1)
                    keep = max(length - _PACKED, 1)
                    yield from self._forced(self._context, number, keep=keep, rows=1, threads=threads, slot=1)
                    self._context.rewind(1, 0)
                keep = max(length - PIECE + OUTPUT, 0)
                yield from self._forced(self._context, number, keep=keep, rows=PIECE, threads=threads)
            self._context.rewind(0, 0)
        for number in _ONE_THREAD:
            yield from self._forced(self._context, number, keep=0, rows=1, threads=1)
        self._context.set_threads(threads)
        yield from self._batch()

    def elsewhere(self, context: Context) -> Generator[None, None, None]:
        """In one pass, in the context of a replay; the longest text was seen to in the version's own."""
        for number in _ONE_PASS:
            yield from self._forced(context, number, keep=0, rows=PIECE, threads=context.threads)

    def _alone(self, number: int) -> Generator[None, None, None]:
        """The reference: prompt in chunks, then greedy, one row a batch."""
        seen: Seen = []
        for chunk in _chunks(self._texts[number], self._context.n_batch):
            row = self._decode(self._context, 0, chunk, wanted=1)[-1]
            yield
        outputs: list[int] = []
        for _ in range(OUTPUT):
            seen.append((row_digest(row), best(row), _likely(row)))
            outputs.append(best(row))
            if len(outputs) < OUTPUT:
                row = self._decode(self._context, 0, outputs[-1:], wanted=1)[-1]
                yield
        self._outputs.append(tuple(outputs))
        self._reference.append(seen)

    def _forced(
        self, context: Context, number: int, *, keep: int, rows: int, threads: int, slot: int = 0
    ) -> Generator[None, None, None]:
        """The same tokens again, after `keep` of them, `rows` a batch once the output begins (prompts go in chunks)."""
        context.set_threads(threads)
        context.rewind(slot, keep)
        prompt = self._texts[number]
        whole = prompt + self._outputs[number][:-1]
        seen: list[Row] = []
        at = keep
        while at < len(whole):
            size = min(PIECE, context.n_batch) if rows > 1 or at < len(prompt) else 1
            end = min(at + size, len(whole) if rows > 1 or at >= len(prompt) else len(prompt))
            wanted = end - max(at, len(prompt) - 1)
            seen += self._decode(context, slot, whole[at:end], wanted=max(wanted, 0))
            at = end
            yield
        self.compare(number, seen)
        context.rewind(slot, 0 if keep == 0 else len(prompt))

    def _batch(self) -> Generator[None, None, None]:
        """All texts but the longest through all slots: those who write and a part of a prompt in each batch."""
        waiting = [*range(len(self._texts) - 1)] if len(self._slots) > 1 else []
        running: dict[int, int] = {}
        seen: dict[int, list[Row]] = {}
        while waiting or running:
            for slot in self._slots:
                if slot not in running and waiting:
                    running[slot], seen[slot] = waiting.pop(0), []
            yield from self._together(running, seen)
            for slot, number in list(running.items()):
                if len(seen[slot]) == OUTPUT:
                    self.compare(number, seen[slot])
                    self._context.rewind(slot, 0)
                    del running[slot]

    def _together(self, running: dict[int, int], seen: dict[int, list[Row]]) -> Generator[None, None, None]:
        """One batch of what runs: one row each of those who write, some rows each of those who read."""
        batch: list[BatchRow] = []
        gives: list[int] = []
        for slot, number in running.items():
            whole = self._texts[number] + self._outputs[number]
            start, prompt = self._context.length(slot), len(self._texts[number])
            end = start + 1 if start >= prompt else min(start + _PACKED, prompt)
            end = min(end, start + self._context.n_batch - len(batch))
            batch += [BatchRow(whole[i], i, slot, i == end - 1 >= prompt - 1) for i in range(start, end)]
            gives += [slot] if end > start and end >= prompt else []
        for slot, row in zip(gives, self._context.decode(batch), strict=True):
            seen[slot].append(row)
        yield

    def _decode(self, context: Context, slot: int, tokens: Iterable[int], *, wanted: int) -> list[Row]:
        """Decodes tokens after what a sequence holds; the rows of the last `wanted`."""
        start, some = context.length(slot), list(tokens)
        first = len(some) - wanted
        return context.decode([BatchRow(token, start + i, slot, i >= first) for i, token in enumerate(some)])

    def compare(self, number: int, rows: list[Row]) -> None:
        """Holds the output rows of a text against those of its run alone."""
        for (digest, token, likely), row in zip(self._reference[number], rows, strict=True):
            self.rows += 1
            if row_digest(row) != digest:
                self._bits = False
                self._tokens &= best(row) == token and abs(_likely(row) - likely) <= _CLOSE


def _likely(row: Row) -> float:
    return logits(row).logprob(best(row))


def _chunks(tokens: tuple[int, ...], size: int) -> list[tuple[int, ...]]:
    return [tokens[i : i + size] for i in range(0, len(tokens), size)]
