"""`greffier log gaps --from DIR`: what a log lacks, for someone who has the export and nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from auditlog.recovery.export import export_log
from auditlog.store.log import reading
from auditlog.writing.guard import Guard

SIZE = 300


@pytest.fixture(scope="module")
def made(example: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Path]]:
    """An invented log, and its export."""
    folder = tmp_path_factory.mktemp("export")
    log = example.build_log(SIZE)
    guard = Guard(folder / "guard")
    guard.create(log.origin)
    engine = example.record(log, f"sqlite:///{folder}/log.db", guard)
    with reading(engine) as conn:
        export_log(conn, 1, log.keys, folder / "export")
    engine.dispose()
    yield log, folder / "export"


def test_the_report_of_an_export(made: tuple[Any, Path], command: Any, tmp_path: Path) -> None:
    log, export = made
    keys = tmp_path / "trusted.vkey"
    keys.write_text(log.vkey)
    told = command("log", "gaps", "--from", export, "--vkey", keys)
    assert told.code == 0
    assert told.line == ""
    assert "not closed; its counter had reached 8" in told.out
    assert "without an entry: 5, 7-8" in told.out
    assert "source case-system: numbers 1 to 1" in told.out
    found = json.loads(command("log", "gaps", "--from", export, "--vkey", keys, "--json").out)
    assert [boot["ended"] for boot in found["boots"]] == ["unclosed", "closed"]
    assert found.keys() == {"boots", "sources", "silent", "silent_hours", "opaque"}


def test_keys_that_came_with_the_export_are_named_as_such(made: tuple[Any, Path], command: Any) -> None:
    told = command("log", "gaps", "--from", made[1])
    assert told.code == 0
    assert "brings itself" in told.line


def test_an_export_that_does_not_hold_says_so_first(made: tuple[Any, Path], command: Any, tmp_path: Path) -> None:
    export = tmp_path / "changed"
    shutil.copytree(made[1], export)
    bundle = export / "tile" / "entries" / "000"
    bundle.write_bytes(bundle.read_bytes().replace(b'"recording":"ok"', b'"recording":"no"', 1))
    told = command("log", "gaps", "--from", export)
    assert told.code == 1
    assert told.line.startswith("entry ")
    assert told.out == ""


def test_other_keys_are_not_this_logs(
    made: tuple[Any, Path], command: Any, tmp_path: Path, example: ModuleType
) -> None:
    keys = tmp_path / "other.vkey"
    keys.write_text(example.ExampleLog(example.make_signers(seed=9)).vkey)
    assert command("log", "gaps", "--from", made[1], "--vkey", keys).code == 1


def test_what_is_no_export_and_no_home(command: Any, tmp_path: Path) -> None:
    told = command("log", "gaps", "--from", tmp_path)
    assert told.code == 2
    assert "--from: is no exported log" in told.line
    told = command("log", "gaps")
    assert told.code == 2
    assert "--home: name an installation, or an export with --from" in told.line


def test_an_export_says_what_the_installation_says(home: Path, command: Any, tmp_path: Path) -> None:
    assert command("log", "export", "--home", home, "--to", tmp_path / "export").code == 0
    there = json.loads(command("log", "gaps", "--home", home, "--json").out)
    here = json.loads(command("log", "gaps", "--from", tmp_path / "export", "--json").out)
    assert here == there
    assert [(boot["ended"], boot["decisions"], boot["lost"]) for boot in here["boots"]] == [("closed", 1, 0)]


def test_an_export_of_a_later_log_is_read_by_itself(home: Path, command: Any, tmp_path: Path) -> None:
    assert command("log", "succeed", "--home", home, "--reason", "year").code == 0
    assert command("log", "export", "--home", home, "--to", tmp_path / "second").code == 0
    told = command("log", "gaps", "--from", tmp_path / "second")
    assert told.code == 0
    assert "No boot is recorded in this log." in told.out
