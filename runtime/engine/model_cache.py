"""Loaded models and their contexts, kept for the next request as far as memory goes.

What a file and its cache will take is held against the budget before anything is loaded. What nobody uses makes room,
the least recently used first. Hashing and loading run beside the loop, so that others are answered meanwhile.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from runtime import llama
from runtime.engine.memory import MIB, cache_bytes, total_memory, working_bytes
from runtime.errors import Busy, ModelUnusable, RuntimeFault
from runtime.models.gguf import Scalar, read_header
from runtime.models.weights import Stamp, model_path, open_model, stamp
from runtime.shape import Shape

_DONE = 1000
_SEQUENCES = 256  # more have no context


@dataclass(frozen=True, slots=True)
class Budget:
    """Bytes for weights and contexts together, and how many of them for contexts."""

    memory: int
    cache: int

    @classmethod
    def of(cls, memory_mib: int | None = None, cache_mib: int | None = None, *, gpu_layers: int = 0) -> Budget:
        """What was set, or half of the memory (of a GPU nine tenths of what is free)."""
        free = None if memory_mib else llama.device_memory(gpu_layers)
        memory = memory_mib * MIB if memory_mib else total_memory() // 2 if free is None else free * 9 // 10
        return cls(memory, min(cache_mib * MIB, memory) if cache_mib else memory)


@dataclass(slots=True, eq=False)
class KeptModel:
    """A model in memory, or on its way there. `size` in bytes."""

    size: int
    metadata: Mapping[str, Scalar]
    model: llama.Model | None = None
    stamp: Stamp | None = None
    loading: Future[tuple[llama.Model, Stamp]] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class KeptContext:
    """A context in memory. A private one belongs to a job and is never handed to requests."""

    sha256: str
    shape: Shape
    context: llama.Context
    size: int
    private: bool


class Shelf:
    """Models by SHA-256, contexts by model and shape. `said(sha256, permille)` is told of loading, in its thread."""

    def __init__(
        self,
        models_dir: Path,
        gpu_layers: int = 0,
        *,
        budget: Budget | None = None,
        said: Callable[[str, int], None] = lambda _sha256, _permille: None,
    ) -> None:
        self._models_dir = models_dir
        self._gpu_layers = gpu_layers
        self.budget = budget or Budget.of(gpu_layers=gpu_layers)
        self._said = said
        self.in_use: Callable[[], Collection[llama.Context]] = tuple  # contexts that requests are decoding in
        self.models: OrderedDict[str, KeptModel] = OrderedDict()
        self.contexts: list[KeptContext] = []  # the least recently used first
        self._loader = ThreadPoolExecutor(1, "loading")

    # Models

    def model(self, sha256: str) -> llama.Model:
        """A model, hashed and loaded on first use; hashed again if anyone touched its file since. Waits for that.

        Raises ModelMissing, ModelAltered, ModelUnusable, Busy.
        """
        while (model := self.ready(sha256)) is None:
            if not self.wait(None):
                raise Busy("no memory is free for the model", field="model.sha256", fix="ask again later")
        return model

    def ready(self, sha256: str, shape: Shape | None = None) -> llama.Model | None:
        """As `model`, without waiting: None while it is being loaded, or while those in use leave no memory for it.

        With a `shape` the context that will follow is counted too, so that what cannot run is not loaded.
        """
        kept = self.models.get(sha256)
        if kept is not None and kept.loading is not None:
            if not kept.loading.done():
                return None
            self._settle(sha256, kept, kept.loading)
        if kept is None or kept.model is None:
            kept = self._announce(sha256, shape)
            if kept is None:
                return None
        elif kept.stamp == stamp(self._models_dir, sha256):
            self.models.move_to_end(sha256)
            return kept.model
        kept.loading = self._loader.submit(self._load, sha256, kept.model)
        return None

    @property
    def loading(self) -> bool:
        """Whether a model is being loaded."""
        return any(kept.loading is not None for kept in self.models.values())

    def wait(self, timeout_s: float | None) -> bool:
        """Waits until a model that is being loaded is there; False where none is."""
        loading = [kept.loading for kept in self.models.values() if kept.loading is not None]
        return bool(loading) and bool(wait(loading, timeout_s))

    def _announce(self, sha256: str, shape: Shape | None) -> KeptModel | None:
        """Reads the header and keeps a place, before anything is loaded."""
        try:
            with model_path(self._models_dir, sha256).open("rb") as file:
                metadata, size = read_header(file.fileno()), file.seek(0, 2)
        except (OSError, RuntimeFault):
            metadata, size = {}, 0  # `open_model` says in the loading thread what is wrong with it
        cache, more = (0, 0) if shape is None or not metadata else _context_bytes(metadata, shape)
        if not self._make_room(size + cache + more, cache):
            return None
        kept = self.models[sha256] = KeptModel(size, metadata)
        return kept

    def _load(self, sha256: str, known: llama.Model | None) -> tuple[llama.Model, Stamp]:
        """In the loading thread: hashes the file, and loads it unless the model is `known` already."""
        if known is None:
            self._said(sha256, 0)
        try:
            return self._open(sha256, known)
        finally:
            self._said(sha256, _DONE)

    def _open(self, sha256: str, known: llama.Model | None) -> tuple[llama.Model, Stamp]:
        opened = open_model(self._models_dir, sha256)
        try:
            if known is None:
                known = llama.Model(opened.load_path, gpu_layers=self._gpu_layers, said=self._progress(sha256))
                try:
                    opened.verify_untouched()
                except RuntimeFault:
                    known.close()
                    raise
            return known, opened.stamp
        finally:
            opened.close()

    def _progress(self, sha256: str) -> Callable[[int], None]:
        """Passes on each whole percent; `_DONE` is for `_load` to say."""
        last = 0

        def tell(permille: int) -> None:
            nonlocal last
            if last + 10 <= permille < _DONE:
                last = permille
                self._said(sha256, permille)

        return tell

    def _settle(self, sha256: str, kept: KeptModel, loading: Future[tuple[llama.Model, Stamp]]) -> None:
        kept.loading = None
        try:
            kept.model, kept.stamp = loading.result()
        except BaseException:
            if kept.model is None:
                del self.models[sha256]
            raise

    # Contexts

    def context(self, sha256: str, shape: Shape, *, spare: int = 0) -> llama.Context | None:
        """The context of a loaded model that requests share; None while those in use leave no memory for it.

        A new one gets `spare` sequences more, if there is memory for those.

        Raises ModelUnusable where it would never fit, ProgramInvalid where the model has not that much context.
        """
        for kept in self.contexts:
            if (kept.sha256, kept.shape, kept.private) == (sha256, shape, False):
                self.contexts.remove(kept)
                self.contexts.append(kept)
                return kept.context
        size = sum(_context_bytes(self.models[sha256].metadata, shape.with_spare(spare)))
        if (
            shape.n_seq_max + spare > _SEQUENCES
            or size > self.budget.cache
            or self.models[sha256].size + size > self.budget.memory
        ):
            spare = 0
        return self._make(sha256, shape, None, spare, private=False)

    def open(self, sha256: str, shape: Shape, *, outputs: int | None = None) -> llama.Context:
        """A context of one's own, to be given back by `drop`. Raises as `model` and `context`; Busy without memory."""
        self.model(sha256)
        context = self._make(sha256, shape, outputs, 0, private=True)
        if context is None:
            raise Busy("no memory is free for the context", field="context", fix="ask again later")
        return context

    def _make(
        self, sha256: str, shape: Shape, outputs: int | None, spare: int, *, private: bool
    ) -> llama.Context | None:
        model = self.models[sha256].model
        assert model is not None
        metadata, size = self.models[sha256].metadata, model.vocabulary.size
        cache, more = _context_bytes(metadata, shape.with_spare(spare), outputs or shape.n_seq_max + spare, size)
        if not self._make_room(cache + more, cache + more, keep=sha256):
            return None
        context = llama.Context(model, shape, outputs=outputs, spare=spare)
        self.contexts.append(KeptContext(sha256, shape, context, cache + more, private))
        return context

    def drop(self, context: llama.Context) -> None:
        """Frees a context that must not be used again."""
        self.contexts = [kept for kept in self.contexts if kept.context is not context]
        context.close()

    # Memory

    @property
    def used(self) -> tuple[int, int]:
        """Bytes of models and contexts together, and of contexts."""
        cache = sum(kept.size for kept in self.contexts)
        return sum(kept.size for kept in self.models.values()) + cache, cache

    def _make_room(self, need: int, cache: int, *, keep: str | None = None) -> bool:
        """Drops what is idle until `need` bytes fit, `cache` of them for a context; False where that was not enough.

        Raises ModelUnusable where they would not fit even alone.
        """
        alone = need + (self.models[keep].size if keep is not None else 0)
        for what, most in ((alone, self.budget.memory), (cache, self.budget.cache)):
            if what > most:
                text = f"model and context need about {what // MIB} MiB, and {most // MIB} MiB are set apart for them"
                fix = "choose a smaller model or n_ctx, or raise the setting for the runtime's memory"
                raise ModelUnusable(text, field="context", fix=fix, reason="too_large")
        while True:
            memory, caches = self.used
            if memory + need <= self.budget.memory and caches + cache <= self.budget.cache:
                return True
            if not self._evict(keep):
                return False

    def _evict(self, keep: str | None) -> bool:
        used = self.in_use()
        idle = [kept for kept in self.contexts if not kept.private and kept.context not in used]
        if idle:
            self.drop(idle[0].context)
            return True
        for sha256, kept_model in list(self.models.items()):
            if kept_model.loading is not None and kept_model.loading.done():
                with contextlib.suppress(RuntimeFault):  # nobody asked for it any more
                    self._settle(sha256, kept_model, kept_model.loading)
        needed = {kept.sha256 for kept in self.contexts} | {keep}
        for sha256, kept_model in self.models.items():
            if sha256 not in needed and kept_model.loading is None and kept_model.model is not None:
                kept_model.model.close()
                del self.models[sha256]
                return True
        return False

    def close(self) -> None:
        """Frees everything."""
        self._loader.shutdown(wait=True)
        for kept in self.contexts:
            kept.context.close()
        for sha256, kept_model in list(self.models.items()):
            if kept_model.loading is not None:
                with contextlib.suppress(RuntimeFault):
                    self._settle(sha256, kept_model, kept_model.loading)
            if kept_model.model is not None:
                kept_model.model.close()
        self.contexts.clear()
        self.models.clear()


def _context_bytes(
    metadata: Mapping[str, Scalar], shape: Shape, outputs: int | None = None, vocabulary: int = 0
) -> tuple[int, int]:
    cache = cache_bytes(metadata, shape)
    return cache, working_bytes(metadata, shape, outputs=outputs or shape.n_seq_max, vocabulary=vocabulary)
