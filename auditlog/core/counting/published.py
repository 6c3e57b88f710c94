"""Sums as they are published: net of what was replaced, with what follows from them named, and what stays closed.

Each number that a reader could compute from others is a cell of its own here, and the equations between cells are
given to `suppression`, together with the sums that were published before: what one publication says more than another
must be no small number either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from auditlog.core.counting.figures import Cells, Figure, Why, add, figures
from auditlog.core.counting.suppression import Equation, Table, suppress

_REPLACED = "reviews.replaced."
_DERIVED = ("not_held", "not_held.reviewed", "practice.waiting", "practice.unreviewed")

SUMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("decisions", ("outcomes.", "outcome_unknown")),
    ("decisions", ("latency.",)),
    ("decisions", ("records.tokens", "tokens.unknown")),
    ("decisions", ("records.energy.", "energy.not_measured")),
    ("decisions", ("records.cost.", "cost.unknown")),
    ("decisions", ("held", "not_held")),
    ("held", ("held.reviewed", "practice.waiting")),
    ("not_held", ("not_held.reviewed", "practice.unreviewed")),
    ("reviewed", ("held.reviewed", "not_held.reviewed")),
    ("reviewed", ("reviews.",)),
    ("reviewed", ("review_time.",)),
    ("refusals", ("refusals.",)),
)
"""Cell → the cells that it is the sum of; a name that ends in a dot stands for all that begin so."""

_WHOLES = frozenset(whole for whole, _ in SUMS)
_MIXED = "held.mixed"
"""Held results of outcomes of which one version holds some and another none: no cell, and nobody publishes it."""
_AMOUNTS = {
    "tokens.prompt": "records.tokens",
    "tokens.output": "records.tokens",
    "undeclared": "records.undeclared",
}


@dataclass(frozen=True, slots=True)
class Publication:
    """What was published of one system: first and last day, all numbers, and which cells stayed closed and why."""

    first: str
    last: str
    cells: Mapping[str, int]
    closed: Mapping[str, Why]

    @property
    def months(self) -> frozenset[str]:
        """The months that it is about."""
        year, first, last = int(self.first[:4]), int(self.first[5:7]), int(self.last[5:7])
        return frozenset(f"{year}-{month:02}" for month in range(first, last + 1))


def published_cells(summed: Mapping[str, int]) -> Cells:
    """The cells of a period from the sum of its days: reviews by the latest of each result, and what follows."""
    cells = {name: number for name, number in summed.items() if not name.startswith("reviews.")}
    for name, number in summed.items():
        if name.startswith("reviews.") and not name.startswith(_REPLACED):
            cells[name] = number - summed.get(_REPLACED + name.removeprefix("reviews."), 0)
    held, held_reviewed = cells.get("held", 0), cells.get("held.reviewed", 0)
    cells["not_held"] = cells.get("decisions", 0) - held
    cells["not_held.reviewed"] = cells.get("reviewed", 0) - held_reviewed
    cells["practice.waiting"] = held - held_reviewed
    cells["practice.unreviewed"] = cells["not_held"] - cells["not_held.reviewed"]
    made = {name for name in cells if name in _DERIVED or name.startswith("reviews.")}
    return {name: number for name, number in cells.items() if number or name not in made}


def amount_of(cell: str) -> str | None:
    """Of a cell that sums an amount: the cell that counts the records behind it."""
    if cell in _AMOUNTS:
        return _AMOUNTS[cell]
    for head in ("energy.", "cost."):
        if cell.startswith(head) and cell not in ("energy.not_measured", "cost.unknown"):
            return f"records.{cell}"
    return None


def total_figures(shown: Iterable[Mapping[str, int]], closed: Iterable[str]) -> list[Figure]:
    """Figures of several systems together, from the cells that are shown: where one is closed, the sum is "at least".

    Nothing can be told from it that the systems do not show. Outcomes differ per system, and are left out.
    """
    found = figures(add(shown), partial=closed)
    return [one for one in found if not one.name.startswith("outcomes.")]


def close_comparison(counts: Mapping[str, int], floor: int) -> dict[str, Why]:
    """Which counts of a comparison with a case system stay closed: `cases`, `records`, `without_record`,
    `without_case`, `used_before_review`. What is in both is in neither count, and ties them together.
    """
    both = counts["cases"] - counts["without_record"]
    equations = [Equation("cases", ("both", "without_record")), Equation("records", ("both", "without_case"))]
    return suppress(
        Table(
            {**counts, "both": both},
            equations,
            floor,
            # How many there are in all is no secret: the figures, or whoever has the list, may tell.
            closable=frozenset(n for n in counts if n not in {"cases", "records"} or 1 <= counts[n] < floor),
            hidden=frozenset({"both"}),
        )
    )


def close_cells(
    first: str,
    last: str,
    cells: Mapping[str, int],
    before: Sequence[Publication],
    floor: int,
    *,
    waiting: Mapping[str, bool] | None = None,
) -> dict[str, Why]:
    """Which cells of one system stay closed in a publication, and why. `before`: what was published, oldest first.

    `waiting`: outcome → whether its results wait for a review, where all versions agree. The register says so in
    public, so that those results are the held ones, and one outcome may follow from the others.
    """
    now = Publication(first, last, cells, {})
    before = _distinct(before)
    near = [one for one in before if one.months & now.months]
    # A year that was published ties its months together.
    months = frozenset[str]().union(now.months, *(one.months for one in near))
    everything = [*(one for one in before if one.months & months), now]
    table = _table(everything, floor, frozenset(f"outcomes.{code}" for code, waits in (waiting or {}).items() if waits))
    closed = {_cell(name): why for name, why in suppress(table).items()}
    for cell in cells:
        counter = amount_of(cell)
        if counter is not None and counter in closed:
            closed[cell] = "with"
    return closed


def _distinct(before: Sequence[Publication]) -> list[Publication]:
    """The same numbers of the same days count once, however often they were published: what was open ever, is."""
    found: dict[tuple[str, str, frozenset[tuple[str, int]]], Publication] = {}
    for one in before:
        key = one.first, one.last, frozenset(one.cells.items())
        known = found.pop(key, one)
        found[key] = replace(one, closed={cell: why for cell, why in one.closed.items() if cell in known.closed})
    return list(found.values())


def _table(publications: Sequence[Publication], floor: int, waiting: frozenset[str]) -> Table:
    if waiting:
        publications = [replace(one, cells={**one.cells, _MIXED: _mixed(one.cells, waiting)}) for one in publications]
    numbers: dict[str, int] = {}
    equations: list[Equation] = []
    closed: dict[str, Why] = {}
    cells = sorted({cell for one in publications for cell, n in one.cells.items() if _is_in_table(cell, n)})
    last = len(publications) - 1
    hidden: dict[str, int] = {}
    for place, one in enumerate(publications):
        numbers |= {_name(place, cell): one.cells.get(cell, 0) for cell in cells}
        closed |= {_name(place, cell): why for cell, why in one.closed.items() if cell in cells}
        equations += _sums(str(place), cells, waiting)
        hidden |= {_name(place, cell): one.cells[cell] for cell in cells if cell == _MIXED}
    for whole, parts in _blocks(publications):
        block = f"{whole}-{'-'.join(map(str, parts))}"
        equations += _sums(block, cells, waiting)
        for cell in cells:
            known = [part for part in parts if cell not in publications[part].closed]
            for name, of in {_name(block, cell): parts, f"{block}*:{cell}": known}.items():
                rest = numbers[_name(whole, cell)] - sum(numbers[_name(part, cell)] for part in of)
                # Nothing more: readers may know that, as when all months of the year were published, or it began late.
                (hidden if rest else numbers)[name] = rest
                equations.append(Equation(_name(whole, cell), (*(_name(part, cell) for part in of), name)))
    return Table(
        numbers | hidden,
        equations,
        floor,
        closable=frozenset(_name(last, cell) for cell in publications[last].cells if cell in cells and cell != _MIXED),
        closed=closed,
        hidden=frozenset(hidden),
        signed=frozenset(hidden),
        last=frozenset(_name(last, cell) for cell in _WHOLES),
    )


def _mixed(cells: Mapping[str, int], waiting: frozenset[str]) -> int:
    return cells.get("held", 0) - sum(cells.get(cell, 0) for cell in waiting)


def _is_in_table(cell: str, number: int) -> bool:
    return number != 0 if cell == _MIXED else amount_of(cell) is None


def _sums(of: str, cells: Sequence[str], waiting: frozenset[str]) -> Iterator[Equation]:
    for whole, parts in (*SUMS, ("held", (*waiting, _MIXED))) if waiting else SUMS:
        heads = tuple(part for part in parts if part.endswith("."))
        names = [cell for cell in cells if cell in parts or (heads and cell.startswith(heads))]
        if names:
            yield Equation(_name(of, whole), tuple(_name(of, name) for name in names))


def _blocks(publications: Sequence[Publication]) -> Iterator[tuple[int, list[int]]]:
    """What one publication tells against others: (whole, parts), whose difference nobody published.

    The same period again (what came late), and a year against its months (what no month has shown).
    """
    last = len(publications) - 1
    for place in range(last):
        if publications[place].months == publications[last].months:
            yield last, [place]
    for place, one in enumerate(publications):
        newest = {other.months: at for at, other in enumerate(publications) if other.months < one.months}
        if newest and (place == last or last in newest.values()):
            yield place, sorted(newest.values())


def _name(place: int | str, cell: str) -> str:
    return f"{place}:{cell}"


def _cell(name: str) -> str:
    return name.partition(":")[2]
