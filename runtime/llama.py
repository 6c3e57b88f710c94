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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# Threads that spin at a barrier starve each other once anything else runs: at load 10 on 2 cores 121 ms a token, 27 ms
# with sleeping ones (docs/performance.md). OpenMP reads this when it is loaded; an operator's own setting stays.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import llama_cpp
import llama_cpp.llama_cpp as c

from runtime.errors import CallRefused, InputInvalid, ModelUnusable, ProgramInvalid
from runtime.program import Shape
from runtime.sampler import Row

logger = logging.getLogger(__name__)
logger.addHandler(logging.NullHandler())

RELEASE = f"llama-cpp-python {llama_cpp.__version__}"
_CACHE_TYPES = {"q8_0": c.GGML_TYPE_Q8_0, "f16": c.GGML_TYPE_F16}
_FLASH = {"auto": -1, "off": 0, "on": 1}
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


def threads_available() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Vocabulary:
    """Tokens and their text. Text is always read as plain text; special tokens are looked up in `specials`."""

    def __init__(self, model: ctypes.c_void_p) -> None:
        self._vocab: Any = c.llama_model_get_vocab(model)
        self.size = int(c.llama_vocab_n_tokens(self._vocab))
        self._is_bytes = c.llama_vocab_type(self._vocab) == c.LLAMA_VOCAB_TYPE_BPE
        ids = range(self.size)
        self.control = np.fromiter((c.llama_vocab_is_control(self._vocab, i) for i in ids), dtype=bool, count=self.size)
        self.ends = frozenset(i for i in ids if c.llama_vocab_is_eog(self._vocab, i))
        specials = {(c.llama_vocab_get_text(self._vocab, int(i)) or b"").decode("utf-8", "replace"): int(i)
                    for i in np.flatnonzero(self.control)}  # fmt: skip
        self.specials = {text: token for text, token in specials.items() if text}
        self.bos = int(c.llama_vocab_bos(self._vocab)) if c.llama_vocab_get_add_bos(self._vocab) else None
        self._pieces: dict[int, bytes] = {}

    def tokenize(self, text: str) -> list[int]:
        """Tokens of plain text: what looks like a special token is spelled out.

        Raises InputInvalid where a character would be lost: a byte-level vocabulary need not have every byte.
        """
        data = text.encode()
        if not data:
            return []
        room = len(data) + 8
        buffer = (c.llama_token * room)()
        count = c.llama_tokenize(self._vocab, data, len(data), buffer, room, False, False)
        if count < 0:
            raise CallRefused("the text cannot be tokenized", field="prompt")
        tokens = list(buffer[:count])
        if self._is_bytes and sum(len(self.piece(token)) for token in tokens) < len(data):
            raise InputInvalid("the model has no token for one of its characters", field="prompt", fix="spell it out")
        return tokens

    def piece(self, token: int) -> bytes:
        """The bytes of one token, special ones spelled out."""
        known = self._pieces.get(token)
        if known is None:
            if not 0 <= token < self.size:
                raise CallRefused("token id outside the vocabulary", field="token")
            buffer = ctypes.create_string_buffer(512)
            count = c.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, True)
            known = self._pieces[token] = buffer.raw[: max(count, 0)]
        return known

    def grammar(self, gbnf: str) -> Grammar:
        """A grammar over these tokens."""
        return Grammar(self._vocab, self.size, gbnf)


class Grammar:
    """The state of one grammar while its text grows."""

    def __init__(self, vocab: Any, size: int, gbnf: str) -> None:
        self._size = size
        self._sampler = c.llama_sampler_init_grammar(vocab, gbnf.encode(), b"root")
        if not self._sampler:  # a NULL pointer object, not None
            raise ProgramInvalid("llama.cpp does not take the grammar made from the schema", field="output_schema")
        self._allowed: set[int] = set()

    def allowed(self, tokens: Sequence[int]) -> list[bool]:
        """For each token whether it may come next."""
        if any(not 0 <= token < self._size for token in tokens):
            raise CallRefused("token id outside the vocabulary", field="token")
        rows = np.zeros(len(tokens), dtype=_CANDIDATE)
        rows["id"] = tokens
        array = c.llama_token_data_array(rows.ctypes.data_as(c.llama_token_data_p), len(tokens), -1, sorted=False)
        c.llama_sampler_apply(self._sampler, ctypes.byref(array))
        keep: list[bool] = np.isfinite(rows["logit"]).tolist()
        self._allowed = {token for token, ok in zip(tokens, keep, strict=True) if ok}
        return keep

    def accept(self, token: int) -> None:
        """Moves on by a token that the last `allowed` permitted; any other would throw inside the library and abort."""
        if token not in self._allowed:
            raise CallRefused("the grammar was not asked about this token", field="token")
        c.llama_sampler_accept(self._sampler, token)
        self._allowed = set()

    def close(self) -> None:
        """Frees the state."""
        if self._sampler:
            c.llama_sampler_free(self._sampler)
        self._sampler = None


_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class Model:
    """Loaded weights. `path` may name a descriptor; the file is read, not mapped."""

    def __init__(self, path: str, *, gpu_layers: int = 0) -> None:
        params = c.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        params.load_mode = c.LLAMA_LOAD_MODE_NONE
        params.lazy_mode = c.LLAMA_LAZY_MODE_OFF
        self.handle: Any = c.llama_model_load_from_file(path.encode(), params)
        if not self.handle:
            fix = "quantize it for this build, or accept a newer build"
            raise ModelUnusable("this build of llama.cpp cannot load the model", field="model.sha256", fix=fix)
        self.vocabulary = Vocabulary(self.handle)
        self.trained_context = int(c.llama_model_n_ctx_train(self.handle))

    def close(self) -> None:
        """Frees the weights; contexts of it must be closed before."""
        if self.handle:
            c.llama_model_free(self.handle)
            self.handle = None


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One row of a batch: a token at a position of a sequence, and whether its logits are wanted."""

    token: int
    position: int
    sequence: int
    wanted: bool = False


class Context:
    """A KV cache with one stream for each sequence, and the batches that fill it."""

    def __init__(self, model: Model, shape: Shape, *, outputs: int | None = None) -> None:
        if shape.n_ctx > model.trained_context:
            what = f"the model was trained for {model.trained_context} tokens"
            raise ProgramInvalid(what, field="context.n_ctx")
        self.threads = shape.threads or threads_available()
        self.outputs = outputs or shape.n_seq_max
        self._vocabulary_size = model.vocabulary.size
        params = _context_params(shape, self.threads, self.outputs)
        self._handle: Any = c.llama_init_from_model(model.handle, params)
        if not self._handle:
            what = "llama.cpp cannot make this context (memory, cache type or head size)"
            raise ModelUnusable(what, field="context", fix="lower n_ctx or n_seq_max, or use f16")
        self._memory: Any = c.llama_get_memory(self._handle)
        self.room = min(shape.n_ctx // shape.n_seq_max, int(c.llama_n_ctx_seq(self._handle)))
        self.n_batch = int(c.llama_n_batch(self._handle))  # silently capped by llama.cpp
        self._lengths = [0] * shape.n_seq_max
        self._batch = c.llama_batch_init(self.n_batch, 0, 1)
        self._token, self._position, self._wanted = (
            np.ctypeslib.as_array(member, (self.n_batch,))
            for member in (self._batch.token, self._batch.pos, self._batch.logits)
        )
        # Rows of seq_id are separate allocations: one view for each, made once.
        self._sequence = [np.ctypeslib.as_array(self._batch.seq_id[i], (1,)) for i in range(self.n_batch)]
        np.ctypeslib.as_array(self._batch.n_seq_id, (self.n_batch,))[:] = 1

    def length(self, sequence: int) -> int:
        """How many tokens a sequence holds."""
        self._check_sequence(sequence)
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
        lengths = self._check(rows)
        for i, row in enumerate(rows):
            self._token[i], self._position[i], self._wanted[i] = row.token, row.position, row.wanted
            self._sequence[i][0] = row.sequence
        self._batch.n_tokens = len(rows)
        status = c.llama_decode(self._handle, self._batch)
        if status != 0:
            raise CallRefused(f"llama.cpp could not decode a batch (status {status})", field="batch")
        self._lengths = lengths
        if not (count := sum(row.wanted for row in rows)):
            return []
        logits = np.ctypeslib.as_array(c.llama_get_logits(self._handle), (count, self._vocabulary_size))
        return list(logits.copy())

    def _check(self, rows: Sequence[BatchRow]) -> list[int]:
        """The lengths after the batch; raises CallRefused for what llama.cpp would abort on or half do."""
        if not 1 <= len(rows) <= self.n_batch:
            raise CallRefused(f"a batch has 1 to {self.n_batch} rows", field="batch")
        if sum(row.wanted for row in rows) > self.outputs:
            raise CallRefused(f"at most {self.outputs} rows of a batch can be wanted", field="batch")
        lengths = list(self._lengths)
        for row in rows:
            self._check_sequence(row.sequence)
            if not 0 <= row.token < self._vocabulary_size:
                raise CallRefused("token id outside the vocabulary", field="token")
            if row.position != lengths[row.sequence]:
                raise CallRefused("positions of a sequence must follow each other", field="position")
            if row.position >= self.room:
                raise CallRefused(f"a sequence holds at most {self.room} tokens", field="position")
            lengths[row.sequence] += 1
        return lengths

    def _check_sequence(self, sequence: int) -> None:
        if not 0 <= sequence < len(self._lengths):
            raise CallRefused(f"sequences are numbered 0 to {len(self._lengths) - 1}", field="sequence")

    def close(self) -> None:
        """Frees cache and batch."""
        if self._handle:
            c.llama_batch_free(self._batch)
            c.llama_free(self._handle)
            self._handle = None


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
