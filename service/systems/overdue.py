"""What the law wants done by now and the register does not show: `doctor` looks for what should be mended."""

from __future__ import annotations

from collections.abc import Iterator

from home.greffier import Greffier
from registry.lifecycle import MODES
from registry.store import incidents as incident_store
from registry.store import systems as system_store
from service.systems import gates
from service.systems.incident_clock import gathered, zone_of


def findings(g: Greffier) -> Iterator[tuple[str, str]]:
    """(place, message): incidents whose last day has passed, and systems in use that a duty would refuse to start."""
    zone = zone_of(g)
    today = g.clock().astimezone(zone).date()
    with g.reading() as conn:
        incidents = gathered(incident_store.list_steps(conn), zone)
        running = [one.system.slug for one in system_store.list_systems(conn) if one.state in MODES]
    for one in incidents:
        for due in one.clock:
            if not one.closed and due.overdue(today):
                yield (
                    f"incident {one.id}",
                    f"the {due.recipient} had to be told by {due.by} (AI Act {due.article}): tell it, then "
                    "`greffier incident told`",
                )
    for slug in running:
        for found in gates.look(g, slug):
            if found.effect == "refuse":
                yield f"system {slug}", f"runs, and AI Act {found.article}: {found.text}"
