from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runtime.energy import Energy, Meter


def zone(root: Path, name: str, used: int, limit: int = 1000) -> Path:
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "energy_uj").write_text(f"{used}\n")
    (folder / "max_energy_range_uj").write_text(f"{limit}\n")
    return folder


def test_nothing_to_measure_with(tmp_path: Path) -> None:
    meter = Meter(powercap=tmp_path)
    assert meter.end(meter.begin(), busy_ns=10**9) == Energy(None, "not_measured")


def test_declared_watts_are_an_estimate(tmp_path: Path) -> None:
    meter = Meter(watts=20, powercap=tmp_path)
    assert meter.end(meter.begin(), busy_ns=10**9) == Energy(20_000_000, "estimated")
    assert meter.end(meter.begin(), busy_ns=500_000_000, watts=4) == Energy(2_000_000, "estimated")


def test_packages_are_summed_and_parts_of_them_left_out(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", 100)
    zone(tmp_path, "intel-rapl:1", 10)
    zone(tmp_path, "intel-rapl:0:0", 5)
    meter = Meter(watts=20, powercap=tmp_path)
    before = meter.begin()
    zone(tmp_path, "intel-rapl:0", 150)
    zone(tmp_path, "intel-rapl:0:0", 50)
    assert meter.end(before, busy_ns=1) == Energy(50, "measured_package")


def test_a_counter_that_wraps(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", 990)
    meter = Meter(powercap=tmp_path)
    before = meter.begin()
    zone(tmp_path, "intel-rapl:0", 15)
    assert meter.end(before, busy_ns=1) == Energy(25, "measured_package")


def test_a_counter_that_becomes_unreadable_is_not_invented(tmp_path: Path) -> None:
    folder = zone(tmp_path, "intel-rapl:0", 990)
    meter = Meter(powercap=tmp_path)
    before = meter.begin()
    (folder / "energy_uj").unlink()
    assert meter.end(before, busy_ns=1) == Energy(None, "not_measured")


@pytest.mark.gpu
@pytest.mark.skipif(not Path("/dev/nvidia0").exists(), reason="no GPU here")
def test_a_gpu_is_measured() -> None:
    meter = Meter(gpu=True)
    assert meter.end(meter.begin(), busy_ns=1).method == "measured"


def test_laps_sum_to_the_whole_and_shares_keep_the_method(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", 100)
    meter = Meter(watts=20, powercap=tmp_path)
    first = reading = meter.begin()
    used = []
    for value in (130, 990, 15, 16):  # it wraps at 1000
        zone(tmp_path, "intel-rapl:0", value)
        lap, reading = meter.lap(reading)
        used.append(lap)
    assert used == [30, 860, 25, 1]
    assert sum(one or 0 for one in used) == 916
    assert meter.share(40, busy_ns=1) == Energy(40, "measured_package")
    assert meter.share(None, busy_ns=10**9) == Energy(20_000_000, "estimated")
    assert meter.end(first, busy_ns=1) == Energy(916, "measured_package")


def test_each_package_wraps_at_its_own_end(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", 990)
    zone(tmp_path, "intel-rapl:1", 100, limit=50_000)
    meter = Meter(powercap=tmp_path)
    before = meter.begin()
    zone(tmp_path, "intel-rapl:0", 15)
    zone(tmp_path, "intel-rapl:1", 130, limit=50_000)
    assert meter.end(before, busy_ns=1) == Energy(55, "measured_package")


def test_a_lap_that_is_not_measured_is_no_zero(tmp_path: Path) -> None:
    meter = Meter(powercap=tmp_path)
    assert meter.lap(meter.begin()) == (None, None)
    assert meter.share(None, busy_ns=10**9) == Energy(None, "not_measured")


class FakeNvml:
    """The four calls of NVML that are used, over counters in mJ: there is no GPU in CI."""

    def __init__(self, counters: dict[str, int]) -> None:
        self.counters = counters

    def nvmlInit(self) -> None:
        """Begins."""

    def nvmlDeviceGetCount(self) -> int:
        return len(self.counters)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:
        return list(self.counters)[index]

    def nvmlDeviceGetHandleByUUID(self, name: str) -> str:
        return name

    def nvmlDeviceGetTotalEnergyConsumption(self, device: str) -> int:
        return self.counters[device]


@pytest.mark.parametrize(
    ("visible", "expected"), [(None, 7_000), ("0", 3_000), ("GPU-b", 4_000), ("1,0", 7_000), ("", None)]
)
def test_the_gpus_that_this_process_sees_are_summed(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, expected: int | None
) -> None:
    nvml = FakeNvml({"GPU-a": 10, "GPU-b": 20})
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    meter = Meter(gpu=True)
    before = meter.begin()
    nvml.counters.update({"GPU-a": 13, "GPU-b": 24})
    found = meter.end(before, busy_ns=1)
    assert found == (Energy(None, "not_measured") if expected is None else Energy(expected, "measured"))
