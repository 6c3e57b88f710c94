"""The public view: paced, never beyond the public checkpoint, never above the guard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import Engine

from auditlog.core.checking.audit import audit
from auditlog.core.entries.record import parse_entry
from auditlog.core.errors import NotFound
from auditlog.core.formats.checkpoint import open_checkpoint
from auditlog.core.formats.tiles import Tile, parse_entries_path, parse_tile_path
from auditlog.store import metadata
from auditlog.store.log import open_engine, writing
from auditlog.writing.guard import Guard
from auditlog.writing.log import Unit
from auditlog.writing.publish import Publisher


class Stand:
    """A database that grows on request, a publisher over it, and the clock that the publisher reads."""

    def __init__(self, example: ModuleType, log: Any, url: str, folder: Path) -> None:
        self.log = log
        self.guard = Guard(folder / "guard")
        self.engine: Engine = open_engine(url)
        metadata.create_all(self.engine)
        self.writer = example.start_writer(log, self.engine, self.guard)
        self.now = 1000.0
        self.size = 0
        self.publisher = self.make_publisher()

    def make_publisher(self) -> Publisher:
        return Publisher(self.engine, 1, 60, guard=self.guard, monotonic=lambda: self.now)

    def grow_to(self, size: int) -> None:
        entries = tuple(parse_entry(data) for data in self.log.entries[self.size : size])
        self.writer.append(Unit(entries)).result(60)
        self.size = size

    def published(self) -> int:
        """The public size once it was tried to move on."""
        self.publisher.advance()
        note = self.publisher.checkpoint()
        return open_checkpoint(note, self.log.keys, origin=self.log.origin).checkpoint.size

    def close(self) -> None:
        self.writer.close()
        self.engine.dispose()


@pytest.fixture(scope="module")
def log(example: ModuleType) -> Any:
    return example.build_log(600)


@pytest.fixture
def stand(example: ModuleType, log: Any, url: str, tmp_path: Path) -> Iterator[Stand]:
    stand = Stand(example, log, url, tmp_path)
    yield stand
    stand.close()


def test_nothing_is_public_before_the_first_checkpoint(stand: Stand) -> None:
    for ask in (
        stand.publisher.checkpoint,
        lambda: stand.publisher.tile(Tile(0, 0, 1)),
        lambda: stand.publisher.entries(0, 1),
    ):
        with pytest.raises(NotFound):
            ask()


def test_the_first_is_public_at_once_and_the_next_a_minute_later(stand: Stand) -> None:
    stand.grow_to(10)
    assert stand.published() == 10
    stand.grow_to(20)
    stand.now += 59.9
    assert stand.published() == 10
    stand.now += 0.1
    assert stand.published() == 20
    stand.grow_to(30)
    assert stand.published() == 20


def test_waiting_without_being_asked_does_not_wear_the_pace_off(stand: Stand) -> None:
    """The pace counts from the last change, so a quiet hour is followed by one change and then the pace again."""
    stand.grow_to(10)
    assert stand.published() == 10
    stand.now += 3600
    stand.grow_to(20)
    assert stand.published() == 20
    stand.grow_to(30)
    assert stand.published() == 20


def test_an_unchanged_log_keeps_its_checkpoint(stand: Stand) -> None:
    stand.grow_to(10)
    assert stand.published() == 10
    first = stand.publisher.checkpoint()
    stand.now += 600
    assert not stand.publisher.advance()
    assert stand.publisher.checkpoint() == first


def test_a_restart_waits_a_whole_pace(stand: Stand) -> None:
    stand.grow_to(10)
    assert stand.published() == 10
    stand.grow_to(20)
    stand.now += 3600
    stand.publisher = stand.make_publisher()
    assert stand.published() == 10
    stand.now += 60
    assert stand.published() == 20


def test_two_processes_never_move_it_back(stand: Stand) -> None:
    stand.grow_to(10)
    other = stand.make_publisher()
    assert stand.published() == 10
    stand.grow_to(20)
    stand.now += 60
    assert stand.published() == 20
    other.advance()
    assert other.checkpoint() == stand.publisher.checkpoint()


def test_nothing_above_the_guard_becomes_public(stand: Stand, tmp_path: Path) -> None:
    stand.grow_to(10)
    assert stand.published() == 10
    line = stand.guard.path.read_bytes()
    stand.grow_to(20)
    stand.now += 60
    stand.guard.path.write_bytes(line)
    assert stand.published() == 10


def test_tiles_and_bundles_end_where_the_public_checkpoint_does(stand: Stand) -> None:
    stand.grow_to(300)
    assert stand.published() == 300
    stand.grow_to(600)
    ask = stand.publisher
    pure = stand.log.pack(size=300)
    for path, content in pure.items():
        if path.startswith("tile/entries/"):
            assert ask.entries(*parse_entries_path(path)) == content
        elif path.startswith("tile/"):
            assert ask.tile(parse_tile_path(path)) == content
    # A reader with an older checkpoint still finds its narrower tile at the edge.
    assert ask.tile(Tile(0, 1, 7)) == pure["tile/0/001.p/44"][: 7 * 32]
    assert ask.entries(1, 7) == stand.log.pack(size=263)["tile/entries/001.p/7"]
    for tile in (
        Tile(0, 1, 45),
        Tile(0, 1),
        Tile(0, 2, 1),
        Tile(1, 0, 2),
        Tile(0, 0, 255),
        Tile(2, 0, 1),
        Tile(63, 0, 1),
    ):
        with pytest.raises(NotFound):
            ask.tile(tile)
    for bundle in ((1, 45), (1, 256), (2, 1), (0, 255)):
        with pytest.raises(NotFound):
            ask.entries(*bundle)


def test_what_is_public_passes_the_audit(stand: Stand) -> None:
    stand.grow_to(600)
    assert stand.published() == 600

    def read(path: str) -> bytes:
        if path == "checkpoint":
            return stand.publisher.checkpoint()
        if path.startswith("tile/entries/"):
            return stand.publisher.entries(*parse_entries_path(path))
        return stand.publisher.tile(parse_tile_path(path))

    assert audit(read, stand.log.keys).size == 600


def test_a_database_that_cannot_be_written_goes_on_serving(
    example: ModuleType, log: Any, sqlite_url: str, tmp_path: Path
) -> None:
    stand = Stand(example, log, sqlite_url, tmp_path)
    stand.grow_to(10)
    assert stand.published() == 10
    stand.grow_to(20)
    stand.now += 60
    with writing(stand.engine) as conn:
        conn.exec_driver_sql(
            "CREATE TRIGGER full BEFORE UPDATE ON auditlog_head BEGIN SELECT RAISE(FAIL, 'disk full'); END"
        )
    assert stand.published() == 10
    stand.close()
