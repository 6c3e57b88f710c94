"""The commands about records: what is asked wrongly is named by option and fix, and changes nothing in the home."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.bench import records_scene
from lab.bench.records_scene import SYSTEM, line
from service.external import import_records
from service.wiring import open_home

Command = Callable[..., Any]
Unchanged = Callable[..., contextlib.AbstractContextManager[None]]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A home with three decisions made elsewhere, and the id of the first."""
    home = tmp_path_factory.mktemp("records") / "home"
    records_scene.make_home(home)
    with open_home(home) as g:
        done = import_records.record(g, [line(n, subjects=["TEST-1"]) for n in (1, 2, 3)])
    first = done.results[0]
    assert not isinstance(first, Exception)
    return home, first.id


@pytest.fixture
def home(recorded: tuple[Path, str]) -> Path:
    return recorded[0]


@pytest.fixture
def record_id(recorded: tuple[Path, str]) -> str:
    return recorded[1]


REFERENCES = {
    b"": "must hold one reference",
    b" \n": "must hold one reference",
    b"Piet\nJansen\n": "must hold one reference",
    b"P" * 5000: "is too long",
    b"...\n": "holds no letter and no digit",
    b"Piet \xff\n": "is no text in UTF-8",
}


@pytest.mark.parametrize("content", REFERENCES)
@pytest.mark.parametrize(
    "words", [("find",), ("erase", "--ground", "not_needed"), ("access-file", "-o", "x.json")], ids=lambda one: one[0]
)
def test_a_file_that_holds_no_reference(
    home: Path, command: Command, unchanged: Unchanged, tmp_path: Path, words: tuple[str, ...], content: bytes
) -> None:
    file = tmp_path / "reference"
    file.write_bytes(content)
    output = [tmp_path / "x.json" if word == "x.json" else word for word in words]
    with unchanged(home):
        told = command(*output, "--subject-file", file, "--home", home)
    assert told.code == 2
    assert told.line.startswith("--subject-file: ")
    assert REFERENCES[content] in told.line


BAD = [
    (("erase", "--verify", "ID", "--confirm", "x"), "--confirm: is for erasing"),
    (("erase", "ID", "--ground", "not_needed", "--confirm", "x"), "--confirm: is not the code"),
    (("expire", "--until", "9999-12-31"), "--until: lies in the future"),
    (("hold", "ID", "--ground", "inquiry", "--note-file", "EMPTY"), "--note-file: is empty"),
    (("find",), "--subject-file, --case-file: give one of them"),
    (("find", "--subject-file", "REF", "--purpose", "Piet Jansen"), "--purpose: must be one of"),
    (("find", "--subject-file", "REF", "--receipts", "/proc/self"), "--receipts: cannot be written"),
    (("evidence", "ID", "-o", "EMPTY"), "-o: exists already"),
    (("evidence", "ID", "-o", "/proc/self/x.zip"), "-o: cannot be written"),
    (("evidence", "ID", "-o", f"{'z' * 252}.zip"), "-o: cannot be written"),
    (("evidence", "ID", "-o", "NEW", "--as", "Piet Jansen"), "--as: must be one of"),
    (("reconcile", "--from", "CASES", "--since", "2026-02-30"), "--since: is no day or minute"),
    (("reconcile", "--from", "CASES", "--until", "2026-02-30T10:00Z"), "--until: is no day or minute"),
    (("reconcile", "--from", "CASES", "--since", "2026-03-02", "--until", "2026-03-01"), "--until: must be later"),
    (("reconcile", "--from", "CASES", "--as", "Piet Jansen"), "--as: must be one of"),
    (("reconcile", "--from", "CASES", "-o", "FOLDER"), "-o: is a folder"),
]
SAMPLE = ("sample", "begin", "--count", "1", "--witness", "w", "--nonce-hash", "ab" * 32, "--not-before")
BAD += [
    ((*SAMPLE, "2026-02-30T10:00Z"), "--not-before: no such day"),
    ((*SAMPLE, "2999-01-01T00:00Z", "--until", "2026-02-30"), "--until: must be a minute"),
    ((*SAMPLE, "2999-01-01T00:00Z", "--since", "2026-03-02", "--until", "2026-03-01"), "--until: must be later"),
]


@pytest.mark.parametrize(("words", "says"), BAD, ids=lambda one: " ".join(one) if isinstance(one, tuple) else "")
def test_an_option_that_is_wrong(
    home: Path,
    record_id: str,
    command: Command,
    unchanged: Unchanged,
    tmp_path: Path,
    words: tuple[str, ...],
    says: str,
) -> None:
    names = {name: tmp_path / name for name in ("EMPTY", "REF", "CASES", "NEW", "FOLDER")}
    names["EMPTY"].write_bytes(b"")
    names["REF"].write_text("TEST-1\n", encoding="utf-8")
    names["CASES"].write_text("case,decided\nCASE-1,2026-03-01T10:00:00Z\n", encoding="utf-8")
    names["FOLDER"].mkdir()
    here = tmp_path / "here"
    here.mkdir()
    given = [record_id if word == "ID" else names.get(word, word) for word in words]
    with unchanged(home), contextlib.chdir(here):
        told = command(*given, "--home", home)
    assert (told.code, told.line.startswith(says)) == (2, True), told
    assert not [*here.iterdir()]


@pytest.mark.parametrize(
    "words",
    [("access-file", "--subject-file", "REF", "-o"), ("decisions", "--format", "csv", "-o"),
     ("reconcile", "--from", "CASES", "-o")],
    ids=lambda one: one[0],
)  # fmt: skip
def test_a_device_is_not_replaced_by_a_file(
    home: Path, command: Command, unchanged: Unchanged, tmp_path: Path, words: tuple[str, ...]
) -> None:
    names = {name: tmp_path / name for name in ("REF", "CASES")}
    names["REF"].write_text("TEST-1\n", encoding="utf-8")
    names["CASES"].write_text("case,decided\nCASE-1,2026-03-01T10:00:00Z\n", encoding="utf-8")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with unchanged(home):
        told = command(*(names.get(word, word) for word in words), pipe, "--home", home)
    assert (told.code, "is a device or a pipe" in told.line) == (2, True), told
    assert pipe.is_fifo()


def test_a_held_record_says_how_the_hold_is_lifted(home: Path, command: Command, unchanged: Unchanged) -> None:
    with open_home(home) as g:
        done = import_records.record(g, [line(4)])
    assert isinstance(done.results[0], import_records.Recorded)
    held = done.results[0].id
    assert command("hold", held, "--ground", "legal_claim", "--home", home).code == 0
    with unchanged(home):
        told = command("erase", held, "--ground", "not_needed", "--home", home)
    assert told.code == 3
    assert "`greffier hold ID --ground legal_claim --lift`" in told.line


def test_one_is_said_as_one(home: Path, record_id: str, command: Command, tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_text(json.dumps(line(5)), encoding="utf-8")
    assert command("record", SYSTEM, "--from", file, "--home", home).out.startswith("1 line: 1 recorded")
    left = json.loads(command("erase", "--verify", record_id, "--home", home).out)["left"]
    assert left["auditlog_sealed"] == "1 row"


@pytest.mark.parametrize("damage", ["cut", "zeros"])
def test_a_key_store_that_lacks_the_newest_key_records_nothing(
    home: Path, record_id: str, command: Command, unchanged: Unchanged, tmp_path: Path, damage: str
) -> None:
    """An older store would give out slots that are taken; in one of zeros everything would pass for erased."""
    mine = Path(shutil.copytree(home, tmp_path / "home"))
    store = mine / "keys" / "records.keys"
    store.write_bytes(store.read_bytes()[:64] if damage == "cut" else bytes(store.stat().st_size))
    before = store.read_bytes()
    reference = tmp_path / "reference"
    reference.write_text("TEST-1\n", encoding="utf-8")
    output = tmp_path / "receipt.json"
    for words in (("find", "--subject-file", reference), ("receipt", record_id, "-o", output)):
        with unchanged(mine):
            told = command(*words, "--home", mine)
        assert (told.code, told.line.startswith("key_store: ")) == (4, True), told
        assert "replica" in told.line
    assert store.read_bytes() == before


def test_a_report_that_is_nested_too_deep(home: Path, command: Command, tmp_path: Path) -> None:
    file = tmp_path / "deep.json"
    file.write_bytes(b"[" * 100_000)
    told = command("report", "verify", file, "--home", home)
    assert (told.code, "is no JSON file" in told.line) == (1, True), told


def test_a_program_without_its_streams(home: Path, unchanged: Unchanged) -> None:
    """As `<&-` and `>&-` start it: no input is empty input, and an answer that would be lost is not asked for."""
    greffier = [sys.executable, "-m", "cli"]
    with unchanged(home):
        for words, closed, says in (
            ("find --subject-file -", "<&-", "--subject-file: must hold one reference"),
            ("reconcile --from -", "<&-", "--from: is empty"),
            ("decisions", ">&-", "standard output: is closed"),
        ):
            line = f"{shlex.join(greffier)} {words} --home {shlex.quote(str(home))} {closed}"
            told = subprocess.run(["/bin/sh", "-c", line], check=False, stderr=subprocess.PIPE, text=True, timeout=60)
            assert (told.returncode, told.stderr.startswith(f"greffier: {says}")) == (2, True), told.stderr
