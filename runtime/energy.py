"""Energy of a generation in micro-joules, with the method that gave it. An estimate is never shown without its name.

`measured`: the GPUs' own counters (NVML), where layers run there. `measured_package`: the processor package's counter
(RAPL), where this process may read it. `estimated`: declared watts times the busy time. `not_measured`: none of these.

A counter tells of a device, never of a request, and of whatever else ran on it. So a step of a batch is divided by the
rows that each request had in it: what requests have sums to what the device used while it decoded.
"""

from __future__ import annotations

import contextlib
import os
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
    """Total energy of the GPUs that this process sees, since their driver was loaded (NVML, Volta and later)."""

    method = MEASURED

    def __init__(self) -> None:
        import pynvml  # noqa: PLC0415 (optional: neither driver nor package need be there)

        self._nvml: Any = pynvml
        pynvml.nvmlInit()
        self._devices = [self._handle(name) for name in self._names()]
        if not self._devices:
            raise FileNotFoundError
        self.read()

    def read(self) -> int:
        """The sum of the counters in micro-joules."""
        counters = (self._nvml.nvmlDeviceGetTotalEnergyConsumption(device) for device in self._devices)
        return sum(int(millijoules) * 1000 for millijoules in counters)

    def _names(self) -> list[str]:
        """Indices or UUIDs. NVML lists every GPU of the machine; CUDA only those that the variable names."""
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        if visible is not None:
            return [name.strip() for name in visible.split(",") if name.strip()]
        return [str(index) for index in range(self._nvml.nvmlDeviceGetCount())]

    def _handle(self, name: str) -> Any:
        if name.isdigit():
            return self._nvml.nvmlDeviceGetHandleByIndex(int(name))
        return self._nvml.nvmlDeviceGetHandleByUUID(name)


class Package:
    """The RAPL counters of all processor packages. Each wraps at its own `max_energy_range_uj`."""

    method = PACKAGE

    def __init__(self, root: Path = _POWERCAP) -> None:
        zones = sorted(p for p in root.glob("intel-rapl:*") if p.name.count(":") == 1)
        self._counters = [zone / "energy_uj" for zone in zones]
        self._ranges = [int((zone / "max_energy_range_uj").read_text()) for zone in zones]
        if not self._counters:
            raise FileNotFoundError(root)
        self._last = self._values()
        self._used = 0

    def read(self) -> int:
        """What all packages used since the first reading, in micro-joules; one wrap each is allowed for in between."""
        now = self._values()
        parts = zip(self._last, now, self._ranges, strict=True)
        self._used += sum(new - old if new >= old else new - old + wrap for old, new, wrap in parts)
        self._last = now
        return self._used

    def _values(self) -> list[int]:
        return [int(path.read_text()) for path in self._counters]


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
            return Energy(max(0, after - before), self._counter.method)
        return self.share(None, busy_ns=busy_ns, watts=watts)

    def lap(self, before: int | None) -> tuple[int | None, int | None]:
        """Micro-joules since the reading `before` (None: nothing is known yet, so 0), and the reading now.

        Both None where nothing can be measured.
        """
        after = self._read()
        if self._counter is None or after is None:
            return None, None
        return 0 if before is None else max(0, after - before), after

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
