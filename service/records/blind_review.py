"""Which results an officer judges before seeing what the system made of them: a share that is drawn, so nobody chooses.

Whether a case is drawn follows from its random id under a key of the installation. The setting `blind_share` is the
share in per cent, of results that wait for a person; a case that was judged keeps its judgement when it changes.
"""

from __future__ import annotations

from typing import Final

from auditlog.store import decisions as decision_store
from casework.review import is_drawn
from casework.store import work
from home.errors import Refused
from home.greffier import Greffier
from registry.store import systems as register_store
from service.records import reading, release

_SCOPE: Final = "first judgement"
# Who decides; an auditor who looks at a case judges nothing.
DECIDING: Final = frozenset({"officer", "approver"})


def is_due(g: Greffier, reader: reading.Reader, record_id: str) -> bool:
    """Whether this reader must judge the case first, before its result is shown."""
    if reader.role not in DECIDING or not is_drawn(g.vault.key_tag(_SCOPE, record_id), g.settings.blind_share):
        return False
    with g.reading() as conn:
        if work.find_judgements(conn, [record_id]):
            return False
    return is_undecided(g, record_id)


def is_undecided(g: Greffier, record_id: str) -> bool:
    """Whether a result still waits for a person: nobody decided yet, or whoever looked passed it on."""
    with g.reading() as conn:
        row = decision_store.find_decision(conn, record_id)
        if row is None or row["review"] not in (None, "refer"):
            return False
        version = register_store.read_version(conn, row["system"], row["version"])
    return release.needs_review(version.manifest, row["outcome"])


def demand_judged(g: Greffier, reader: reading.Reader, record_id: str) -> None:
    """Raise Refused where this reader would see, on another way, the result of a case that is to be judged first."""
    if is_due(g, reader, record_id):
        message = "this case was drawn: judge it first (`greffier reviews first`), then its result is shown"
        raise Refused(message, reason="first_judgement", field="id")
