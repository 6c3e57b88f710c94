"""Length-prefixed JSON over a pipe: four bytes big-endian, then that many bytes of UTF-8 JSON, an object."""

from __future__ import annotations

import json
import os
from typing import Any

from runtime.errors import PipeBroken

MAX_FRAME = 16 * 1024 * 1024

Frame = dict[str, Any]

_JSON = json.JSONEncoder(separators=(",", ":"), allow_nan=False)  # `json.dumps` would make one for each frame


def format_frame(frame: Frame) -> bytes:
    """The bytes of one frame. ASCII JSON, so that even a lone surrogate cannot break the pipe."""
    try:
        body = _JSON.encode(frame).encode("ascii")
    except (TypeError, ValueError) as error:
        raise PipeBroken("the request holds what JSON cannot", field="request", reason="input_invalid") from error
    if len(body) > MAX_FRAME:
        raise PipeBroken(
            "the request is larger than 16 MiB", field="request", fix="shorten the fields", reason="too_large"
        )
    return len(body).to_bytes(4, "big") + body


def write_frame(fd: int, frame: Frame) -> None:
    """Writes a whole frame; raises OSError (BrokenPipeError) when the other side is gone."""
    write_all(fd, format_frame(frame))


def write_all(fd: int, frames: bytes) -> None:
    """As `write_frame`, of frames that are formatted already: those who read are woken once for all of them."""
    rest = memoryview(frames)
    while rest:
        rest = rest[os.write(fd, rest) :]


class FrameReader:
    """Collects bytes from a descriptor and gives whole frames."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._bytes = bytearray()

    def read(self) -> list[Frame] | None:
        """One read(2), then every frame that is complete; None at the end of the pipe."""
        chunk = os.read(self._fd, 1 << 16)
        if not chunk:
            return None
        self._bytes += chunk
        frames = []
        while len(self._bytes) >= 4:
            size = int.from_bytes(self._bytes[:4], "big")
            if size > MAX_FRAME:
                raise PipeBroken("a frame announces more than 16 MiB", field="frame")
            if len(self._bytes) < 4 + size:
                break
            frames.append(_parse(bytes(self._bytes[4 : 4 + size])))
            del self._bytes[: 4 + size]
        return frames


def _parse(body: bytes) -> Frame:
    try:
        frame = json.loads(body)
    except ValueError as error:
        raise PipeBroken("a frame is not JSON", field="frame") from error
    if not isinstance(frame, dict):
        raise PipeBroken("a frame is not a JSON object", field="frame")
    return frame
