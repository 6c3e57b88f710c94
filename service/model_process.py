"""The process in which models run, as the settings want it, and what the log is told of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from home.greffier import Greffier
from home.settings import Settings
from runtime.program import Program
from runtime.verdict import Measured
from runtime.worker.supervisor import BootFacts, Supervisor
from service.deciding import boots, preload


def make_supervisor(home: Path, settings: Settings, opened: Callable[[], Greffier], *, served: bool) -> Supervisor:
    """The supervisor of a home, which is open once it is asked for anything: `opened` gives it then.

    Where it is `served`, the models of the running versions are loaded and measured at each start.
    """

    def on_boot(facts: BootFacts) -> None:
        boots.record(opened(), facts)

    def on_measured(boot: str, found: Measured) -> None:
        boots.measured(opened(), boot, found)

    def warm() -> list[Program]:
        return preload.running(opened()) if served and settings.self_test else []

    return Supervisor(
        home / "models",
        home / "run",
        gpu_layers=settings.gpu_layers,
        queue=settings.queue_length,
        memory_mib=settings.memory_mib,
        kv_mib=settings.kv_mib,
        deadline_s=settings.deadline_s,
        warm=warm,
        on_boot=on_boot,
        on_measured=on_measured if settings.self_test else None,
    )
