"""Several decisions in one request: each is a decision of its own, with its record, and each has its own end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Final

from auditlog.core.formats.canonical import Json
from auditlog.vault.references import NO_REFS, Refs
from home.errors import UsageError
from home.greffier import Greffier
from service.deciding import decide, idempotency

MOST: Final = 256
THREADS: Final = 16
_LONGEST: Final = 250  # of a key, whose items get their numbers behind it


@dataclass(frozen=True, slots=True)
class Item:
    """One decision of a batch."""

    system: str
    inputs: Mapping[str, Json] = field(repr=False)
    subjects: tuple[str, ...] = field(default=(), repr=False)
    refs: Refs = field(default=NO_REFS, repr=False)
    lang: str = "en"


def decide_all(
    g: Greffier,
    items: Sequence[Item],
    threads: Executor,
    *,
    key: idempotency.Key | None = None,
    reach: Callable[[str], None] = lambda _system: None,
) -> list[decide.Answer | Exception]:
    """The answer of each item or what ended it, in their order.

    They are decided side by side, as many at once as there are `threads`. Under a `key` each item has the key with its
    number, so that a batch that is sent again gives the answers that it gave. `reach` raises for a system that the
    caller does not reach.
    """
    received = g.clock()
    keys = [None if key is None else _numbered(key, number) for number in range(len(items))]

    def end(number: int) -> decide.Answer | Exception:
        item = items[number]
        try:
            _demand(item, reach)
            return decide.decide(
                g,
                item.system,
                item.inputs,
                subjects=item.subjects,
                refs=item.refs,
                lang=item.lang,
                key=keys[number],
                received=received,
            )
        except Exception as error:  # the others have their own end
            return error

    return list(threads.map(end, range(len(items))))


def _demand(item: Item, reach: Callable[[str], None]) -> None:
    reach(item.system)
    if item.refs.conversation is not None:
        # The turns of a conversation follow each other, and these run side by side.
        raise UsageError("has its turns one after the other: ask for each by itself", field="conversation")


def _numbered(key: idempotency.Key, number: int) -> idempotency.Key:
    if len(key.text) > _LONGEST:
        raise UsageError(f"has more than {_LONGEST} characters, the most for a batch", field=key.field)
    return idempotency.Key(key.scope, f"{key.text}#{number}", key.field, key.reader)
