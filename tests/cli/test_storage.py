"""A home that lacks something, or a disk that does not take more: one line with the fix, and nothing changed."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.demo.run import CASES

LOAN = "social-loan-check"
USAGE, CANNOT_RECORD = 2, 4


def write(name: str, data: bytes) -> Callable[[Path], Any]:
    return lambda home: (home / name).write_bytes(data)


def remove(name: str) -> Callable[[Path], Any]:
    return lambda home: (home / name).unlink()


def folder(name: str) -> Callable[[Path], Any]:
    def change(home: Path) -> None:
        (home / name).unlink(missing_ok=True)
        (home / name).mkdir()

    return change


def sql(statement: str) -> Callable[[Path], Any]:
    def change(home: Path) -> None:
        with contextlib.closing(sqlite3.connect(home / "greffier.db", isolation_level=None)) as conn:
            conn.execute(statement)

    return change


def other_origin(home: Path) -> None:
    path = home / "guard" / "log-1.guard"
    path.write_bytes(path.read_bytes().replace(b"waterveen.", b"elsewhere."))


def no_signing_key(home: Path) -> None:
    next((home / "keys").glob("log-1.ed25519.*.key")).unlink()


def one_key(home: Path) -> None:
    path = home / "keys" / "log.vkey"
    path.write_bytes(path.read_bytes().split(b"\n")[0] + b"\n")


SETTINGS = b'agency = "waterveen"\norigin = "waterveen.example/log"\n'
# name: (what is done to the home, exit code, beginning of the line, a part of its fix)
HOMES: dict[str, tuple[Callable[[Path], Any], int, str, str]] = {
    "no settings": (remove("greffier.toml"), USAGE, "home: ", "greffier init"),
    "settings a folder": (folder("greffier.toml"), USAGE, "greffier.toml: ", "cannot be read"),
    "settings no TOML": (write("greffier.toml", b"agency = "), USAGE, "greffier.toml: ", "TOML"),
    "settings not UTF-8": (write("greffier.toml", b'agency = "\xff"'), USAGE, "greffier.toml: ", "UTF-8"),
    "setting unknown": (write("greffier.toml", SETTINGS + b"colour = 1"), USAGE, "colour: ", "greffier.toml"),
    "setting wrong": (write("greffier.toml", b'agency = "A B"\norigin = "x/y"'), USAGE, "agency: ", "greffier.toml"),
    "no database URL": (write("greffier.toml", SETTINGS + b'database_url = "x"'), USAGE, "database_url: ", "sqlite"),
    "database of another make": (
        write("greffier.toml", SETTINGS + b'database_url = "mysql://a:secret@b/c"'), USAGE, "database_url: ", "sqlite",
    ),
    "profile no JSON": (write("agency.json", b"{"), USAGE, "agency.json: ", "JSON"),
    "profile a list": (write("agency.json", b"[]"), USAGE, "agency.json: ", "object"),
    "profile with a key twice": (write("agency.json", b'{"names": {}, "names": {}}'), USAGE, "agency.json: ", "twice"),
    "profile incomplete": (write("agency.json", b"{}"), USAGE, "names: ", "agency.json"),
    "profile a folder": (folder("agency.json"), USAGE, "agency.json: ", "cannot be read"),
    "database missing": (remove("greffier.db"), CANNOT_RECORD, "database: ", "put it back"),
    "database a folder": (folder("greffier.db"), CANNOT_RECORD, "database: ", "restore"),
    "database no database": (write("greffier.db", b"letters" * 999), CANNOT_RECORD, "database: ", "restore"),
    "database truncated": (
        lambda home: os.truncate(home / "greffier.db", 90_000), CANNOT_RECORD, "database: ", "restore",
    ),
    "database never migrated": (write("greffier.db", b""), USAGE, "database: ", "greffier migrate"),
    "unknown revision": (sql("UPDATE alembic_version SET version_num = 'x'"), USAGE, "database: ", "version of the"),
    "no head": (sql("DELETE FROM auditlog_head"), CANNOT_RECORD, "log 1: ", "greffier log fsck"),
    "head damaged": (sql("UPDATE auditlog_head SET note = x'ff'"), CANNOT_RECORD, "the stored head", "log fsck"),
    "register's table missing": (sql("DROP TABLE registry_system"), CANNOT_RECORD, "database: ", "restore"),
    "guard missing": (remove("guard/log-1.guard"), CANNOT_RECORD, "guard: ", "put back"),
    "guard damaged": (write("guard/log-1.guard", b"x y z\n"), CANNOT_RECORD, "guard: ", "put back"),
    "guard of another log": (other_origin, CANNOT_RECORD, "guard.origin: ", "guard_dir"),
    "guard a folder": (folder("guard/log-1.guard"), CANNOT_RECORD, "guard: ", "cannot be read"),
    "ledger missing": (remove("guard/erasures"), CANNOT_RECORD, "erasures: ", "put back"),
    "ledger damaged": (write("guard/erasures", b"x\n"), CANNOT_RECORD, "erasures: ", "put back"),
    "key store missing": (remove("keys/records.keys"), CANNOT_RECORD, "key_store: ", "put back"),
    "key store a folder": (folder("keys/records.keys"), CANNOT_RECORD, "key_store: ", "rights"),
    "key store open to all": (
        lambda home: (home / "keys/records.keys").chmod(0o644), CANNOT_RECORD, "key_store: ", "0600",
    ),
    "index key missing": (remove("keys/index.key"), CANNOT_RECORD, "index.key: ", "put it back"),
    "index key short": (write("keys/index.key", b"short"), CANNOT_RECORD, "index.key: ", "put it back"),
    "index key a folder": (folder("keys/index.key"), CANNOT_RECORD, "index.key: ", "cannot be read"),
    "signing key missing": (no_signing_key, CANNOT_RECORD, "log-1.ed25519.", "put it back"),
    "verifier keys of others": (one_key, CANNOT_RECORD, "log.vkey: ", "put back"),
    "verifier keys no keys": (write("keys/log.vkey", b"keys\n"), CANNOT_RECORD, "log.vkey line 1: ", "must read"),
    "verifier keys missing": (remove("keys/log.vkey"), CANNOT_RECORD, "log.vkey: ", "put it back"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOMES)
def test_a_home_that_lacks_something_decides_nothing(home: Path, case: Path, command: Any, name: str) -> None:
    change, code, field, fix = HOMES[name]
    change(home)
    before = snapshot(home)
    told = command("decide", "--home", home, LOAN, "--input", case, "--subject", "TEST-7")
    assert told.code == code
    assert told.line.startswith(field)
    assert fix in told.line
    assert "secret" not in told.line
    after = snapshot(home)
    if name == "database never migrated":  # SQLite writes its own first page into an empty file
        before.pop("greffier.db"), after.pop("greffier.db")
    assert after == before


def snapshot(home: Path) -> dict[str, bytes | None]:
    """Every file but SQLite's own side files; a folder is None."""
    return {
        str(path.relative_to(home)): path.read_bytes() if path.is_file() and path.suffix != ".gguf" else None
        for path in sorted(home.rglob("*"))
        if not path.name.endswith(("-wal", "-shm"))
    }


@pytest.mark.parametrize("name", ["guard missing", "guard damaged", "guard of another log"])
def test_what_is_recorded_can_be_read_while_nothing_can_be_added(home: Path, command: Any, name: str) -> None:
    HOMES[name][0](home)
    assert "closed at 1" in command("log", "gaps", "--home", home).out
    listed = command("decisions", "--home", home, "--as", "operator", "--format", "json")
    assert LOAN in listed.out
    assert command("decisions", "--home", home).code == 4, "an access could not be recorded"
    assert command("doctor", "--home", home).code == 1


def test_a_database_older_than_its_guard(home: Path, case: Path, command: Any, unchanged: Any, tmp_path: Path) -> None:
    before = tmp_path / "before.db"
    shutil.copyfile(home / "greffier.db", before)
    assert command("stop", "--home", home, LOAN).code == 0
    for path in home.glob("greffier.db*"):
        path.unlink()
    shutil.copyfile(before, home / "greffier.db")
    with unchanged(home):
        told = command("decide", "--home", home, LOAN, "--input", case)
    assert (told.code, told.line.partition(":")[0]) == (4, "guard")
    assert "cut or restored" in told.line


@pytest.mark.parametrize("statement", ["DELETE FROM alembic_version", "UPDATE alembic_version SET version_num = 'x'"])
def test_migrating_a_database_of_another_schema(home: Path, command: Any, unchanged: Any, statement: str) -> None:
    sql(statement)(home)
    with unchanged(home):
        told = command("migrate", "--home", home)
    assert (told.code, told.line.partition(":")[0]) == (2, "database")


def test_migrating_what_is_no_database(home: Path, command: Any) -> None:
    write("greffier.db", b"letters" * 999)(home)
    assert command("migrate", "--home", home).code == 4
    remove("greffier.db")(home)
    assert command("migrate", "--home", home).code == 4
    assert not (home / "greffier.db").exists()


def test_a_run_folder_that_is_a_file(home: Path, case: Path, command: Any, unchanged: Any) -> None:
    (home / "run").rmdir()
    (home / "run").write_bytes(b"")
    with unchanged(home):
        told = command("decide", "--home", home, LOAN, "--input", case)
    assert (told.code, told.line.partition(":")[0]) == (4, "run")


@contextlib.contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """No file may grow beyond `limit` bytes: for root, too, who may write what is read-only."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("limit", [0, 4_096, 32_768])
def test_a_full_disk(home: Path, record_id: str, command: Any, unchanged: Any, tmp_path: Path, limit: int) -> None:
    export, receipt = tmp_path / "export", tmp_path / "receipt.json"
    with unchanged(home, outage=True), full_disk(limit):
        assert command("system", "register", "--home", home, CASES / "health-line-aid.json").code == 4
        assert command("log", "export", "--home", home, "--to", export).code in {2, 4}
        assert command("receipt", "--home", home, record_id, "-o", receipt).code in {0, 2, 4}
        assert command("init", "--home", tmp_path / "new", "--agency", "a", "--origin", "a.example/log").code in {2, 4}
    assert not export.exists()
    assert not receipt.exists() or receipt.stat().st_size > 1_000
    assert {path.name for path in tmp_path.iterdir()} <= {"home", "receipt.json"}
    assert command("log", "fsck", "--home", home).code == 0


@pytest.mark.parametrize("limit", [0, 4_096])
@pytest.mark.parametrize(
    ("words", "codes"),
    [
        (("log", "rotate", "--home", "HOME"), {4}),
        (("log", "succeed", "--home", "HOME", "--reason", "year"), {4}),
        (("log", "import", "--home", "HOME", "EXPORT"), {4}),
        (("log", "seal-keys", "--home", "HOME", "--key-file", "SECRET"), {0, 2}),
        (("witness", "init", "--home", "NEW", "--name", "w.example/w"), {2, 4}),
        (("mirror", "EXPORT", "--to", "NEW", "--vkey", "VKEY"), {0, 4}),
    ],
)
def test_a_full_disk_and_what_keeps_keys_and_copies(
    bare: Path, export: Path, command: Any, tmp_path: Path, words: tuple[str, ...], codes: set[int], limit: int
) -> None:
    """Whole, or not at all; with room again the same command goes through."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"k" * 32)
    secret.chmod(0o600)
    places = {"HOME": bare, "EXPORT": export, "SECRET": secret, "NEW": tmp_path / "new", "VKEY": bare / "keys/log.vkey"}
    arguments = [places.get(one, one) for one in words]
    before = snapshot(bare)
    with full_disk(limit):
        told = command(*arguments)
    assert told.code in (codes if limit else codes - {0})
    if told.code:
        assert snapshot(bare) == before
        assert [path for path in (tmp_path / "new").rglob("*") if path.suffix in {".key", ".db", ".part"}] == []
        assert command(*arguments).code == 0


def test_a_guard_that_cannot_be_written_while_serving(
    home: Path, portals: Any, loan_input: dict[str, Any], unchanged: Any, socket_enabled: Any
) -> None:
    guard = home / "guard" / "log-1.guard"
    away = guard.with_suffix(".away")
    with portals.served(home) as portal, portal.client() as client:
        key = portal.key("client")
        guard.rename(away)
        with unchanged(home):
            answer = client.post(
                "/api/decisions", json={"system": LOAN, "input": loan_input | {"room": -1}}, headers=key
            )
        away.rename(guard)
    assert (answer.status_code, answer.json()["cause"]) == (503, "guard")
    assert answer.headers["content-type"] == "application/problem+json"


# --- making a home ----------------------------------------------------------------------------------------------------


def init(home: Path, *more: str) -> tuple[str, ...]:
    return ("init", "--home", str(home), "--agency", "waterveen", "--origin", "waterveen.example/log", *more)


def test_a_home_is_made_once(home: Path, command: Any) -> None:
    before = snapshot(home)
    told = command(*init(home))
    assert told.code == 2
    assert "already holds an installation" in told.line
    assert snapshot(home) == before


@pytest.mark.parametrize(
    ("more", "field"),
    [
        (("--database-url", "nonsense"), "database_url"),
        (("--database-url", "sqlite:////nowhere/at/all.db"), "database"),
        (("--agency", "A B"), "agency"),
        (("--origin", "A B"), "origin"),
    ],
)
def test_a_failed_init_leaves_nothing_in_the_way_of_the_next(
    tmp_path: Path, command: Any, more: tuple[str, ...], field: str
) -> None:
    home = tmp_path / "deep" / "new"
    told = command(*init(home, *more))
    assert told.code in {2, 4}
    assert told.line.startswith(f"{field}: ")
    assert list(tmp_path.iterdir()) == []
    assert command(*init(home)).code == 0
    assert command("log", "fsck", "--home", home).code == 0


def test_init_never_replaces_what_lies_there(tmp_path: Path, command: Any) -> None:
    home = tmp_path / "new"
    (home / "keys").mkdir(parents=True)
    (home / "keys" / "log.vkey").write_text("mine")
    told = command(*init(home))
    assert (told.code, told.line.partition(":")[0]) == (2, "home")
    assert snapshot(home) == {"keys": None, "keys/log.vkey": b"mine"}


def test_a_home_below_a_file(tmp_path: Path, case: Path, command: Any) -> None:
    assert command(*init(case / "home")).code == 2
    assert command("decide", "--home", case, LOAN, "--input", case).line.startswith("home: ")
    assert [path.name for path in tmp_path.iterdir()] == ["case.json"]


def test_as_a_process_of_its_own(home: Path, case: Path) -> None:
    remove("guard/log-1.guard")(home)
    told = subprocess.run(
        [sys.executable, "-m", "cli", "decide", "--home", home, LOAN, "--input", case],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (told.returncode, told.stdout, told.stderr.count("\n")) == (4, "", 1)
    assert told.stderr.startswith("greffier: guard: ")
