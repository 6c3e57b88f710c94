"""The header of a GGUF file (versions 2 and 3): its scalar metadata, and whether the file holds all announced tensors.

Source: the GGUF specification of ggml (`docs/gguf.md`). Read by us before llama.cpp sees the file, since what it does
with a damaged one (abort, huge allocation) is not ours to decide.
"""

from __future__ import annotations

import math
import os
import struct

from runtime.errors import ModelTruncated, NotGguf

Scalar = str | int | float | bool

_STRING, _ARRAY = 8, 9
_FORMATS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_MAX_STRING = 1 << 26
_MAX_COUNT = 1 << 26
# ggml type → (weights per block, bytes per block), for the types that files in the wild use.
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 40), 10: (256, 84),
    11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74),
    18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2),
    26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2),
}  # fmt: skip


class _Reader:
    """Buffered reading of a descriptor from its start, whatever its own position is."""

    def __init__(self, fd: int) -> None:
        self._file = os.fdopen(os.dup(fd), "rb")
        self._file.seek(0)

    def bytes(self, count: int) -> bytes:
        if count > _MAX_STRING:
            raise NotGguf("the header announces a member of absurd size", field="model")
        data = self._file.read(count)
        if len(data) != count:
            raise ModelTruncated("the file ends inside its header", field="model", fix="fetch the whole file again")
        return data

    def number(self, form: str) -> Scalar:
        value: Scalar = struct.unpack(form, self.bytes(struct.calcsize(form)))[0]
        return value

    def count(self, form: str = "<Q") -> int:
        value = int(self.number(form))
        if value > _MAX_COUNT:
            raise NotGguf("the header announces an absurd number of members", field="model")
        return value

    def string(self) -> str:
        return self.bytes(int(self.number("<Q"))).decode("utf-8", errors="replace")

    @property
    def position(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()


def read_header(fd: int) -> dict[str, Scalar]:
    """The scalar metadata; raises NotGguf or ModelTruncated. Arrays (the vocabulary) are stepped over."""
    return _read_file(fd)[0]


def count_weights(fd: int) -> int:
    """How many weights all tensors hold; raises NotGguf or ModelTruncated."""
    return _read_file(fd)[1]


def _read_file(fd: int) -> tuple[dict[str, Scalar], int]:
    reader = _Reader(fd)
    try:
        return _read(reader, os.fstat(fd).st_size)
    finally:
        reader.close()


def _read(reader: _Reader, size: int) -> tuple[dict[str, Scalar], int]:
    if size < 4 or reader.bytes(4) != b"GGUF":
        raise NotGguf(
            "the file does not begin with GGUF", field="model", fix="give a GGUF file, as llama.cpp reads them"
        )
    if reader.number("<I") not in (2, 3):
        raise NotGguf("only GGUF versions 2 and 3, little-endian, are read", field="model")
    tensors, keys = reader.count(), reader.count()
    metadata: dict[str, Scalar] = {}
    for _ in range(keys):
        key = reader.string()
        value = _value(reader, int(reader.number("<I")))
        if value is not None:
            metadata[key] = value
    found = [_tensor(reader) for _ in range(tensors)]
    end = max((tensor_end for tensor_end, _ in found), default=0)
    alignment = int(metadata.get("general.alignment", 32)) or 32
    start = math.ceil(reader.position / alignment) * alignment
    if start + end > size:
        raise ModelTruncated("the file ends before its tensors do", field="model", fix="fetch the whole file again")
    return metadata, sum(weights for _, weights in found)


def _value(reader: _Reader, kind: int) -> Scalar | None:
    if kind == _STRING:
        return reader.string()
    if kind == _ARRAY:
        _skip_array(reader)
        return None
    return reader.number(_format(kind))


def _skip_array(reader: _Reader) -> None:
    kind, count = int(reader.number("<I")), reader.count()
    if kind == _STRING:
        for _ in range(count):
            reader.bytes(int(reader.number("<Q")))
    else:
        reader.bytes(count * struct.calcsize(_format(kind)))


def _format(kind: int) -> str:
    if kind not in _FORMATS:
        raise NotGguf("the header holds a value of unknown type", field="model")
    return _FORMATS[kind]


def _tensor(reader: _Reader) -> tuple[int, int]:
    """Where a tensor ends among the tensors' bytes, and how many weights it has."""
    reader.string()
    shape = [int(reader.number("<Q")) for _ in range(reader.count("<I"))]
    kind, offset = int(reader.number("<I")), int(reader.number("<Q"))
    per_block, block_bytes = _BLOCKS.get(kind, (1, 0))  # a type we do not know: at least its offset must exist
    weights = math.prod(shape)
    return offset + weights // per_block * block_bytes, weights
