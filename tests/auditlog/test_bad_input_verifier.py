"""Bad input to the offline verifier: exit 2 where it cannot look, exit 1 where it looked; one plain line each time."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.__main__ import main
from auditlog.core.checking.tree import SUMS, format_sums
from auditlog.core.entries.receipt import format_receipt
from auditlog.core.formats.note import COSIGNATURE, Signer, format_skey, format_vkey

HOLDS, FAILS, USAGE = 0, 1, 2

BAD_FILES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "binary": lambda _: bytes(range(256)) * 99,
    "truncated": lambda good: good[: len(good) // 2],
    "Windows line ends": lambda good: good.replace(b"\n", b"\r\n"),
    "byte order mark": lambda good: b"\xef\xbb\xbf" + good,
    "UTF-16": lambda good: good.decode().encode("utf-16"),
    "huge": lambda _: b"x" * 2_000_000,
    "deep": lambda _: b"[" * 99_999,
}


@dataclass(frozen=True)
class Files:
    """Sound files of one log, in the test's folder."""

    folder: Path
    export: Path
    receipt: Path
    vkey: Path
    policy: Path

    def bad(self, name: str, good: Path) -> Path:
        path = self.folder / "bad"
        if name == "a folder":
            path.mkdir()
        elif name != "missing":
            path.write_bytes(BAD_FILES[name](good.read_bytes()))
        return path


@pytest.fixture
def files(example: Any, tmp_path: Path) -> Files:
    log, version, boot = example.start_log()
    decided = log.decide(version, n=1, boot=boot)
    log.add("close/1", boot=boot, n=1)
    index = next(number for number, entry in log.made.items() if entry is decided)
    made = Files(*(tmp_path / name for name in (".", "export", "x.receipt.json", "log.vkey", "policy")))
    tree = log.pack()
    beside = {"checkpoint": tree["checkpoint"], "README.txt": b"x", "log.vkey": log.vkey.encode(), "verify.pyz": b"x"}
    beside[SUMS] = format_sums({name: sha256(data).hexdigest() for name, data in beside.items()})
    for path, data in (tree | beside).items():
        (made.export / path).parent.mkdir(parents=True, exist_ok=True)
        (made.export / path).write_bytes(data)
    made.receipt.write_bytes(format_receipt(log.receipt(index)))
    made.vkey.write_text(log.vkey)
    lines = [f"log {line}" for line in log.vkey.splitlines()]
    made.policy.write_text("\n".join([*lines, "quorum none", ""]))
    return made


@dataclass(frozen=True)
class Told:
    code: int
    out: str
    err: str


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """Run the verifier. It says one thing, on one line that a terminal can show."""

    def told(*arguments: str | Path) -> Told:
        capsys.readouterr()
        try:
            code = main([str(one) for one in arguments])
        except SystemExit as ended:  # argparse, with its line on how to call it
            assert ended.code == USAGE
            code = USAGE
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        if code == USAGE:
            assert said.out == ""
        if code == FAILS and "--json" not in arguments:
            assert said.err == ""
            assert said.out.startswith("FAILED")
            assert said.out.count("\n") == 1
        for line in (said.out + said.err).splitlines():
            assert line.isprintable()
        return Told(code, said.out, said.err)

    return told


def test_the_sound_files_hold(files: Files, ask: Callable[..., Told]) -> None:
    for trust in (("--vkey", files.vkey), ("--policy", files.policy), ("--vkey", files.vkey, "--policy", files.policy)):
        assert ask("verify", files.receipt, *trust).code == HOLDS
        assert ask("audit", files.export, *trust).code == HOLDS
        assert ask("consistency", files.export / "checkpoint", files.export, *trust).code == HOLDS
    assert ask("policy", files.policy, files.export / "checkpoint").code == HOLDS
    assert ask("gaps", files.export).code == HOLDS


@pytest.mark.parametrize("name", ["missing", "a folder", *BAD_FILES])
@pytest.mark.parametrize("option", ["--vkey", "--policy"])
def test_trust_in_a_bad_file_cannot_be_asked_for(
    files: Files, ask: Callable[..., Told], option: str, name: str
) -> None:
    bad = files.bad(name, files.vkey if option == "--vkey" else files.policy)
    for question in (("verify", files.receipt), ("audit", files.export)):
        told = ask(*question, option, bad)
        assert told.code == USAGE
        assert told.err.startswith(("error: bad", f"error: {bad}"))
        assert told.err.count("\n") == 1


@pytest.mark.parametrize("name", ["missing", "a folder", *BAD_FILES])
def test_what_is_looked_at_is_a_bad_file(files: Files, ask: Callable[..., Told], name: str) -> None:
    checkpoint = files.export / "checkpoint"
    expected = USAGE if name in {"missing", "a folder"} else FAILS
    bad = files.bad(name, files.receipt)
    assert ask("verify", bad, "--vkey", files.vkey).code == expected or name == "Windows line ends"
    if bad.is_file():
        bad.unlink()
        bad.write_bytes(BAD_FILES[name](checkpoint.read_bytes()))
    assert ask("consistency", bad, files.export, "--vkey", files.vkey).code == expected
    assert ask("policy", files.policy, bad).code == expected
    if name != "a folder":
        for question in (("audit", bad), ("consistency", checkpoint, bad)):
            told = ask(*question, "--vkey", files.vkey)
            assert (told.code, "is no folder" in told.err) == (USAGE, True)
        assert ask("gaps", bad).code == USAGE


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize("path", ["checkpoint", "tile/0/000.p/11", "tile/entries/000.p/11"])
def test_a_bad_file_inside_an_export_is_named(files: Files, ask: Callable[..., Told], path: str, name: str) -> None:
    target = next(one for one in files.export.rglob("*") if one.is_file() and str(one).startswith(place(files, path)))
    data = target.read_bytes()
    try:
        target.write_bytes(BAD_FILES[name](data))
    except UnicodeDecodeError:
        target.write_bytes(data[::-1])
    if target.read_bytes() == data:
        target.write_bytes(data + b"\n")
    told = ask("audit", files.export, "--vkey", files.vkey)
    assert told.code == FAILS
    assert target.relative_to(files.export).parts[0] in told.out or "entry" in told.out
    as_json = json.loads(ask("audit", files.export, "--vkey", files.vkey, "--json").out)
    assert as_json["ok"] is False
    assert as_json["error"]


def place(files: Files, path: str) -> str:
    return str(files.export / path).rpartition("/")[0] if "/" in path else str(files.export / path)


@pytest.mark.parametrize("kind", ["missing", "a folder"])
def test_an_export_that_lacks_a_file(files: Files, ask: Callable[..., Told], kind: str) -> None:
    for target in sorted(one for one in files.export.rglob("*") if one.is_file()):
        data = target.read_bytes()
        target.unlink()
        if kind == "a folder":
            target.mkdir()
        told = ask("audit", files.export, "--vkey", files.vkey)
        assert told.code in {FAILS, USAGE}
        assert str(target.relative_to(files.export)) in told.out + told.err
        if kind == "a folder":
            target.rmdir()
        target.write_bytes(data)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "COMMAND"),
        (("nonsense",), "invalid choice"),
        (("verify",), "RECEIPT"),
        (("verify", "RECEIPT"), "give --vkey FILE or --policy FILE"),
        (("audit", "EXPORT"), "give --vkey FILE or --policy FILE"),
        (("audit", "--vkey", "VKEY"), "DIR"),
        (("consistency", "RECEIPT", "--vkey", "VKEY"), "DIR"),
        (("verify", "RECEIPT", "--vkey", "VKEY", "--max-age", "3"), "--max-age needs --policy"),
        (("verify", "RECEIPT", "--policy", "POLICY", "--max-age", "-3"), "whole number of seconds"),
        (("verify", "RECEIPT", "--policy", "POLICY", "--max-age", "9" * 30), "whole number of seconds"),
        (("verify", "RECEIPT", "--policy", "POLICY", "--max-age", "soon"), "whole number of seconds"),
        (("verify", "RECEIPT", "--vk", "VKEY"), "unrecognized"),
        (("verify", "a\x1b[31m", "--vkey", "VKEY"), "cannot be read"),
        (("audit", "a\x1b[31m\udcff", "--vkey", "VKEY"), "is no folder"),
        (("policy", "a\x9b2J"), "cannot be read"),
    ],
)
def test_a_call_that_makes_no_sense(
    files: Files, ask: Callable[..., Told], arguments: tuple[str, ...], says: str
) -> None:
    places = {"RECEIPT": files.receipt, "EXPORT": files.export, "VKEY": files.vkey, "POLICY": files.policy}
    told = ask(*(places.get(one, one) for one in arguments))
    assert told.code == USAGE
    assert says in told.err


def vkey_of(text: str) -> Callable[[Files], str]:
    return lambda _: text


def other_name(files: Files) -> str:
    return format_vkey(Signer.generate("elsewhere.example/1", 1, bytes(32)).vkey) + "\n"


# name: (the key file's text, exit code of an audit, what is said)
KEYS: dict[str, tuple[Callable[[Files], str], int, str]] = {
    "of another log": (other_name, FAILS, "this is not the checkpoint of elsewhere.example/1"),
    "one of two": (
        lambda files: files.vkey.read_text().splitlines()[0] + "\n", FAILS, "get the newest key file",
    ),
    "valid later": (
        lambda files: f"# valid from 99\n{files.vkey.read_text()}", FAILS, "valid only from size 99",
    ),
    "sizes misspelt": (lambda files: f"# valid form 1\n{files.vkey.read_text()}", USAGE, '"# valid from A"'),
    "sizes above nothing": (lambda files: f"{files.vkey.read_text()}# valid from 1\n", USAGE, "directly above a key"),
    "sizes the wrong way round": (
        lambda files: f"# valid from 9 until 3\n{files.vkey.read_text()}", USAGE, "log.vkey",
    ),
    "twice": (lambda files: files.vkey.read_text() * 2, USAGE, "log.vkey"),
    "private": (
        lambda _: format_skey(Signer.generate("register.example/1", 1, bytes(32))) + "\n", USAGE, "is a private key",
    ),
    "of a witness": (
        lambda _: format_vkey(Signer.generate("w.example/w", COSIGNATURE, bytes(32)).vkey) + "\n", FAILS, "w.example/w",
    ),
    "without its newline": (lambda files: files.vkey.read_text().rstrip("\n"), USAGE, "must end with a newline"),
    "a policy": (lambda files: files.policy.read_text(), USAGE, "line 1"),
    "no keys": (vkey_of("# nothing\n"), USAGE, "must hold one verifier key a line"),
    "a bad digest": (vkey_of("register.example/1+00000000+AQ==\n"), USAGE, "line 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", KEYS)
def test_the_wrong_keys(files: Files, ask: Callable[..., Told], name: str) -> None:
    make, code, says = KEYS[name]
    files.vkey.write_text(make(files))
    told = ask("audit", files.export, "--vkey", files.vkey)
    assert told.code == code
    assert says in told.out + told.err
    assert "PRIVATE+KEY+" not in told.out + told.err


def test_keys_and_policy_that_disagree(files: Files, ask: Callable[..., Told]) -> None:
    files.policy.write_text("\n".join([*files.policy.read_text().splitlines()[1:], ""]))
    told = ask("audit", files.export, "--vkey", files.vkey, "--policy", files.policy)
    assert told.code == USAGE
    assert "out of date or false" in told.err


def test_a_policy_without_logs(files: Files, ask: Callable[..., Told]) -> None:
    files.policy.write_text("quorum none\n")
    told = ask("audit", files.export, "--policy", files.policy)
    assert (told.code, "names no log" in told.err) == (USAGE, True)


def test_folders_in_the_wrong_order(files: Files, ask: Callable[..., Told]) -> None:
    told = ask("audit", files.export, files.export, "--vkey", files.vkey)
    assert told.code == FAILS
    assert str(files.export) in told.out
