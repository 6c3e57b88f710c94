"""Prometheus' form of what `home.telemetry` counts and what the runtime tells: labels are slugs, versions, codes only.

Every counter begins at 0 with the process. At any moment it is the sum over the records that this process has
integrated since then; `/operator` shows the same numbers as `process`. Exemplars are never written: they would be ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from auditlog.core.errors import AuditLogError
from home.errors import AppError
from home.greffier import Greffier
from home.telemetry import BOUNDS_MS, Snapshot, Times
from registry.errors import RegistryError
from service.figures import operations
from service.figures.devices import Runtime

_PLACE: Final = ("system", "version", "mode")
_COUNTS: Final = (
    ("greffier_decisions", "Decisions recorded", "decisions"),
    ("greffier_prompt_tokens", "Tokens read, of decisions whose tokens are known", "tokens.prompt"),
    ("greffier_output_tokens", "Tokens written, of decisions whose tokens are known", "tokens.output"),
)
_CODED: Final = (
    ("greffier_cost_millionths", "Marginal cost in millionths of the currency", "cost.", "currency"),
    ("greffier_energy_microjoules", "Energy, by the method that gave it", "energy.", "method"),
    ("greffier_refused", "Requests that a rule refused, by its code", "refusals.", "reason"),
)
_UNKNOWN: Final = frozenset({"cost.unknown", "energy.not_measured"})
_TIMES: Final = (
    ("answered", "greffier_answered_seconds", "From a request's receipt to its answer's release, record included"),
    ("queue", "greffier_queue_seconds", "Wait before the first decode"),
    ("first_token", "greffier_first_token_seconds", "From hand-over to the runtime until the first token"),
    ("per_token", "greffier_token_seconds", "Mean time from one token of an answer to the next"),
    ("total", "greffier_generation_seconds", "From hand-over to the runtime until the output was complete"),
)


class UsageMetrics(Collector):
    """What this process recorded, and how fast."""

    def __init__(self, g: Greffier) -> None:
        self._g = g

    def collect(self) -> Iterator[Metric]:
        """Asked for at each scrape."""
        snapshot = self._g.telemetry.snapshot()
        yield from _counts(snapshot)
        yield from _times(snapshot)
        try:
            targets = operations.targets(self._g)
        except (AppError, AuditLogError, RegistryError):
            return  # `/health` says why the register cannot be read; what was counted is told all the same
        yield from _missed(snapshot, targets)


class RuntimeMetrics(Collector):
    """The worker's queue, batch, memory and devices; counters begin at 0 with the worker."""

    def __init__(self, ask: Callable[[], Runtime]) -> None:
        self._ask = ask

    def collect(self) -> Iterator[Metric]:
        """Asked for at each scrape; what the worker does not tell is left out."""
        found = self._ask()
        yield GaugeMetricFamily("greffier_runtime_up", "1 while a worker runs", value=int(found.running))
        yield GaugeMetricFamily("greffier_runtime_answers", "1 while it tells its counts", value=int(found.answers))
        for name, text, value in (
            ("queue", "Requests that wait for a slot", found.queue),
            ("active", "Requests that run", found.active),
            ("slots", "Requests that can run at once, in the contexts that are open", found.slots),
            ("memory_bytes", "Memory for models and contexts in use", found.memory),
            ("memory_budget_bytes", "Memory for models and contexts there is", found.memory_budget),
        ):
            if value is not None:
                yield GaugeMetricFamily(f"greffier_runtime_{name}", text, value=value)
        yield from _devices(found)
        yield from _memory(found)


def _counts(snapshot: Snapshot) -> Iterator[Metric]:
    for name, text, cell in _COUNTS:
        family = CounterMetricFamily(name, text, labels=_PLACE)
        for (system, version, mode), cells in sorted(snapshot.cells.items(), key=str):
            if cell in cells:
                family.add_metric([system, _version(version), mode], cells[cell])
        yield family
    for name, text, head, label in _CODED:
        family = CounterMetricFamily(name, text, labels=(*_PLACE, label))
        for (system, version, mode), cells in sorted(snapshot.cells.items(), key=str):
            for cell, number in sorted(cells.items()):
                if cell.startswith(head) and cell not in _UNKNOWN:
                    family.add_metric([system, _version(version), mode, cell.removeprefix(head)], number)
        yield family
    ended = CounterMetricFamily(
        "greffier_unfinished", "Decisions that began and did not end, by reason", labels=("system", "version", "reason")
    )
    for (system, version, reason), number in sorted(snapshot.unfinished.items(), key=str):
        ended.add_metric([system, _version(version), reason], number)
    yield ended


def _times(snapshot: Snapshot) -> Iterator[Metric]:
    for name, metric, text in _TIMES:
        family = HistogramMetricFamily(metric, text, labels=("system",))
        for (system, of), times in sorted(snapshot.times.items()):
            if of == name:
                family.add_metric([system], buckets=list(_buckets(times)), sum_value=times.sum_us / 1_000_000)
        yield family


def _buckets(times: Times) -> Iterable[tuple[str, float]]:
    reached = 0
    for bound, number in zip((*BOUNDS_MS, None), times.buckets, strict=True):
        reached += number
        yield "+Inf" if bound is None else str(bound / 1000), reached


def _missed(snapshot: Snapshot, targets: dict[str, int]) -> Iterator[Metric]:
    target = GaugeMetricFamily("greffier_target_seconds", "Target of the system for its answers", labels=("system",))
    missed = CounterMetricFamily("greffier_target_missed", "Answers that took longer than it", labels=("system",))
    for system, target_ms in sorted(targets.items()):
        target.add_metric([system], target_ms / 1000)
        missed.add_metric([system], snapshot.missed.get(system, 0))
    yield target
    yield missed


def _devices(found: Runtime) -> Iterator[Metric]:
    for name, text, value_of in (
        ("busy_seconds", "Time that a device decoded", lambda one: _seconds(one.busy_us)),
        ("output_tokens", "Tokens that it wrote, of finished requests", lambda one: one.output_tokens),
        ("prompt_tokens", "Tokens that it read, of finished requests", lambda one: one.prompt_tokens),
        ("steps", "Batches that it decoded", lambda one: one.steps),
        ("occupancy", "Requests in them, summed over batches", lambda one: one.occupancy),
    ):
        family = CounterMetricFamily(f"greffier_device_{name}", text, labels=("device",))
        for device in found.devices:
            value = value_of(device)
            if value is not None:
                family.add_metric([device.device], value)
        yield family


def _seconds(us: int | None) -> float | None:
    return None if us is None else us / 1_000_000


def _memory(found: Runtime) -> Iterator[Metric]:
    used = GaugeMetricFamily("greffier_kv_rows", "Rows of KV memory in use, by model", labels=("model",))
    room = GaugeMetricFamily("greffier_kv_room", "Rows of KV memory there are, by model", labels=("model",))
    size = GaugeMetricFamily("greffier_model_bytes", "Models in memory", labels=("model",))
    sums: dict[str, tuple[int, int]] = {}
    for one in found.contexts:
        rows, total = sums.get(one.model, (0, 0))
        sums[one.model] = rows + (one.rows or 0), total + (one.room or 0)
    for model, (rows, total) in sorted(sums.items()):
        used.add_metric([model[:12]], rows)
        room.add_metric([model[:12]], total)
    for model_ in found.models:
        if model_.bytes is not None:
            size.add_metric([model_.model[:12]], model_.bytes)
    yield from (used, room, size)


def _version(version: int | None) -> str:
    return "" if version is None else str(version)
