"""The calibrations of this installation: how far an honest replay may lie from its record on this build and device.

They are files in `calibrations/` of the home, as `greffier replay --calibrate` writes them; they go before those that
come with the program (`runtime/data`).
"""

from __future__ import annotations

from typing import Final

from app.home import Greffier
from runtime.capture import Run
from runtime.errors import RuntimeFault
from runtime.replay.tolerance import Bars, Calibration, lane, parse_calibration

FOLDER: Final = "calibrations"


def read_all(g: Greffier) -> list[Calibration]:
    """Those of the home, by file name. Raises RuntimeFault that names a file which is none."""
    found = []
    for path in sorted((g.home / FOLDER).glob("*.json")):
        try:
            found.append(parse_calibration(path.read_text("utf-8")))
        except (RuntimeFault, UnicodeDecodeError) as error:
            fix = "make it anew by `greffier replay --calibrate`, or take it away"
            raise RuntimeFault("is no calibration", field=f"{FOLDER}/{path.name}", fix=fix) from error
    return found


def bars_of(g: Greffier, run: Run) -> Bars | None:
    """The home's bars for a recorded run: those from records of its build and device first; None where it has none."""
    wanted = (run.model, run.sampler, lane(run))
    fitting = [one for one in read_all(g) if (one.model, one.sampler, one.lane) == wanted]
    exact = [one for one in fitting if (one.recorded_build, one.recorded_device) == (run.build, run.device)]
    return next((one.bars for one in (*exact, *fitting)), None)
