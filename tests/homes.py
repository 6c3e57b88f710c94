"""The command line in this process, homes with one decision, and what may not change."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

LOAN = "social-loan-check"
PERSON = "Piet Jansen"  # an invented person, who must turn up nowhere
_TEMPORARY = (".part", ".new", ".adding")


@dataclass(frozen=True)
class Told:
    """What a command said: exit code, stdout, the one line on stderr (empty where it went well)."""

    code: int
    out: str
    line: str


Command = Callable[..., Told]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run `greffier …` in this process. A failure is one line without trace or personal value, and gives no result."""
    from cli import run

    for name in ("GREFFIER_HOME", "GREFFIER_AGENCY", "GREFFIER_ORIGIN"):
        monkeypatch.delenv(name, raising=False)

    def tell(*arguments: str | Path) -> Told:
        capsys.readouterr()
        code = run([str(one) for one in arguments])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        assert "internal error" not in said.err
        assert PERSON not in said.err
        if code in {2, 3, 4}:
            assert said.out == ""
            assert said.err.startswith("greffier: "), said.err
            assert said.err.count("\n") == 1, said.err
        return Told(code, said.out, said.err.removeprefix("greffier: ").rstrip("\n"))

    return tell


@pytest.fixture(scope="session")
def decided_template(
    loan_template: Path, tmp_path_factory: pytest.TempPathFactory, loan_input: Any
) -> tuple[Path, str]:
    """A closed home with one decision, and that decision's id."""
    from service.deciding import decide
    from service.wiring import open_home

    home = copy(loan_template, tmp_path_factory.mktemp("decided") / "home")
    with open_home(home) as g:
        answer = decide.decide(g, LOAN, loan_input, subjects=("TEST-1",))
    return home, answer.id


@pytest.fixture
def home(decided_template: tuple[Path, str], tmp_path: Path) -> Path:
    """The test's own home with one decision."""
    return copy(decided_template[0], tmp_path / "home")


@pytest.fixture
def record_id(decided_template: tuple[Path, str]) -> str:
    """The id of the decision in `home`."""
    return decided_template[1]


@pytest.fixture
def case(tmp_path: Path, loan_input: dict[str, Any]) -> Path:
    """A sound input file."""
    path = tmp_path / "case.json"
    path.write_text(json.dumps(loan_input), encoding="utf-8")
    return path


def copy(source: Path, target: Path) -> Path:
    """A home's copy; the model's file is linked, since it is large and read-only."""

    def one(name: str, to: str) -> None:
        Path(to).hardlink_to(name) if name.endswith(".gguf") else shutil.copy2(name, to)

    shutil.copytree(source, target, copy_function=one)
    return target


@dataclass(frozen=True)
class Facts:
    """What a home holds: entries, rows of each table with a digest of them, files."""

    entries: tuple[bytes, ...]
    tables: dict[str, tuple[int, str]]
    files: frozenset[str]


def facts(home: Path) -> Facts:
    """Read past the program, so that what it thinks does not count."""
    with contextlib.closing(sqlite3.connect(f"file:{home / 'greffier.db'}?mode=ro", uri=True)) as conn:
        names = [name for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
        tables = {}
        for name in names:
            rows = sorted(map(repr, conn.execute(f"SELECT * FROM {name}")))
            tables[name] = (len(rows), hashlib.sha256("\n".join(rows).encode()).hexdigest())
        entries = [bytes(data) for (data,) in conn.execute("SELECT data FROM auditlog_entry ORDER BY log, idx")]
    files = {str(path.relative_to(home)) for path in home.rglob("*")}
    return Facts(tuple(entries), tables, frozenset(name for name in files if not name.endswith(("-wal", "-shm"))))


@contextlib.contextmanager
def unchanged(home: Path, *, refused: str | None = None, boots: bool = False, outage: bool = False) -> Iterator[None]:
    """The block changes nothing in log, database and files, but one `refused` entry with that reason.

    `boots`: the runtime came up for it, which the log states too. `outage`: once it could write, the log said so.
    """
    before = facts(home)
    yield
    after = facts(home)
    assert after.files == before.files
    assert not [name for name in after.files if name.endswith(_TEMPORARY) or "/.adding" in name]
    assert after.entries[: len(before.entries)] == before.entries
    added = [json.loads(data) for data in after.entries[len(before.entries) :]]
    told = [entry for entry in added if entry["kind"] == "refused/1"]
    assert [entry["reason"] for entry in told] == ([refused] if refused else [])
    own = {"refused/1", "outage/1"} if outage else {"refused/1"}
    others = [entry["kind"] for entry in added if entry["kind"] not in own]
    assert others == (["boot/1", "close/1"] if boots and others else [])
    assert all(entry["system"] in {None, LOAN} for entry in told)
    assert not any(PERSON.encode() in data for data in after.entries)
    grown = {"auditlog_entry", "auditlog_tile", "auditlog_head", "auditlog_event"} if added else set()
    grown |= {"auditlog_rollup", "auditlog_rollup_due"} if told else set()
    for name, table in before.tables.items():
        if name not in grown:
            assert after.tables[name] == table, name
    assert after.tables["auditlog_entry"][0] == before.tables["auditlog_entry"][0] + len(added)


@pytest.fixture(name="unchanged", scope="session")
def unchanged_fixture() -> Callable[..., contextlib.AbstractContextManager[None]]:
    """The context manager `unchanged(home, refused=…, boots=…)`."""
    return unchanged


@pytest.fixture(scope="session")
def bare_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed home without systems, its first entry published; beside it the folder `export`."""
    from service.logs import export as log
    from service.logs import publish
    from service.wiring import create_home, open_home

    home = tmp_path_factory.mktemp("bare") / "home"
    create_home(home, "waterveen", "waterveen.example/log")
    with open_home(home) as g:
        publish.advance(g, at_once=True)
        log.export_log(g, home.parent / "export")
    return home


@pytest.fixture
def bare(bare_template: Path, tmp_path: Path) -> Path:
    """The test's own home without systems."""
    return copy(bare_template, tmp_path / "home")


@pytest.fixture
def export(bare_template: Path, tmp_path: Path) -> Path:
    """The test's own copy of the export of `bare`."""
    return copy(bare_template.parent / "export", tmp_path / "export")


BAD_FILES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "binary": lambda _: bytes(range(256)) * 99,
    "truncated": lambda good: good[: len(good) // 2],
    "Windows line ends": lambda good: good.replace(b"\n", b"\r\n"),
    "byte order mark": lambda good: b"\xef\xbb\xbf" + good,
    "UTF-16": lambda good: good.decode().encode("utf-16"),
    "huge": lambda _: b"x" * 2_000_000,
}


@pytest.fixture(params=["missing", "a folder", *BAD_FILES])
def bad_file(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[bytes], Path]:
    """`bad_file(good)`: the path of a file that is not what was asked for, in each way that a hurried hand has."""

    def make(good: bytes) -> Path:
        path = tmp_path / "bad"
        if request.param == "a folder":
            path.mkdir()
        elif request.param != "missing":
            path.write_bytes(BAD_FILES[request.param](good))
        return path

    return make
