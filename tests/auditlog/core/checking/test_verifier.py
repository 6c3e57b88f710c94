"""The verifier's commands with policies, several logs and older checkpoints; vectors that JavaScript runs as well."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from auditlog.core.__main__ import main
from auditlog.core.checking.tree import format_sums
from auditlog.core.checking.verifier import Trust, check_receipt
from auditlog.core.entries.receipt import format_receipt
from auditlog.core.errors import AuditLogError, NotPublished
from auditlog.core.formats.keyring import KeyRing
from auditlog.core.formats.note import COSIGNATURE, ED25519, Signer, parse_note
from auditlog.core.formats.policy import Group, Policy, Witness, format_policy, parse_policy

MAKERS = Path(__file__).parents[3] / "vectors"
FOLDER = Path(__file__).parents[4] / "docs" / "conformance" / "vectors"
VECTORS = json.loads((FOLDER / "rotation.json").read_text("utf-8"))
NEXT = "register.example/2"
WITNESSES = {name: Signer.generate(f"{name}.example", COSIGNATURE, name.encode() * 32) for name in "ab"}
SEEN = 1_772_452_800  # 2026-03-02T12:00Z, after the example log's entries
Run = Callable[..., tuple[int, str, str]]


# --- vectors ----------------------------------------------------------------------------------------------------------


def test_vectors_have_not_drifted() -> None:
    spec = importlib.util.spec_from_file_location("vectors_generate_rotation", MAKERS / "generate_rotation.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = generate
    spec.loader.exec_module(generate)
    assert generate.dump(generate.build(VECTORS)) == (FOLDER / "rotation.json").read_text("utf-8")


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_receipts_of_every_time_with_one_policy(case: dict[str, Any]) -> None:
    policy = parse_policy(VECTORS["policies"][case["policy"]])
    expected = dict(case["expect"])

    def check() -> Any:
        options = {name: case[name] for name in ("max_age", "now") if name in case}
        return check_receipt(case["receipt"].encode(), Trust(policy.logs, policy), **options)

    if expected.pop("ok"):
        facts, _ = check()
        assert {name: facts[name] for name in expected} == expected
        return
    with pytest.raises(AuditLogError) as caught:
        check()
    assert str(caught.value).partition(": ")[0] == expected["place"]
    assert isinstance(caught.value, NotPublished) == (expected.get("verdict") == "not_yet_published")


def test_the_vectors_hold_every_time_with_the_same_policy() -> None:
    good = [case for case in VECTORS["cases"] if case["expect"]["ok"] and case["policy"] == "all"]
    seen = {(case["expect"]["origin"], case["expect"]["size"]) for case in good}
    assert {size for origin, size in seen if origin.endswith("/1")} >= {9, 10, 11, 12, 13, 14}
    assert any(origin.endswith("/2") for origin, _ in seen)
    assert len(VECTORS["cases"]) > 35


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: object) -> tuple[int, str, str]:
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def chain(example: ModuleType) -> tuple[Any, Any]:
    """A log whose keys changed, and its successor."""
    log, version, boot = example.start_log()
    log.decide(version, n=1, boot=boot)
    new = Signer.generate(log.origin, ED25519, bytes(32))
    log.rotate(add=[new])
    log.rotate(retire=log.signers[:1])
    after = log.succeed(NEXT, seed=2)
    after.decide(version, n=2, boot=boot)
    return log, after


def write(files: dict[str, bytes], vkey: str, folder: Path) -> Path:
    """The files of an export, put together by hand: this test knows no database."""
    files |= {"log.vkey": vkey.encode(), "README.txt": b"read me\n", "verify.pyz": b"PK"}
    listed = {name: sha256(data).hexdigest() for name, data in files.items() if not name.startswith("tile/")}
    for name, data in (files | {"SHA256SUMS": format_sums(listed)}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def export(example: ModuleType, log: Any, folder: Path, witnesses: str = "ab", time: int = SEEN) -> Path:
    files = log.pack()
    files["checkpoint"] = example.cosign(files["checkpoint"], [WITNESSES[name] for name in witnesses], time)
    return write(files, log.vkey, folder)


def policy_file(path: Path, logs: Sequence[Any], **changes: Any) -> Path:
    witnesses = tuple(Witness(name, signer.vkey) for name, signer in WITNESSES.items())
    ring = KeyRing(tuple(key for log in logs for key in log.keys.keys))
    policy = Policy(ring, {}, witnesses, (Group("both", 2, ("a", "b")),), "both")
    path.write_text(format_policy(replace(policy, **changes)))
    return path


def test_several_logs_are_checked_as_one_chain(
    example: ModuleType, chain: tuple[Any, Any], run: Run, tmp_path: Path
) -> None:
    first, second = (export(example, log, tmp_path / str(n)) for n, log in enumerate(chain, 1))
    policy = policy_file(tmp_path / "policy", chain)
    status, out, _ = run("audit", first, second, "--policy", policy)
    assert status == 0, out
    assert out.splitlines()[-1] == "OK: all 2 logs hold, and each continues the one before"
    assert "The log is closed, and register.example/2 continues it." in out
    assert "Cosigned by a (2026-03-02T12:00Z), b (2026-03-02T12:00Z)" in out
    assert "references" not in out
    status, out, _ = run("audit", first, second, "--policy", policy, "--json")
    told = json.loads(out)
    assert (told["ok"], told["verdict"]) == (True, "published")
    assert [one["successor"] for one in told["logs"]] == [NEXT, None]
    # Alone, the second one's references are counted.
    status, out, _ = run("audit", second, "--policy", policy)
    assert status == 0
    assert "3 references lead into the predecessor log register.example/1: not given here, or lost." in out
    # A log is not its own predecessor, and in the wrong order the second is not that of the first.
    status, out, _ = run("audit", first, first, "--policy", policy)
    assert out.startswith(f"FAILED in {first}: entry 0: continues no log, but register.example/1 was given")
    status, out, _ = run("audit", second, first, "--policy", policy)
    assert status == 1
    assert out.startswith(f"FAILED in {first}: entry 0: continues no log, but register.example/2 was given")
    status, out, _ = run("audit", second, first, "--policy", policy, "--json")
    assert (json.loads(out)["folder"], json.loads(out)["place"]) == (str(first), "entry 0")


@pytest.mark.parametrize("lost", [None, 0, 2])
def test_a_stated_loss_is_told(example: ModuleType, run: Run, tmp_path: Path, lost: int | None) -> None:
    """An agency may state a loss of what is not lost at all: whoever audits has to learn that it did."""
    log, version, boot = example.start_log()
    log.decide(version, n=1, boot=boot)
    after = log.succeed(NEXT, seed=2, lost=lost)
    first, second = (export(example, one, tmp_path / str(n)) for n, one in enumerate((log, after), 1))
    status, out, _ = run("audit", first, second, "--policy", policy_file(tmp_path / "policy", (log, after)))
    assert status == 0, out
    said = {None: False, 0: "how much of it is lost cannot be said", 2: "2 of its entries are lost"}[lost]
    assert ("was not closed: this one states that" in out) == bool(said)
    assert out.splitlines()[-1].endswith("see above") == bool(said)
    assert not said or f"states that {said}. Ask why." in out


def test_the_key_file_must_say_what_the_log_says(
    example: ModuleType, chain: tuple[Any, Any], run: Run, tmp_path: Path
) -> None:
    log, _ = chain
    folder = export(example, log, tmp_path / "log")
    lines = log.vkey.splitlines(keepends=True)
    vkey = tmp_path / "trusted.vkey"
    vkey.write_text(log.vkey)
    assert run("audit", folder, "--vkey", vkey)[0] == 0
    # The retired key counts as valid: its signature is missing.
    vkey.write_text("".join(line for line in lines if "until" not in line))
    assert run("audit", folder, "--vkey", vkey)[1].startswith(
        "FAILED: checkpoint: the Ed25519 signature of this log is"
    )
    # It ended earlier than the log says.
    vkey.write_text(log.vkey.replace("until 11", "until 10"))
    out = run("audit", folder, "--vkey", vkey)[1]
    assert out.startswith("FAILED: entry 10: retires key ")
    assert "at size 11, but the key file says size 10: get the newest key file" in out
    # The new key is not known: somebody signs in the log's name.
    vkey.write_text("".join(lines[2:3]))
    out = run("audit", folder, "--vkey", vkey)[1]
    assert out.startswith(
        "FAILED: checkpoint line 6: signs in the name of this log with a key that the key file does not"
    )
    assert len(parse_note((folder / "checkpoint").read_bytes()).signatures) == 4


def test_not_yet_published(example: ModuleType, chain: tuple[Any, Any], run: Run, tmp_path: Path) -> None:
    log, _ = chain
    receipt = tmp_path / "one.receipt.json"
    receipt.write_bytes(format_receipt(log.receipt(8)))
    policy = policy_file(tmp_path / "policy", chain)
    status, out, _ = run("verify", receipt, "--policy", policy)
    assert status == 1
    assert out.startswith(
        "FAILED: policy: not yet published: no witness that the policy names cosigned this checkpoint"
    )
    status, out, _ = run("verify", receipt, "--policy", policy, "--json")
    told = json.loads(out)
    assert (status, told["place"], told["verdict"]) == (1, "policy", "not_yet_published")
    relaxed = policy_file(tmp_path / "relaxed", chain, quorum=None)
    status, out, _ = run("verify", receipt, "--policy", relaxed, "--json")
    assert (status, json.loads(out)["verdict"], json.loads(out)["witnesses"]) == (0, "integrated", {})
    folder = export(example, log, tmp_path / "log", witnesses="a")
    status, out, _ = run("audit", folder, "--policy", policy)
    assert status == 1
    assert out.startswith("FAILED: policy: not yet published: of its witnesses only a cosigned")


def test_published_receipts_and_their_age(
    example: ModuleType, chain: tuple[Any, Any], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, _ = chain
    made = log.receipt(8)
    note = example.cosign(made.proof.checkpoint, list(WITNESSES.values()), SEEN)
    receipt = tmp_path / "one.receipt.json"
    receipt.write_bytes(format_receipt(replace(made, proof=replace(made.proof, checkpoint=note))))
    policy = policy_file(tmp_path / "policy", chain)
    status, out, _ = run("verify", receipt, "--policy", policy)
    assert status == 0, out
    assert out.splitlines()[-1].endswith("and published: the witnesses that the policy demands have cosigned it")
    told = json.loads(run("verify", receipt, "--policy", policy, "--json")[1])
    assert (told["verdict"], told["witnesses"]) == ("published", {"a": SEEN, "b": SEEN})
    monkeypatch.setattr("time.time", lambda: SEEN + 61.5)
    assert run("verify", receipt, "--policy", policy, "--max-age", 61)[0] == 0
    status, out, _ = run("verify", receipt, "--policy", policy, "--max-age", 60)
    assert status == 1
    assert out.startswith("FAILED: policy: the checkpoint is 61 seconds old")
    # Keys from one file, witnesses from another.
    vkey = tmp_path / "log.vkey"
    vkey.write_text(log.vkey)
    known = policy_file(tmp_path / "witnesses", [])
    assert run("verify", receipt, "--vkey", vkey, "--policy", known)[0] == 0
    assert run("verify", receipt, "--policy", known)[0] == 2


def test_entries_dated_after_they_were_witnessed(
    example: ModuleType, chain: tuple[Any, Any], run: Run, tmp_path: Path
) -> None:
    _, log = chain
    policy = policy_file(tmp_path / "policy", chain)
    early = SEEN - 3 * 3600 - 3600  # an hour before 09:00, when the log began
    assert run("audit", export(example, log, tmp_path / "hour", time=early), "--policy", policy)[0] == 0
    folder = export(example, log, tmp_path / "more", time=early - 60)
    status, out, _ = run("audit", folder, "--policy", policy)
    assert status == 1
    assert out.startswith("FAILED: entry 0: is dated 2026-03-02T09:00Z, after it was witnessed (2026-03-02T07:59Z)")


def test_a_log_only_grows(example: ModuleType, chain: tuple[Any, Any], run: Run, tmp_path: Path) -> None:
    log, _ = chain
    policy = policy_file(tmp_path / "policy", chain)
    folder = export(example, log, tmp_path / "log")
    old = tmp_path / "old"
    for size in (1, 8, 9, 10, 11, 12):
        old.write_bytes(log.checkpoint(log.entries[:size]))
        status, out, _ = run("consistency", old, folder, "--policy", policy)
        assert status == 0, out
        assert out.splitlines()[0] == f"Log register.example/1: {size} entries then, 12 now"
    fork = [*log.entries[:4], *reversed(log.entries[4:9])]
    old.write_bytes(log.checkpoint(fork))
    status, out, _ = run("consistency", old, folder, "--policy", policy, "--json")
    told = json.loads(out)
    assert (status, told["place"], told["old_size"]) == (1, "fork", 9)
    assert told["old_root"] in told["error"]
    assert told["export_root"] in told["error"]
    assert told["old_root"] != told["export_root"]


def test_what_is_no_continuation(example: ModuleType, chain: tuple[Any, Any], run: Run, tmp_path: Path) -> None:
    log, after = chain
    policy = policy_file(tmp_path / "policy", chain)
    folder = export(example, log, tmp_path / "log")
    shorter = write(log.pack(size=9), log.vkey, tmp_path / "shorter")
    free = policy_file(tmp_path / "free", chain, quorum=None)
    out = run("consistency", folder / "checkpoint", shorter, "--policy", free)[1]
    assert out.startswith(
        "FAILED: export: has 9 entries, and the older checkpoint has 12: the end of the log was cut off"
    )
    old = tmp_path / "old"
    old.write_bytes(log.checkpoint(log.entries[:9]))
    (tmp_path / "log/tile/0/000.p/12").write_bytes(bytes(32 * 12))
    out = run("consistency", old, folder, "--policy", policy)[1]
    assert out == "FAILED: tiles: do not lead to the export's own root: run audit on it first\n"
    old.write_bytes(after.checkpoint(after.entries[:1]))
    assert run("consistency", old, folder, "--policy", policy)[1].startswith("FAILED: old checkpoint: ")
    old.write_bytes(log.checkpoint(log.entries[:9], log.signers[1:2]))
    assert run("consistency", old, folder, "--policy", policy)[1].startswith(
        "FAILED: old checkpoint: checkpoint: the Ed25519 signature of this log is missing"
    )


def test_back_dated_entries_are_counted(example: ModuleType, run: Run, tmp_path: Path) -> None:
    """An older checkpoint that witnesses saw is the lower bound: what it does not hold was made later."""
    log, _, _ = example.start_log()
    old = tmp_path / "old"
    old.write_bytes(example.cosign(log.checkpoint(log.entries), [WITNESSES["a"]], SEEN))
    for minute in (119, 120, 400):  # 10:59 and 11:00 and 15:40; the witness saw the log at 12:00
        log.add("pulse/1", minute=minute, boots=[], recording="ok")
    folder = export(example, log, tmp_path / "log", time=SEEN + 86_400)
    status, out, _ = run("consistency", old, folder, "--policy", policy_file(tmp_path / "policy", [log]))
    assert status == 0
    assert "does not hold, and that are dated before it was witnessed: 1. They were back-dated" in out


def test_a_policy_in_sentences(example: ModuleType, chain: tuple[Any, Any], run: Run, tmp_path: Path) -> None:
    log, _ = chain
    policy = policy_file(tmp_path / "policy", chain)
    status, out, _ = run("policy", policy)
    assert status == 0
    assert "Log register.example/1, Ed25519 key" in out
    assert ", valid from size 0 until 11" in out
    assert "Witness a: a.example, Ed25519 key" in out
    assert "both counts when all of a, b have cosigned." in out
    assert out.splitlines()[-1] == "A checkpoint is published when both has cosigned it."
    folder = export(example, log, tmp_path / "log")
    status, out, _ = run("policy", policy, folder / "checkpoint")
    assert status == 0
    assert out.splitlines()[-1] == (
        "OK: the checkpoint of register.example/1 at size 12 meets the policy; it is published: both has cosigned it"
    )
    told = json.loads(run("policy", policy, folder / "checkpoint", "--json")[1])
    assert told["cosigned"] == {"a": SEEN, "b": SEEN}
    bare = tmp_path / "bare"
    bare.write_bytes(log.checkpoint(log.entries))
    assert run("policy", policy, bare)[1].startswith("FAILED: policy: not yet published")
    bare.write_bytes(log.checkpoint(log.entries, log.signers[:2]))
    out = run("policy", policy, bare)[1]
    assert out.startswith(
        "FAILED: checkpoint: the Ed25519 signature of this log is missing: the checkpoint was signed by"
    )
    assert "a key that was retired at size 11, and this is size 12: somebody may be using an old key" in out
    assert run("policy", policy_file(tmp_path / "none", [], quorum=None))[1].endswith(
        "vouches for what its log shows.\n"
    )


def test_gaps_of_an_export(example: ModuleType, chain: tuple[Any, Any], run: Run, tmp_path: Path) -> None:
    log, _ = chain
    folder = export(example, log, tmp_path / "log")
    status, out, _ = run("gaps", folder)
    assert status == 0
    assert out.startswith("boot ")
    assert "boots" in json.dumps(json.loads(run("gaps", folder, "--json")[1])["gaps"])
    (folder / "checkpoint").unlink()
    assert run("gaps", folder)[1] == "FAILED: checkpoint: this file is missing\n"
