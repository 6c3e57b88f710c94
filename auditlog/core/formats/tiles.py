"""Tiles and entry bundles of c2sp.org/tlog-tiles: paths, contents, and the growing right edge of the tree.

A tile of level L holds up to 256 hashes of 32 bytes, each the root over 256^L leaves. Only the right-most tile of a
level may be partial.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from auditlog.core.errors import FormatError, ProofError, TooLarge
from auditlog.core.formats.canonical import MAX_UINT64, parse_decimal
from auditlog.core.formats.merkle import EMPTY_ROOT, HASH_SIZE, Node, ReadNodes, Rows, extend_rows, node_hash, root_hash

TILE_WIDTH: Final = 256
TILE_HEIGHT: Final = 8
TILE_BYTES: Final = TILE_WIDTH * HASH_SIZE
MAX_LEVEL: Final = 63
MAX_ENTRY: Final = 65535
"""Bytes of one entry: its length is a uint16 in the bundle."""

NO_NODES: Final[Rows] = [[] for _ in range(TILE_HEIGHT + 1)]
_NO_ROWS: Final[Mapping[int, Rows]] = {}
_INDEX = r"((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([0-9]{1,3}))?\Z"
_TILE_PATH = re.compile(r"tile/([0-9]{1,2})/" + _INDEX)
_ENTRIES_PATH = re.compile(r"tile/entries/" + _INDEX)


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: `level` 0 to 63, `index` from the left, `width` 1 to 256 hashes (256 is a full tile)."""

    level: int
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if not 0 <= self.level <= MAX_LEVEL:
            raise FormatError(f"must be 0 to {MAX_LEVEL}", field="level")
        _check_place(self.index, self.width)


class Growth:
    """What an append makes: every tile that changed, the new edge, the new size and root.

    `built` has the rows of each tile that changed or stands at the edge, `changed` the (level, index) of the former.
    """

    def __init__(self, size: int, built: Mapping[tuple[int, int], Rows], changed: Sequence[tuple[int, int]]) -> None:
        self.size = size
        self.built = built
        self.tiles = tuple([(level, index, b"".join(built[level, index][0])) for level, index in changed])
        edge = {level: tile for (level, _), tile in built.items() if len(tile[0]) < TILE_WIDTH}
        self.rows: dict[int, Rows] = edge
        self.edge = {level: b"".join(tile[0]) for level, tile in edge.items()}
        self.partial: list[bytes | None] = []
        """By level of the tree, the root over the leaves right of its last full node; None where there are none."""
        right: bytes | None = None
        for level in range(size.bit_length()):
            self.partial.append(right)
            if size >> level & 1:
                left = edge[level // TILE_HEIGHT][level % TILE_HEIGHT][-1]
                right = left if right is None else node_hash(left, right)
        self.root = EMPTY_ROOT if right is None else right


def format_tile_path(tile: Tile) -> str:
    """Return the path of a tile below the log's prefix, like "tile/0/x001/x234/067.p/5"."""
    return f"tile/{tile.level}/{_format_place(tile.index, tile.width)}"


def parse_tile_path(path: str) -> Tile:
    """Return the tile that a path names; FormatError for any other spelling."""
    match = _TILE_PATH.match(path)
    if match is None:
        raise FormatError("is not the path of a tile", field="path")
    level = parse_decimal(match[1], field="path", maximum=MAX_LEVEL)
    tile = Tile(level, *_parse_place(match[2], match[3]))
    if format_tile_path(tile) != path:
        raise FormatError("is not the canonical path of a tile", field="path")
    return tile


def format_entries_path(index: int, width: int = TILE_WIDTH) -> str:
    """Return the path of the bundle with the entries [256 * index, 256 * index + width)."""
    _check_place(index, width)
    return f"tile/entries/{_format_place(index, width)}"


def parse_entries_path(path: str) -> tuple[int, int]:
    """Return (index, width) of the entry bundle that a path names."""
    match = _ENTRIES_PATH.match(path)
    if match is None:
        raise FormatError("is not the path of an entry bundle", field="path")
    index, width = _parse_place(match[1], match[2])
    if format_entries_path(index, width) != path:
        raise FormatError("is not the canonical path of an entry bundle", field="path")
    return index, width


def _check_place(index: int, width: int) -> None:
    if not 0 <= index <= MAX_UINT64:
        raise FormatError(f"must be 0 to {MAX_UINT64}", field="index")
    if not 1 <= width <= TILE_WIDTH:
        raise FormatError(f"must be 1 to {TILE_WIDTH}", field="width")


def _format_place(index: int, width: int) -> str:
    groups = f"{index % 1000:03}"
    while index := index // 1000:
        groups = f"x{index % 1000:03}/{groups}"
    return groups if width == TILE_WIDTH else f"{groups}.p/{width}"


def _parse_place(groups: str, width: str | None) -> tuple[int, int]:
    # 2^64 has 20 digits, so 7 groups; more cannot be right, and int() of a very long path would be slow.
    index = int(groups.replace("x", "").replace("/", "")) if len(groups) <= 34 else MAX_UINT64 + 1
    if index > MAX_UINT64:
        raise FormatError(f"must be at most {MAX_UINT64}", field="index")
    return index, TILE_WIDTH if width is None else parse_decimal(width, field="width", maximum=TILE_WIDTH - 1)


def format_entry_bundle(entries: Sequence[bytes]) -> bytes:
    """Return the bundle of up to 256 entries: each its length as a big-endian uint16, then its bytes."""
    if len(entries) > TILE_WIDTH:
        raise FormatError(f"holds more than {TILE_WIDTH} entries", field="bundle")
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY:
            raise TooLarge(f"must be at most {MAX_ENTRY} bytes", field="entry")
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def parse_entry_bundle(data: bytes) -> list[bytes]:
    """Return the entries of a bundle; FormatError when it is cut off or holds more than 256."""
    entries: list[bytes] = []
    position, end = 0, len(data)
    # A stranger's bundle may have 17 MB: of empty entries, that would be eight millions.
    while position < end - 1 and len(entries) <= TILE_WIDTH:
        start = position + 2
        position = start + (data[position] << 8) + data[position + 1]
        entries.append(data[start:position])
    if len(entries) > TILE_WIDTH:
        raise FormatError(f"holds more than {TILE_WIDTH} entries", field="bundle")
    if position != end:
        raise FormatError("ends inside an entry", field="bundle")
    return entries


def tiles_of_size(size: int) -> list[Tile]:
    """Return every tile of a tree of `size` leaves, level by level from the left, the partial one last."""
    tiles = []
    level, count = 0, size
    while count > 0:
        full, rest = divmod(count, TILE_WIDTH)
        tiles += [Tile(level, index) for index in range(full)]
        if rest:
            tiles.append(Tile(level, full, rest))
        level, count = level + 1, full
    return tiles


def entry_bundles_of_size(size: int) -> list[tuple[int, int]]:
    """Return (index, width) of every entry bundle of a log of `size` entries."""
    full, rest = divmod(size, TILE_WIDTH)
    bundles = [(index, TILE_WIDTH) for index in range(full)]
    return [*bundles, (full, rest)] if rest else bundles


def node_in_tile(node: Node) -> tuple[int, int]:
    """Return (level, index) of the tile that a node is computed from."""
    level, index = node
    return level // TILE_HEIGHT, index >> (TILE_HEIGHT - level % TILE_HEIGHT)


def node_from_tile(node: Node, tile_bytes: bytes) -> bytes:
    """Return the hash of a node from the content of its tile (see node_in_tile)."""
    level, index = node
    height = level % TILE_HEIGHT
    start = ((index << height) % TILE_WIDTH) * HASH_SIZE
    end = start + (HASH_SIZE << height)
    if end > len(tile_bytes):
        raise FormatError("is too narrow for the node asked for", field="tile")
    return root_hash(_hashes(tile_bytes[start:end]))


def nodes_reader(read_tile: Callable[[Tile], bytes], size: int) -> ReadNodes:
    """Return a reader of nodes of the tree of `size` leaves. It asks `read_tile` once a call for each tile needed."""

    def read(nodes: Sequence[Node]) -> list[bytes]:
        contents: dict[tuple[int, int], bytes] = {}
        hashes = []
        for node in nodes:
            if (node[1] + 1) << node[0] > size:
                raise ProofError(f"node {node} is not in a tree of {size}", field="size")
            place = node_in_tile(node)
            if place not in contents:
                contents[place] = _read_checked(read_tile, *place, size)
            hashes.append(node_from_tile(node, contents[place]))
        return hashes

    return read


def _read_checked(read_tile: Callable[[Tile], bytes], level: int, index: int, size: int) -> bytes:
    width = min(TILE_WIDTH, (size >> TILE_HEIGHT * level) - index * TILE_WIDTH)
    tile = Tile(level, index, width)
    content = read_tile(tile)
    if len(content) != width * HASH_SIZE:
        raise FormatError(f"must be {width * HASH_SIZE} bytes", field=format_tile_path(tile))
    return content


def grow(
    size: int, edge: Mapping[int, bytes], leaf_hashes: Sequence[bytes], rows: Mapping[int, Rows] = _NO_ROWS
) -> Growth:
    """Append leaf hashes to a tree of `size` leaves whose right-most partial tiles are `edge` (level -> content).

    `rows`, where known: those of the edge's tiles. With them each node of the tree is computed once in its life.
    """
    _check_edge(size, edge)
    if any(len(value) != HASH_SIZE for value in leaf_hashes):
        raise FormatError(f"must be {HASH_SIZE} bytes each", field="leaf_hashes")
    changed: list[tuple[int, int]] = []
    built: dict[tuple[int, int], Rows] = {}
    hashes: Sequence[bytes] = leaf_hashes
    level = 0
    while hashes or any(higher >= level for higher in edge):
        place = size >> TILE_HEIGHT * (level + 1)
        tile = rows.get(level) or extend_rows(NO_NODES, _hashes(edge.get(level, b"")))
        roots: list[bytes] = []
        while hashes:
            room = TILE_WIDTH - len(tile[0])
            tile, hashes = extend_rows(tile, hashes[:room]), hashes[room:]
            built[level, place] = tile
            changed.append((level, place))
            if len(tile[0]) == TILE_WIDTH:
                roots += tile[TILE_HEIGHT]
                tile, place = NO_NODES, place + 1
        if tile[0]:
            built[level, place] = tile
        level, hashes = level + 1, roots
    return Growth(size + len(leaf_hashes), built, tuple(changed))


def root_from_edge(size: int, edge: Mapping[int, bytes]) -> bytes:
    """Return the root of a tree of `size` leaves from its right-most partial tiles alone."""
    _check_edge(size, edge)
    root: list[bytes] = []
    for level in range((size.bit_length() + TILE_HEIGHT - 1) // TILE_HEIGHT):
        last = _hashes(edge.get(level, b"")) + root
        root = [root_hash(last)] if last else []
    return root[0] if root else EMPTY_ROOT


def _hashes(content: bytes) -> list[bytes]:
    return [content[start : start + HASH_SIZE] for start in range(0, len(content), HASH_SIZE)]


def _check_edge(size: int, edge: Mapping[int, bytes]) -> None:
    if size < 0:
        raise FormatError("must not be negative", field="size")
    levels = (size.bit_length() + TILE_HEIGHT - 1) // TILE_HEIGHT
    for level in range(levels):
        if len(edge.get(level, b"")) != (size >> TILE_HEIGHT * level) % TILE_WIDTH * HASH_SIZE:
            raise FormatError(f"of level {level} does not fit a tree of {size}", field="edge")
    if any(content and not 0 <= level < levels for level, content in edge.items()):
        raise FormatError(f"has levels that a tree of {size} lacks", field="edge")
