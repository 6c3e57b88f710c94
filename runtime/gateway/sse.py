"""Server-sent events as they come in (WHATWG HTML, 9.2.6): bytes to the data of each event. Pure.

Only `data` is kept: a stream of answers names no events. What breaks the form raises SseInvalid.
"""

from __future__ import annotations

MAX_EVENT = 1 << 20
"""Bytes of one event's data; a longer one is no answer to us."""


class SseInvalid(Exception):
    """The stream is no sequence of events."""


class Events:
    """Feed it bytes; it gives the data of every event that is whole. A last event without its blank line is dropped."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []
        self._size = 0
        self._first = True

    def feed(self, data: bytes) -> list[str]:
        """The events that end within `data`. Raises SseInvalid."""
        found = []
        for line in self._lines(data):
            if line:
                self._take(line)
            elif self._data:
                found.append("\n".join(self._data))
                self._data, self._size = [], 0
        return found

    def _lines(self, data: bytes) -> list[bytes]:
        """Whole lines. They end with CR LF, LF or CR; a CR at the very end waits for what follows it."""
        held = self._rest + data
        if len(held) > MAX_EVENT + len(data):
            raise SseInvalid("a line is too long")
        keep = b""
        if held.endswith(b"\r"):
            held, keep = held[:-1], b"\r"
        *lines, rest = held.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = rest + keep
        return lines

    def _take(self, line: bytes) -> None:
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise SseInvalid("a line is not UTF-8") from None
        text = text.removeprefix("\ufeff") if self._first else text
        self._first = False
        name, _, value = text.partition(":")
        if name != "data":
            return  # a comment (empty name), or a field that says nothing of the answer
        value = value.removeprefix(" ")
        self._size += len(value)
        if self._size > MAX_EVENT:
            raise SseInvalid("an event is too long")
        self._data.append(value)
