"""The wordings of a question: the version's own template, those that it declares, and shuffled ones where it may. Pure.

Worker and plan ask this one function, so that a variant's number means the same to both.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeVar

from runtime.explain.question import Wording
from runtime.program import Program
from runtime.prompt import PromptTemplate, Source, source

ENOUGH = 3
"""Wordings, the version's own included, from which stability is told."""
_TRIES = 16
_SHOWN = re.compile(r"\{\{[-+]?\s*([a-z0-9_]+)\s*[-+]?\}\}")

T = TypeVar("T")


def templates(program: Program, declared: Sequence[Wording], seed: str) -> tuple[str, ...]:
    """The templates of the first step, the version's own as number 0; of those that make the same prompts the first.

    Where they are fewer than `ENOUGH` and the own one names its fields line by line, those lines are shuffled by the
    seed until there are enough.
    """
    own = program.steps[0].template
    unequal: dict[Source, str] = {}
    for template in (own, *(wording.template for wording in declared)):
        unequal.setdefault(source(template), template)
    found = list(unequal.values())
    block = _lines(own)
    for number in range(_TRIES if block else 0):
        if len(found) >= ENOUGH:
            break
        shuffled = _shuffled(own, block, f"{seed}|lines|{number}")
        if shuffled not in found:
            found.append(shuffled)
    return tuple(found)


@lru_cache(maxsize=64)
def named(template: str) -> frozenset[str]:
    """The fields that a template names, in conditions and loops, too."""
    return PromptTemplate(template, "template").names


def shuffle(items: Iterable[T], seed: str) -> tuple[T, ...]:
    """Items in an order that the seed fixes: by SHA-256 of seed and place, which no library's version changes."""
    placed = enumerate(items)
    return tuple(
        item for _, item in sorted(placed, key=lambda one: hashlib.sha256(f"{seed}|{one[0]}".encode()).digest())
    )


def _lines(template: str) -> range:
    """The longest run of lines that each show exactly one field and hold no condition or loop; at least three."""
    plain = [len(_SHOWN.findall(line)) == 1 and "{%" not in line for line in template.split("\n")]
    best = range(0)
    start = 0
    for at, fits in enumerate([*plain, False]):
        if not fits:
            best = max(best, range(start, at), key=len)
            start = at + 1
    return best if len(best) >= ENOUGH and _distinct(template, best) else range(0)


def _distinct(template: str, block: range) -> bool:
    """Whether no tag goes on over a line's end, and no two lines are equal."""
    lines = template.split("\n")
    whole = all(lines[at].count("{{") == lines[at].count("}}") == 1 and "{#" not in lines[at] for at in block)
    return whole and len({lines[at] for at in block}) == len(block)


def _shuffled(template: str, block: range, seed: str) -> str:
    lines = template.split("\n")
    lines[block.start : block.stop] = shuffle(lines[block.start : block.stop], seed)
    return "\n".join(lines)
