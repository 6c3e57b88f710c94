"""The files of a log, made from its database: what a static tree would hold at a path of c2sp.org/tlog-tiles."""

from __future__ import annotations

from sqlalchemy import Connection, select

from auditlog.core.checking.audit import CHECKPOINT, ReadFile
from auditlog.core.errors import FormatError, NotFound
from auditlog.core.formats.tiles import TILE_WIDTH, format_entry_bundle, parse_entries_path, parse_tile_path
from auditlog.store.log import Head, head_table, read_entries, read_head, read_tile


def heads(conn: Connection) -> dict[int, Head]:
    """The newest signed checkpoint of every log, by its number."""
    columns = head_table.c
    rows = conn.execute(select(columns.log).where(columns.name == "integrated").order_by(columns.log)).scalars()
    found = {number: read_head(conn, number) for number in rows}
    return {number: head for number, head in found.items() if head is not None}


def file_reader(conn: Connection, number: int, head: Head) -> ReadFile:
    """Reads the files of log `number` up to `head`, for as long as the transaction of `conn` lasts."""

    def read(path: str) -> bytes:
        if path == CHECKPOINT:
            return head.note
        try:
            if path.startswith("tile/entries/"):
                index, width = parse_entries_path(path)
                start = index * TILE_WIDTH
                return format_entry_bundle(read_entries(conn, number, start, start + width))
            tile = parse_tile_path(path)
        except FormatError as error:
            raise NotFound(str(error), field=path) from error
        return read_tile(conn, number, tile.level, tile.index, tile.width)

    return read
