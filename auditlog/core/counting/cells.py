"""What an entry adds to the roll-up: cells (name → whole number) and the key that they are summed under.

Decisions and refusals count on the day (UTC) of their entry; a review counts on the day of the decision that it is
about, so that a late one adds to an earlier day. Cells never fall: a review that takes the place of another adds
`reviews.replaced.<action>` for the one before it. Everything here follows from entries and their opened values, hence
from live records at any later time: the writer's roll-up and a recount call the same function.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from auditlog.core.counting.figures import LATENCY_BOUNDS_MS, REVIEW_BOUNDS_MIN, CellKey, Cells, Counted
from auditlog.core.entries.record import Entry, parse_time
from auditlog.core.errors import FormatError

COUNTED_KINDS = ("decision/1", "refused/1", "review/1")
"""Entries of other kinds add nothing."""

MAX_SUMMED = 10**12
"""A larger amount of one record (tokens, µJ, millionths: a megajoule, a million euros) counts as not known. A sender
states its own amounts; millions of records that state the most make a day's sum reach what the roll-up holds, where it
stays (`store.rollup.MAX_NUMBER`)."""


def counted(
    entry: Entry,
    values: Mapping[str, Any],
    *,
    decided: Entry | None = None,
    previous: str | None = None,
    held: bool = False,
    undeclared: int = 0,
) -> list[Counted]:
    """What this entry adds. `values`: its opened values; only `outcome`, `usage` and `action` are looked at.

    Of a decision: `held` where its result waits for a review, `undeclared` the number of fields that were given and not
    declared. Of a review: `decided` is the entry of its decision, `previous` the action of the review before it, if
    there was one, and `held` whether the result waited for it. Entries of other kinds add nothing.

    Raises FormatError, with the field's name, where `usage` lacks a member or a review comes without its decision.
    """
    if entry.kind == "decision/1":
        return [(key_of(entry), cells(values, held=held, undeclared=undeclared))]
    if entry.kind == "refused/1":
        return [(key_of(entry), cells_of_refusal(entry.members["reason"]))]
    if entry.kind == "review/1":
        if decided is None:
            raise FormatError("a review is counted with its decision", field="decided")
        late = minutes_between(decided.time, entry.time)
        return [(key_of(decided), cells_of_review(str(values["action"]), previous, late, held=held))]
    return []


def key_of(entry: Entry) -> CellKey:
    """What the cells of a decision or a refusal are summed under; an empty system is none that is registered."""
    members = entry.members
    return CellKey(members["system"] or "", members["version"], members.get("mode"), entry.time[:10])


def cells(values: Mapping[str, Any], *, held: bool = False, undeclared: int = 0) -> Cells:
    """Cells of one decision. Raises FormatError, with the field's name, where `usage` lacks a member."""
    outcome = values.get("outcome")
    counts: Cells = {"decisions": 1, "outcome_unknown" if outcome is None else f"outcomes.{outcome}": 1}
    if held:
        counts["held"] = 1
    if undeclared:
        counts |= {"records.undeclared": 1, "undeclared": undeclared}
    usage = values.get("usage") or dict.fromkeys(_USAGE)
    for name in _USAGE:
        if name not in usage:
            raise FormatError("is missing", field=f"usage.{name}")
    _count_usage(counts, usage)
    return counts


def cells_of_review(action: str, previous: str | None, minutes: int, *, held: bool = False) -> Cells:
    """Cells of one review, `minutes` after its decision; `previous` is the action that it takes the place of."""
    if previous is not None:
        return {f"reviews.{action}": 1, f"reviews.replaced.{previous}": 1}
    counts = {"reviewed": 1, f"reviews.{action}": 1, review_bucket_of(minutes): 1}
    return counts | {"held.reviewed": 1} if held else counts


def cells_of_refusal(reason: str) -> Cells:
    """Cells of one `refused/1` entry."""
    return {"refusals": 1, f"refusals.{reason}": 1}


def bucket_of(total_us: int | None) -> str:
    """The cell in which a latency (µs) is counted."""
    if total_us is None:
        return "latency.unknown"
    return _bucket("latency.", LATENCY_BOUNDS_MS, -(-total_us // 1000))


def review_bucket_of(minutes: int) -> str:
    """The cell in which the time from a result to its first review (minutes) is counted."""
    return _bucket("review_time.", REVIEW_BOUNDS_MIN, minutes)


def minutes_between(first: str, second: str) -> int:
    """Whole minutes from one entry's time to another's; 0 where the clock went back."""
    return max(0, int((parse_time(second) - parse_time(first)).total_seconds()) // 60)


_USAGE = (
    "prompt_tokens",
    "output_tokens",
    "total_us",
    "energy_uj",
    "energy_method",
    "cost_millionths",
    "currency",
)


def _bucket(head: str, bounds: tuple[int, ...], value: int) -> str:
    position = bisect_left(bounds, value)
    return f"{head}longer" if position == len(bounds) else f"{head}{bounds[position]}"


def _count_usage(counts: Cells, usage: Mapping[str, Any]) -> None:
    """Sums stand beside the number of records behind them (`records.…`): a sum over few of them is kept back."""
    counts[bucket_of(usage["total_us"])] = 1
    if not _known(usage["prompt_tokens"]) or not _known(usage["output_tokens"]):
        counts["tokens.unknown"] = 1
    else:
        counts["records.tokens"] = 1
        counts["tokens.prompt"] = usage["prompt_tokens"]
        counts["tokens.output"] = usage["output_tokens"]
    method, currency = usage["energy_method"], usage["currency"]
    if not _known(usage["energy_uj"]) or method in (None, "not_measured"):
        counts["energy.not_measured"] = 1
    else:
        counts[f"records.energy.{method}"] = 1
        counts[f"energy.{method}"] = usage["energy_uj"]
    if not _known(usage["cost_millionths"]) or currency is None:
        counts["cost.unknown"] = 1
    else:
        counts[f"records.cost.{currency}"] = 1
        counts[f"cost.{currency}"] = usage["cost_millionths"]


def _known(amount: int | None) -> bool:
    return amount is not None and amount <= MAX_SUMMED
