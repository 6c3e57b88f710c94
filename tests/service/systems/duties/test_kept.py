"""Answers and incidents survive what a home survives: a backup put back, a log read in beside the old database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cli import run
from service.keeping import fsck
from service.records import reading
from service.systems import classify, incidents
from service.wiring import open_home

DB = "greffier.db"
FACTS = incidents.Facts(what="It failed.", harm="Delay.", persons=None, cause=None, measures=None)


@pytest.fixture
def kept(empty_home: Path, tmp_path: Path, copied: Callable[[Path, Path], Path], written: Any) -> tuple[Path, str, str]:
    """A closed home with answers and an incident: folder, slug, id of the incident."""
    home = copied(empty_home, tmp_path / "kept")
    with open_home(home) as g:
        stand = written(home, g)
        stand.write()
        classify.classify(g, stand.slug, stand.answers(), role="officer", account="u000000000001")
        now = datetime.now(UTC)
        found = incidents.open_incident(
            g, stand.slug, duty="serious", severity="death", aware=now, facts=FACTS, role="officer"
        )
        incidents.tell(
            g, found.id, recipient="provider", day=g.clock().date(), reached=False, note="No answer.", role="officer"
        )
    return home, stand.slug, found.id


def demand_all_there(home: Path, slug: str, incident: str) -> None:
    with open_home(home) as g:
        assert [one.account for one in classify.rounds(g, slug)] == ["u000000000001"]
        file = incidents.read(g, reading.CLI, incident)
        assert (file.facts, file.notes, file.incident.clock[1].article) == (FACTS, ("No answer.",), "26(5), 73(4)")
        assert not list(fsck.check_all(g))


def test_a_backup_brings_them_back(kept: tuple[Path, str, str], tmp_path: Path) -> None:
    home, slug, incident = kept
    assert run(["backup", "--to", str(tmp_path / "copy"), "--home", str(home)]) == 0
    for path in home.glob(f"{DB}*"):
        path.unlink()
    assert run(["restore", "--from", str(tmp_path / "copy"), "--home", str(home)]) == 0
    demand_all_there(home, slug, incident)


def test_an_import_keeps_those_of_the_old_database(kept: tuple[Path, str, str], tmp_path: Path) -> None:
    home, slug, incident = kept
    assert run(["log", "export", "--to", str(tmp_path / "tree"), "--home", str(home)]) == 0
    assert run(["log", "import", str(tmp_path / "tree"), "--home", str(home)]) == 0
    demand_all_there(home, slug, incident)
