"""A worker beside the one that decides: for trials of a version whose answers are no decisions.

The boots and numbers of such a worker are nobody's: they stay in a folder that goes with it, and in no log.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from home.errors import Refused
from home.greffier import Greffier
from registry.manifest import Manifest
from registry.store import model_files as model_store
from runtime.worker.supervisor import BootFacts, Supervisor


@contextlib.contextmanager
def worker(g: Greffier) -> Iterator[Supervisor]:
    """A worker as the settings want it, ended with the block."""
    with tempfile.TemporaryDirectory(prefix="greffier-aside-") as folder:
        made = Supervisor(
            g.models(),
            Path(folder),
            gpu_layers=g.settings.gpu_layers,
            memory_mib=g.settings.memory_mib,
            kv_mib=g.settings.kv_mib,
            deadline_s=g.settings.deadline_s,
        )
        try:
            yield made
        finally:
            made.close()


def demand_model(g: Greffier, sha256: str, field: str) -> None:
    """Raises Refused for a model that is not in the register: no registration, no inference, also where nothing
    leaves."""
    with g.reading() as conn:
        known = model_store.find_model(conn, sha256)
    if known is None:
        message = "has a model that is not in the register: add its file with `greffier model add`"
        raise Refused(message, reason="model_not_registered", field=field)


def demand_build(worker: Supervisor, manifest: Manifest, field: str) -> BootFacts:
    """Starts the worker. Raises Refused for a version that does not accept its build."""
    facts = worker.start()
    if facts.runtime not in manifest.builds:
        raise Refused("accepts other builds than the one here", reason="build_not_accepted", field=field)
    return facts
