"""An auditor with the export, a policy file and what README.txt says to install: every command of it, run as written.

The auditor's Python is one of its own, in which nothing of ours can be imported. The packages come from the index that
the machine is set up for; without one the test is skipped, except in CI.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from auditlog.core.entries.receipt import format_receipt
from auditlog.core.formats.keyring import KeyRing
from auditlog.core.formats.note import COSIGNATURE, Signer
from auditlog.core.formats.policy import Policy, Witness, format_policy
from auditlog.recovery.export import export_log
from auditlog.store.log import Head, read_head, reading, write_head, writing
from auditlog.writing.guard import Guard

ROOT = Path(__file__).parents[1]
WITNESS = Signer.generate("archive.example/witness", COSIGNATURE, b"archive!" * 4)
NEXT = "register.example/2"
SEEN = 1_772_452_800  # 2026-03-02T12:00Z, after the example log's entries


@pytest.fixture(scope="module")
def auditor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of a fresh Python; only pip is in it."""
    folder = tmp_path_factory.mktemp("auditor") / "venv"
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    made = None if uv is None else _run([uv, "venv", "--quiet", "--seed", "--python", sys.executable, str(folder)])
    if made is None or made.returncode:
        message = "no Python of its own could be made: " + ("uv is missing" if made is None else made.stderr)
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder / "bin"


@dataclass
class Case:
    """Exports of a log and its successor, and what an auditor has besides."""

    first: Path
    second: Path
    policy: Path
    receipts: list[Path]
    old: Path


@pytest.fixture
def case(example: ModuleType, tmp_path: Path) -> Case:
    log, version, boot = example.start_log()
    log.decide(version, n=1, boot=boot)
    early = example.cosign(log.checkpoint(log.entries), [WITNESS], SEEN)
    after = log.succeed(NEXT, seed=2)
    after.decide(version, n=2, boot=boot)
    old = tmp_path / "old checkpoint"
    old.write_bytes(after.checkpoint(after.entries))
    after.decide(version, n=3, boot=None)
    ring = KeyRing((*log.keys.keys, *after.keys.keys))
    text = format_policy(Policy(ring, {}, (Witness("archive", WITNESS.vkey),), quorum="archive"))
    policy = tmp_path / "policy"
    policy.write_text(text)
    exports = [_export(example, one, tmp_path / name, text) for one, name in ((log, "first"), (after, "second"))]
    receipts = [_receipt(example, log, 8, tmp_path), _receipt(example, after, 1, tmp_path)]
    before = tmp_path / "before.receipt.json"
    made = log.receipt(8, size=9)
    before.write_bytes(format_receipt(replace(made, proof=replace(made.proof, checkpoint=early))))
    return Case(*exports, policy, [*receipts, before], old)


def _export(example: ModuleType, log: Any, folder: Path, policy: str) -> Path:
    """Through the real writer; the published checkpoint is the integrated one with the witness's line."""
    engine = example.record(log, f"sqlite:///{folder}.db", Guard(folder.with_suffix(".guard")))
    with writing(engine) as conn:
        head = read_head(conn, 1)
        assert head is not None
        cosigned = Head(head.size, example.cosign(head.note, [WITNESS], SEEN))
        assert write_head(conn, 1, cosigned, old=read_head(conn, 1, "published"), name="published")
    with reading(engine) as conn:
        export_log(conn, 1, log.keys, folder, policy=policy)
    engine.dispose()
    return folder


def _receipt(example: ModuleType, log: Any, index: int, folder: Path) -> Path:
    made = log.receipt(index)
    note = example.cosign(made.proof.checkpoint, [WITNESS], SEEN)
    path = folder / f"{log.made[index].id}.receipt.json"
    path.write_bytes(format_receipt(replace(made, proof=replace(made.proof, checkpoint=note))))
    return path


def _run(command: list[str] | str, folder: Path = ROOT, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    if path is not None:
        environment["PATH"] = f"{path}{os.pathsep}/usr/bin{os.pathsep}/bin"
    return subprocess.run(
        command, shell=isinstance(command, str), cwd=folder, env=environment, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip


def commands(export: Path) -> list[str]:
    """The commands that README.txt of an export gives: its indented lines that begin with python3."""
    text = (export / "README.txt").read_text("utf-8")
    return [line.strip() for line in text.splitlines() if line.startswith("  python3 ")]


def test_the_commands_are_these(case: Case) -> None:
    """One literal, so that a change of the instructions is a change that somebody looks at."""
    with_policy = [
        "python3 -m pip install 'cryptography>=50'",
        "python3 verify.pyz audit . --policy policy",
        "python3 verify.pyz verify FILE.receipt.json --policy policy",
        "python3 verify.pyz consistency OLD_CHECKPOINT . --policy policy",
        "python3 verify.pyz gaps .",
        "python3 verify.pyz policy policy checkpoint",
    ]
    assert commands(case.first) == with_policy
    chain = "python3 verify.pyz audit PREDECESSOR . --policy policy"
    assert commands(case.second) == [*with_policy[:2], chain, *with_policy[2:]]


def test_an_auditor_runs_the_whole_check_as_written(case: Case, auditor: Path) -> None:
    names = {"PREDECESSOR": case.first, "OLD_CHECKPOINT": case.old, "FILE.receipt.json": case.receipts[0]}
    told = {}
    for command in commands(case.second):
        filled = command
        for name, path in names.items():
            filled = filled.replace(name, f"'{path}'")
        one = _run(filled, case.second, auditor)
        assert one.returncode == 0, f"{filled}\n{one.stdout}{one.stderr}"
        told[command.split()[2]] = one.stdout
    assert "OK: all 2 logs hold, and each continues the one before" in told["audit"]
    assert "and published: the witnesses that the policy demands have cosigned it" in told["verify"]
    assert "OK: the log only grew since the older checkpoint" in told["consistency"]
    assert told["gaps"].startswith("boot ")
    assert "meets the policy; it is published: archive has cosigned it" in told["policy"]
    # The auditor's own copy of the policy serves as well, and one file for receipts of every time and log.
    for receipt in case.receipts:
        one = _run(f"python3 verify.pyz verify '{receipt}' --policy '{case.policy}' --json", case.second, auditor)
        assert json.loads(one.stdout)["verdict"] == "published", one.stdout
    # Nothing of ours was importable, nor what only our server needs.
    for module in ("sqlalchemy", "auditlog", "fastapi", "rfc8785"):
        assert _run(f"python3 -c 'import {module}'", case.second, auditor).returncode == 1


def test_the_check_fails_for_the_auditor_too(case: Case, auditor: Path) -> None:
    _run("python3 -m pip install 'cryptography>=50'", case.second, auditor)
    path = case.second / "tile/entries/000.p/3"
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"live"', b'"test"', 1))
    assert path.read_bytes() != data
    told = _run("python3 verify.pyz audit . --policy policy", case.second, auditor)
    assert told.returncode == 1
    assert re.match(r"FAILED: entry 1: its bytes are not those that were signed", told.stdout)
