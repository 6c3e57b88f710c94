"""The calibrations of this installation: how far an honest replay may lie from its record on this build and device.

They are files in `calibrations/` of the home, as `greffier replay --calibrate` writes them; they go before those that
come with the program (`runtime/data`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from home.greffier import Greffier
from runtime.capture import Run
from runtime.errors import RuntimeFault
from runtime.replay.tolerance import Calibration, bars_for, parse_calibration
from runtime.verdict import Bars
from runtime.worker.supervisor import BootFacts

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


def bars_of(home: Sequence[Calibration], run: Run, facts: BootFacts) -> Bars | None:
    """The bars of a recorded run on a boot's build and device: see `bars_for`."""
    return bars_for(run, facts.build, facts.device, home)
