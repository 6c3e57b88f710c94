"""What a provider may bill beside the counted results: further calls of one result, and calls of results that did not
come to their end. Both stand in sealed content (`service.deciding.remote_models`): not known of erased records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from auditlog.core.counting.figures import Cells
from auditlog.store.cursor import DecisionFilter
from auditlog.store.events import iterate_events
from auditlog.store.listing import iterate_batches
from home.greffier import Greffier
from registry.manifest import SystemVersion
from service.records import reading

if TYPE_CHECKING:
    from sqlalchemy import Connection

Further = tuple[str, int, str, Cells]
"""System, version, minute of the entry, and what is to be added: requests (`decisions`) and tokens."""


def further(g: Greffier, versions: Iterable[SystemVersion], since: str, until: str) -> Iterator[Further]:
    """Calls of remote versions from one minute up to another that are in no sum of the roll-up."""
    remote = {(one.system, one.version): one for one in versions}
    for system in sorted({system for system, _ in remote}):
        chosen = DecisionFilter(system=system, since=since, until=until, kind="unfinished/1")
        with g.reading() as conn:
            ids = [row[0] for batch in iterate_events(conn, chosen, ("id",)) for row in batch]
        for record in reading.recount(g, ids):
            place = (system, int(record.entry.members["version"]))
            if place in remote:
                yield (*place, record.entry.time, _unfinished(record.values.get("reached")))
    for (system, version), one in sorted(remote.items()):
        if len(one.manifest.steps) > 1:
            with g.reading() as conn:
                ids = _decided(conn, DecisionFilter(system=system, version=version, since=since, until=until))
            for record in reading.recount(g, ids):
                calls = len(_calls(record.values.get("run")))
                yield system, version, record.entry.time, {"decisions": max(0, calls - 1)}


def _decided(conn: Connection, chosen: DecisionFilter) -> list[str]:
    return [
        row[0] for batch in iterate_batches(conn, chosen, ("id", "capture")) for row in batch if row[1] == "gateway"
    ]


def _unfinished(reached: Any) -> Cells:
    """Of calls that were sent: their number, and the tokens that the provider stated."""
    sent = [call for call in _calls(reached) if call.get("sent_bytes")]
    return {
        "decisions": len(sent),
        "tokens.prompt": sum(_count(call.get("prompt_tokens")) for call in sent),
        "tokens.output": sum(_count(call.get("output_tokens")) for call in sent),
    }


def _calls(value: Any) -> list[Mapping[str, Any]]:
    calls = value.get("calls") if isinstance(value, Mapping) else None
    return [call for call in calls if isinstance(call, Mapping)] if isinstance(calls, list) else []


def _count(value: Any) -> int:
    return value if type(value) is int and value >= 0 else 0
