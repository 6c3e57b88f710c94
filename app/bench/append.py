"""How soon an entry is durable, sequenced, signed twice, guarded, and has its proof in hand; and how many a second.

Each thread hands in one entry, waits for its proof, and hands in the next. The device's own fsync is timed in the same
folder between the rounds, since every figure here contains three of them (database, guard, and the wait for the group
before). Compare DESIGN 8.
"""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from auditlog.guard import Guard
from auditlog.keys import KeyFolder
from auditlog.log import Log, Unit
from auditlog.record import Entry, make_entry
from auditlog.signing import SigningKeys
from auditlog.store import metadata
from auditlog.store.engine import open_engine, reading, writing

ROUNDS: Final = 3
_ORIGIN = "bench.example/log/1"
import random
_AGENCY = "bench-agency"
_PROBES = 200


def run(writers: list[int], seconds: float, database_url: str | None = None, entry_bytes: int = 1024) -> dict[str, Any]:
    """`seconds` for each number of writers, in three rounds, whose medians are given. Latencies in milliseconds.

    Without a URL on SQLite in a folder of its own; on PostgreSQL in a schema of its own. Both are removed afterwards.
    The device timed is that of the guard (and of SQLite's file).
    """
    probes: list[float] = []
    with tempfile.TemporaryDirectory(prefix="greffier-bench-") as name, _database(Path(name), database_url) as url:
        folder = Path(name)
        runs = [_measure(folder, url, count, seconds, entry_bytes=entry_bytes, probes=probes) for count in writers]
        device = folder.stat().st_dev
        synced = _is_synced(url)
    return {
        "bench": "append",
        "promise": "durable, sequenced, integrated (two signatures, guard raised), proof in hand",
        "database": "sqlite" if database_url is None else "postgresql",
        "fsync": synced,
        "device": f"{os.major(device)}:{os.minor(device)}",
        "device_fsync_ms": {"p50": _ms(statistics.median(probes)), "p99": _ms(_percentile(probes, 99))},
        "entry_bytes": entry_bytes,
        "rounds": ROUNDS,
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "runs": runs,
    }


def _measure(
    folder: Path, url: str, writers: int, seconds: float, *, entry_bytes: int, probes: list[float]
) -> dict[str, Any]:
    rounds = []
    for _ in range(ROUNDS):
        probes += _probe_fsync(folder)
        rounds.append(_round(folder, url, writers, seconds / ROUNDS, entry_bytes))
    probes += _probe_fsync(folder)
    result: dict[str, Any] = {"writers": writers}
    for name in ("per_second", "p50_ms", "p99_ms", "entries_per_group"):
        result[name] = statistics.median(one[name] for one in rounds)
    result["entries"] = sum(one["entries"] for one in rounds)
    result["groups"] = sum(one["groups"] for one in rounds)
    result["spread_per_second"] = [min(one["per_second"] for one in rounds), max(one["per_second"] for one in rounds)]
    return result


def _round(folder: Path, url: str, writers: int, seconds: float, entry_bytes: int) -> dict[str, float]:
    groups = [0]

    def trace(point: int) -> None:
        groups[0] += point == 1

    with _log(folder, url, trace) as log:
        log.append(Unit((_entry(entry_bytes),))).result()
        groups[0] = 0
        latencies: list[list[float]] = [[] for _ in range(writers)]
        began = time.perf_counter()
        threads = [
            threading.Thread(target=_write, args=(log, began + seconds, entry_bytes, mine)) for mine in latencies
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.perf_counter() - began
    every = [latency for mine in latencies for latency in mine]
    return {
        "entries": len(every),
        "groups": groups[0],
        "per_second": round(len(every) / took),
        "entries_per_group": round(len(every) / groups[0], 1),
        "p50_ms": _ms(statistics.median(every)),
        "p99_ms": _ms(_percentile(every, 99)),
    }


def _write(log: Log, until: float, entry_bytes: int, latencies: list[float]) -> None:
    clock = time.perf_counter
    while (before := clock()) < until:
        log.append(Unit((_entry(entry_bytes),))).result().proof()
        latencies.append(clock() - before)


def _entry(size: int) -> Entry:
    """An entry of `size` bytes, of a kind that no verifier knows."""
    id_ = str(uuid.UUID(int=random.getrandbits(128), version=4))
    data = f'{{"id":"{id_}","kind":"bench/1","pad":"'.encode()
    return Entry("bench/1", id_, _AGENCY, "", {}, data + b"x" * (size - len(data) - 2) + b'"}')


@contextlib.contextmanager
def _log(folder: Path, url: str, trace: Any) -> Iterator[Log]:
    """A new log; the database keeps the entries of earlier rounds, as a real one would."""
    keys = KeyFolder(folder / "keys")
    signers = keys.check(_ORIGIN) if keys.files() else keys.begin(_ORIGIN)
    engine = open_engine(url)
    signing = SigningKeys(signers, origin=_ORIGIN)
    log = Log(engine, signing, Guard(folder / "guard"), outage_entry=_outage, clock=_now, trace=trace)
    try:
        log.start()
        yield log
    finally:
        log.close()
        engine.dispose()


@contextlib.contextmanager
def _database(folder: Path, url: str | None) -> Iterator[str]:
    if url is None:
        url = f"sqlite:///{folder}/bench.db"
        engine = open_engine(url)
        metadata.create_all(engine)
        engine.dispose()
        yield url
        return
    schema = f"greffier_bench_{uuid.uuid4().hex}"
    owner = open_engine(url)
    inside = f"{url}{'&' if '?' in url else '?'}options={quote(f'-csearch_path={schema}', safe='')}"
    engine = open_engine(inside)
    try:
        with writing(owner) as conn:
            conn.exec_driver_sql(f"CREATE SCHEMA {schema}")
        metadata.create_all(engine)
        yield inside
    finally:
        engine.dispose()
        with writing(owner) as conn:
            conn.exec_driver_sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        owner.dispose()


def _outage(cause: str, began: datetime, ended: datetime) -> Entry:
    return make_entry(
        "outage/1",
        id=str(uuid.uuid4()),
        agency=_AGENCY,
        time=ended,
        cause=cause,
        began=began,
        ended=ended,
        boot=None,
    )


def _now() -> datetime:
    return datetime.now(UTC)


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


def _percentile(values: list[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
