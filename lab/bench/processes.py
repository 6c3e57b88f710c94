"""Several processes on one log, each with threads of its own: they take turns, indices stay dense, nothing is lost."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from auditlog.core.errors import CannotRecord
from auditlog.store.engine import open_engine, reading
from auditlog.store.log import iterate_entries
from auditlog.writing.log import Unit
from lab.bench.append import percentile
from lab.bench.scene import Scene, filler, scene

_START_S: Final = 3.0


def run(
    processes: int, writers: int, seconds: float, database_url: str | None, entry_bytes: int = 1024
) -> dict[str, Any]:
    """`processes` × `writers` for `seconds`, on a database of their own; latencies in milliseconds.

    Afterwards every acknowledged entry must stand at the index that its writer was told: `lost` counts the others.
    """
    with tempfile.TemporaryDirectory(prefix="greffier-bench-") as name, scene(Path(name), database_url) as place:
        with place.log(lambda _: None) as log:
            log.append(Unit((filler(entry_bytes),))).result()
        told = _run_all(place, processes, writers, seconds, entry_bytes)
        lost, size = _look(place, told)
    latencies = [one[2] for one in told]
    return {
        "bench": "append",
        "what": f"{processes} processes with {writers} writers each on one log",
        "database": "sqlite" if database_url is None else "postgresql",
        "entry_bytes": entry_bytes,
        "entries": len(told),
        "per_second": round(len(told) / seconds),
        "p50_ms": round(statistics.median(latencies) * 1000, 3),
        "p99_ms": round(percentile(latencies, 99) * 1000, 3),
        "lost": lost,
        "dense": size == len(told) + 1,
    }


def _run_all(
    place: Scene, processes: int, writers: int, seconds: float, entry_bytes: int
) -> list[tuple[str, int, float]]:
    """(id, index, seconds) of every entry that some process was told of."""
    order = json.dumps([str(place.folder), place.url, writers, time.time() + _START_S, seconds, entry_bytes])
    told: list[tuple[str, int, float]] = []
    with ThreadPoolExecutor(processes) as pool:
        for one in pool.map(_run_one, [order] * processes):
            told += one
    return told


def _run_one(order: str) -> list[tuple[str, int, float]]:
    done = subprocess.run(
        [sys.executable, "-m", "lab.bench.processes"], input=order, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise CannotRecord("one of the processes ended with an error", cause="unknown", field="bench")
    return [(id_, index, took) for id_, index, took in json.loads(done.stdout)]


def _look(place: Scene, told: list[tuple[str, int, float]]) -> tuple[int, int]:
    engine = open_engine(place.url)
    try:
        with reading(engine) as conn:
            entries = [data for _, data in iterate_entries(conn, 1)]
    finally:
        engine.dispose()
    wrong = [index for id_, index, _ in told if index >= len(entries) or id_.encode() not in entries[index][:60]]
    return len(wrong), len(entries)


def _work(place: Scene, writers: int, begin: float, seconds: float, entry_bytes: int) -> list[tuple[str, int, float]]:
    told: list[tuple[str, int, float]] = []

    def write(until: float) -> None:
        while (before := time.time()) < until:
            unit = Unit((filler(entry_bytes),))
            index = log.append(unit).result().sequenced[0].index
            told.append((unit.entries[0].id, index, time.time() - before))

    with place.log(lambda _: None) as log:
        time.sleep(max(0.0, begin - time.time()))
        # A process that came up late, on a busy machine, writes as long as the others all the same.
        threads = [threading.Thread(target=write, args=(time.time() + seconds,)) for _ in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return told


if __name__ == "__main__":
    folder, url, *order = json.loads(sys.stdin.read())
    json.dump(_work(Scene(Path(folder), url), *order), sys.stdout)
