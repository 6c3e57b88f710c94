"""Energy of a generation in micro-joules, with the method that gave it. An estimate is never shown without its name.

`measured`: the GPU's own counter (NVML), where layers run there. `measured_package`: the processor package's counter
(RAPL), where this process may read it. `estimated`: declared watts times the busy time. `not_measured`: none of these.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MEASURED, PACKAGE, ESTIMATED, NOT_MEASURED = "measured", "measured_package", "estimated", "not_measured"

_POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True, slots=True)
class Energy:
    """Micro-joules, or None where nothing was measured or declared."""

    microjoules: int | None
    method: str


class Gpu:
    """Total energy of the first GPU since its driver was loaded (NVML, Volta and later)."""

    method = MEASURED

    def __init__(self) -> None:
        import pynvml  # noqa: PLC0415 (optional: neither driver nor package need be there)

        self._nvml: Any = pynvml
        pynvml.nvmlInit()
        self._device = pynvml.nvmlDeviceGetHandleByIndex(0)
        self.read()

    def read(self) -> int:
        """The counter in micro-joules."""
        return int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._device)) * 1000

    def difference(self, before: int, after: int) -> int:
        """What was used between two readings."""
        return max(0, after - before)


class Package:
    """The RAPL counters of all processor packages. They wrap at `max_energy_range_uj`."""

    method = PACKAGE

    def __init__(self, root: Path = _POWERCAP) -> None:
        zones = sorted(p for p in root.glob("intel-rapl:*") if p.name.count(":") == 1)
        self._counters = [zone / "energy_uj" for zone in zones]
        self._range = sum(int((zone / "max_energy_range_uj").read_text()) for zone in zones)
        if not self._counters:
            raise FileNotFoundError(root)
        self.read()

    def read(self) -> int:
        """The sum of the counters in micro-joules."""
        return sum(int(path.read_text()) for path in self._counters)

    def difference(self, before: int, after: int) -> int:
        """What was used between two readings, one wrap allowed for."""
        return after - before if after >= before else after - before + self._range


class Meter:
    """Picks the best method that works here, once; `gpu` says whether layers of the model run on one."""

    def __init__(self, *, gpu: bool = False, watts: int | None = None, powercap: Path = _POWERCAP) -> None:
        self._watts = watts
        self._counter: Gpu | Package | None = None
        # Whatever goes wrong here (no package, no driver, no permission) means one thing only: it cannot be measured.
        with contextlib.suppress(Exception):
            self._counter = Gpu() if gpu else Package(powercap)

    def begin(self) -> int | None:
        """A reading to hand to `end`."""
        return self._read()

    def end(self, before: int | None, *, busy_ns: int, watts: int | None = None) -> Energy:
        """The energy since `before`. `busy_ns` is the time of decoding, `watts` a declaration that overrides ours."""
        after = self._read()
        if self._counter is not None and before is not None and after is not None:
            return Energy(self._counter.difference(before, after), self._counter.method)
        return self.share(None, busy_ns=busy_ns, watts=watts)

    def lap(self, before: int | None) -> tuple[int | None, int | None]:
        """Micro-joules since the reading `before` (None: nothing is known yet, so 0), and the reading now.

        Both None where nothing can be measured.
        """
        after = self._read()
        if self._counter is None or after is None:
            return None, None
        return 0 if before is None else self._counter.difference(before, after), after

    def share(self, microjoules: int | None, *, busy_ns: int, watts: int | None = None) -> Energy:
        """The energy of one request: its share of what was measured, or else as `end` estimates it."""
        if microjoules is not None and self._counter is not None:
            return Energy(microjoules, self._counter.method)
        declared = self._watts if watts is None else watts
        if declared is None:
            return Energy(None, NOT_MEASURED)
        return Energy(declared * busy_ns // 1000, ESTIMATED)  # W × ns = nJ

    def _read(self) -> int | None:
        reading = None
        if self._counter is not None:
            with contextlib.suppress(Exception):
                reading = self._counter.read()
        return reading
