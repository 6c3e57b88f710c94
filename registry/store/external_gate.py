"""The gate for records of decisions that were made elsewhere (capture `external`).

The decision was made before we hear of it, so what is asked is not whether it may be made, but whether it may be
recorded as one of this system's: the system is in use, its decisions are not made here, and its version is known.
"""

from __future__ import annotations

from sqlalchemy import Connection

from registry import lifecycle
from registry.errors import GateClosed, NotElsewhere, NotRunning, StoppedMeanwhile, UnknownVersion
from registry.lifecycle import Gate
from registry.store.systems import Registered, read_system, read_version

EXTERNAL = "external"


def gate(conn: Connection, slug: str, version: int | None = None) -> Gate:
    """What may be recorded for this system now. `version`: the one that decided, where that is not the running one.

    Raises a GateClosed; UnknownVersion for a version that the system does not have.
    """
    found = demand_external(conn, slug)
    mode = lifecycle.check_deciding(found.state)
    if found.version is None:
        raise NotRunning("has no running version; register one, and put it into use", field="system")
    running = found.version if version in {None, found.version.version} else read_version(conn, slug, version or 0)
    return Gate(slug, running.version, running.digest, mode, running.model, found.system, running)


def demand_external(conn: Connection, slug: str) -> Registered:
    """A system whose decisions are made elsewhere, in whatever state. Raises UnknownSystem, NotElsewhere."""
    found = read_system(conn, slug)
    if found.system.capture != EXTERNAL:
        raise NotElsewhere("does not take records from elsewhere; its capture is not external", field="system")
    return found


def gate_again(conn: Connection, before: Gate) -> None:
    """Asked when the record is written: the system is still in use, in the same mode. Raises a GateClosed."""
    try:
        now = gate(conn, before.system, before.version)
    except (GateClosed, UnknownVersion):
        raise StoppedMeanwhile("was stopped while this was recorded; send it again later", field="system") from None
    if now.mode != before.mode:
        raise StoppedMeanwhile("changed its state while this was recorded; send it again", field="system")
