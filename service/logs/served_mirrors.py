"""What is served of the logs that this installation mirrors: their checkpoints and tiles, entries where it allows."""

from __future__ import annotations

from auditlog.core.checking.audit import CHECKPOINT
from auditlog.core.errors import NotFound
from auditlog.core.formats.cosignature import parse_body
from auditlog.core.formats.note import parse_note
from auditlog.core.formats.tiles import TILE_HEIGHT, TILE_WIDTH, parse_entries_path, parse_tile_path
from auditlog.peers.fetch import folder_source
from home.errors import Refused
from home.greffier import Greffier


def checkpoint(g: Greffier, log: str) -> bytes:
    """The newest checkpoint that is held completely; `log` is the hex SHA-256 of the origin. Raises NotFound."""
    return folder_source(g.home / g.settings.mirrors / log)(CHECKPOINT)


def tile(g: Greffier, log: str, path: str) -> bytes:
    """A tile by its path (`tile/…`) within that checkpoint. Raises FormatError or NotFound."""
    wanted = parse_tile_path(path)
    _require(_size(g, log) >> TILE_HEIGHT * wanted.level, wanted.index, wanted.width, path)
    return folder_source(g.home / g.settings.mirrors / log)(path)


def entries(g: Greffier, log: str, path: str) -> bytes:
    """An entry bundle by its path; refused unless this agency publishes entries, its own as well."""
    if not g.settings.entries_public:
        raise Refused("this agency gives entry bundles to auditors only", reason="entries_not_public", field="path")
    index, width = parse_entries_path(path)
    _require(_size(g, log), index, width, path)
    return folder_source(g.home / g.settings.mirrors / log)(path)


def _size(g: Greffier, log: str) -> int:
    return parse_body(parse_note(checkpoint(g, log)).text).size


def _require(count: int, index: int, width: int, path: str) -> None:
    """Files beyond the checkpoint may be those of a run that is under way, and are nobody's business yet."""
    if index * TILE_WIDTH + width > count:
        raise NotFound("is not part of the mirrored tree", field=path)
