"""An auditor's questions over a log of any size: ten named ones, pages of lists, one person erased, a Parquet export.

Each is asked again and again with other parameters; the first answer is given apart, since it reads pages that nobody
read before. Compare DESIGN 8.
"""

from __future__ import annotations

import os
import platform
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine

from auditlog.core.formats.checkpoint import Checkpoint, sign_checkpoint
from auditlog.core.formats.note import Signer
from auditlog.store.cursor import DecisionFilter, format_cursor
from auditlog.store.decisions import decision_table, review_table
from auditlog.store.engine import open_engine, reading
from auditlog.store.listing import iterate_batches, list_decisions
from auditlog.store.log import Head, entry_table, write_head
from auditlog.store.logs import insert_log
from auditlog.store.parquet import schema_of, write_parquet
from auditlog.store.questions import QUESTIONS, ask, question_of
from auditlog.store.rollup import event_table, rollup_table
from auditlog.store.vault import sealed_table, subject_table
from auditlog.vault.erasure import Erasure, Ledger, erase_set
from auditlog.vault.seal import Vault
from auditlog.writing.guard import Guard
from auditlog.writing.keys import KeyFolder
from lab.bench.append import percentile, stored_bytes
from lab.bench.bulk import loading
from lab.bench.content import ACTIONS, DAYS, FIRST, OUTCOMES, REAL, SYSTEMS, boot_of, reference_of
from lab.bench.fill import Filler
from lab.bench.scene import ORIGIN, Scene, scene

TIMES: Final = 40
_EXPORTED: Final = 1_000_000
_SLOT: Final = 32
_LOADED = (entry_table, decision_table, review_table, sealed_table, subject_table, event_table, rollup_table)


def run(
    decisions: int, database_url: str | None = None, *, report: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Fill a database, ask it, and remove it. Times in milliseconds.

    On SQLite in a folder of its own, below TMPDIR; on PostgreSQL in a schema of its own. It takes about 2.6 KB a
    decision.
    """
    with tempfile.TemporaryDirectory(prefix="greffier-bench-") as name, scene(Path(name), database_url) as place:
        filled = fill(place, decisions, report)
        engine = open_engine(place.url)
        try:
            report("asking")
            questions = {question.name: _timed(engine, _question(question.name)) for question in QUESTIONS}
            pages = {name: _timed(engine, turn) for name, turn in _pages().items()}
            report("exporting")
            exported = _export(engine, place.folder)
            report("erasing")
            erased = _erase(place, engine)
        finally:
            engine.dispose()
    return {
        "bench": "query",
        "decisions": decisions,
        "database": "sqlite" if database_url is None else "postgresql",
        "filled": filled,
        "questions": questions,
        "pages": pages,
        "slowest_p95_ms": max(one["p95_ms"] for one in (*questions.values(), *pages.values())),
        "parquet": exported,
        "erase_person": erased,
        "times": TIMES,
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def fill(place: Scene, decisions: int, report: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Load the log, sign its head and raise its guard; afterwards a log opens on it as on any other."""
    began = time.perf_counter()
    signers = KeyFolder(place.folder / "keys").begin(ORIGIN)
    engine = open_engine(place.url)
    try:
        with place.vault() as vault:
            filler, loaded = load(engine, vault, place.folder / "record.keys", signers, decisions, report)
        size, root = filler.growth.size, filler.growth.root
        Guard(place.folder / "guard").create(ORIGIN, size=size, root=root)
    finally:
        engine.dispose()
    took = time.perf_counter() - began
    loaded -= began
    return {
        "seconds": round(took, 1),
        "loaded_per_second": round(decisions / loaded),
        "per_second": round(decisions / took),
        "entries": size,
        "bytes": stored_bytes(place),
        "persons": filler.persons,
    }


def load(  # noqa: PLR0917 (what a log consists of)
    engine: Engine,
    vault: Vault,
    slots: Path,
    signers: Sequence[Signer],
    decisions: int,
    report: Callable[[str], None] = lambda _: None,
) -> tuple[Filler, float]:
    """Load a log of so many decisions into empty tables, with its signed head. `slots`: the file of the vault's keys.

    Returns what filled it, and at which time the rows were there, before their indices. The guard is the caller's.
    """
    given = _give_slots(slots, decisions)
    with loading(engine, _LOADED) as conn:
        filler = Filler(conn, vault, bytes(_SLOT), decisions)
        filler.run(report)
        report("indices")
        loaded = time.perf_counter()
        insert_log(conn, 1, ORIGIN)
        note = sign_checkpoint(Checkpoint(ORIGIN, filler.growth.size, filler.growth.root), signers)
        write_head(conn, 1, Head(filler.growth.size, note), old=None)
    assert filler.slot <= given, "fewer slots than records"
    vault.keys.sync()
    return filler, loaded


def _give_slots(path: Path, decisions: int) -> int:
    """Keys for the records that are not truly sealed, written at once; returns how many."""
    count = decisions + decisions // 4 + 10_000
    with path.open("ab") as file:
        for low in range(0, count, 1 << 20):
            file.write(os.urandom(_SLOT * min(1 << 20, count - low)))
    return count


Turn = Callable[[Connection, random.Random], object]


def _timed(engine: Engine, turn: Turn) -> dict[str, float]:
    rng, took = random.Random(3), []
    for _ in range(TIMES + 1):
        with reading(engine) as conn:
            before = time.perf_counter()
            turn(conn, rng)
            took.append(time.perf_counter() - before)
    first, others = took[0], took[1:]
    return {
        "first_ms": _ms(first),
        "p50_ms": _ms(statistics.median(others)),
        "p95_ms": _ms(percentile(others, 95)),
        "max_ms": _ms(max(others)),
    }


def _question(name: str) -> Turn:
    """A question, asked about the year, a month, or a quarter of one system."""

    def turn(conn: Connection, rng: random.Random) -> object:
        given: dict[str, Any] = {}
        if name == "boot":
            given = {"boot": boot_of(rng.randrange(DAYS))}
        elif name == "silent":
            given = {"since": _day(rng.randrange(DAYS))}
        elif (kind := rng.randrange(3)) != 0:
            first = rng.randrange(DAYS - 90)
            given = {"since": _day(first), "until": _day(first + (30 if kind == 1 else 90))}
            given |= {"system": rng.choice(SYSTEMS)} if kind == 2 else {}
        return ask(conn, question_of(name), given)

    return turn


def _pages() -> Mapping[str, Turn]:
    def listed(make: Callable[[random.Random], Mapping[str, Any]], *, pages: int = 1) -> Turn:
        def turn(conn: Connection, rng: random.Random) -> object:
            where, cursor = DecisionFilter(**make(rng)), None
            for _ in range(pages):
                page = list_decisions(conn, where, cursor=cursor, limit=100)
                cursor = page.next
                if cursor is None:
                    break
            return page

        return turn

    def deep(conn: Connection, rng: random.Random) -> object:
        """A page in the middle of a quarter of one system, far behind its first."""
        first = rng.randrange(DAYS - 90)
        where = DecisionFilter(
            system=rng.choice(SYSTEMS), since=f"{_day(first)}T00:00Z", until=f"{_day(first + 90)}T00:00Z"
        )
        cursor = format_cursor((f"{_day(first + 5)}T12:00Z", 1, 0), where)
        return list_decisions(conn, where, cursor=cursor, limit=100)

    def period(rng: random.Random) -> dict[str, Any]:
        first = rng.randrange(DAYS - 30)
        return {"since": f"{_day(first)}T00:00Z", "until": f"{_day(first + 30)}T00:00Z"}

    def system(rng: random.Random) -> dict[str, Any]:
        return {"system": rng.choice(SYSTEMS)}

    return {
        "newest": listed(lambda _: {}),
        "system": listed(system),
        "system, five pages": listed(system, pages=5),
        "deep in a quarter of a system": deep,
        "period": listed(period),
        "system and period": listed(lambda rng: system(rng) | period(rng)),
        "system and outcome": listed(lambda rng: system(rng) | {"outcome": rng.choice(OUTCOMES)}),
        "system, outcome, period": listed(lambda rng: system(rng) | period(rng) | {"outcome": rng.choice(OUTCOMES)}),
        "not reviewed": listed(lambda rng: system(rng) | period(rng) | {"review": "none"}),
        "by review": listed(lambda rng: system(rng) | {"review": rng.choice(ACTIONS)}),
        "boot": listed(lambda rng: {"boot": boot_of(rng.randrange(DAYS))}),
        "slow ones of a system": listed(lambda rng: system(rng) | {"min_total_us": 2_000_000}),
    }


def _day(number: int) -> str:
    return f"{FIRST + timedelta(days=number):%Y-%m-%d}"


def _export(engine: Engine, folder: Path) -> dict[str, Any]:
    """The rows of up to a million decisions as a Parquet file."""
    names = [column.name for column in decision_table.columns]
    before, file = time.perf_counter(), folder / "decisions.parquet"
    with reading(engine) as conn:
        count = write_parquet(file, schema_of(decision_table, names, {}), _some(conn, names))
    took = time.perf_counter() - before
    size = file.stat().st_size
    file.unlink()
    return {"rows": count, "seconds": round(took, 2), "rows_per_second": round(count / took), "bytes": size}


def _some(conn: Connection, names: list[str]) -> Iterator[Any]:
    left = _EXPORTED
    for batch in iterate_batches(conn, DecisionFilter(), names):
        yield batch[:left]
        left -= len(batch)
        if left <= 0:
            return


def _erase(place: Scene, engine: Engine) -> dict[str, Any]:
    """One person after another: found by reference, content and keys gone, durable."""
    took, counts = [], []
    with place.vault() as vault, place.log(lambda _: None, vault=vault) as log:
        path = place.folder / "erasures"
        Ledger.create(path)
        ledger = Ledger(path)
        for person in range(REAL):
            before = time.perf_counter()
            ids = _find(engine, vault, person)
            orders = [Erasure(id_, "consent_withdrawn", "privacy_officer", "2026-11-24T08:15Z") for id_ in ids]
            for unit in erase_set(vault.keys, ledger, orders, new_id=lambda: str(uuid.uuid4())):
                log.append(unit).result()
            took.append(time.perf_counter() - before)
            counts.append(len(ids))
            with reading(engine) as conn:
                assert not vault.find(conn, reference_of(person)), "nothing leads to them any more"
    return {
        "persons": REAL,
        "records": {"p50": statistics.median(counts), "max": max(counts)},
        "p50_ms": _ms(statistics.median(took)),
        "p95_ms": _ms(percentile(took, 95)),
        "max_ms": _ms(max(took)),
    }


def _find(engine: Engine, vault: Vault, person: int) -> list[str]:
    with reading(engine) as conn:
        return vault.find(conn, reference_of(person))


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
