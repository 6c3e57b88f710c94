"""Settings of a llama.cpp context. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Shape:
    """Context settings. `threads` 0 takes every processor that this process may use."""

    n_ctx: int = 2048
    n_batch: int = 512
    n_ubatch: int = 512
    n_seq_max: int = 1
    type_k: str = "q8_0"
    type_v: str = "q8_0"
    kv_unified: bool = False
    flash_attention: str = "auto"
    threads: int = 0

    @property
    def reproducible(self) -> bool:
        """The lane: whether results can repeat to the bit, so that digests of rows are worth recording."""
        return self.type_k == self.type_v == "q8_0" and not self.kv_unified

    def with_spare(self, count: int) -> Shape:
        """With so many sequences more, each as large as the others."""
        if not count:
            return self
        room = 0 if self.kv_unified else self.n_ctx // self.n_seq_max
        return replace(self, n_ctx=self.n_ctx + count * room, n_seq_max=self.n_seq_max + count)


DEFAULT = Shape()
