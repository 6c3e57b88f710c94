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

from auditlog.errors import FormatError

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


def test_the_same_seed_gives_the_same_inputs(run: ModuleType) -> None:
    def inputs() -> list[bytes]:
        given: list[bytes] = []

        def check(data: bytes) -> str:
            given.append(data)
            return "accepted"

        run.fuzz(run.Target("policy", check), 300, 7)
        return given

    assert inputs() == inputs()
