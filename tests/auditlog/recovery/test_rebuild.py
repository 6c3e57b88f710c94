"""Rebuilding a log's tables: what must agree, and which of two sources gives what. On both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, delete, select, update

from auditlog.core.entries.record import parse_entry
from auditlog.core.errors import GuardError, NotFound
from auditlog.core.formats.merkle import leaf_hash, root_hash
from auditlog.recovery.fsck import Checked, fsck
from auditlog.recovery.rebuild import Rebuilt, Wanted, rebuild_log
from auditlog.recovery.rebuilt_tree import NotRebuilt
from auditlog.store import metadata
from auditlog.store.log import (
    entry_table,
    head_table,
    iterate_entries,
    open_engine,
    read_entries,
    reading,
    tile_table,
    writing,
)
from auditlog.store.replacement import Old
from auditlog.store.rollup import set_events
from auditlog.writing.guard import Guard


@pytest.fixture(scope="module")
def log(example: ModuleType) -> Any:
    return example.build_log(400)


@pytest.fixture
def guard(tmp_path: Path) -> Guard:
    return Guard(tmp_path / "guard")


@pytest.fixture
def old(example: ModuleType, log: Any, url: str, guard: Guard) -> Iterator[Engine]:
    engine = example.record(log, url, guard)
    yield engine
    engine.dispose()


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path}/new.db")
    metadata.create_all(engine)
    yield engine
    engine.dispose()


def source(files: dict[str, bytes]) -> Any:
    def read(path: str) -> bytes:
        if path not in files:
            raise NotFound("no such file", field=path)
        return files[path]

    return read


def build(new: Engine, old: Engine | None, log: Any, guard: Guard, files: dict[str, bytes] | None) -> Rebuilt:
    wanted = Wanted(1, log.origin, guard, None if files is None else source(files))
    with writing(new) as conn:
        if old is None:
            rebuilt = rebuild_log(conn, Old(None), wanted, log.keys)
        else:
            with reading(old) as former:
                rebuilt = rebuild_log(conn, Old(former), wanted, log.keys)
        # What follows from entries is made afterwards, together with what follows from content (`rederive`).
        set_events(conn, 1, [(index, parse_entry(data)) for index, data in iterate_entries(conn, 1)])
        return rebuilt


def demand_whole(new: Engine, log: Any, guard: Guard) -> None:
    with reading(new) as conn:
        assert list(fsck(conn, log.keys, [Checked(1, log.origin, guard)], None)) == []
        assert read_entries(conn, 1, 0, 400) == log.entries


@pytest.mark.parametrize("size", [None, 1, 255, 256, 399, 400])
def test_copy_and_database_make_the_whole_log_together(
    old: Engine, new: Engine, log: Any, guard: Guard, size: int | None
) -> None:
    rebuilt = build(new, old, log, guard, None if size is None else log.pack(size=size))
    assert (rebuilt.size, rebuilt.from_copy, rebuilt.from_old) == (400, size or 0, 400 - (size or 0))
    demand_whole(new, log, guard)


def test_a_copy_alone_is_enough(old: Engine, new: Engine, log: Any, guard: Guard) -> None:
    assert build(new, None, log, guard, log.pack()).before is None
    demand_whole(new, log, guard)


@pytest.mark.parametrize("table", [tile_table, head_table])
def test_what_the_database_lost_beside_entries_is_made_anew(
    old: Engine, new: Engine, log: Any, guard: Guard, table: Any
) -> None:
    with old.begin() as conn:
        conn.execute(delete(table))
    build(new, old, log, guard, log.pack())
    demand_whole(new, log, guard)


@pytest.mark.parametrize("index", [100, 350])
def test_a_tail_that_is_damaged_is_taken_from_nowhere(
    old: Engine, new: Engine, log: Any, guard: Guard, index: int
) -> None:
    """The copy covers entry 100 and not entry 350; the guard vouches for both."""
    with old.begin() as conn:
        conn.execute(update(entry_table).where(entry_table.c.idx == index).values(data=log.entries[index] + b" "))
    if index < 300:
        build(new, old, log, guard, log.pack(size=300))
        demand_whole(new, log, guard)
        return
    with pytest.raises(NotRebuilt, match="damaged"):
        build(new, old, log, guard, log.pack(size=300))
    with reading(new) as conn:
        assert conn.execute(select(entry_table.c.idx)).first() is None


def test_what_nobody_vouched_for_may_go(old: Engine, new: Engine, log: Any, guard: Guard, tmp_path: Path) -> None:
    """The database is ahead of the guard, as a crash leaves it, and its newest entry is damaged."""
    with old.begin() as conn:
        conn.execute(delete(entry_table).where(entry_table.c.idx == 399))
    behind = Guard(tmp_path / "behind")
    behind.create(log.origin, size=390, root=root_hash([leaf_hash(data) for data in log.entries[:390]]))
    rebuilt = build(new, old, log, behind, log.pack(size=395))
    assert (rebuilt.size, rebuilt.guarded, rebuilt.before) == (395, 390, 400)


def test_everything_that_vouches_for_the_log_must_agree(
    example: ModuleType, old: Engine, new: Engine, log: Any, guard: Guard, tmp_path: Path
) -> None:
    forked = example.build_log(400)
    forked.entries = log.entries[:200]
    for n in range(200):
        forked.decide({"system": "credit-score", "version": 1, "manifest": log.digest()}, n=n + 9_000, boot=None)
    with pytest.raises(NotRebuilt, match="guard vouches for"):
        build(new, old, log, guard, forked.pack())
    own = Guard(tmp_path / "forked")
    own.create(log.origin, size=400, root=root_hash([leaf_hash(data) for data in forked.entries]))
    with pytest.raises(NotRebuilt, match="contradicts the old database"):
        build(new, old, log, own, forked.pack())
    files = log.pack()
    for wrong in (
        {**files, "checkpoint": b"no note"},
        {**files, "checkpoint": forked.pack()["checkpoint"]},
        {**files, "tile/entries/000": files["tile/entries/000"].replace(b"decision/1", b"decision/3", 1)},
        example.build_log(400, seed=3).pack(),
        example.build_log(400, seed=3, origin="other.example/1").pack(),
    ):
        with pytest.raises(NotRebuilt):
            build(new, None, log, guard, wrong)
    with pytest.raises(NotRebuilt, match="reaches 399 entries, and the guard vouches for 400"):
        build(new, None, log, guard, log.pack(size=399))
    with pytest.raises(GuardError):
        build(new, None, log, Guard(tmp_path / "none"), files)
    with reading(new) as conn:
        assert conn.execute(select(entry_table.c.idx)).first() is None


def test_a_database_without_our_tables_gives_nothing(new: Engine, log: Any, guard: Guard) -> None:
    guard.create(log.origin)
    bare = create_engine("sqlite://")
    with bare.connect() as conn:
        assert list(Old(conn).rows(entry_table)) == []
    bare.dispose()
