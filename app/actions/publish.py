"""What the log's public endpoint serves: the published checkpoint, tiles below it, bundles where the agency allows."""

from __future__ import annotations

from app.errors import Refused, UnknownRecord
from app.home import Greffier
from app.settings import LOG_NUMBER
from auditlog.tiles import parse_entries_path, parse_tile_path


def checkpoint(g: Greffier, k: int) -> bytes:
    """The published checkpoint of log `k` as a signed note; raises UnknownRecord for another log."""
    _this_log(k)
    return g.publisher.checkpoint()


def tile(g: Greffier, k: int, path: str) -> bytes:
    """A tile by its tlog-tiles path (`tile/…`); raises FormatError or NotFound."""
    _this_log(k)
    return g.publisher.tile(parse_tile_path(path))


def entries(g: Greffier, k: int, path: str) -> bytes:
    """An entry bundle by its path; refused unless the agency publishes its entries."""
    _this_log(k)
    if not g.settings.entries_public:
        raise Refused("this agency gives entry bundles to auditors only", reason="entries_not_public", field="path")
    index, width = parse_entries_path(path)
    return g.publisher.entries(index, width)


def _this_log(k: int) -> None:
    if k != LOG_NUMBER:
        raise UnknownRecord("this installation has no log with this number", field="log")
