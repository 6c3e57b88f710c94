"""A new field of the register is one declaration in one file (docs/adr/0003): shown by really adding one to a copy."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import registry
from registry import system

DECLARATION = """    retention_months: int | None = field(
        metadata=declared(Integer(6, 1200), en="Kept for (months)", nl="Bewaard (maanden)", presence="omitted")
    )


def parse_system("""

PROGRAM = """
import json, sys
from registry import register_file, system
from registry.store.systems import Registration
old, new = json.loads(sys.stdin.read())
given = register_file.parse_register_file(json.dumps(new).encode())
wrong = {**new, "system": {**new["system"], "retention_months": 5}}
try:
    register_file.parse_register_file(json.dumps(wrong).encode())
    message = ""
except Exception as error:
    message = str(error)
print(json.dumps({
    "origin": system.__file__,
    "old": system.record_digest(system.parse_system(old["system"])),
    "record": system.format_system(given.system)["retention_months"],
    "rows": dict(system.rows(given.system, "nl"))["Bewaard (maanden)"],
    "schema": "retention_months" in register_file.json_schema()["properties"]["system"]["properties"],
    "message": message,
}))
"""


def test_one_declaration_reaches_file_record_schema_message_and_page(document: dict[str, Any], tmp_path: Path) -> None:
    assert registry.__file__ is not None
    shutil.copytree(Path(registry.__file__).parent, tmp_path / "registry")
    source = tmp_path / "registry" / "system.py"
    text = source.read_text(encoding="utf-8")
    assert text.count("\n\ndef parse_system(") == 1
    text = text.replace("from registry.values import ", "from registry.values import Integer, ")
    source.write_text(text.replace("\n\ndef parse_system(", DECLARATION), encoding="utf-8")
    new = {**document, "system": {**document["system"], "retention_months": 12}}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, input=json.dumps([document, new]), capture_output=True,
        text=True, check=False, env={"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.pop("origin").startswith(str(tmp_path))
    assert found == {
        "old": system.record_digest(system.parse_system(document["system"])),
        "record": 12,
        "rows": "12",
        "schema": True,
        "message": "system.retention_months: is out of range; write 6 to 1200",
    }
