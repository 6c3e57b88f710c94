"""The whole kept corpus and a few thousand fresh inputs for every parser; `run.py` beside this gives a million each."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from auditlog.core.errors import FormatError
from auditlog.core.formats.note import COSIGNATURE, Signer, format_vkey

HERE = Path(__file__).parent
INPUTS = 2_000
SEED = int(os.environ.get("GREFFIER_FUZZ_SEED", "0")) or (1 if os.environ.get("CI") else int.from_bytes(os.urandom(4)))
NAMES = sorted(path.stem for path in (HERE / "corpus").glob("*.jsonl"))


@pytest.fixture(scope="module")
def run() -> Iterator[ModuleType]:
    """The module that `python tests/fuzz/run.py` runs."""
    before = list(sys.path)
    spec = importlib.util.spec_from_file_location("greffier_fuzz_run", HERE / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = before


@pytest.fixture(scope="module")
def known(run: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The parsers, by name."""
    return run.made_targets(tmp_path_factory.mktemp("parsers"))


def test_every_parser_has_a_corpus(known: dict[str, Any]) -> None:
    assert sorted(known) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_parser_keeps_its_promises(run: ModuleType, known: dict[str, Any], name: str) -> None:
    with warnings.catch_warnings():
        # A certificate library remarks on odd certificates: what counts is what is made of them.
        warnings.simplefilter("ignore")
        ran = run.fuzz(known[name], INPUTS, SEED)
    assert ran.inputs >= INPUTS
    assert ran.accepted, "not even a valid input was accepted"
    assert not ran.findings, f"seed {SEED}: {ran.findings}"


def cut_off(data: bytes) -> str:
    return f"accepted {data[len(data)]}"


def slow(data: bytes) -> str:
    began = time.process_time()
    while time.process_time() < began + 1.1:
        """As a pattern that backtracks would."""
    return "accepted"


def loose(data: bytes) -> str:
    raise AssertionError("another spelling")


def raw(data: bytes) -> str:
    raise FormatError("\x1b[2J")


@pytest.mark.parametrize(
    ("check", "says"), [(cut_off, "IndexError"), (slow, "takes"), (loose, "AssertionError"), (raw, "a message")]
)
def test_what_breaks_a_promise_is_found(run: ModuleType, check: Any, says: str) -> None:
    """A fuzzer that finds nothing must be one that could."""
    ran = run.Ran("note")
    assert run.try_one(run.Target("note", check), b"x", ran) is None
    (finding,) = ran.findings
    assert finding.what.startswith(says)


VKEYS = [Signer.generate(f"w{n}.example", COSIGNATURE, n.to_bytes(32, "big")).vkey for n in range(999)]
LARGE: dict[str, tuple[str, bytes]] = {
    "members": ("policy", f"witness w {format_vkey(VKEYS[0])}\ngroup g any {'w ' * 480_000}\nquorum none\n".encode()),
    "witnesses": ("policy", "".join(f"witness {k.name} {format_vkey(k)}\n" for k in VKEYS).encode() + b"quorum none\n"),
    "blank lines": ("policy", b"\t\n" * 490_000 + b"quorum none\n"),
    "empty entries": ("bundle", bytes(256 * 65_537)),
    "digits": ("json", b"1" * 1_000_000),
    "numbers": ("json", b"[" + b"1," * 400_000 + b"1]"),
    "brackets": ("json", b"[" * 1_000_000),
    "quotes": ("json", b"[" * 70 + b'"\\"' * 300_000),
    "gaps": ("note", b"\n\n" * 490_000),
    "a long line": ("submission", b"old 5\n" + b"A" * 900_000 + b"\n\n"),
    "a long path": ("sums", b"0" * 64 + b"  " + b"a/" * 400_000 + b"\n"),
    "pluses": ("vkey", b"a+00000000+" * 90_000),
    "lengths": ("token", b"\x30\x80" * 49_000),
    "sets": ("cms", b"\x30\x83\x01\x38\x80" + b"\x30\x00" * 40_000),
}


@pytest.mark.parametrize("what", LARGE)
def test_a_large_input_takes_no_long_time(run: ModuleType, known: dict[str, Any], what: str) -> None:
    """The fuzzer's own inputs are small."""
    name, data = LARGE[what]
    ran = run.Ran(name)
    run.try_one(known[name], data, ran)
    assert not ran.findings


def test_the_same_seed_gives_the_same_inputs(run: ModuleType) -> None:
    def inputs() -> list[bytes]:
        given: list[bytes] = []

        def check(data: bytes) -> str:
            given.append(data)
            return "accepted"

        run.fuzz(run.Target("policy", check), 300, 7)
        return given

    assert inputs() == inputs()
