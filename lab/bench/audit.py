"""How long the offline verifier takes: a whole log (hashes and signatures, then every entry read), and one receipt.

The log is made for it: a genesis, one system, and decisions of eight commitments, about 1.1 KiB each, as a static tree
on disk. `seconds` and `processor_seconds` are the audit itself, `command_seconds` and `peak_mb` the whole command in a
process of its own, with the start of Python. Compare DESIGN 8.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from auditlog.core.checking.audit import CHECKPOINT, audit
from auditlog.core.checking.tree import SUMS, format_sums, tree_reader
from auditlog.core.entries.kinds import KINDS
from auditlog.core.entries.receipt import Receipt, format_receipt
from auditlog.core.entries.record import make_entry
from auditlog.core.formats.checkpoint import Checkpoint, sign_checkpoint
from auditlog.core.formats.keyring import KeyRing, format_key_ring, key_ring
from auditlog.core.formats.merkle import leaf_hash, prove_inclusion
from auditlog.core.formats.note import ED25519, ML_DSA_44, Signer
from auditlog.core.formats.proof import LogProof
from auditlog.core.formats.tiles import (
    TILE_WIDTH,
    entry_bundles_of_size,
    format_entries_path,
    format_entry_bundle,
    format_tile_path,
    grow,
    nodes_reader,
    root_from_edge,
    tiles_of_size,
)

ROUNDS: Final = 3
COLD_STARTS: Final = 5
_ORIGIN = "bench.example/log/1"
_AGENCY = "bench-agency"
_COMMAND = """import sys
from auditlog.core.__main__ import main
status = main(sys.argv[1:])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")), end="")
sys.exit(status)
"""
_FIELDS = ("in_income", "in_purpose")


def run(entries: int) -> dict[str, Any]:
    """Medians of three rounds over a log of `entries` entries (at least 10). Times in seconds, memory in MB."""
    with tempfile.TemporaryDirectory(prefix="greffier-bench-") as name:
        folder = Path(name)
        ring, size_bytes = _write(folder, entries)
        read = tree_reader(folder / "log")
        result: dict[str, Any] = {"bench": "audit", "entries": entries, "entry_bytes": round(size_bytes / entries)}
        for label, strict, options in (("hashes_only", False, ["--hashes-only"]), ("strict", True, [])):
            command = ["audit", str(folder / "log"), "--vkey", str(folder / "log.vkey"), *options]
            times = [_timed(partial(audit, read, ring, strict=strict)) for _ in range(ROUNDS)]
            children = [_child(command) for _ in range(ROUNDS)]
            seconds = statistics.median(wall for wall, _ in times)
            result[label] = {
                "seconds": round(seconds, 3),
                "spread_seconds": [round(min(times)[0], 3), round(max(times)[0], 3)],
                "processor_seconds": round(statistics.median(cpu for _, cpu in times), 3),
                "entries_per_second": round(entries / seconds),
                "command_seconds": round(statistics.median(wall for wall, _, _ in children), 3),
                "peak_mb": round(max(peak for _, _, peak in children), 1),
            }
        command = ["verify", str(folder / "one.receipt.json"), "--vkey", str(folder / "log.vkey")]
        starts = [_child(command) for _ in range(COLD_STARTS)]
    result["verify_cold_start"] = {
        "seconds": round(statistics.median(wall for wall, _, _ in starts), 3),
        "processor_seconds": round(statistics.median(cpu for _, cpu, _ in starts), 3),
        "peak_mb": round(max(peak for _, _, peak in starts), 1),
    }
    machine = {"cpus": os.cpu_count(), "load": round(os.getloadavg()[0], 2), "python": platform.python_version()}
    return {**result, "rounds": ROUNDS, **machine}


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """(seconds, processor seconds)"""
    begin, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begin, time.process_time() - cpu


def _child(arguments: list[str]) -> tuple[float, float, float]:
    """(seconds, processor seconds, peak MB) of the verifier as a command. Raises when it does not answer 0.

    The peak is asked of the child itself: what the parent is told includes the parent's own, from before the exec.
    """
    with tempfile.TemporaryFile("w+") as told:
        begin = time.perf_counter()
        child = subprocess.Popen([sys.executable, "-c", _COMMAND, *arguments], stdout=told)
        _, status, used = os.wait4(child.pid, 0)
        wall = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise RuntimeError(f"the verifier answered {child.returncode}")
        told.seek(0)
        peak = int(told.read().splitlines()[-1].split()[1]) / 1024
    return wall, used.ru_utime + used.ru_stime, peak


def _write(folder: Path, count: int) -> tuple[KeyRing, int]:
    """A static tree in `folder`/log, its keys, a receipt of its last entry; returns keys and the entries' bytes."""
    signers = [Signer.generate(_ORIGIN, kind, os.urandom(32)) for kind in (ED25519, ML_DSA_44)]
    ring = key_ring(signer.vkey for signer in signers)
    entries = list(_entries(count))
    growth = grow(0, {}, [leaf_hash(entry) for entry in entries])
    tiles = {(level, index): content for level, index, content in growth.tiles}
    files = {format_tile_path(tile): tiles[tile.level, tile.index] for tile in tiles_of_size(count)}
    for index, width in entry_bundles_of_size(count):
        bundle = entries[index * TILE_WIDTH : index * TILE_WIDTH + width]
        files[format_entries_path(index, width)] = format_entry_bundle(bundle)
    note = sign_checkpoint(Checkpoint(_ORIGIN, count, root_from_edge(count, growth.edge)), signers)
    keys = format_key_ring(ring).encode()
    named = {CHECKPOINT: note, "log.vkey": keys, "README.txt": b"a benchmark\n", "verify.pyz": b""}
    sums = format_sums({name: sha256(content).hexdigest() for name, content in named.items()})
    for path, content in {**files, **named, SUMS: sums}.items():
        target = folder / "log" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    (folder / "log.vkey").write_bytes(keys)
    proof = tuple(prove_inclusion(count - 1, count, nodes_reader(lambda tile: files[format_tile_path(tile)], count)))
    receipt = Receipt(entries[-1], LogProof(count - 1, proof, note))
    (folder / "one.receipt.json").write_bytes(format_receipt(receipt))
    return ring, sum(map(len, entries))


def _entries(count: int) -> Iterator[bytes]:
    """The shortest log in which a system decides, and then its decisions."""
    common = {"agency": _AGENCY, "time": datetime.now(UTC)}

    def make(kind: str, **members: object) -> bytes:
        return make_entry(kind, id=str(uuid.uuid4()), **common, **members).data  # type: ignore[arg-type]

    version = {"system": "bench", "version": 1, "manifest": _digest()}
    boot = str(uuid.uuid4())
    yield make("genesis/1", origin=_ORIGIN, log=1, software="greffier bench", predecessor=None, lost=None)
    yield make("system/1", system="bench", record=_digest(), action="registered")
    yield make("version/1", **version, model=None)
    yield make("state/1", **version, **{"from": "draft"}, to="active", reason="started", role="operator")
    yield make(
        "boot/1", boot=boot, runtime="none", build=_digest(), cpu=[], threads=1, determinism="not_measured", unclosed=[]
    )
    members = {**version, "capture": "runtime", "mode": "live", "boot": boot, "source": None, "opened": None}
    names = (*_FIELDS, *KINDS["decision/1"].commits)
    for n in range(1, count - 4):
        yield make("decision/1", **members, n=n, commitments={name: os.urandom(32).hex() for name in names})


def _digest() -> str:
    return f"sha256:{os.urandom(32).hex()}"
