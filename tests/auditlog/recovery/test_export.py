"""The static tree: its files, its bytes, all or nothing, and the verifier inside it."""

from __future__ import annotations

import ast
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import Engine

from auditlog.core.checking.tree import format_sums, parse_sums, tile_files
from auditlog.core.entries.receipt import format_receipt
from auditlog.core.errors import AuditLogError, FormatError, NotFound, NotPublished, VerifyError
from auditlog.core.formats.keyring import KeyRing, key_ring
from auditlog.core.formats.note import COSIGNATURE, Signer
from auditlog.core.formats.policy import Policy, Witness, format_policy
from auditlog.recovery.export import VERIFIER_MODULES, audit_tree, export_log, make_verifier
from auditlog.store.log import Head, read_head, reading, write_head, writing
from auditlog.writing.guard import Guard

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def log(example: ModuleType) -> Any:
    return example.build_log(300)


@pytest.fixture
def engine(example: ModuleType, log: Any, sqlite_url: str, tmp_path: Path) -> Iterator[Engine]:
    engine = example.record(log, sqlite_url, Guard(tmp_path / "guard"))
    yield engine
    engine.dispose()


def export(engine: Engine, log: Any, to: Path) -> int:
    with reading(engine) as conn:
        return export_log(conn, 1, log.keys, to)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_both_databases_give_the_bytes_of_the_pure_modules(
    example: ModuleType, log: Any, url: str, tmp_path: Path
) -> None:
    engine = example.record(log, url, Guard(tmp_path / "guard"))
    assert export(engine, log, tmp_path / "out") == 300
    engine.dispose()
    files = contents(tmp_path / "out")
    # Both signatures are deterministic here, or hedged; the text above them is the same either way.
    pure = log.pack()
    assert {name: files[name] for name in tile_files(300)} == {name: pure[name] for name in tile_files(300)}
    assert files["checkpoint"].split(b"\n\n")[0] == pure["checkpoint"].split(b"\n\n")[0]
    assert set(files) == {*pure, "log.vkey", "README.txt", "verify.pyz", "SHA256SUMS"}
    assert files["log.vkey"].decode() == log.vkey
    assert log.origin in files["README.txt"].decode()
    result = audit_tree(tmp_path / "out", log.keys)
    assert (result.size, result.opaque) == (300, 1)


def test_the_same_log_gives_the_same_bytes(engine: Engine, log: Any, tmp_path: Path) -> None:
    export(engine, log, tmp_path / "one")
    export(engine, log, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert make_verifier() == make_verifier()


def test_others_may_read_an_export(engine: Engine, log: Any, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    export(engine, log, tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_an_older_export_is_never_touched(engine: Engine, log: Any, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    export(engine, log, target)
    before = contents(target)
    with pytest.raises(AuditLogError, match="not an empty folder"):
        export(engine, log, target)
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for taken in ("file", "link"):
        with pytest.raises(AuditLogError, match="choose a new one"):
            export(engine, log, tmp_path / taken)
    assert contents(target) == before


def test_a_failed_export_leaves_nothing(engine: Engine, log: Any, tmp_path: Path) -> None:
    with writing(engine) as conn:
        conn.exec_driver_sql("DELETE FROM auditlog_tile WHERE level = 1")
    before = set(tmp_path.iterdir())
    with pytest.raises(NotFound, match="tile 1/0"):
        export(engine, log, tmp_path / "out")
    assert set(tmp_path.iterdir()) == before


def test_a_folder_that_cannot_be_written(engine: Engine, log: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(AuditLogError, match="cannot be written"):
        export(engine, log, tmp_path / "file" / "out")


def test_nothing_to_export(engine: Engine, log: Any, tmp_path: Path) -> None:
    with reading(engine) as conn, pytest.raises(NotFound, match="no checkpoint"):
        export_log(conn, 1, log.keys, tmp_path / "out", head="published")


def test_a_damaged_database_is_exported_as_it_is_and_the_audit_names_the_entry(
    engine: Engine, log: Any, tmp_path: Path
) -> None:
    with writing(engine) as conn:
        data = bytearray(log.entries[40])
        data[-3] ^= 1
        conn.exec_driver_sql("UPDATE auditlog_entry SET data = ? WHERE idx = 40", (bytes(data),))
    export(engine, log, tmp_path / "out")
    with pytest.raises(VerifyError, match=r"^entry 40: "):
        audit_tree(tmp_path / "out", log.keys)


# --- verify.pyz -------------------------------------------------------------------------------------------------------


def imported(name: str) -> set[str]:
    """Modules of auditlog that a module's source imports, with the rooms that they are in."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / "auditlog" / f"{name}.py").read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("auditlog"):
            paths = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            files = [path.removeprefix("auditlog").lstrip(".").replace(".", "/") for path in paths]
            found |= {one for one in files if (ROOT / "auditlog" / f"{one}.py").is_file()}
    return found | {f"{room}/__init__" for one in found for room in map(str, Path(one).parents) if room != "."}


def test_the_verifier_holds_exactly_what_it_imports() -> None:
    needed, wait = {"__init__"}, ["core/__main__"]
    while wait:
        name = wait.pop()
        if name not in needed:
            needed.add(name)
            wait += imported(name)
    assert needed == set(VERIFIER_MODULES)


def run_alone(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """verify.pyz in a folder of its own, without our source and without user packages on the path."""
    command = [sys.executable, "-I", "verify.pyz", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder)


def test_verify_pyz_alone_audits_the_export_and_checks_a_receipt(engine: Engine, log: Any, tmp_path: Path) -> None:
    export(engine, log, tmp_path / "out")
    index = next(i for i, entry in log.made.items() if entry.kind == "decision/1")
    (tmp_path / "one.receipt.json").write_bytes(format_receipt(log.receipt(index)))
    told = run_alone(tmp_path / "out", "audit", ".", "--vkey", "log.vkey")
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[-1].startswith("OK: the log holds, 300 entries")
    told = run_alone(tmp_path / "out", "verify", "../one.receipt.json", "--vkey", "log.vkey")
    assert told.returncode == 0, told.stderr
    (tmp_path / "out" / "tile/1/000.p/1").write_bytes(bytes(32))
    told = run_alone(tmp_path / "out", "audit", ".", "--vkey", "log.vkey")
    assert told.returncode == 1
    assert told.stdout.startswith("FAILED: tile/1/000.p/1: ")


def test_verify_pyz_brings_its_own_copy_of_us_and_needs_nothing_else(engine: Engine, log: Any, tmp_path: Path) -> None:
    export(engine, log, tmp_path / "out")
    code = (
        "import sys; sys.path.insert(0, 'verify.pyz')\n"
        "import auditlog.core.__main__\n"
        "print(auditlog.__file__)\n"
        "print([name for name in ('sqlalchemy', 'rfc8785') if name in sys.modules])"
    )
    told = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, cwd=tmp_path / "out", check=True
    )
    first, second = told.stdout.splitlines()
    assert "verify.pyz" in first
    assert second == "[]"


def test_verify_pyz_says_what_to_install(engine: Engine, log: Any, tmp_path: Path) -> None:
    export(engine, log, tmp_path / "out")
    command = [sys.executable, "-I", "-S", "verify.pyz", "audit", ".", "--vkey", "log.vkey"]
    told = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path / "out")
    assert told.returncode == 2
    assert told.stderr == "error: this verifier needs cryptography: python3 -m pip install 'cryptography>=50'\n"


def readme(folder: Path) -> str:
    text = (folder / "README.txt").read_text("utf-8")
    assert max(map(len, text.splitlines())) <= 120
    assert "\n\n\n" not in text
    return text


def test_the_readme_names_keys_or_policy_and_the_neighbours(example: ModuleType, tmp_path: Path) -> None:
    """That its commands work is `tests/test_conformance_instructions.py`'s."""
    first, version, boot = example.start_log()
    first.decide(version, n=1, boot=boot)
    second = first.succeed("register.example/2", seed=2, lost=None)
    last = second.succeed("register.example/3", seed=3, lost=1)
    texts = {}
    for log, name in ((first, "first"), (second, "second"), (last, "last")):
        engine = example.record(log, f"sqlite:///{tmp_path}/{name}.db", Guard(tmp_path / f"{name}.guard"))
        export(engine, log, tmp_path / name)
        engine.dispose()
        texts[name] = readme(tmp_path / name)
    assert "It is closed: nothing follows, and register.example/2 continues it." in texts["first"]
    assert "PREDECESSOR" not in texts["first"]
    assert "It continues the log register.example/1, which had 10 entries." in texts["second"]
    assert "are lost" not in texts["second"]
    assert "Of those, 1 are lost, as the first entry of this log states." in texts["last"]
    assert "python3 verify.pyz audit PREDECESSOR . --vkey log.vkey" in texts["last"]
    assert "policy" not in texts["first"]


def test_a_policy_travels_along_and_chooses_the_published_checkpoint(
    example: ModuleType, engine: Engine, log: Any, tmp_path: Path
) -> None:
    witness = Signer.generate("archive.example", COSIGNATURE, bytes(32))
    demanding = Policy(log.keys, {}, (Witness("archive", witness.vkey),), quorum="archive")
    text = format_policy(demanding)

    def made(name: str, policy: str, **options: Any) -> tuple[int, str]:
        with reading(engine) as conn:
            size = export_log(conn, 1, log.keys, tmp_path / name, policy=policy, **options)
        assert (tmp_path / name / "policy").read_text() == policy
        return size, readme(tmp_path / name)

    size, told = made("not yet", text)
    assert size == 300
    assert "audit . --vkey log.vkey" in told
    assert 'With "--policy policy" in their place they say what is lacking.' in told
    audit_tree(tmp_path / "not yet", log.keys)
    with pytest.raises(NotPublished):
        audit_tree(tmp_path / "not yet", log.keys, policy=demanding)
    note = example.cosign(log.checkpoint(log.entries[:270]), [witness], 1_800_000_000)
    with writing(engine) as conn:
        write_head(conn, 1, Head(270, note), old=read_head(conn, 1, "published"), name="published")
    size, told = made("published", text)
    assert size == 270
    assert "audit . --policy policy" in told
    assert audit_tree(tmp_path / "published", log.keys, policy=demanding).witnesses == {"archive": 1_800_000_000}
    assert made("newest", text, head="integrated")[0] == 300
    assert made("no witness", format_policy(Policy(log.keys)))[0] == 300
    with pytest.raises(FormatError, match=r"^policy"), reading(engine) as conn:
        export_log(conn, 1, log.keys, tmp_path / "bad", policy="quorum some\n")


def test_more_files_are_listed_and_the_ring_may_hold_other_logs(
    example: ModuleType, engine: Engine, log: Any, tmp_path: Path
) -> None:
    other = example.make_signers("register.example/9", 9)
    ring = KeyRing((*key_ring(signer.vkey for signer in other).keys, *log.keys.keys))
    with reading(engine) as conn:
        export_log(conn, 1, ring, tmp_path / "out", extra={"notes/one.txt": b"more\n"})
    assert (tmp_path / "out/log.vkey").read_text() == log.vkey
    assert "notes/one.txt" in parse_sums((tmp_path / "out/SHA256SUMS").read_bytes())
    assert audit_tree(tmp_path / "out", log.keys).size == 300


# --- SHA256SUMS -------------------------------------------------------------------------------------------------------


def test_sums_are_those_of_sha256sum(engine: Engine, log: Any, tmp_path: Path) -> None:
    export(engine, log, tmp_path / "out")
    tool = shutil.which("sha256sum")
    if tool is None:
        pytest.skip("sha256sum is not installed")
    subprocess.run([tool, "--check", "--strict", "SHA256SUMS"], check=True, capture_output=True, cwd=tmp_path / "out")


def test_sums_have_one_spelling() -> None:
    digest = sha256(b"").hexdigest()
    assert parse_sums(format_sums({"b": digest, "a/c": digest})) == {"a/c": digest, "b": digest}
    for bad in (
        f"{digest}  a",
        f"{digest} a\n",
        f"{digest.upper()}  a\n",
        f"{digest}  ../a\n",
        f"{digest}  /a\n",
        f"{digest}  a//b\n",
        f"{digest}  b\n{digest}  a\n",
        f"{digest}  a\n{digest}  a\n",
        f"{digest}  ä\n",
    ):
        with pytest.raises(FormatError, match=r"^SHA256SUMS"):
            parse_sums(bad.encode())


def test_a_listed_file_may_be_added_but_not_in_place_of_the_required_ones(
    engine: Engine, log: Any, tmp_path: Path
) -> None:
    """Later issues add a policy and time stamps; the verifier of today takes them when they are listed."""
    folder = tmp_path / "out"
    export(engine, log, folder)
    digests = parse_sums((folder / "SHA256SUMS").read_bytes())
    (folder / "policy.txt").write_text("later\n")
    with pytest.raises(VerifyError, match=r"^policy.txt: this file does not belong"):
        audit_tree(folder, log.keys)
    digests["policy.txt"] = sha256(b"later\n").hexdigest()
    (folder / "SHA256SUMS").write_bytes(format_sums(digests))
    audit_tree(folder, log.keys)
    for name in ("README.txt", "log.vkey", "verify.pyz", "checkpoint"):
        rest = {key: value for key, value in digests.items() if key != name}
        (folder / "SHA256SUMS").write_bytes(format_sums(rest))
        with pytest.raises(VerifyError, match=f"^SHA256SUMS: does not list {name}"):
            audit_tree(folder, log.keys)
    tile = "tile/0/000"
    (folder / "SHA256SUMS").write_bytes(format_sums({**digests, tile: sha256(b"").hexdigest()}))
    with pytest.raises(VerifyError, match=f"^SHA256SUMS: must not list {tile}"):
        audit_tree(folder, log.keys)


def test_links_and_special_files_are_refused(engine: Engine, log: Any, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    export(engine, log, folder)
    target = tmp_path / "elsewhere"
    (folder / "tile" / "0" / "000").rename(target)
    (folder / "tile" / "0" / "000").symlink_to(target)
    with pytest.raises(VerifyError, match=r"^tile/0/000: is a link"):
        audit_tree(folder, log.keys)
    (folder / "tile" / "0" / "000").unlink()
    target.rename(folder / "tile" / "0" / "000")
    audit_tree(folder, log.keys)
    (folder / "more").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(VerifyError, match=r"^more: is a link"):
        audit_tree(folder, log.keys)
