"""How far an honest replay may lie from its record where bits cannot agree: on another build, device or lane. Pure.

The bars are 1.5 times the largest differences among at least 50 honest decisions of the same model
(`../shared/reference/runtime.md` 4). They see another quantisation, a replaced token, a wrong seed; they cannot see a
changed field, which is why the prompt is bound by comparison first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.errors import RuntimeFault

if TYPE_CHECKING:
    from runtime.verdict import Replayed

LEAST = 50
_FORMAT = 1
_UNBOUND = ("manifest", "model", "prompt", "seed")  # none of these is a difference of arithmetic
_FOLDER = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Bars:
    """What a replay may reach: mean and largest difference of log-probabilities, largest margin; micro-nats."""

    logprob_mean: int
    logprob_max: int
    margin_max: int

    def hold(self, mean: int, largest: int, margin: int) -> bool:
        """Whether a decision's numbers lie within."""
        return mean <= self.logprob_mean and largest <= self.logprob_max and margin <= self.margin_max


# Without a calibration, equal tokens alone must not pass for equal computation: the loosest bars that honest kernels
# of one model ever needed when they were measured (`../shared/reference/runtime.md` 4). Never enough for a tolerance.
UNCALIBRATED = Bars(130_000, 710_000, 0)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Bars of one model and what they were measured on. Builds as digests, `model` in hex, `sampler` as its code."""

    model: str
    sampler: str
    recorded_build: str
    recorded_device: str
    build: str
    device: str
    decisions: int
    largest: Bars
    bars: Bars


def calibrate(honest: Sequence[Replayed], *, model: str, sampler: str, build: str, device: str) -> Calibration:
    """A calibration from replays, all made on one build and device, of honest decisions of one model and sampler.

    `build` and `device` are those of the records. Raises RuntimeFault for fewer than 50 decisions, or where one could
    not be run to its end: then nothing is known of how far an honest one lies.
    """
    if len(honest) < LEAST:
        fix = f"record at least {LEAST} decisions first"
        raise RuntimeFault(f"a calibration needs {LEAST} honest decisions or more", field="decisions", fix=fix)
    if len({(one.build, one.device) for one in honest}) > 1:
        raise RuntimeFault("the replays were not made on one build and device", field="decisions")
    numbers = [(one.logprob_mean, one.logprob_max, one.margin_max) for one in honest if one.reason not in _UNBOUND]
    complete = [(mean, most, margin) for mean, most, margin in numbers if None not in (mean, most, margin)]
    if len(complete) < len(honest):
        fix = "leave out what is not replayable, and find out why a prompt or seed is another"
        raise RuntimeFault("a decision could not be compared to its end", field="decisions", fix=fix)
    largest = Bars(*(max(column) for column in zip(*complete, strict=True)))
    bars = Bars(*(-(-3 * value // 2) for value in (largest.logprob_mean, largest.logprob_max, largest.margin_max)))
    here = (honest[0].build, honest[0].device)
    return Calibration(model, sampler, build, device, *here, len(honest), largest, bars)


def format_calibration(calibration: Calibration) -> str:
    """As a JSON text with its members in order."""
    return json.dumps({"format": _FORMAT, **asdict(calibration)}, indent=2, sort_keys=True) + "\n"


def parse_calibration(text: str) -> Calibration:
    """What `format_calibration` wrote, to the letter. Raises RuntimeFault for anything else."""
    try:
        data: dict[str, Any] = json.loads(text)
        form = data.pop("format")
        found = Calibration(**{**data, "largest": Bars(**data["largest"]), "bars": Bars(**data["bars"])})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RuntimeFault("is no calibration", field="calibration", fix="make it by `replay --calibrate`") from error
    sound = form == _FORMAT and found.decisions >= LEAST and format_calibration(found) == text
    numbers = [value for bars in (found.largest, found.bars) for value in asdict(bars).values()]
    if not sound or not all(type(value) is int and value >= 0 for value in numbers):
        raise RuntimeFault("is no calibration of this format", field="calibration", fix="make it anew")
    return found


@cache
def shipped() -> tuple[Calibration, ...]:
    """The calibrations that come with this program (`runtime/data/`, made by its script)."""
    return tuple(parse_calibration(path.read_text()) for path in sorted(_FOLDER.glob("*.json")))


def bars_for(
    model: str, sampler: str, recorded: tuple[str, str], here: tuple[str, str], more: Sequence[Calibration] = ()
) -> Bars | None:
    """The bars of a model between two (build, device); those measured on exactly these go before others of the model.

    None where nobody measured. A calibration for greedy choice says nothing of a drawn one, nor the other way.
    """
    fitting = [one for one in (*more, *shipped()) if one.model == model and one.sampler == sampler]
    for one in fitting:
        if ((one.recorded_build, one.recorded_device), (one.build, one.device)) == (recorded, here):
            return one.bars
    return fitting[0].bars if fitting else None
