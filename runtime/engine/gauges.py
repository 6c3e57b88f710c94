"""What the shelf holds, in figures for whoever watches the device: models, contexts, cells in use, bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runtime.engine.model_cache import Shelf
from runtime.engine.queue import Waiting
from runtime.engine.request import Running
from runtime.engine.sequences import Seats
from runtime.shape import Shape
from runtime.verdict import context_digest


def in_line(queue: Waiting[Running], now_ns: int) -> dict[str, int]:
    """How many wait, how many may, and for how long the first has."""
    handed = [one.handed_ns for one in queue]
    return {"waiting": len(handed), "room": queue.room, "oldest_ns": now_ns - min(handed) if handed else 0}


def figures(shelf: Shelf, seats: Sequence[tuple[str, Shape, Seats]], device: str) -> dict[str, Any]:
    """Members `memory` (bytes), `models` and `contexts`; `rows` are tokens that the KV cache holds or could hold."""
    used, cache = shelf.used
    sizes = {kept.context: kept.size for kept in shelf.contexts}
    return {
        "memory": {
            "budget": shelf.budget.memory,
            "used": used,
            "kv_budget": shelf.budget.cache,
            "kv_used": cache,
        },
        "models": [
            {"model": sha256, "bytes": kept.size, "device": device}
            for sha256, kept in shelf.models.items()
            if kept.model is not None
        ],
        "contexts": [
            {
                "model": sha256,
                "context": context_digest(shape),
                "slots": len(one.seats),
                "active": len(one.seats) - one.free,
                "room": one.context.room,
                "rows_used": one.rows,
                "rows_room": shape.n_ctx if shape.kv_unified else one.context.room * one.context.sequences,
                "bytes": sizes[one.context],
            }
            for sha256, shape, one in seats
        ],
    }
