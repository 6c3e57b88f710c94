"""Lines of records from elsewhere (NDJSON), cut out of bytes as they come, and read one by one."""

from __future__ import annotations

from typing import Final, TypeAlias

from auditlog.core.formats.canonical import Json, parse_json
from home.errors import AppError, UsageError, asked
from service.external.import_records import MAX_BATCH

MAX_LINE: Final = 1 << 20
# So many bytes are handed over together at most, and `MAX_BATCH` lines.
_TOGETHER: Final = 1 << 20

Numbered: TypeAlias = "tuple[int, Json | AppError]"
"""The number of a line, from 1, and what it holds, or what was wrong in reading it."""


class Lines:
    """Cuts a stream of bytes into lines, and lines into batches; a line that is too long is skipped to its end."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._number = 0
        self._skipping = False
        self._batch: list[Numbered] = []
        self._bytes = 0

    def add(self, chunk: bytes) -> list[list[Numbered]]:
        """The batches that are full with this chunk."""
        full: list[list[Numbered]] = []
        # A line may come byte by byte: what is here of it is copied only when it ends.
        self._rest += chunk
        lines: list[bytes] = []
        if b"\n" in chunk:
            *lines, rest = bytes(self._rest).split(b"\n")
            self._rest = bytearray(rest)
        for line in lines:
            self._line(line)
            if len(self._batch) == MAX_BATCH or self._bytes >= _TOGETHER:
                full.append(self._cut())
        if len(self._rest) > MAX_LINE:
            self._rest.clear()
            self._skipping = True
        return full

    def end(self) -> list[list[Numbered]]:
        """The last batch; the last line needs no line end."""
        if self._rest or self._skipping:
            self._line(bytes(self._rest))
        return [self._cut()] if self._batch else []

    def _line(self, line: bytes) -> None:
        self._number += 1
        if self._skipping or len(line) > MAX_LINE:
            self._skipping = False
            self._batch.append((self._number, UsageError(f"is longer than {MAX_LINE} bytes")))
        elif line.strip():
            self._bytes += len(line)
            self._batch.append((self._number, _parse(line)))

    def _cut(self) -> list[Numbered]:
        batch, self._batch, self._bytes = self._batch, [], 0
        return batch


def _parse(line: bytes) -> Json | AppError:
    try:
        with asked():
            return parse_json(line)
    except UsageError as error:
        return error
