"""`greffier model add --quantize`: the entry names the origin, again changes nothing, and the model decides."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from auditlog.store import log as log_store
from cli.demo.run import CASES
from service.deciding import decide
from service.keeping import fsck
from service.systems import lifecycle, register
from service.wiring import open_home

LOAN = "social-loan-check"


def models_of(home: Path) -> list[dict[str, Any]]:
    with open_home(home) as g, g.reading() as conn:
        entries = [entry for _, entry in log_store.entries_of_kinds(conn, g.log.number, ("model/1",))]
    return [dict(entry.members) for entry in entries]


def test_a_quantised_model_is_registered_with_its_origin_and_decides(
    bare: Path, model_file: Path, command: Any, loan_input: dict[str, Any]
) -> None:
    origin = hashlib.sha256(model_file.read_bytes()).hexdigest()
    add = ("model", "add", model_file, "--quantize", "Q4_0", "--home", bare, "--json")
    told = command(*add)
    assert told.code == 0
    (row,) = json.loads(told.out)
    assert (row["derived_from"], row["quantization"]) == (origin, "Q4_0")
    assert "272 of 272 tensors" in told.line
    assert "quantised already" in told.line
    again = command(*add)
    assert json.loads(again.out) == [row]
    assert "tensors" not in again.line
    (entry,) = models_of(bare)
    assert (entry["model"], entry["derived_from"]) == (f"sha256:{row['sha256']}", f"sha256:{origin}")
    assert (entry["quantization"], entry["size"]) == ("Q4_0", row["size"])

    lost = bare / "models" / f"{row['sha256']}.gguf"
    lost.unlink()
    assert json.loads(command(*add).out) == [row]
    assert lost.exists()
    assert len(models_of(bare)) == 1

    document = json.loads((CASES / f"{LOAN}.json").read_bytes())
    document["version"]["model"] |= {"sha256": row["sha256"], "quantization": "Q4_0", "architecture": "llama"}
    with open_home(bare) as g:
        register.register(g, json.dumps(document).encode())
        for state in ("in_review", "approved", "active"):
            lifecycle.change_state(g, LOAN, state)
        assert decide.decide(g, LOAN, loan_input).held
        assert fsck.check_all(g) == []


@pytest.mark.parametrize(("kind", "said"), [("Q4", "use one of Q2_K"), ("q4_0", "Q4_0"), ("", "Q8_0")])
def test_an_unknown_type_is_refused_with_the_list(
    bare: Path, model_file: Path, command: Any, unchanged: Any, kind: str, said: str
) -> None:
    with unchanged(bare):
        told = command("model", "add", model_file, "--quantize", kind, "--home", bare)
    assert told.code == 2
    assert told.line.startswith("--quantize: is no type")
    assert said in told.line


def test_a_bad_file_leaves_nothing(bare: Path, command: Any, unchanged: Any, bad_file: Any) -> None:
    with unchanged(bare):
        told = command("model", "add", bad_file(b"GGUF" + b"text\n" * 999), "--quantize", "Q4_0", "--home", bare)
    assert told.code in {2, 3}


def test_a_model_of_another_architecture_than_declared(
    bare: Path, model_file: Path, command: Any, tmp_path: Path
) -> None:
    """Refused at registration where the file is here, else when a version is to run; a true declaration goes."""
    document = json.loads((CASES / f"{LOAN}.json").read_bytes())
    file = tmp_path / "system.json"

    def write(architecture: str) -> None:
        document["version"]["model"]["architecture"] = architecture
        file.write_text(json.dumps(document), encoding="utf-8")

    write("gemma3")
    assert command("system", "register", file, "--home", bare).code == 0
    assert command("model", "add", model_file, "--home", bare).code == 0
    for state in ("in_review", "approved"):
        assert command("system", "state", LOAN, state, "--home", bare).code == 0
    told = command("system", "state", LOAN, "active", "--home", bare)
    assert (told.code, told.line.split(":")[0]) == (3, "model.architecture")
    write("mamba")
    told = command("system", "register", file, "--home", bare)
    assert (told.code, told.line.split(":")[0]) == (2, "version.model.architecture")
    write("llama")
    assert command("system", "register", file, "--home", bare).code == 0
    assert command("system", "state", LOAN, "active", "--home", bare).code == 0
