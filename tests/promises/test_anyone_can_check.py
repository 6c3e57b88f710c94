"""Promise 4 on the demo's own output: the export and every receipt, by three verifiers.

aics-tlog is not ours; `python -m auditlog` needs neither server nor database; `verify.pyz` needs not even our folder.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from auditlog.core.entries.receipt import parse_receipt
from auditlog.core.formats.proof import format_proof

ROOT = Path(__file__).parents[2]


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def receipts(home: Path) -> list[Path]:
    found = sorted((home / "receipts").glob("*.receipt.json"))
    assert len(found) >= 24, "eight cases of three systems"
    return found


def test_an_implementation_that_is_not_ours_accepts_the_export_and_every_receipt(
    theirs: ModuleType, demo_home: Path, tmp_path: Path
) -> None:
    pairs: list[str] = []
    indices = []
    for path in receipts(demo_home):
        receipt = parse_receipt(path.read_bytes())
        indices.append(receipt.proof.index)
        for name, data in (("tlog-proof", format_proof(receipt.proof)), ("entry", receipt.entry)):
            target = tmp_path / f"{receipt.proof.index}.{name}"
            target.write_bytes(data)
            pairs.append(str(target))
    export = demo_home / "export-after-erasure"
    told = run(theirs.command("check.py", export, *pairs), tmp_path)
    assert told.returncode == 0, told.stderr
    seen = json.loads(told.stdout)
    assert seen["indices"] == indices
    assert seen["size"] == int((export / "checkpoint").read_text("utf-8").split("\n")[1])


def test_our_verifier_and_the_exported_one_agree(demo_home: Path, tmp_path: Path) -> None:
    vkey = tmp_path / "log.vkey"
    vkey.write_bytes((demo_home / "keys" / "log.vkey").read_bytes())
    export = demo_home / "export-after-erasure"
    told = [
        run([sys.executable, *verifier, "audit", str(export), "--vkey", str(vkey), "--json"], folder)
        for verifier, folder in ((["-m", "auditlog"], ROOT), ([str(export / "verify.pyz")], tmp_path))
    ]
    assert [one.returncode for one in told] == [0, 0], told[1].stderr
    assert json.loads(told[0].stdout) == json.loads(told[1].stdout)
    for path in receipts(demo_home):
        checked = run([sys.executable, str(export / "verify.pyz"), "verify", str(path), "--vkey", str(vkey)], tmp_path)
        assert checked.returncode == 0, checked.stdout + checked.stderr
