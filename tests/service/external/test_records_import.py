"""Records from elsewhere after `log import`: their numbers, and that a sender kept the content, come back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from auditlog.store import decisions as decision_store
from auditlog.store import sources as source_store
from lab.bench import records_scene
from lab.bench.records_scene import SOURCE, line
from service.external import import_records
from service.keeping import fsck
from service.logs import export
from service.wiring import open_home

FIELDS = [*(f"in_{name}" for name in line(1)["input"])]
FIELDS += ["output", "outcome", "subjects", "parent", "usage", "run", "times"]
KEPT = {"system": records_scene.SYSTEM, "source": SOURCE, "n": 3, "commitments": dict.fromkeys(FIELDS, "ab" * 32)}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    records_scene.make_home(home)
    with open_home(home) as g:
        assert import_records.record(g, [line(1), line(2), KEPT]).failed == 0
        export.export_log(g, tmp_path / "copy")
    return home


def test_with_the_old_database_nothing_is_lost(home: Path, command: Any, tmp_path: Path) -> None:
    told = command("log", "import", tmp_path / "copy", "--home", home, "--json")
    assert told.code == 0, told.line
    with open_home(home) as g:
        assert fsck.check_all(g) == []
        assert len(fsck.content_lost(g)) == 0
        with g.reading() as conn:
            rows = source_store.find_numbers(conn, [(SOURCE, n) for n in (1, 2, 3)])
            kinds = [decision_store.find_decision(conn, rows[SOURCE, n].id)["content"] for n in (1, 2, 3)]
        assert kinds == ["held", "held", "external"]
        again = import_records.record(g, [line(1), line(2), KEPT, line(4)])
        assert [made.repeated for made in again.results] == [True, True, True, False]


def test_without_it_no_number_is_recorded_twice(home: Path, command: Any, tmp_path: Path) -> None:
    for path in home.glob("greffier.db*"):
        path.unlink()
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "permit-advice.json").write_bytes(records_scene.system_file())
    told = command("log", "import", tmp_path / "copy", "--home", home, "--documents", documents, "--json")
    assert told.code == 0, told.line
    with open_home(home) as g:
        assert fsck.check_all(g) == []
        assert len(fsck.content_lost(g)) == 3
        results = import_records.record(g, [line(1), KEPT]).results
        assert [type(one).__name__ for one in results] == ["NotFound", "NotFound"]
        with g.reading() as conn:
            assert len(list(source_store.numbers_of(conn, SOURCE))) == 3
