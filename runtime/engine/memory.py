"""What a model and a context will take of the memory, told before anything is loaded. Pure, but for `total_memory`.

Estimates from the header of the file, on the high side where a header does not say (`block_count`, head sizes and
counts as GGUF names them): better a refusal in words than a worker that the kernel ends.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.models.gguf import Scalar
    from runtime.shape import Shape

MIB = 1 << 20
# Bytes a value, as (numerator, denominator): Q8_0 holds 32 values and one half-precision scale in 34 bytes.
_CACHE_BYTES = {"q8_0": (34, 32), "f16": (2, 1)}
_CELLS = 256  # llama.cpp rounds the cells of a stream up to this
_CGROUP = Path("/sys/fs/cgroup/memory.max")


def total_memory() -> int:
    """Bytes of memory that this process may use: the machine's, or less where its control group says so."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(machine, int(_CGROUP.read_text()))
    except (OSError, ValueError):  # no such group, or no limit ("max")
        return machine


def cache_bytes(metadata: Mapping[str, Scalar], shape: Shape) -> int:
    """Bytes of the KV cache of a context."""
    keys, values = _values(metadata)
    streams = 1 if shape.kv_unified else shape.n_seq_max
    cells = -(-shape.n_ctx // streams // _CELLS) * _CELLS * streams
    layers = _number(metadata, "block_count", 1)
    return sum(
        cells * layers * width * _CACHE_BYTES[kind][0] // _CACHE_BYTES[kind][1]
        for width, kind in ((keys, shape.type_k), (values, shape.type_v))
    )


def working_bytes(metadata: Mapping[str, Scalar], shape: Shape, *, outputs: int, vocabulary: int) -> int:
    """Bytes beside the cache: logits of the wanted rows, and what one micro-batch needs on its way through."""
    width, inner = _number(metadata, "embedding_length", 1), _number(metadata, "feed_forward_length", 1)
    heads = _number(metadata, "attention.head_count", 1)
    rows = min(shape.n_ubatch, shape.n_ctx)
    scores = heads * rows * shape.n_ctx * 4 if shape.flash_attention == "off" else rows * shape.n_ctx * 2
    return 4 * (2 * outputs * vocabulary + rows * (8 * width + 3 * inner)) + scores


def _values(metadata: Mapping[str, Scalar]) -> tuple[int, int]:
    """Values that one layer keeps for one token: of K, of V."""
    heads = max(_number(metadata, "attention.head_count", 1), 1)
    groups = _number(metadata, "attention.head_count_kv", heads)  # a list, one a layer, is not among the scalars
    size = _number(metadata, "embedding_length", 1) // heads
    keys, values = (_number(metadata, f"attention.{name}_length", size) for name in ("key", "value"))
    return groups * keys, groups * values


def _number(metadata: Mapping[str, Scalar], name: str, default: int) -> int:
    value = metadata.get(f"{metadata.get('general.architecture')}.{name}", default)
    return value if isinstance(value, int) else default
