"""Files of a log that someone else keeps: over HTTP or from a folder, and the tree that its tiles make, verified.

Any log of c2sp.org/tlog-tiles will do. Nothing that is fetched is believed: its size is bounded, and a tile counts only
once it leads to the root that was signed.
"""

from __future__ import annotations

import os
import stat
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

from auditlog.core.checking.audit import CHECKPOINT, ReadFile
from auditlog.core.errors import AuditLogError, FormatError, NotFound, VerifyError
from auditlog.core.formats.merkle import HASH_SIZE, ReadNodes, leaf_hash, root_hash
from auditlog.core.formats.note import MAX_NOTE
from auditlog.core.formats.tiles import (
    MAX_ENTRY,
    TILE_BYTES,
    TILE_HEIGHT,
    TILE_WIDTH,
    Tile,
    format_entries_path,
    format_tile_path,
    nodes_reader,
    parse_entry_bundle,
    root_from_edge,
)

MAX_BUNDLE: Final = TILE_WIDTH * (2 + MAX_ENTRY)
# Seconds: to connect and between two pieces; for one file altogether, a server that drips included; before each retry.
TIMEOUT_S: Final = 10.0
FILE_S: Final = 60.0
RETRIES_S: Final = (1.0, 3.0)
_AGAIN = frozenset({429})


class Unreachable(AuditLogError):
    """The log cannot be reached now, or answers that it cannot serve: try again later. It says nothing of the log."""


class Withheld(AuditLogError):
    """Whoever keeps the log does not give this file to us."""


class HttpSource:
    """Reads the files below one address. A context manager; `sleep` waits before a retry."""

    def __init__(
        self,
        url: str,
        *,
        retries_s: tuple[float, ...] = RETRIES_S,
        timeout_s: float = TIMEOUT_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Raises FormatError for what is no address of a log."""
        self.url = check_url(url)
        self._retries = retries_s
        self._sleep = sleep
        # A proxy of the environment could serve a log of its own making, but its checkpoints would not verify.
        self._client = httpx.Client(
            timeout=timeout_s,
            follow_redirects=False,
            headers={"accept-encoding": "gzip", "user-agent": "greffier"},
        )

    def __enter__(self) -> HttpSource:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def read(self, path: str) -> bytes:
        """The file at a path such as "tile/0/000". Raises NotFound, Withheld, Unreachable, VerifyError (too large)."""
        for pause in self._retries:
            try:
                return self._once(path)
            except Unreachable:
                self._sleep(pause)
        return self._once(path)

    def _once(self, path: str) -> bytes:
        try:
            with self._client.stream("GET", f"{self.url}/{path}") as response:
                _check_status(response.status_code, path)
                return _body(response, path)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            # The library's text may hold the whole address, and so a secret in it.
            sentence = f"cannot be fetched ({type(error).__name__}): check the address, or try again later"
            raise Unreachable(sentence, field=path) from error


def check_url(url: str) -> str:
    """The address without its last slash. Raises FormatError, which never repeats it."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or parts.username is not None:
        raise FormatError("must be http://HOST/PATH or https://HOST/PATH, the prefix of a tlog-tiles log", field="URL")
    return url.rstrip("/")


def folder_source(folder: Path) -> ReadFile:
    """Reads the files below a folder: an export, a mirror, a stick."""

    def read(path: str) -> bytes:
        try:
            with open(folder / path, "rb", opener=_open_at_once) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise VerifyError("is no plain file", field=path)
                data = file.read(_limit(path) + 1)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound("no such file", field=path) from None
        except OSError as error:
            raise Unreachable(f"cannot be read: {error.strerror}", field=path) from error
        if len(data) > _limit(path):
            raise VerifyError("is larger than any file of its kind", field=path)
        return data

    return read


def _open_at_once(path: str, flags: int) -> int:
    """A stranger's folder may hold a pipe, at which opening would wait for ever."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def fetch_tile(read: ReadFile, tile: Tile) -> bytes:
    """The hashes of a tile, from the full tile where the partial one is gone (c2sp.org/tlog-tiles).

    Raises VerifyError where there is neither, or it has another length.
    """
    path = format_tile_path(tile)
    data = _or_full(read, path, format_tile_path(Tile(tile.level, tile.index)))
    if len(data) not in {tile.width * HASH_SIZE, TILE_BYTES}:
        raise VerifyError(f"must be {tile.width * HASH_SIZE} bytes and has {len(data)}", field=path)
    return data[: tile.width * HASH_SIZE]


def fetch_entries(read: ReadFile, index: int, width: int) -> list[bytes]:
    """The first `width` entries of bundle `index`, from the full bundle where the partial one is gone."""
    path = format_entries_path(index, width)
    data = _or_full(read, path, format_entries_path(index))
    try:
        entries = parse_entry_bundle(data)
    except FormatError as error:
        raise VerifyError(f"the file is damaged ({error})", field=path) from error
    if len(entries) not in {width, TILE_WIDTH}:
        raise VerifyError(f"must hold {width} entries and holds {len(entries)}", field=path)
    return entries[:width]


class Tiles:
    """The tiles of the tree of `size` leaves under a signed `root`; each one is verified before it is used."""

    def __init__(self, read: ReadFile, size: int, root: bytes) -> None:
        self.size = size
        self.root = root
        self._read = read
        self._seen: dict[tuple[int, int], bytes] = {}
        self._edge: dict[int, bytes] | None = None

    def nodes(self) -> ReadNodes:
        """Reads nodes of the tree, for proofs."""
        return nodes_reader(self.tile, self.size)

    def tile(self, tile: Tile) -> bytes:
        """The content of one tile. Raises VerifyError where it does not lead to the root."""
        place = (tile.level, tile.index)
        if place not in self._seen:
            self._seen[place] = self._verified(tile)
        return self._seen[place]

    def forget(self, level: int, index: int) -> None:
        """Let go of a tile that is not needed again, so that a long log does not fill the memory."""
        self._seen.pop((level, index), None)

    def entries(self, index: int, width: int) -> list[bytes]:
        """The entries of one bundle, each held against its leaf hash. Raises VerifyError("entry N: …")."""
        return self.check_entries(index, fetch_entries(self._read, index, width))

    def check_entries(self, index: int, entries: list[bytes]) -> list[bytes]:
        """The same entries, once their hashes are those of the tile. Raises VerifyError("entry N: …")."""
        hashes = self.tile(Tile(0, index, len(entries)))
        for position, entry in enumerate(entries):
            if leaf_hash(entry) != hashes[position * HASH_SIZE : (position + 1) * HASH_SIZE]:
                place = f"entry {index * TILE_WIDTH + position}"
                raise VerifyError("its bytes are not those that were signed", field=place)
        return entries

    def _verified(self, tile: Tile) -> bytes:
        edge = self._edge_tiles()
        if tile.width < TILE_WIDTH:
            return edge[tile.level]
        content = fetch_tile(self._read, tile)
        above = self._above(tile.level + 1, tile.index // TILE_WIDTH)
        start = tile.index % TILE_WIDTH * HASH_SIZE
        if root_hash(_hashes(content)) != above[start : start + HASH_SIZE]:
            raise VerifyError("its hashes do not lead to the root that was signed", field=format_tile_path(tile))
        return content

    def _above(self, level: int, index: int) -> bytes:
        width = min(TILE_WIDTH, (self.size >> TILE_HEIGHT * level) - index * TILE_WIDTH)
        return self.tile(Tile(level, index, width))

    def _edge_tiles(self) -> dict[int, bytes]:
        """The right-most partial tile of each level; together they make the root."""
        if self._edge is None:
            edge = {}
            level, count = 0, self.size
            while count:
                count, width = divmod(count, TILE_WIDTH)
                if width:
                    edge[level] = fetch_tile(self._read, Tile(level, count, width))
                level += 1
            if root_from_edge(self.size, edge) != self.root:
                raise VerifyError("the tiles do not lead to the root that was signed", field="checkpoint line 3")
            self._edge = edge
        return self._edge


def _hashes(content: bytes) -> list[bytes]:
    return [content[start : start + HASH_SIZE] for start in range(0, len(content), HASH_SIZE)]


def _or_full(read: ReadFile, path: str, full: str) -> bytes:
    try:
        return read(path)
    except NotFound:
        if path == full:
            raise VerifyError("this file is missing", field=path) from None
    try:
        return read(full)
    except NotFound:
        raise VerifyError("this file is missing", field=path) from None


def _limit(path: str) -> int:
    if path == CHECKPOINT:
        return MAX_NOTE
    return MAX_BUNDLE if path.startswith("tile/entries/") else TILE_BYTES


def _check_status(status: int, path: str) -> None:
    if status == httpx.codes.OK:
        return
    if status in {404, 410}:
        raise NotFound("no such file", field=path)
    if status >= 500 or status in _AGAIN:
        raise Unreachable(f"cannot be served now (status {status}): try again later", field=path)
    if status in {401, 403}:
        raise Withheld("is not given to everyone: ask the log's keeper for a copy", field=path)
    raise Unreachable(f"is answered with status {status}: check the address", field=path)


def _body(response: httpx.Response, path: str) -> bytes:
    """The file, unpacked here so that neither a large answer nor a small one that unpacks to a large one gets in."""
    limit = _limit(path)
    encoding = response.headers.get("content-encoding", "identity")
    if encoding not in {"gzip", "identity"}:
        raise Unreachable("comes in an encoding that was not asked for", field=path)
    unpack = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    deadline = time.monotonic() + FILE_S
    data = b""
    for piece in response.iter_raw():  # as it comes: a size to wait for would let a server drip for ever
        try:
            data += piece if unpack is None else unpack.decompress(piece, limit + 1 - len(data))
        except zlib.error as error:
            raise Unreachable("is no proper gzip: try again later", field=path) from error
        if len(data) > limit:
            raise VerifyError("is larger than any file of its kind: check the address", field=path)
        if time.monotonic() > deadline:
            raise Unreachable(f"takes longer than {FILE_S:.0f} seconds: try again later", field=path)
    if unpack is not None and not unpack.eof:
        raise Unreachable("broke off: try again later", field=path)
    return data
