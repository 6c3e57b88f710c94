"""Evidence that a duty is met, as far as record and log can say: each by one question, and no person's content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from auditlog.store.cursor import DecisionFilter
from auditlog.store.events import list_events
from auditlog.store.listing import list_decisions
from registry import incident
from registry.answers import Answers
from registry.evidence import in_record
from registry.rules import Rules
from registry.store import fitness as fitness_store
from registry.store import incidents as incident_store
from registry.store.systems import Registered
from service.records import reading
from service.systems.incident_clock import gathered

if TYPE_CHECKING:
    from sqlalchemy import Connection

_MOST_NOTICES: Final = 200


@dataclass(frozen=True, slots=True)
class Looked:
    """One system, to be asked for evidence."""

    conn: Connection
    registered: Registered
    answers: Answers | None
    rules: Rules

    @property
    def slug(self) -> str:
        """Of the system."""
        return self.registered.system.slug

    def found(self, code: str) -> bool | None:
        """Whether this evidence is there; None where only people can say."""
        test = _IN_LOG.get(code)
        return test(self) if test else in_record(code, self.registered.system, self.answers, self.rules)


def _decided(looked: Looked, review: str | None = None) -> bool:
    return bool(list_decisions(looked.conn, DecisionFilter(system=looked.slug, review=review), limit=1).rows)


def _is_notified(looked: Looked, duty: str) -> bool:
    """Whether a notice of that duty stands in the log, among the newest."""
    page = list_events(looked.conn, DecisionFilter(system=looked.slug, kind="notice/1"), limit=_MOST_NOTICES)
    entries = (reading.entry_at(looked.conn, row["log"], row["idx"]) for row in page.rows)
    return any(entry.members["duty"] == duty for entry in entries)


def _notice_given(looked: Looked) -> bool:
    """Each result made here carries the notice; of others the log has the notices that were given."""
    system = looked.registered.system
    carried = system.capture in {"runtime", "gateway"} and system.notice is not None and _decided(looked)
    return carried or _is_notified(looked, "affected_person")


def _marking(looked: Looked) -> bool | None:
    """Results made here say that AI made them; what others send out, the log does not see."""
    return _decided(looked) if looked.registered.system.capture in {"runtime", "gateway"} else None


def _incidents_notified(looked: Looked) -> bool:
    """No telling is still to be done in an incident that is open."""
    found = gathered(incident_store.list_steps(looked.conn, looked.slug))
    return not any(incident.open_tellings(one.clock) for one in found if not one.closed)


def _explained(looked: Looked) -> bool:
    return bool(list_events(looked.conn, DecisionFilter(system=looked.slug, kind="explanation/1"), limit=1).rows)


_IN_LOG: Final[Mapping[str, Callable[[Looked], bool | None]]] = {
    "manifest": lambda looked: looked.registered.newest > 0,
    "decisions_logged": _decided,
    "stop": lambda looked: True if looked.registered.system.capture != "none" else None,
    "fitness": lambda looked: bool(fitness_store.reports(looked.conn, looked.slug)),
    "reviews": lambda looked: _decided(looked, review="any"),
    "incidents_told": _incidents_notified,
    "worker_notice": lambda looked: _is_notified(looked, "workers"),
    "notice_given": _notice_given,
    "marking": _marking,
    "emotion_notice": lambda looked: _is_notified(looked, "emotion_or_biometric"),
    "deep_fake_notice": lambda looked: _is_notified(looked, "deep_fake"),
    "text_notice": lambda looked: _is_notified(looked, "public_text"),
    "explanations": _explained,
    "export": lambda _: True,
}
