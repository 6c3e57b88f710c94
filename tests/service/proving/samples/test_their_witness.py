"""A sample drawn with a witness that we did not write (aics-witness), and drawn again by the independent script."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.checking.sample import nonce_hash
from auditlog.core.formats.note import ED25519, format_vkey
from home import policy_file
from service.proving import evidence, files, samples
from service.records.accesses import Reader

pytestmark = pytest.mark.enable_socket
ROOT = Path(__file__).parents[4]
PYTHON = ROOT / ".venv-independent" / "bin" / "python"
NONCE = bytes(range(32))


@pytest.fixture
def their_witness(theirs: Any, small_town: Any, tmp_path: Path, free_port: Callable[[], int]) -> Iterator[str]:
    """`aics-witness` as a process that trusts the town's log, and is the town's only witness: its vkey."""
    with contextlib.ExitStack() as stack:
        with small_town.opened() as g:
            key = next(key for key in g.keys.vkeys if key.type == ED25519)
            running = theirs.witness(tmp_path / "theirs.json", free_port(), g.log.origin, format_vkey(key))
            url, vkey = stack.enter_context(running)
            text = policy_file.with_logs("", g.keys, g.settings.base_url)
            policy_file.write_text(g, f"{text}witness theirs {vkey} {url}\nquorum theirs\n")
        yield vkey


def test_a_sample_with_a_witness_that_we_did_not_write(small_town: Any, their_witness: str, tmp_path: Path) -> None:
    town = small_town
    with town.opened() as g:
        ids = town.decide(g, 8)
        asked = {"count": 3, "witness": "theirs.example/w", "not_before": town.clock() + timedelta(minutes=10)}
        sample = samples.begin(g, nonce_hash=nonce_hash(NONCE), **asked)
        # Their clock is the machine's, a while after ours: from here on ours is, too.
        town.clock.now = datetime.now(UTC)
        assert town.publish(g), g.publisher.state()
        drawn = samples.draw(g, sample.id, NONCE)
        assert {one.id for one in drawn} <= set(ids)
        assert town.publish(g)
        files.write_folder(g, evidence.of_sample(g, Reader("auditor", None), sample.id), tmp_path / "out")
        keys = tmp_path / "log.vkey"
        keys.write_text("".join(f"{format_vkey(key)}\n" for key in g.keys.vkeys))
    command = [sys.executable, "-I", str(ROOT / "docs/conformance/redraw.py"), str(tmp_path / "out"), str(keys)]
    told = subprocess.run([*command, their_witness], capture_output=True, text=True, check=False, timeout=120, cwd="/")
    assert (told.returncode, told.stderr) == (0, "")
    assert [line.split() for line in told.stdout.splitlines()] == [[str(d.index), d.id, "opened"] for d in drawn]
