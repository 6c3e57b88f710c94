"""Many prompts as one tree of tokens, and its way through the sequences of a context. Pure.

Each sequence goes depth first through a part of the tree, and is cut back to where the next branch begins; one that has
nothing to do takes over half of another's branches, by a copy of what that holds. So no token is decoded twice, however
few sequences there are; more of them only fill the batches better.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from runtime.output.answers import Tokens, common

Wanted: TypeAlias = tuple[int, Tokens]
"""A row of logits: of which prompt, and after which tokens of its answers."""

# A copy moves a sequence's whole room through memory; decoding a token costs as much as moving about so many cells.
_CELLS_A_TOKEN = 64
# llama.cpp decodes at once what has as many tokens in each sequence; going through the weights once more for others
# costs about as much as so many rows (a row alone 7 ms, one of many 1.2 ms: `../shared/reference/runtime.md` 1b).
_ROWS_A_PASS = 6


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt, and the paths after which rows are wanted: the inner nodes of its answers, () among them."""

    tokens: Tokens
    paths: tuple[Tokens, ...] = ((),)


@dataclass(slots=True, eq=False)
class Node:
    """Tokens after `start` others. `asks`: the rows wanted after the last of them; `weight`: tokens from here on.

    `inner`: they belong to answers, and go on from what was decoded for that very prompt, not for its equal.
    """

    start: int
    tokens: Tokens
    asks: list[Wanted] = field(default_factory=list)
    shared: dict[int, Node] = field(default_factory=dict)  # what follows, by its first token
    apart: list[Node] = field(default_factory=list)  # what follows and is equal to another, yet decoded for itself
    weight: int = 0
    inner: bool = False

    @property
    def end(self) -> int:
        """How many tokens lead to its end."""
        return self.start + len(self.tokens)

    @property
    def children(self) -> list[Node]:
        """What follows."""
        return [*self.shared.values(), *self.apart]


def grow(prompts: Sequence[Prompt]) -> Node:
    """The tree. Of equal prompts each has its last token, and what follows, for itself."""
    root = Node(0, ())
    seen: set[Tokens] = set()
    for number, prompt in enumerate(prompts):
        if prompt.tokens in seen:
            end = Node(len(prompt.tokens) - 1, prompt.tokens[-1:])
            _reach(root, prompt.tokens[:-1]).apart.append(end)
        else:
            seen.add(prompt.tokens)
            end = _reach(root, prompt.tokens)
        for path in prompt.paths:
            _reach(end, path, inner=True).asks.append((number, path))
    for node in reversed(list(_nodes(root))):
        node.weight = len(node.tokens) + sum(child.weight for child in node.children)
    return root


def _reach(node: Node, tokens: Tokens, *, inner: bool = False) -> Node:
    """The node that ends after these tokens, made where there is none."""
    while tokens:
        child = node.shared.get(tokens[0])
        if child is None:
            child = node.shared[tokens[0]] = Node(node.end, tokens, inner=inner)
        length = common(child.tokens, tokens)
        if length < len(child.tokens):  # the lower half stays the same object: others know it as their end
            upper = Node(child.start, child.tokens[:length], inner=child.inner)
            child.start, child.tokens = upper.end, child.tokens[length:]
            upper.shared[child.tokens[0]] = child
            child = node.shared[tokens[0]] = upper
        node, tokens = child, tokens[length:]
    return node


def _nodes(root: Node) -> Iterator[Node]:
    """All nodes, each before those that follow it."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += node.children


@dataclass(frozen=True, slots=True)
class Copy:
    """The whole of a sequence into an empty one."""

    source: int
    target: int


@dataclass(frozen=True, slots=True)
class Cut:
    """So many tokens of a sequence remain."""

    sequence: int
    length: int


@dataclass(frozen=True, slots=True)
class Piece:
    """What a sequence grows by; the rows that are wanted after its last token."""

    sequence: int
    tokens: Tokens
    asks: tuple[Wanted, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """First these steps in order, then the pieces in one batch; several pieces of a sequence follow each other."""

    steps: tuple[Copy | Cut, ...]
    pieces: tuple[Piece, ...]


@dataclass(slots=True, eq=False)
class _Worker:
    """A sequence on its way. `run`: where rows are wanted along `path`; `stack`: branches of that path, left for later,
    the deepest last."""

    sequence: int
    path: Tokens = ()
    run: list[Node] = field(default_factory=list)
    stack: list[Node] = field(default_factory=list)


class Walk:
    """The sequences of one context, with what they hold from tree to tree. `room`: of each, in tokens.

    The last `keepers` of them hold prompts that are worth keeping, and grow no further.
    """

    def __init__(self, sequences: int, room: int, keepers: int = 0) -> None:
        self._held: list[Tokens] = [()] * sequences
        self._room = room
        self._workers = [_Worker(number) for number in range(sequences - keepers)]
        self._empty = list(range(sequences - keepers, sequences))
        self._keep: frozenset[int] = frozenset()
        self._due: list[tuple[int, Tokens]] = []

    def plant(self, root: Node, keep: Collection[int] = ()) -> None:
        """Begins a tree; the last one must be through. `keep`: numbers of prompts to be kept while there is place."""
        self._keep = frozenset(keep)
        branches = root.children

        def reach(worker: _Worker) -> int:
            return max((common(self._held[worker.sequence], branch.tokens) for branch in branches), default=0)

        first = max(self._workers, key=reach)
        first.path = ()
        first.stack = sorted(branches, key=lambda branch: common(self._held[first.sequence], branch.tokens))

    def next(self, rows: int, wanted: int) -> Batch | None:
        """The next batch, of at most so many rows and wanted rows; None once nothing is left to do."""
        steps: list[Copy | Cut] = []
        for source, tokens in self._due:
            if self._empty:
                self._copy(source, self._empty.pop(), len(tokens), steps)
        self._due = []
        self._share(steps)
        for worker in self._workers:
            if not worker.run and worker.stack:
                self._take(worker, steps)
        busy = [worker for worker in self._workers if worker.run][: min(rows, wanted)]
        pieces = tuple(self._pieces(busy, rows, wanted))
        return Batch(tuple(steps), pieces) if steps or pieces else None

    # Who does what

    def _share(self, steps: list[Copy | Cut]) -> None:
        """Gives those without work half of what another has, as long as that is worth a copy."""
        for worker in self._workers:
            if worker.run or worker.stack:
                continue
            giver = max(self._workers, key=lambda one: sum(node.weight for node in self._spared(one)))
            given = _half(self._spared(giver))
            if not given or sum(node.weight for node in given) * _CELLS_A_TOKEN < self._room:
                return
            worker.stack, worker.path = given, giver.path
            giver.stack = giver.stack[len(given) :]
            self._take(worker, steps, giver)

    def _spared(self, worker: _Worker) -> list[Node]:
        """The branches that it can give away: it holds what comes before them, and has something else to do."""
        length = len(self._held[worker.sequence])
        ready = [node for node in worker.stack if node.start <= length]
        return ready if worker.run else ready[:-1]

    def _take(self, worker: _Worker, steps: list[Copy | Cut], giver: _Worker | None = None) -> None:
        """Lays out the way from the next branch down to a leaf, and brings in place what is there of it already."""
        node = worker.stack.pop()
        path = worker.path[: node.start] + node.tokens
        source = self._source(worker, node, path, giver)
        if source is not None:
            self._copy(source, worker.sequence, len(self._held[source]), steps)
        held = self._held[worker.sequence]
        first, worker.run = node, [node] if node.asks else []
        while node.children:
            order = sorted(node.children, key=lambda child: common(held[child.start :], child.tokens))
            node = order[-1]
            worker.stack += order[:-1]
            worker.run += [node] if node.asks else []
            path += node.tokens
        worker.path = path
        most = first.start if first.inner else worker.run[0].end - 1
        self._cut(worker.sequence, min(common(held, path), most), steps)

    def _source(self, worker: _Worker, node: Node, path: Tokens, giver: _Worker | None) -> int | None:
        """The sequence to be copied for a branch; None where the worker's own will do."""
        if node.inner:
            return None if giver is None else giver.sequence
        own = common(self._held[worker.sequence], path)
        best = max(range(len(self._held)), key=lambda at: common(self._held[at], path))
        gain = common(self._held[best], path) - own
        return best if gain and (own < node.start or gain * _CELLS_A_TOKEN >= self._room) else None

    # The batch

    def _pieces(self, busy: list[_Worker], rows: int, wanted: int) -> Iterator[Piece]:
        if not busy:
            return
        each = wanted // len(busy)
        lengths = [worker.run[:each][-1].end - len(self._held[worker.sequence]) for worker in busy]
        most = level(lengths, rows)
        for worker, length in zip(busy, lengths, strict=True):
            end = len(self._held[worker.sequence]) + min(length, most)
            while worker.run and worker.run[0].end <= end:
                node = worker.run.pop(0)
                yield self._piece(worker, node.end, tuple(node.asks))
            if len(self._held[worker.sequence]) < end:
                yield self._piece(worker, end, ())

    def _piece(self, worker: _Worker, end: int, asks: tuple[Wanted, ...]) -> Piece:
        held = self._held[worker.sequence]
        self._held[worker.sequence] = worker.path[:end]
        if any(number in self._keep and not path for number, path in asks):
            self._due.append((worker.sequence, worker.path[:end]))
        return Piece(worker.sequence, worker.path[len(held) : end], asks)

    # What sequences hold

    def _copy(self, source: int, target: int, length: int, steps: list[Copy | Cut]) -> None:
        self._cut(target, 0, steps)
        steps.append(Copy(source, target))
        self._held[target] = self._held[source]
        self._cut(target, length, steps)

    def _cut(self, sequence: int, length: int, steps: list[Copy | Cut]) -> None:
        if length < len(self._held[sequence]):
            steps.append(Cut(sequence, length))
            self._held[sequence] = self._held[sequence][:length]


def _half(nodes: Sequence[Node]) -> list[Node]:
    """The first of them, as many as have half of the tokens; of few the larger half."""
    total, given = sum(node.weight for node in nodes), list[Node]()
    for node in nodes:
        if 2 * sum(one.weight for one in given) >= total:
            break
        given.append(node)
    return given


def level(lengths: Iterable[int], rows: int) -> int:
    """How many tokens each sequence grows by at most, so that a batch of at most so many rows costs least a row.

    There must be at least a row for each.
    """
    found = sorted(lengths)
    highest, rest = found[-1], rows
    for at, one in enumerate(found):
        if one * (len(found) - at) > rest:
            highest = rest // (len(found) - at)
            break
        rest -= one

    def cost(most: int) -> tuple[float, int]:
        cut = [min(one, most) for one in found]
        return (len(set(cut)) * _ROWS_A_PASS / sum(cut), -most)

    return min({*(one for one in found if one <= highest), highest}, key=cost)
