"""The verifier's command line: exit status, sentences, JSON, and what it needs to start."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from auditlog.core.__main__ import main
from auditlog.core.checking.tree import format_sums
from auditlog.core.entries.receipt import format_receipt


@pytest.fixture(scope="module")
def log(example: ModuleType) -> Any:
    return example.build_log(300)


@pytest.fixture
def tree(log: Any, tmp_path: Path) -> Path:
    """The files of an export, put together by hand: this test knows no database."""
    folder = tmp_path / "log"
    files = log.pack() | {"log.vkey": log.vkey.encode(), "README.txt": b"read me\n", "verify.pyz": b"PK"}
    listed = {name: sha256(data).hexdigest() for name, data in files.items() if not name.startswith("tile/")}
    for name, data in (files | {"SHA256SUMS": format_sums(listed)}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def vkey(log: Any, tmp_path: Path) -> Path:
    path = tmp_path / "trusted.vkey"
    path.write_text(log.vkey)
    return path


@pytest.fixture
def receipt(log: Any, tmp_path: Path) -> Path:
    index = next(i for i, entry in log.made.items() if entry.kind == "decision/1")
    path = tmp_path / "one.receipt.json"
    path.write_bytes(format_receipt(log.receipt(index)))
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_audit_of_a_log_that_holds(tree: Path, vkey: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "audit", tree, "--vkey", vkey)
    assert status == 0
    assert out.splitlines()[-1] == "OK: the log holds, 300 entries lead to the root that Ed25519 and ML-DSA-44 signed"
    assert "decision/1" in out
    assert "1 of them are of kinds that this verifier does not know" in out
    status, out, _ = run(capsys, "audit", tree, "--vkey", vkey, "--json")
    assert status == 0
    result = json.loads(out)
    assert result["ok"] is True
    assert result["size"] == 300
    assert sum(result["kinds"].values()) == 300
    status, out, _ = run(capsys, "audit", tree, "--vkey", vkey, "--hashes-only")
    assert status == 0
    assert "were not read" in out


def test_audit_of_a_log_that_does_not_hold(tree: Path, vkey: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "extra\x1b[2J.txt").write_text("x")
    status, out, _ = run(capsys, "audit", tree, "--vkey", vkey)
    assert status == 1
    assert out == "FAILED: extra\\x1b[2J.txt: this file does not belong to the export\n"
    (tree / "tile/0/000").unlink()
    status, out, _ = run(capsys, "audit", tree, "--vkey", vkey, "--json")
    assert status == 1
    assert json.loads(out) == {"ok": False, "place": "tile/0/000", "error": "tile/0/000: this file is missing"}


def test_verify_of_a_receipt(receipt: Path, vkey: Path, log: Any, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "verify", receipt, "--vkey", vkey)
    assert status == 0
    assert out.splitlines()[-1] == "OK: the receipt holds, its entry is in the log as signed at size 300"
    assert "outcome" in out
    status, out, _ = run(capsys, "verify", receipt, "--vkey", vkey, "--json")
    assert status == 0
    result = json.loads(out)
    assert result["ok"] is True
    assert result["origin"] == log.origin
    assert result["openings"]["outcome"] == "grant"
    assert log.made[result["index"]].id == result["id"]


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('"grant"', '"refuse"', "openings.outcome"),
        ("credit-score", "credit-scorf", "proof"),
        ('"proof"', '"prooof"', "receipt"),
        ("index ", "index 1", "proof"),
    ],
)
def test_verify_of_a_changed_receipt(
    receipt: Path, vkey: Path, old: str, new: str, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = receipt.read_text("utf-8")
    assert old in text
    receipt.write_text(text.replace(old, new), "utf-8")
    status, out, _ = run(capsys, "verify", receipt, "--vkey", vkey)
    assert status == 1
    assert out.startswith(f"FAILED: {place}: ")


def test_what_cannot_be_asked_is_exit_2(
    log: Any, tree: Path, receipt: Path, vkey: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.vkey"
    bad.write_text("not a key\n")
    other = tmp_path / "other.policy"
    other.write_text("\n".join(f"log {line}" for line in log.vkey.splitlines()[:1]) + "\nquorum none\n")
    empty = tmp_path / "empty.policy"
    empty.write_text("quorum none\n")
    (tmp_path / "no.policy").write_text("quorum some\n")
    for arguments in (
        ["audit", tree / "nothing", "--vkey", vkey],
        ["audit", tree, "--vkey", tmp_path / "nothing"],
        ["audit", tree, "--vkey", bad],
        ["audit", tree],
        ["audit", tree, "--policy", empty],
        ["audit", tree, "--policy", vkey],
        ["audit", tree, "--vkey", vkey, "--policy", other],
        ["audit", tree, "--vkey", vkey, "--policy", tmp_path / "no.policy"],
        ["consistency", tmp_path / "nothing", tree, "--vkey", vkey],
        ["consistency", vkey, tree / "nothing", "--vkey", vkey],
        ["policy", vkey],
        ["policy", empty, tmp_path / "nothing"],
        ["gaps", tree / "nothing"],
        ["verify", tmp_path / "nothing", "--vkey", vkey],
    ):
        status, out, err = run(capsys, *arguments)
        assert (status, out) == (2, "")
        assert err.startswith("error: ")
    for arguments in (
        ["audit", "--vkey", vkey],
        ["nonsense"],
        [],
        ["audit", tree, "--vk", vkey],
        ["verify", receipt, "--vkey", vkey, "--max-age", "60"],
        ["verify", receipt, "--policy", empty, "--max-age", "-1"],
    ):
        with pytest.raises(SystemExit) as caught:
            run(capsys, *arguments)
        assert caught.value.code == 2


def test_it_imports_only_what_a_stranger_can_install() -> None:
    """`python -m auditlog` must start fast and need neither our database nor our server (DESIGN section 6 and 8)."""
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import auditlog.core.__main__\n"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    told = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    foreign = set(told.stdout.split()) - set(sys.stdlib_module_names)
    assert foreign <= {"auditlog", "cryptography", "_cffi_backend", "_openssl"}


def test_cold_start(receipt: Path, vkey: Path) -> None:
    """0.3 s on the reference machine (DESIGN section 8). Processor time with a wide bound: a busy one passes."""
    command = [sys.executable, "-m", "auditlog", "verify", str(receipt), "--vkey", str(vkey)]
    root = Path(__file__).parents[2]
    times = []
    for _ in range(3):
        begin = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True, cwd=root)
        end = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(end.ru_utime - begin.ru_utime + end.ru_stime - begin.ru_stime)
    assert min(times) < 0.6
