from __future__ import annotations

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
