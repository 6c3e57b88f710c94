"""The conformance kit as an outsider uses it: the vectors are where README says, `tamper.py` runs by itself.

`tamper.py` is run over a real export with our verifier, with one that we did not write, and with ones that miss things.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from hashlib import sha256
from hmac import digest
from pathlib import Path
from types import ModuleType

import pytest

from auditlog.core.checking.tree import format_sums, parse_sums
from auditlog.core.formats.keyring import parse_key_ring
from auditlog.core.formats.note import COSIGNATURE, Signer
from auditlog.core.formats.policy import Group, Policy, format_policy
from auditlog.core.formats.policy import Witness as Party
from auditlog.recovery.export import export_log
from auditlog.store.log import reading
from auditlog.writing.guard import Guard

ROOT = Path(__file__).parents[1]
KIT = ROOT / "docs" / "conformance"
# What no check of one copy can notice, or nobody has to.
QUIET = {
    "checkpoint: first signature line twice",
    "checkpoint: signature lines in another order",
    "README.txt, verify.pyz, log.vkey: replaced together with SHA256SUMS",
    "cut to 150 entries, under the checkpoint of then",
}


@pytest.fixture(scope="module")
def log(example: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `export`, `log.vkey`, `ed25519.vkey` and the checkpoint `older`."""
    folder = tmp_path_factory.mktemp("kit")
    made = example.build_log(300)
    engine = example.record(made, f"sqlite:///{folder}/greffier.db", Guard(folder / "guard"))
    with reading(engine) as conn:
        export_log(conn, 1, made.keys, folder / "export")
    engine.dispose()
    (folder / "log.vkey").write_text(made.vkey)
    (folder / "ed25519.vkey").write_text(made.vkey.splitlines()[0] + "\n")
    (folder / "older").write_bytes(made.pack(size=150)["checkpoint"])
    return folder


def tamper(log: Path, *arguments: str, keys: str = "log.vkey") -> tuple[int, list[dict[str, object]], str]:
    # -I: neither this checkout nor an environment is there to lean on.
    command = [sys.executable, "-I", str(KIT / "tamper.py"), str(log / "export"), "--vkey", str(log / keys), "--json"]
    told = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, timeout=600, cwd="/")
    assert "Traceback" not in told.stderr, told.stderr
    return told.returncode, json.loads(told.stdout)["cases"] if told.stdout else [], told.stderr


def digests(folder: Path) -> dict[str, str]:
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_our_verifier_notices_all_that_must_be(log: Path) -> None:
    before = digests(log / "export")
    code, cases, _ = tamper(log, "--older", str(log / "older"))
    assert code == 0
    assert digests(log / "export") == before
    assert len(cases) > 100
    assert {case["case"] for case in cases if not case["noticed"]} == QUIET
    # It says what is wrong, and never falls over.
    assert all(str(case["sentence"]).startswith("FAILED: ") and case["exit"] == 1 for case in cases if case["noticed"])


@pytest.mark.slow
def test_a_cosigned_log_by_a_policy_that_one_witness_satisfies(example: ModuleType, log: Path, tmp_path: Path) -> None:
    """One cosignature less is no fault where another is left; without any of them the quorum is lacking."""
    shutil.copytree(log / "export", tmp_path / "export")
    witnesses = [Signer.generate(f"w{n}.example/w", COSIGNATURE, bytes([n]) * 32) for n in (1, 2)]
    note = example.cosign((tmp_path / "export" / "checkpoint").read_bytes(), witnesses, 1_790_000_000)
    (tmp_path / "export" / "checkpoint").write_bytes(note)
    listed = parse_sums((tmp_path / "export" / "SHA256SUMS").read_bytes())
    (tmp_path / "export" / "SHA256SUMS").write_bytes(format_sums(listed | {"checkpoint": sha256(note).hexdigest()}))
    shutil.copy(log / "log.vkey", tmp_path)
    parties = tuple(Party(f"w{n}", one.vkey) for n, one in enumerate(witnesses))
    ring = parse_key_ring((log / "log.vkey").read_text())
    policy = Policy(ring, {}, parties, (Group("any", 1, tuple(one.name for one in parties)),), "any")
    (tmp_path / "policy").write_text(format_policy(policy))
    code, cases, said = tamper(tmp_path, "--policy", str(tmp_path / "policy"), "--files", "2")
    assert code == 0, (said, [case for case in cases if case["must"] != "-" and not case["noticed"]])
    stripped = next(case for case in cases if case["case"] == "checkpoint: all other signature lines stripped")
    assert (stripped["must"], stripped["noticed"]) == ("every", True)
    code, cases, _ = tamper(tmp_path, "--files", "2")
    assert code == 0, "without a policy nobody demands the cosignatures"
    assert next(case for case in cases if case["case"] == stripped["case"])["noticed"] is False


@pytest.mark.slow
def test_a_verifier_that_we_did_not_write_notices_all_of_a_plain_log(log: Path, theirs: ModuleType) -> None:
    check = " ".join(theirs.command("check.py", "{dir}"))
    # aics-tlog knows no ML-DSA-44, so that line is not demanded of it.
    code, cases, _ = tamper(log, "--log-only", "--command", check, keys="ed25519.vkey")
    assert code == 0, [case for case in cases if not case["noticed"]]
    assert len(cases) > 60


def test_a_verifier_that_notices_nothing_is_told(log: Path) -> None:
    code, cases, _ = tamper(log, "--command", "true", "--older", str(log / "older"))
    assert code == 1
    assert not any(case["noticed"] for case in cases)
    assert {case["must"] for case in cases if case["case"] in QUIET} == {"-"}
    assert {case["case"] for case in cases if case["must"] == "-"} == QUIET


def test_each_copy_differs_from_the_log(log: Path) -> None:
    """A verifier that compares with the original notices every case; one that nothing distinguishes would be none."""
    code, cases, _ = tamper(log, "--command", f"diff -r --no-dereference {{dir}} {log / 'export'}", "--files", "3")
    assert code == 0
    assert all(case["noticed"] for case in cases)


def test_a_log_that_does_not_hold_is_no_question(log: Path) -> None:
    for command in ("false", None):
        code, cases, said = tamper(log, *(["--command", command] if command else []), keys="older")
        assert (code, cases) == (2, [])
        assert said.startswith("error: ")


def test_the_readme_names_every_vector_file_and_nothing_else() -> None:
    text = (KIT / "README.md").read_text("utf-8")
    named = set(re.findall(r"^\| `([a-z]+\.json)`", text, re.MULTILINE))
    assert named == {path.name for path in (KIT / "vectors").iterdir()}
    assert [path.name for path in (ROOT / "tests" / "vectors").glob("*.json")] == []


def test_the_lines_of_the_readme_make_every_commitment() -> None:
    vectors = json.loads((KIT / "vectors" / "commitments.json").read_text("utf-8"))
    text = (KIT / "README.md").read_text("utf-8")
    lines = re.findall(r"^    ((?:salt|commitment|blob|stub) = .*)$", text, re.MULTILINE)
    assert [line.split()[0] for line in lines] == ["salt", "commitment", "blob", "stub", "commitment"]
    large = [
        {**case, "canonical": json.dumps(case["text"] * case["times"], ensure_ascii=False)} for case in vectors["large"]
    ]
    assert {case["blob"] is None for case in large} == {True, False}
    for case in vectors["cases"] + large:
        names = {"secret": bytes.fromhex(vectors["secret"]), **case, "hashlib": hashlib}
        names["hmac"] = type("hmac", (), {"digest": staticmethod(digest)})
        for line in lines[:2] if case.get("blob") is None else [lines[0], *lines[2:]]:
            exec(line, names)
        assert names["commitment"].hex() == case["commitment"]
