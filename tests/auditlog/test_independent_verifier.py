"""Promise 4: a C2SP implementation that we did not write (aics-tlog) accepts our log and receipts, and refuses others.

It needs Python 3.12 and lives in `.venv-independent`, which tests/independent/setup.sh makes.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from auditlog.core.formats.proof import format_proof
from auditlog.recovery.export import export_log
from auditlog.store.log import reading
from auditlog.writing.guard import Guard

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-independent" / "bin" / "python"


def make_export(example: ModuleType, size: int, folder: Path) -> tuple[Any, Path]:
    log = example.build_log(600)
    # What lies beyond the size is dropped before anything is signed.
    del log.entries[size:]
    engine = example.record(log, f"sqlite:///{folder}/greffier.db", Guard(folder / "guard"))
    with reading(engine) as conn:
        export_log(conn, 1, log.keys, folder / "log")
    engine.dispose()
    return log, folder / "log"


@pytest.fixture
def check(theirs: ModuleType) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Their verdict on an export, and on (entry, proof) pairs."""

    def checked(export: Path, *pairs: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(theirs.command("check.py", export, *pairs), check=False, capture_output=True, text=True)

    return checked


@pytest.mark.parametrize("size", [1, 256, 600])
def test_it_audits_the_export_and_accepts_every_receipt(
    check: Any, example: ModuleType, size: int, tmp_path: Path
) -> None:
    log, folder = make_export(example, size, tmp_path)
    indices = [i for i, entry in log.made.items() if i < len(log.entries) and entry.id in log.secrets]
    chosen = indices[:40] + indices[-1:]
    pairs = []
    for index in chosen:
        receipt = log.receipt(index)
        for name, data in ((f"{index}.tlog-proof", format_proof(receipt.proof)), (f"{index}.entry", receipt.entry)):
            (tmp_path / name).write_bytes(data)
            pairs.append(tmp_path / name)
    told = check(folder, *pairs)
    assert told.returncode == 0, told.stderr
    result = json.loads(told.stdout)
    assert result["size"] == len(log.entries)
    assert result["indices"] == chosen
    assert result["tiles"] + result["bundles"] == sum(path.is_file() for path in (folder / "tile").rglob("*"))


def test_it_refuses_a_changed_export_and_a_changed_receipt(check: Any, example: ModuleType, tmp_path: Path) -> None:
    log, folder = make_export(example, 600, tmp_path)
    index = next(i for i, entry in log.made.items() if entry.kind == "decision/1")
    receipt = log.receipt(index)
    (tmp_path / "proof").write_bytes(format_proof(receipt.proof))
    (tmp_path / "entry").write_bytes(receipt.entry + b" ")
    told = check(folder, tmp_path / "proof", tmp_path / "entry")
    assert told.returncode == 1
    assert "is not in the tree" in told.stderr
    example.change_byte(folder / "tile/entries/001", 5000)
    told = check(folder)
    assert told.returncode == 1
    assert "tile/entries/001" in told.stderr
