"""Loaded models and their contexts, kept for the next request."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from runtime import llama
from runtime.program import Shape
from runtime.weights import Stamp, open_model, stamp

_CONTEXTS = 4  # each with its KV cache; the least recently used goes first


class Shelf:
    """Models by SHA-256, contexts by model and shape."""

    def __init__(self, models_dir: Path, gpu_layers: int = 0) -> None:
        self._models_dir = models_dir
        self._gpu_layers = gpu_layers
        self._models: dict[str, llama.Model] = {}
        self._stamps: dict[str, Stamp] = {}
        self._contexts: OrderedDict[tuple[str, Shape], llama.Context] = OrderedDict()

    def model(self, sha256: str) -> llama.Model:
        """A model, hashed and loaded on first use; hashed again if anyone touched its file since.

        Raises ModelMissing, ModelAltered, ModelUnusable.
        """
        if sha256 in self._models and self._stamps[sha256] == stamp(self._models_dir, sha256):
            return self._models[sha256]
        opened = open_model(self._models_dir, sha256)
        try:
            if sha256 not in self._models:
                model = llama.Model(opened.load_path, gpu_layers=self._gpu_layers)
                opened.verify_untouched()
                self._models[sha256] = model
            self._stamps[sha256] = opened.stamp
        finally:
            opened.close()
        return self._models[sha256]

    def context(self, sha256: str, shape: Shape, *, in_use: bool) -> llama.Context:
        """A context of a loaded model. Others may be dropped for it, unless they are `in_use`."""
        key = (sha256, shape)
        if key not in self._contexts:
            if len(self._contexts) >= _CONTEXTS and not in_use:
                self._contexts.popitem(last=False)[1].close()
            self._contexts[key] = llama.Context(self._models[sha256], shape)
        self._contexts.move_to_end(key)
        return self._contexts[key]

    def drop(self, context: llama.Context) -> None:
        """Frees a context that must not be used again."""
        self._contexts = OrderedDict((key, kept) for key, kept in self._contexts.items() if kept is not context)
        context.close()

    def close(self) -> None:
        """Frees everything."""
        for context in self._contexts.values():
            context.close()
        for model in self._models.values():
            model.close()
        self._contexts.clear()
        self._models.clear()
