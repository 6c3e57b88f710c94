"""The same entries through a log that we did not write (aics-tlog, one Ed25519 signature), on the same device.

Its writer takes one batch at a time and has no queue, no database and no guard: batches of 1, 16, 64 and 256 stand for
as many writers that happen to come together. It runs in `.venv-independent`, where that was made (`make test` does).
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Final

_PYTHON: Final = Path(__file__).parents[2] / ".venv-independent" / "bin" / "python"
_CHILD: Final = """
import json, os, statistics, sys, time
from importlib.metadata import version
from pathlib import Path
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from aics_tlog import writer
from aics_tlog.checkpoint import Checkpoint, sign_checkpoint

def run(folder, batch, seconds, size):
    store = writer.DirectoryTileStore(folder, fsync=True)
    log, key, took = writer.IncrementalTileWriter(store), Ed25519PrivateKey.generate(), []
    until = time.perf_counter() + seconds
    while (before := time.perf_counter()) < until:
        done = log.append([os.urandom(16) + bytes(size - 16) for _ in range(batch)])
        note = sign_checkpoint(Checkpoint("bench.example/log", done.size, done.root), key, "bench.example/log")
        store.write_checkpoint(note.to_bytes())
        took.append(time.perf_counter() - before)
    took.sort()
    return {"per_second": round(batch * len(took) / sum(took)), "p50_ms": round(took[len(took) // 2] * 1000, 3),
            "p99_ms": round(took[len(took) * 99 // 100] * 1000, 3)}

folder, seconds, size, rounds = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
runs = []
for batch in (1, 16, 64, 256):
    each = [run(folder / f"{batch}-{n}", batch, seconds / rounds, size) for n in range(rounds)]
    runs.append({"batch": batch} | {name: statistics.median(one[name] for one in each) for name in each[0]})
print(json.dumps({"writer": "aics-tlog " + version("aics-tlog"), "runs": runs}))
"""


def run(folder: Path, seconds: float, entry_bytes: int, rounds: int) -> dict[str, Any] | None:
    """`seconds` for each size of batch, medians of `rounds`; None where that implementation is not here."""
    if not _PYTHON.exists():
        return None
    folder.mkdir()
    command = [str(_PYTHON), "-c", _CHILD, str(folder), str(seconds), str(entry_bytes), str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60 + 8 * seconds)
    result: dict[str, Any] = json.loads(done.stdout)
    return result
