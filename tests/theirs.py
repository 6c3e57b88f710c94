"""What we did not write: aics-tlog's verifier and aics-witness, in `.venv-independent` (tests/independent/setup.sh)."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

HERE = Path(__file__).parent
PYTHON = HERE.parent / ".venv-independent" / "bin" / "python"


def demand() -> None:
    """Fail where they are missing on the machine that decides what lands; skip anywhere else."""
    if PYTHON.exists():
        return
    message = "run tests/independent/setup.sh first: .venv-independent is missing"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def command(script: str, *arguments: object) -> list[str]:
    """The command line of a script in tests/independent."""
    return [str(PYTHON), "-I", str(HERE / "independent" / script), *map(str, arguments)]


@contextlib.contextmanager
def witness(config: Path, port: int, origin: str, vkey: str) -> Iterator[tuple[str, str]]:
    """`aics-witness` as a process that trusts one log: its URL and vkey. `config`: a file that does not exist yet."""
    listen = f"127.0.0.1:{port}"
    program = [str(PYTHON), "-I", "-m", "aics_witness"]

    def told(name: str, *arguments: str) -> str:
        line = [*program, name, "--config", str(config), *arguments]
        return subprocess.run(line, check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    own = told("init", "--name", "theirs.example/w", "--listen", listen)
    told("add-log", "--origin", origin, "--vkey", vkey)
    process = subprocess.Popen([*program, "serve", "--config", str(config)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                if httpx.get(f"http://{listen}/healthz", timeout=5).status_code == 200:
                    break
            except httpx.HTTPError:
                assert time.monotonic() < deadline, "aics-witness did not start"
                time.sleep(0.1)
        yield f"http://{listen}", own
    finally:
        process.terminate()
        process.wait(30)
