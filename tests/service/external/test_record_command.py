"""`greffier record`: a file of decisions made elsewhere; what is not taken is named, and a second run goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.bench import records_scene
from lab.bench.records_scene import SYSTEM, line
from service.wiring import open_home

PERSON = "Piet Jansen"  # an invented person, who must turn up nowhere
FIELDS = [*(f"in_{name}" for name in line(1)["input"])]
FIELDS += ["output", "outcome", "subjects", "parent", "usage", "run", "times"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    records_scene.make_home(tmp_path / "home")
    return tmp_path / "home"


def write(path: Path, *lines: Any) -> Path:
    path.write_bytes(b"".join((x if isinstance(x, bytes) else json.dumps(x).encode()) + b"\n" for x in lines))
    return path


def size(home: Path) -> int:
    with open_home(home) as g:
        return g.log.state().size


def test_a_file_is_recorded_and_a_second_run_changes_nothing(home: Path, command: Any, tmp_path: Path) -> None:
    short = {name: value for name, value in line(3).items() if name != "system"}
    file = write(tmp_path / "lines", line(1), line(2), short, *[line(n) for n in range(4, 601)])
    told = command("record", SYSTEM, "--from", file, "--home", home)
    assert (told.code, told.out) == (0, "600 lines: 600 recorded, 0 recorded before, 0 not taken\n")
    before = size(home)
    again = command("record", SYSTEM, "--from", file, "--home", home, "--json")
    counts = {"lines": 600, "recorded": 0, "repeated": 600, "failed": 0, "problems": [], "size": before}
    assert (again.code, json.loads(again.out)) == (0, counts)
    assert size(home) == before


def test_bad_lines_are_named_and_can_be_corrected(home: Path, command: Any, tmp_path: Path) -> None:
    bad = [line(2, outcome="piet_jansen"), PERSON.encode(), line(4, system="another"), line(1, subjects=[PERSON])]
    file = write(tmp_path / "lines", line(1), *bad, line(5))
    told = command("record", SYSTEM, "--from", file, "--home", home)
    assert (told.code, told.out) == (1, "6 lines: 2 recorded, 0 recorded before, 4 not taken\n")
    named = told.line.splitlines()
    assert [one.partition(": ")[0] for one in named] == ["line 2", "line 3", "line 4", "line 5"]
    assert "outcome: is not declared" in named[0]
    assert "piet" not in told.line
    write(file, line(1), line(2), line(3), line(4), line(5))
    assert command("record", SYSTEM, "--from", file, "--home", home).out.startswith("5 lines: 3 recorded, 2 recorded")


def test_committed_takes_no_content(home: Path, command: Any, tmp_path: Path) -> None:
    kept = {"source": "s", "n": 1, "commitments": dict.fromkeys(FIELDS, "ab" * 32)}
    file = write(tmp_path / "lines", kept, line(2))
    told = command("record", SYSTEM, "--from", file, "--committed", "--home", home, "--json")
    assert told.code == 1
    answer = json.loads(told.out)
    assert (answer["recorded"], [one["line"] for one in answer["problems"]]) == (1, [2])
    assert "content is not taken" in answer["problems"][0]["message"]


def test_an_empty_file_is_nothing(home: Path, command: Any, tmp_path: Path) -> None:
    told = command("record", SYSTEM, "--from", write(tmp_path / "lines"), "--home", home)
    assert (told.code, told.out) == (0, "0 lines: 0 recorded, 0 recorded before, 0 not taken\n")


def test_what_cannot_be_done_at_all_is_said_at_once(home: Path, command: Any, tmp_path: Path) -> None:
    file, before = write(tmp_path / "lines", line(1)), size(home)
    assert command("record", SYSTEM, "--from", tmp_path / "none", "--home", home).code == 2
    assert command("record", SYSTEM, "--from", tmp_path, "--home", home).code == 2
    assert command("record", "another", "--from", file, "--home", home).code == 3
    assert size(home) == before
