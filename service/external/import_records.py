"""Records of decisions that were made elsewhere: gate → values → commit and seal → one unit (DESIGN §3, §4).

Each line stands for itself: what is wrong with one is said of it, and the others are recorded, all in one unit. A
number of a source counts once. A line that comes again gets the record that it led to; another line under the same
number is a conflict. No `refused` entry is made: nothing was decided here, and a number that stays without a record
is one that `log gaps` names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from auditlog.core.errors import CannotRecord
from auditlog.core.formats.canonical import Json
from auditlog.store.sources import Number, NumberTaken, SourceRow, find_numbers
from auditlog.writing.log import Integrated
from home.errors import AppError, NumberConflict, UsageError
from home.greffier import Greffier
from registry.errors import GateClosed
from registry.store import external_gate
from service.deciding import boots, recording
from service.external import idempotency, unit
from service.external.lines import Committed, Line, parse_line
from service.external.register import Register

MAX_BATCH: Final = 256
_ROUNDS: Final = 5


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a line led to: the id of its record, and where its entry stands. `repeated`: it was recorded before."""

    id: str
    log: int
    index: int
    repeated: bool


Result: TypeAlias = "Recorded | Exception"
"""What became of a line; an exception is of one of the families that have an answer (AppError, AuditLogError)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of each line, in their order, and the log as it was when the last of them was in it."""

    results: tuple[Result, ...]
    log: int
    size: int
    root: str

    @property
    def failed(self) -> int:
        """How many lines were not recorded."""
        return sum(isinstance(one, Exception) for one in self.results)


def record(
    g: Greffier,
    given: Sequence[Json | AppError],
    *,
    system: str | None = None,
    reach: Callable[[str], None] = lambda _: None,
    committed_only: bool = False,
) -> Batch:
    """Record up to 256 decisions, each a line as it was read, or what was wrong in reading it.

    `system`: the one that all are of. `reach(slug)` raises AppError for a system that the sender may not record for.
    `committed_only`: take no content. Raises CannotRecord where nothing can be recorded now; sending all lines again
    is safe.
    """
    if len(given) > MAX_BATCH:
        raise UsageError(f"has {len(given)} records; at most {MAX_BATCH} go together", field="records")
    _demand_recording(g)
    lines: dict[int, Line] = {}
    results: dict[int, Result] = {}
    for position, one in enumerate(given):
        try:
            lines[position] = _line(one, system, reach, committed_only=committed_only)
        except AppError as error:
            results[position] = error
    integrated = _record_all(g, lines, results)
    state = g.log.state()
    size, root = (state.size, state.root) if integrated is None else (integrated.size, integrated.root)
    return Batch(tuple([results[position] for position in range(len(given))]), g.log.number, size, root.hex())


def demand_system(g: Greffier, slug: str) -> None:
    """Raise RegistryError for a system that is not registered, or whose decisions are not made elsewhere."""
    with g.reading() as conn:
        external_gate.demand_external(conn, slug)


def _line(one: Json | AppError, system: str | None, reach: Callable[[str], None], *, committed_only: bool) -> Line:
    if isinstance(one, AppError):
        raise one
    line = parse_line(one, system=system)
    reach(line.system)
    if committed_only and not isinstance(line, Committed):
        raise UsageError("is missing, and content is not taken: commit to it first", field="commitments")
    return line


def _demand_recording(g: Greffier) -> None:
    """As for a decision: a log that cannot write takes nothing in."""
    if g.problem is not None:
        raise g.problem
    if not g.log.state().recording:
        boots.pulse(g)
    g.log.demand_room()


def _record_all(g: Greffier, lines: dict[int, Line], results: dict[int, Result]) -> Integrated | None:
    """Record what is new, compare what is there, until no line is left; the last unit, if there was one."""
    register, integrated = Register(g), None
    for _ in range(_ROUNDS):
        new, later = _take_apart(g, register, lines, results)
        made, failed = unit.make(g, register, new)
        results.update(failed)
        lines = later
        if made:
            try:
                integrated = recording.append_patiently(g, unit.unit(made))
            except (NumberTaken, GateClosed):
                # Another sender was first, or a system was stopped meanwhile: ask both again.
                register.ask_again()
                lines = later | {item.position: new[item.position] for item in made}
                continue
            for item, sequenced in zip(made, integrated.sequenced, strict=True):
                results[item.position] = Recorded(item.entry.id, sequenced.log, sequenced.index, repeated=False)
        if not lines:
            return integrated
    raise CannotRecord("others send the same numbers at this moment: try again", cause="busy")


def _take_apart(
    g: Greffier, register: Register, lines: Mapping[int, Line], results: dict[int, Result]
) -> tuple[dict[int, Line], dict[int, Line]]:
    """Settle lines whose number has a record. The others; and, for later, all but the first with the same number."""
    with g.reading() as conn:
        taken = find_numbers(conn, list({(line.source, line.n) for line in lines.values()}))
    new: dict[int, Line] = {}
    later: dict[int, Line] = {}
    again: dict[int, tuple[Line, SourceRow]] = {}
    seen: set[Number] = set()
    for position, line in lines.items():
        number = line.source, line.n
        if number in taken:
            again[position] = line, taken[number]
        else:
            (later if number in seen else new)[position] = line
            seen.add(number)
    for position, same in (idempotency.compare(g, register, again) if again else {}).items():
        row = again[position][1]
        if isinstance(same, Exception):
            results[position] = same
        elif same:
            results[position] = Recorded(row.id, row.log, row.idx, repeated=True)
        else:
            results[position] = NumberConflict("was used before for another decision: give each its own", field="n")
    return new, later
