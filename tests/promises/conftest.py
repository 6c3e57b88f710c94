"""Promises are tried on whole installations with the real model, from outside where an attacker would be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Greffier = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def greffier() -> Greffier:
    """Run the command line as an operator does."""

    def run(*arguments: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cli", *map(str, arguments)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GREFFIER_")}
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, check=False, timeout=180, env=environment
        )

    return run


@pytest.fixture
def input_file(tmp_path: Path, loan_input: dict[str, object]) -> Path:
    """The loan check's first case as a file."""
    path = tmp_path / "input.json"
    path.write_text(json.dumps(loan_input), encoding="utf-8")
    return path
