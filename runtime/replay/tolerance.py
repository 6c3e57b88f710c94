"""How far an honest replay may lie from its record where bits cannot agree: on another build, device or lane. Pure.

The bars are 1.5 times the largest differences among at least 50 honest decisions of the same model
(`../shared/reference/runtime.md` 4). They see another quantisation, a replaced token, a wrong seed; they cannot see a
changed field, which is why the prompt is bound by comparison first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from runtime.capture import Run
from runtime.errors import RuntimeFault
from runtime.verdict import Bars, Replayed

LEAST = 50
REFUSED = 10**12  # micro-nats: no margin at all would do, since nothing or no such text was allowed
_FORMAT = 1
_UNBOUND = ("manifest", "model", "prompt", "seed")  # none of these is a difference of arithmetic
_FOLDER = Path(__file__).parent / "data"


# Without a calibration, equal tokens alone must not pass for equal computation: the loosest bars that honest kernels
# of one model ever needed when they were measured (`../shared/reference/runtime.md` 4). Never enough for a tolerance.
UNCALIBRATED = Bars(130_000, 710_000, 0)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Honest decisions of one model, and on what they were recorded and run again. Builds as digests, `model` in hex,
    `sampler` as its code. `lane`: reproducible, or throughput, where records differ from their replays on one build,
    too. `honest` has the numbers of each decision, so that anyone can work out the bars again."""

    model: str
    sampler: str
    lane: str
    recorded_build: str
    recorded_device: str
    build: str
    device: str
    honest: tuple[Bars, ...]

    @property
    def at_home(self) -> bool:
        """Whether records and replays were of one build and device."""
        return (self.recorded_build, self.recorded_device) == (self.build, self.device)

    @property
    def bars(self) -> Bars:
        """Half as much again as the largest of each number, rounded up."""
        rows = [astuple(one) for one in self.honest]
        return Bars(*(-(-3 * max(column) // 2) for column in zip(*rows, strict=True)))


def lane(run: Run) -> str:
    """The lane that a run was made in: only the reproducible one records its rows."""
    return "reproducible" if run.rows else "throughput"


def calibrate(honest: Sequence[Replayed], run: Run) -> Calibration:
    """A calibration from replays, all made on one build and device, of honest decisions.

    `run` is one of the decisions' own: all had its model, sampler, lane, build and device. Raises RuntimeFault for
    fewer than 50 decisions, or where one could not be run to its end: then nothing is known of how far an honest one
    lies.
    """
    if len(honest) < LEAST:
        fix = f"record at least {LEAST} decisions first"
        raise RuntimeFault(f"a calibration needs {LEAST} honest decisions or more", field="decisions", fix=fix)
    if len({(one.build, one.device) for one in honest}) > 1:
        raise RuntimeFault("the replays were not made on one build and device", field="decisions")
    found = []
    for one in honest:
        mean, most, margin = one.logprob_mean, one.logprob_max, one.margin_max
        if one.reason in _UNBOUND or mean is None or most is None or margin is None or margin >= REFUSED:
            fix = "leave out what is not replayable, and find out why a prompt or seed is another"
            raise RuntimeFault("a decision could not be compared to its end", field="decisions", fix=fix)
        found.append(Bars(mean, most, margin))
    here = (honest[0].build, honest[0].device)
    return Calibration(run.model, run.sampler, lane(run), run.build, run.device, *here, tuple(found))


def format_calibration(calibration: Calibration) -> str:
    """As a JSON text, a decision a line: [mean, largest, margin]; with the bars that follow from them."""
    members = asdict(calibration)
    lines = ",\n".join(f"    {json.dumps(astuple(one))}" for one in calibration.honest)
    shown = {"format": _FORMAT, **members, "bars": asdict(calibration.bars), "honest": ["*"]}
    text = json.dumps(shown, indent=2, sort_keys=True)
    return text.replace('    "*"', lines) + "\n"


def parse_calibration(text: str) -> Calibration:
    """What `format_calibration` wrote, to the letter: bars that do not follow from the numbers are no bars.

    Raises RuntimeFault.
    """
    try:
        data: dict[str, Any] = json.loads(text)
        honest = tuple(Bars(*one) for one in data.pop("honest"))
        form, _bars = data.pop("format"), data.pop("bars")
        found = Calibration(**data, honest=honest)
        numbers = [value for one in honest for value in astuple(one)]
        sound = form == _FORMAT and len(honest) >= LEAST and all(type(n) is int and n >= 0 for n in numbers)
        sound = sound and format_calibration(found) == text
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RuntimeFault("is no calibration", field="calibration", fix="make it by `replay --calibrate`") from error
    if not sound:
        raise RuntimeFault("is no calibration of this format", field="calibration", fix="make it anew")
    return found


@cache
def shipped() -> tuple[Calibration, ...]:
    """The calibrations that come with this program (`runtime/data/`, made by its script)."""
    return tuple(parse_calibration(path.read_text()) for path in sorted(_FOLDER.glob("*.json")))


def bars_for(run: Run, build: str, device: str, more: Sequence[Calibration] = ()) -> Bars | None:
    """The bars of a run that is replayed on a build and device: those measured between exactly these go first.

    Otherwise `more` (an installation's own) goes before those that are shipped. None where nobody measured this model,
    sampler and lane: a calibration for greedy choice says nothing of a drawn one, nor the other way. And what one build
    and device gives again says nothing of others, nor the other way.
    """
    wanted = (run.model, run.sampler, lane(run), (run.build, run.device) == (build, device))
    fitting = [one for one in (*more, *shipped()) if (one.model, one.sampler, one.lane, one.at_home) == wanted]
    between = (run.build, run.device, build, device)
    exact = [one for one in fitting if (one.recorded_build, one.recorded_device, one.build, one.device) == between]
    return next((one.bars for one in (*exact, *fitting)), None)
