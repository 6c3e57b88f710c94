"""Which models are loaded and measured before the first request of a served home: those of the running versions."""

from __future__ import annotations

from home.greffier import Greffier
from registry.lifecycle import MODES
from registry.store import systems as register_store
from runtime.program import Program
from service.deciding import programs


def running(g: Greffier) -> list[Program]:
    """The programs of all versions that decide now and run here, by their system's slug."""
    with g.reading() as conn:
        systems = register_store.list_systems(conn)
    return [
        programs.program(one.version.manifest)
        for one in systems
        if one.state in MODES and one.version is not None and one.version.model is not None
    ]
