"""Planted faults stay plantable: each stands once in its file, and whoever plants one sees whether it was noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab import faults


@pytest.mark.parametrize("fault", faults.FAULTS, ids=lambda fault: fault.name)
def test_each_fault_can_be_planted(fault: faults.Fault) -> None:
    assert (faults.ROOT / fault.file).read_text("utf-8").count(fault.before) == 1
    assert fault.before != fault.after
    assert [name for name in fault.tests.split() if not (faults.ROOT / "tests" / name).exists()] == []


def test_each_promise_and_each_room_has_one() -> None:
    assert {fault.name[0] for fault in faults.FAULTS} >= set("1234567")
    rooms = {fault.file.rsplit("/", 1)[0] for fault in faults.FAULTS}
    assert {
        f"service/{path.name}" for path in (faults.ROOT / "service").iterdir() if (path / "__init__.py").exists()
    } <= rooms


def test_a_fault_is_noticed_and_a_harmless_change_is_not() -> None:
    (term,) = [fault for fault in faults.FAULTS if fault.file == "casework/days.py"]
    assert faults.plant(term)[0]
    assert not faults.plant(replace(term, after=f"{term.before}  "))[0]
    with pytest.raises(ValueError, match="stands 0 times"):
        faults.plant(replace(term, before="no such line"))
