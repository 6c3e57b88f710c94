"""The only door to llama.cpp. Every call that would abort the process is checked here first.

It aborts on a batch above n_batch, more wanted rows than n_outputs, a partial copy between KV streams; other mistakes
leave a state half changed (probed: `../shared/reference/runtime.md` 1a). All are refused before the call is made.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import re
from collections.abc import Callable, Sequence
from ctypes import c_char_p
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Threads that spin at a barrier starve each other once anything else runs; threads that sleep at once lose half the
# speed of a batch. So they spin for some microseconds, then sleep: 141 tokens a second asleep, 262 so, at 8 slots on 2
# idle cores, and at load 3 no slower than asleep (docs/performance.md). OpenMP reads these when it is loaded; an
# operator's own settings stay.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import llama_cpp
import llama_cpp.llama_cpp as c
from llama_cpp._ggml import libggml

from runtime.engine.batch import BatchRow, Part, Sheet
from runtime.errors import CallRefused, ContextFull, ModelUnusable, ProgramInvalid
from runtime.llama.vocabulary import Grammar, Vocabulary
from runtime.sampler import Row
from runtime.shape import Shape

__all__ = [
    "RELEASE",
    "Block",
    "Context",
    "Grammar",
    "Model",
    "Vocabulary",
    "build_digest",
    "cpu_features",
    "device_memory",
    "device_name",
    "quantize",
    "start",
    "threads_available",
]

logger = logging.getLogger(__name__)
logger.addHandler(logging.NullHandler())

RELEASE = f"llama-cpp-python {llama_cpp.__version__}"
_CACHE_TYPES = {"q8_0": c.GGML_TYPE_Q8_0, "f16": c.GGML_TYPE_F16}
_FLASH = {"auto": -1, "off": 0, "on": 1}
_MAX_SEQUENCES = 256
_OFFLOAD = (1, 2)  # enum ggml_backend_dev_type: a GPU with memory of its own, or one in the processor
_LEVELS = {2: logging.INFO, 3: logging.WARNING}


@c.llama_log_callback  # type: ignore[untyped-decorator,unused-ignore]
def _log(level: int, text: bytes, _: ctypes.c_void_p) -> None:
    logger.log(_LEVELS.get(level, logging.DEBUG), "%s", text.decode("utf-8", "replace").rstrip())


def start() -> None:
    """Makes the library quiet and ready; once a process."""
    c.llama_log_set(_log, ctypes.c_void_p(0))
    c.llama_backend_init()


def cpu_features() -> tuple[str, ...]:
    """The features that the library was built with and found, as codes (AVX2, FMA, …), sorted."""
    found = re.findall(r"([A-Z0-9_]{1,24}) = (\d+)", c.llama_print_system_info().decode("ascii", "replace"))
    return tuple(sorted({name for name, value in found if value != "0"}))


def build_digest() -> str:
    """`sha256:` over names and hashes of the native libraries that this process has mapped."""
    maps = Path("/proc/self/maps")
    paths = {path.resolve() for path in (Path(llama_cpp.__file__).parent / "lib").iterdir()}
    if maps.exists():
        paths = {Path(line.split(maxsplit=5)[5]) for line in maps.read_text().splitlines() if line.count(" ") > 5}
    ours = sorted((p for p in paths if re.match(r"lib(llama|ggml)", p.name)), key=lambda path: path.name)
    lines = [f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n" for path in ours]
    return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()


def quantize(source: str, target: str, kind: int, said: Callable[[str], None]) -> bool:
    """Writes a quantised copy of a GGUF file; False where it cannot. `kind`: `llama_ftype`. `said`: its lines."""
    # Kept by a name until the call is over: the library holds no reference of its own.
    tell = c.llama_log_callback(lambda _level, text, _: said(text.decode("utf-8", "replace").strip()))
    c.llama_log_set(tell, ctypes.c_void_p(0))
    params = c.llama_model_quantize_default_params()
    params.ftype, params.nthread, params.allow_requantize = kind, threads_available(), True
    try:
        return int(c.llama_model_quantize(source.encode(), target.encode(), params)) == 0
    finally:
        c.llama_log_set(_log, ctypes.c_void_p(0))


def device_name(gpu_layers: int) -> str:
    """Where the layers run: `cpu`, or name and description of the first device that they are offloaded to."""
    device = _offload_device() if gpu_layers else None
    if device is None:
        return "cpu"
    text = " ".join(_ggml(f"ggml_backend_dev_{part}", c_char_p, device).decode() for part in ("name", "description"))
    return re.sub(r"[^A-Za-z0-9 ._+-]+", " ", text).strip()[:80]


def device_memory(gpu_layers: int) -> int | None:
    """Free bytes of the device that layers are offloaded to, or None without one."""
    device = _offload_device() if gpu_layers else None
    if device is None:
        return None
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    _ggml("ggml_backend_dev_memory", None, device, ctypes.byref(free), ctypes.byref(total))
    return free.value


def _offload_device() -> ctypes.c_void_p | None:
    for i in range(_ggml("ggml_backend_dev_count", ctypes.c_size_t)):
        device = ctypes.c_void_p(_ggml("ggml_backend_dev_get", ctypes.c_void_p, ctypes.c_size_t(i)))
        if _ggml("ggml_backend_dev_type", ctypes.c_int, device) in _OFFLOAD:
            return device
    return None


def _ggml(name: str, result: Any, *arguments: Any) -> Any:
    """A call of ggml itself, which the bindings do not declare."""
    function = getattr(libggml, name)
    function.restype = result
    return function(*arguments)


def threads_available() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


Block = NDArray[np.float32]


class Model:
    """Loaded weights. `path` may name a descriptor; the file is read, not mapped. `said` is told of progress, in ‰."""

    def __init__(self, path: str, *, gpu_layers: int = 0, said: Callable[[int], None] | None = None) -> None:
        params = c.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        params.load_mode = c.LLAMA_LOAD_MODE_NONE
        params.lazy_mode = c.LLAMA_LAZY_MODE_OFF
        # Kept by a name until the call is over: the library holds no reference of its own.
        tell = c.llama_progress_callback(lambda done, _: said is None or said(int(done * 1000)) is None)
        params.progress_callback = tell
        self.handle: Any = c.llama_model_load_from_file(path.encode(), params)
        if not self.handle:
            fix = "quantize it for this build, or accept a newer build"
            raise ModelUnusable("this build of llama.cpp cannot load the model", field="model.sha256", fix=fix)
        self.vocabulary = Vocabulary(self.handle)
        self.trained_context = int(c.llama_model_n_ctx_train(self.handle))
        self.size = int(c.llama_model_size(self.handle))
        self.device = device_name(gpu_layers)
        self.gpu_layers = gpu_layers

    def close(self) -> None:
        """Frees the weights; contexts of it must be closed before."""
        if self.handle:
            self.vocabulary.close()
            c.llama_model_free(self.handle)
            self.handle = None


class Context:
    """A KV cache with one stream for each sequence, and the batches that fill it.

    `room` is how many tokens a sequence holds: its share of n_ctx, or all of it where all share one stream (then the
    cache can be full before a sequence is, which `ContextFull` says). `spare`: sequences beside those of the shape.
    """

    def __init__(self, model: Model, shape: Shape, *, outputs: int | None = None, spare: int = 0) -> None:
        room = shape.n_ctx if shape.kv_unified else shape.n_ctx // shape.n_seq_max
        if room > model.trained_context:
            what = f"a sequence may hold {model.trained_context} tokens, for which the model was trained"
            raise ProgramInvalid(what, field="context.n_ctx", fix="lower n_ctx or raise n_seq_max")
        if not model.handle:
            raise CallRefused("the model was freed", field="model")
        self.threads = self._threads = shape.threads or threads_available()
        self.device = model.device
        self.sequences = shape.n_seq_max + spare
        self.outputs = outputs or self.sequences
        if not self.sequences <= self.outputs or self.sequences > _MAX_SEQUENCES:
            what = f"a context has at most {_MAX_SEQUENCES} sequences, and a wanted row for each"
            raise CallRefused(what, field="context.n_seq_max")
        params = _context_params(shape.with_spare(spare), self.threads, self.outputs)
        self._handle: Any = c.llama_init_from_model(model.handle, params)
        if not self._handle:
            what = "llama.cpp cannot make this context (memory, cache type or head size)"
            raise ModelUnusable(what, field="context", fix="lower n_ctx or n_seq_max, or use f16")
        self._memory: Any = c.llama_get_memory(self._handle)
        self.room = min(room, int(c.llama_n_ctx_seq(self._handle)))
        self.n_batch = int(c.llama_n_batch(self._handle))  # silently capped by llama.cpp
        self._lengths = [0] * self.sequences
        self._vocabulary_size = model.vocabulary.size
        self._sheet = Sheet(
            rows=self.n_batch,
            sequences=self.sequences,
            room=self.room,
            outputs=self.outputs,
            vocabulary=model.vocabulary.size,
        )
        self._batch = _batch(self._sheet)
        self._address, self._block = 0, np.empty((0, model.vocabulary.size), np.float32)

    def set_threads(self, threads: int) -> None:
        """Runs the batches that follow on so many threads, whatever number is its own."""
        self._demand_open()
        if threads != self._threads:
            c.llama_set_n_threads(self._handle, threads, threads)
            self._threads = threads

    def length(self, sequence: int) -> int:
        """How many tokens a sequence holds."""
        self._demand_open()
        self._sheet.check_sequence(sequence)
        return self._lengths[sequence]

    def rewind(self, sequence: int, length: int) -> None:
        """Removes the tail of a sequence, so that `length` tokens remain."""
        if not 0 <= length <= self.length(sequence):
            raise CallRefused("a sequence cannot be rewound to what it does not hold", field="length")
        if not c.llama_memory_seq_rm(self._memory, sequence, length, -1):
            raise CallRefused("this model's memory cannot be rewound in part", field="length")
        self._lengths[sequence] = length

    def copy(self, source: int, target: int) -> None:
        """Copies a whole sequence into an empty one; parts cannot be copied between streams (that aborts)."""
        if source == target or self.length(target) or not self.length(source):
            raise CallRefused("only a whole sequence can be copied, into an empty one", field="sequence")
        c.llama_memory_seq_cp(self._memory, source, target, -1, -1)
        self._lengths[target] = self._lengths[source]

    def decode(self, rows: Sequence[BatchRow]) -> list[Row]:
        """Runs a batch; gives a copy of the logits of each wanted row, in batch order."""
        return list(self._run(self._sheet.fill_rows(rows, self._lengths)).copy())

    def run(self, parts: Sequence[Part]) -> Block:
        """Runs a batch of parts; gives the logits of the wanted rows, in order: (rows, vocabulary), float32.

        It is the library's own memory, gone with the next call. Raises ContextFull where nothing was decoded for want
        of room, and CallRefused where the context cannot be used any more.
        """
        return self._run(self._sheet.fill(parts, self._lengths))

    def _run(self, lengths: list[int]) -> Block:
        self._demand_open()
        self._batch.n_tokens = self._sheet.used
        status = c.llama_decode(self._handle, self._batch)
        if status == 1:
            raise ContextFull("the context is full", field="context", fix="ask again, or register a larger n_ctx")
        if status != 0:
            raise CallRefused(f"llama.cpp could not decode a batch (status {status})", field="batch")
        self._lengths = lengths
        return self._logits()[: self._sheet.wants]

    def _logits(self) -> Block:
        """The library's rows; made into an array anew only where they have moved."""
        if self._sheet.wants:
            found = c.llama_get_logits(self._handle)
            if (address := ctypes.addressof(found.contents)) != self._address:
                self._block = np.ctypeslib.as_array(found, (self.outputs, self._vocabulary_size))
                self._address = address
        return self._block

    def _demand_open(self) -> None:
        if not self._handle:
            raise CallRefused("the context was freed", field="context")

    def close(self) -> None:
        """Frees cache and batch."""
        if self._handle:
            c.llama_free(self._handle)
            self._handle = None


def _batch(sheet: Sheet) -> Any:
    """The structure over the arrays of a sheet, which must outlive it."""

    def pointer(array: Any, kind: Any) -> Any:
        return ctypes.cast(array.ctypes.data, ctypes.POINTER(kind))

    return c.llama_batch(
        n_tokens=0,
        token=pointer(sheet.token, c.llama_token),
        embd=None,
        pos=pointer(sheet.position, c.llama_pos),
        n_seq_id=pointer(sheet.ones, ctypes.c_int32),
        seq_id=pointer(sheet.pointers, ctypes.POINTER(c.llama_seq_id)),
        logits=pointer(sheet.wanted, ctypes.c_int8),
    )


def _context_params(shape: Shape, threads: int, outputs: int) -> Any:
    params = c.llama_context_default_params()
    params.n_ctx, params.n_batch, params.n_ubatch = shape.n_ctx, shape.n_batch, shape.n_ubatch
    params.n_seq_max, params.n_outputs_max = shape.n_seq_max, outputs
    params.n_threads = params.n_threads_batch = threads
    params.type_k, params.type_v = _CACHE_TYPES[shape.type_k], _CACHE_TYPES[shape.type_v]
    params.flash_attn_type = _FLASH[shape.flash_attention]
    params.kv_unified = shape.kv_unified
    params.offload_kqv = params.op_offload = True
    params.no_perf = True
    return params
