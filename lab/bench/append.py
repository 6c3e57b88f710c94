"""How soon an entry is durable, sequenced, signed twice, guarded, and has its proof in hand; and how many a second.

Each thread hands in one entry (or one whole sealed decision), waits for its proof, and hands in the next. The device's
own fsync is timed in the same folder between the rounds, since every figure here contains three of them (database,
guard, and the wait for the group before). Compare DESIGN 8.
"""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, Final

from auditlog.core.errors import CannotRecord
from auditlog.store.engine import open_engine, reading
from auditlog.writing.log import Unit
from lab.bench import yardstick
from lab.bench.scene import Scene, decision, filler, scene

ROUNDS: Final = 3
_PROBES = 200
_BULK = 4096
STEPS: Final = (
    "turn",  # database lock, stored head, guard: includes the wait for another process
    "entries",  # indices, leaf hashes, tree, one INSERT
    "rows_and_tiles",
    "keys_and_signatures",  # key store synced, two signatures, head
    "commit",
    "guard",
    "outcomes",
    "hand_off",  # threads wake one after the other, take their proofs, and hand in again
)
"""Between the numbered points of `Log._commit`, from 1 on."""


def run(
    writers: list[int],
    seconds: float,
    database_url: str | None = None,
    entry_bytes: int = 1024,
    *,
    decisions: bool = False,
    grow: int = 0,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """`seconds` for each number of writers, in three rounds, whose medians are given. Latencies in milliseconds.

    `grow`: fill the log to so many entries first. `report` is told of long work. Without a URL on SQLite in a folder of
    its own; on PostgreSQL in a schema of its own. Both are removed afterwards. The device timed is that of the guard
    (and of SQLite's file).
    """
    probes: list[float] = []
    with tempfile.TemporaryDirectory(prefix="greffier-bench-") as name, scene(Path(name), database_url) as place:
        grown = _grow(place, grow, entry_bytes, report) if grow else None
        runs = [_measure(place, n, seconds, entry_bytes, decisions=decisions, probes=probes) for n in writers]
        other = yardstick.run(place.folder / "yardstick", seconds / 4, entry_bytes, ROUNDS)
        device = place.folder.stat().st_dev
        synced = _is_synced(place.url)
    return {
        "bench": "append",
        "promise": "durable, sequenced, integrated (two signatures, guard raised), proof in hand",
        "what": "decisions of 8 fields, sealed and with query rows" if decisions else "entries",
        "database": "sqlite" if database_url is None else "postgresql",
        "fsync": synced,
        "device": f"{os.major(device)}:{os.minor(device)}",
        "device_fsync_ms": {"p50": _ms(statistics.median(probes)), "p99": _ms(percentile(probes, 99))},
        "entry_bytes": None if decisions else entry_bytes,
        "rounds": ROUNDS,
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "grown": grown,
        "runs": runs,
        "yardstick": other,
    }


def _grow(place: Scene, size: int, entry_bytes: int, report: Callable[[str], None]) -> dict[str, Any]:
    """Fill the log in groups of 4,096; one is built while another is written."""
    began, told = time.perf_counter(), 0.0
    with place.log(lambda _: None) as log:
        last, there = None, log.state().size
        while there < size:
            unit = Unit(tuple([filler(entry_bytes) for _ in range(min(_BULK, size - there))]))
            if last is not None:
                last.result()
            last, there = log.append(unit), there + len(unit.entries)
            if (now := time.perf_counter() - began) > told + 10:
                told = now
                report(f"{there:,} of {size:,} entries after {now:.0f} s")
        if last is not None:
            last.result()
    return {"entries": size, "seconds": round(time.perf_counter() - began, 1), "bytes": stored_bytes(place)}


def _measure(
    place: Scene, writers: int, seconds: float, entry_bytes: int, *, decisions: bool, probes: list[float]
) -> dict[str, Any]:
    rounds = []
    for _ in range(ROUNDS):
        probes += _probe_fsync(place.folder)
        rounds.append(_round(place, writers, seconds / ROUNDS, entry_bytes, decisions=decisions))
    probes += _probe_fsync(place.folder)
    result: dict[str, Any] = {"writers": writers}
    for name in ("per_second", "p50_ms", "p99_ms", "entries_per_group", "cpu_us"):
        result[name] = statistics.median(one[name] for one in rounds)
    result["steps_ms"] = {name: statistics.median(one["steps_ms"][name] for one in rounds) for name in STEPS}
    result["entries"] = sum(one["entries"] for one in rounds)
    result["groups"] = sum(one["groups"] for one in rounds)
    result["spread_per_second"] = [min(one["per_second"] for one in rounds), max(one["per_second"] for one in rounds)]
    return result


class _Steps:
    """Where the time of a group goes: seconds by step, told by the numbered points of a commit."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.groups = 0
        self.took = [0.0] * len(STEPS)
        self._at: float | None = None

    def __call__(self, point: int) -> None:
        now = time.perf_counter()
        if self._at is not None:
            self.took[point - 2] += now - self._at  # point 1 ends the last step
        self._at = now
        self.groups += point == 1

    def per_group(self) -> dict[str, float]:
        return {name: _ms(took / self.groups) for name, took in zip(STEPS, self.took, strict=True)}


def _round(place: Scene, writers: int, seconds: float, entry_bytes: int, *, decisions: bool) -> dict[str, Any]:
    steps = _Steps()
    with contextlib.ExitStack() as stack:
        vault = stack.enter_context(place.vault()) if decisions else None
        log = stack.enter_context(place.log(steps, vault=vault))
        numbers = count(1)

        def make() -> Unit:
            return Unit((filler(entry_bytes),)) if vault is None else decision(vault, next(numbers))

        def write(until: float, latencies: list[float]) -> None:
            clock = time.perf_counter
            while (before := clock()) < until or not latencies:  # one at least: a thread may begin late
                try:
                    log.append(make()).result().proof()
                except CannotRecord as error:
                    if error.cause != "busy":
                        raise
                    time.sleep(0.001)
                    continue
                latencies.append(clock() - before)

        log.append(make()).result()
        steps.clear()
        latencies: list[list[float]] = [[] for _ in range(writers)]
        cpu, began = time.process_time(), time.perf_counter()
        threads = [threading.Thread(target=write, args=(began + seconds, mine)) for mine in latencies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
    every = [latency for mine in latencies for latency in mine]
    return {
        "entries": len(every),
        "groups": steps.groups,
        "per_second": round(len(every) / took),
        "entries_per_group": round(len(every) / steps.groups, 1),
        "p50_ms": _ms(statistics.median(every)),
        "p99_ms": _ms(percentile(every, 99)),
        "cpu_us": round(cpu / len(every) * 1e6),
        "steps_ms": steps.per_group(),
    }


def stored_bytes(place: Scene) -> int:
    """What the database takes on disk."""
    engine = open_engine(place.url)
    try:
        with reading(engine) as conn:
            if conn.dialect.name == "sqlite":
                pages = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
                return int(pages * conn.exec_driver_sql("PRAGMA page_size").scalar_one())
            tables = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relnamespace = %s"
            schema = conn.exec_driver_sql("SELECT current_schema()::regnamespace::oid").scalar_one()
            return int(conn.exec_driver_sql(tables, (schema,)).scalar_one())
    finally:
        engine.dispose()


def _is_synced(url: str) -> bool:
    """Whether a commit waits for the device, as the database itself says."""
    engine = open_engine(url)
    try:
        with reading(engine) as conn:
            if conn.dialect.name == "sqlite":
                return bool(conn.exec_driver_sql("PRAGMA synchronous").scalar_one() >= 2)
            settings = [conn.exec_driver_sql(f"SHOW {name}").scalar_one() for name in ("fsync", "synchronous_commit")]
            return bool(settings[0] == "on" and settings[1] != "off")
    finally:
        engine.dispose()


def _probe_fsync(folder: Path) -> list[float]:
    """Seconds of fdatasync after a write of 4 KiB, one after the other, in the database's folder."""
    file = os.open(folder / "probe", os.O_RDWR | os.O_CREAT, 0o600)
    took = []
    try:
        for number in range(_PROBES):
            os.pwrite(file, os.urandom(4096), number * 4096)
            before = time.perf_counter()
            os.fdatasync(file)
            took.append(time.perf_counter() - before)
    finally:
        os.close(file)
    return took


def percentile(values: list[float], percent: int) -> float:
    """The value that `percent` of 100 keep within."""
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
