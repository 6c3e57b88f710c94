"""The public view of the log: a checkpoint that moves on at a set pace, and the tiles below it.

Publishing every checkpoint would show to the second when a decision was made. So the public one is replaced only when
someone asks for it and the last change is old enough; tiles and bundles never go beyond it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from auditlog.errors import NotFound
from auditlog.guard import Guard
from auditlog.store.log import Head, read_entries, read_head, read_tile, reading, write_head, writing
from auditlog.tiles import TILE_HEIGHT, TILE_WIDTH, Tile, format_entries_path, format_entry_bundle, format_tile_path

DEFAULT_PACE = 60.0


class Publisher:
    """Serves log `number` from the database. `pace`: seconds between two public checkpoints of this process.

    `monotonic` gives seconds. A process that starts waits a whole pace before it replaces a checkpoint that is public
    already: otherwise a restart would show the moment's size.
    """

    def __init__(
        self,
        engine: Engine,
        number: int = 1,
        pace: float = DEFAULT_PACE,
        *,
        guard: Guard,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._number = number
        self._pace = pace
        self._guard = guard
        self._monotonic = monotonic
        self._changed = monotonic()
        self._lock = threading.Lock()

    def checkpoint(self) -> bytes:
        """The public checkpoint's note; replaced first when it is time. Raises NotFound while there is none."""
        with self._lock:
            published = self._published()
            if published is None or self._monotonic() - self._changed >= self._pace:
                published = self._promote(published)
        if published is None:
            raise NotFound("nothing is published yet", field="checkpoint")
        return published.note

    def tile(self, tile: Tile) -> bytes:
        """The hashes of a tile within the public tree. Raises NotFound (then a client asks for the full tile)."""
        size = self._size()
        self._require(size >> TILE_HEIGHT * tile.level, tile.index, tile.width, format_tile_path(tile))
        with reading(self._engine) as conn:
            return read_tile(conn, self._number, tile.level, tile.index, tile.width)

    def entries(self, index: int, width: int) -> bytes:
        """The entry bundle `index` of `width` entries within the public tree. Raises NotFound."""
        self._require(self._size(), index, width, format_entries_path(index, width))
        start = index * TILE_WIDTH
        with reading(self._engine) as conn:
            return format_entry_bundle(read_entries(conn, self._number, start, start + width))

    def _require(self, count: int, index: int, width: int, path: str) -> None:
        """Raise NotFound unless the public tree, `count` hashes wide at this level, has a tile of this width here.

        At the right edge every width up to the present one is served: earlier checkpoints needed them, and which
        those were is not kept. Once a tile is full, clients take the full one (tlog-tiles allows both).
        """
        full, rest = divmod(count, TILE_WIDTH)
        there = index < full if width == TILE_WIDTH else index == full and width <= rest
        if not there:
            raise NotFound("is not part of the public tree", field=path)

    def _size(self) -> int:
        published = self._published()
        return 0 if published is None else published.size

    def _published(self) -> Head | None:
        with reading(self._engine) as conn:
            return read_head(conn, self._number, "published")

    def _promote(self, published: Head | None) -> Head | None:
        """Make the integrated checkpoint the public one, unless it is the same or stands above the guard."""
        with reading(self._engine) as conn:
            integrated = read_head(conn, self._number)
        guarded = self._guard.read()
        if integrated is None or guarded is None or integrated.size > guarded[0]:
            return published
        if published is not None and integrated.size <= published.size:
            return published
        try:
            with writing(self._engine) as conn:
                write_head(conn, self._number, integrated, old=published, name="published")
        except SQLAlchemyError:
            # A database that cannot be written must not take the public log offline: the old checkpoint stays true.
            if published is None:
                raise
            return published
        self._changed = self._monotonic()
        # Another process may have been first; what stands in the database is what is public.
        return self._published()
