"""A result that is not recorded yet, wherever it was made."""

from __future__ import annotations

from dataclasses import dataclass

from auditlog.core.formats.canonical import Json


@dataclass(frozen=True, slots=True)
class Generated:
    """A result with what is recorded of it. `output`, `outcome`, `usage` and `run` are values that the record commits.

    `boot` and `n` are its number, `capture` where it was made (`runtime` or `gateway`), `reached` its output tokens:
    what an `unfinished` entry commits if the record cannot be written; None where they are not known. Of a stream it is
    what was sent, and `opened` the entry that it began with.
    """

    id: str
    boot: str
    n: int
    capture: str
    output: Json
    outcome: str
    usage: dict[str, Json]
    run: dict[str, Json]
    reached: Json
    opened: str | None = None
