"""Node.js with the packages of clients/js. In CI a missing one is a failure, elsewhere the tests are skipped."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "js"


@pytest.fixture(scope="session")
def node() -> str:
    """The path of node, once the packages are there."""
    found = shutil.which("node")
    if found is None or not (CLIENT / "node_modules").is_dir():
        message = "node, or its packages, are missing: run `make install-test`"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


def _number(digits: str) -> int | float:
    """JavaScript writes a large double without an exponent, Python with one: the same number."""
    return int(digits) if abs(int(digits)) < 2**53 else float(digits)


@pytest.fixture(scope="session")
def ask(node: str) -> Iterator[Callable[..., dict[str, Any]]]:
    """`ask(**question)` → the verdict of the JavaScript verifier (see differ.mjs); one process for all questions."""
    command = [node, str(Path(__file__).with_name("differ.mjs"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def asking(**question: Any) -> dict[str, Any]:
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            assert line, "the JavaScript verifier ended: it met an error that is no verdict"
            return dict(json.loads(line, parse_int=_number))

        yield asking
        process.stdin.close()
        assert process.wait(timeout=30) == 0
