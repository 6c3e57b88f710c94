"""Explanations of cases with a known rule, counted: what was named, what was withheld and why, deletion against random.

Pure, but for NumPy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from lab.bench.planted import BONUS, SEED, Case
from runtime.explain.question import Curve, Found
from runtime.sampler import MICRO

FLIPS: Final = 99_990
_TOP: Final = 0.75  # of the largest effect: as wordings are compared
_SITUATIONS: Final = {2: "both_hold", 1: "one_fails", 0: "neither_holds"}
_NAMES: Final = {"constant": "none", "shown": "worked_examples", "alone": "no_rule_planted"}


@dataclass(frozen=True, slots=True)
class Judged:
    """A case with the outcome that was recorded and what its explanation found."""

    case: Case
    outcome: str
    found: Found | None

    @property
    def group(self) -> str:
        """The rule that it counts for."""
        rule = self.case.rule
        weak = f"_{rule.bonus // MICRO}_nats" if rule.bonus != BONUS else ""
        return _NAMES.get(rule.kind, rule.kind) + weak

    @property
    def counted(self) -> bool:
        """Whether the outcome is the one that the rule gives."""
        return self.case.follows in (None, self.outcome)

    @property
    def in_changes(self) -> bool:
        """Whether each smallest set of deciding fields is a change that was found."""
        return set(self.case.deciding) <= {frozenset(names) for names in self._changed()}

    @property
    def on_top(self) -> bool:
        """Whether every deciding field is among those of the largest effect."""
        assert self.found is not None
        largest = max((abs(effect.used) for effect in self.found.effects), default=0)
        top = {one.field for one in self.found.effects if abs(one.used) >= _TOP * largest > 0}
        return {name for names in self.case.deciding for name in names} <= top

    @property
    def explained(self) -> bool:
        """Whether a person would be told."""
        return self.found is not None and self.found.verdict == "explained"

    @property
    def wrong(self) -> bool:
        """Whether a person would be told, first of all, of a change that the rule does not turn by."""
        first = next(iter(self._changed()), ())
        return self.explained and frozenset(first) not in self.case.deciding

    @property
    def says_none(self) -> bool:
        """Whether it says that no change which was tried gives another outcome."""
        assert self.found is not None
        return not self.found.changes and "no_change" in self.found.reasons

    @property
    def beside(self) -> int | None:
        """How far the threshold that was found lies from the rule's, in steps of 1; None where none was found."""
        assert self.found is not None
        found = [change.threshold for change in self.found.changes if change.threshold is not None]
        mine = [one.value for one in found if one.field == "amount"]
        return None if not mine or self.case.boundary is None else abs(mine[0] - self.case.boundary)

    def _changed(self) -> list[tuple[str, ...]]:
        assert self.found is not None
        return [tuple(name for name, _ in change.values) for change in self.found.changes]


def table(judged: Sequence[Judged]) -> dict[str, Any]:
    """By form and rule, and each rule over all forms; deletion over all that were explained."""
    forms: dict[str, dict[str, list[Judged]]] = {}
    for one in judged:
        forms.setdefault(one.case.form.name, {}).setdefault(one.group, []).append(one)
        forms.setdefault("all", {}).setdefault(one.group, []).append(one)
    counted = {name: {rule: _count(some) for rule, some in groups.items()} for name, groups in forms.items()}
    explained = [one for one in judged if one.counted and one.explained and one.case.follows is not None]
    return {**counted, "deletion": deletion(explained), "insertion": deletion(explained, insertion=True)}


def _count(judged: Sequence[Judged]) -> dict[str, Any]:
    """Counts over the cases whose outcome follows the rule."""
    some = [one for one in judged if one.counted and one.found is not None]
    rule = judged[0].case.rule
    found: dict[str, Any] = {"cases": len(judged), "follow": len(some)}
    if rule.kind == "constant":
        found["none_said"] = sum(one.says_none for one in some)
        found["explained"] = sum(one.explained for one in some)
    elif rule.kind != "alone":
        found["named"] = sum(one.explained and one.in_changes and one.on_top for one in some)
        found["in_changes"] = sum(one.in_changes for one in some)
        found["on_top"] = sum(one.on_top for one in some)
        found["wrongly_named"] = sum(one.wrong for one in some)
    if rule.kind == "both":
        found["situations"] = _situations(some)
    if rule.kind == "threshold":
        steps = Counter("none" if one.beside is None else min(one.beside, 2) for one in some)
        found["threshold"] = {"exact": steps[0], "one_step": steps[1], "further": steps[2], "none": steps["none"]}
    found["verdicts"] = dict(sorted(Counter(one.found.verdict for one in some if one.found).items()))
    found["reasons"] = dict(
        sorted(Counter(reason for one in some if one.found for reason in one.found.reasons).items())
    )
    return found


def _situations(judged: Sequence[Judged]) -> dict[str, dict[str, int]]:
    """Of two conditions: by how many hold."""
    found: dict[str, dict[str, int]] = {}
    for one in judged:
        holding = sum(bool(condition.holds(one.case.fields)) for condition in one.case.rule.conditions)
        row = found.setdefault(_SITUATIONS[holding], {"cases": 0, "named": 0, "in_changes": 0, "on_top": 0})
        row["cases"] += 1
        row["named"] += one.explained and one.in_changes and one.on_top
        row["in_changes"] += one.in_changes
        row["on_top"] += one.on_top
    return found


def deletion(judged: Sequence[Judged], *, insertion: bool = False) -> dict[str, Any]:
    """How much further the odds fall (rise) by effect than at random, in milli-nats, mean over k = 1, 2, 3; and how
    likely so large a mean were if signs were chance: whole profiles are flipped, since their cases share scores."""
    gains: dict[tuple[str, int], list[float]] = {}
    for one in judged:
        assert one.found is not None
        curve = one.found.insertion if insertion else one.found.deletion
        if curve is not None:
            gains.setdefault((one.case.form.name, one.case.profile), []).append(_gain(curve) * (-1 if insertion else 1))
    every = [gain for some in gains.values() for gain in some]
    if not every:
        return {"cases": 0}
    return {
        "cases": len(every),
        "profiles": len(gains),
        "better": sum(gain > 0 for gain in every),
        "worse": sum(gain < 0 for gain in every),
        "mean_millinats": round(float(np.mean(every)) / 1000),
        "p": p_value([sum(some) for some in gains.values()]),
        "flips": FLIPS,
    }


def _gain(curve: Curve) -> float:
    return float(np.mean(np.subtract(curve.random, curve.top)))


def p_value(sums: Sequence[float]) -> float:
    """One-sided paired sign-flip permutation test of sums above 0; the observed one counts among the flips."""
    rng = np.random.default_rng(SEED)
    values, least = np.asarray(sums, dtype=np.float64), sum(sums)
    reached = 1
    for _ in range(FLIPS // 9_999):
        signs = rng.integers(0, 2, (9_999, len(values)), dtype=np.int8) * 2 - 1
        reached += int((signs @ values >= least - 1e-6 * abs(least)).sum())
    return round(reached / (FLIPS // 9_999 * 9_999 + 1), 6)
