"""What the log's public endpoint serves: the published checkpoint, tiles below it, bundles where the agency allows."""

from __future__ import annotations

from app.errors import Refused, UnknownRecord
from app.home import Greffier
from auditlog.publish import Publisher
from auditlog.tiles import parse_entries_path, parse_tile_path


def checkpoint(g: Greffier, k: int) -> bytes:
    """The published checkpoint of log `k` as a signed note; raises UnknownRecord for another log."""
    return _publisher(g, k).checkpoint()


def tile(g: Greffier, k: int, path: str) -> bytes:
    """A tile by its tlog-tiles path (`tile/…`); raises FormatError or NotFound."""
    return _publisher(g, k).tile(parse_tile_path(path))


def entries(g: Greffier, k: int, path: str) -> bytes:
    """An entry bundle by its path; refused unless the agency publishes its entries."""
    publisher = _publisher(g, k)
    if not g.settings.entries_public:
        raise Refused("this agency gives entry bundles to auditors only", reason="entries_not_public", field="path")
    index, width = parse_entries_path(path)
    return publisher.entries(index, width)


def _publisher(g: Greffier, k: int) -> Publisher:
    if k not in g.publishers:
        raise UnknownRecord("this installation has no log with this number", field="log")
    return g.publishers[k]
