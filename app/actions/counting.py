"""What a record adds to the figures, with what the register says of its system (see `auditlog.cells`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.home import Greffier
from auditlog.cells import counted
from auditlog.figures import Counted
from auditlog.record import Entry
from auditlog.store import decisions as decision_store
from registry.manifest import Manifest
from registry.store import systems as register_store

if TYPE_CHECKING:
    from sqlalchemy import Connection


class ReviewedMeanwhile(Exception):
    """Another review of the same result came first, so that this one counts otherwise: ask again and try again."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a review of a result takes the place of."""

    decided: Entry
    previous: str | None
    held: bool

    def counts(self, review: Entry, action: str) -> list[Counted]:
        """What the review adds."""
        values = {"action": action}
        return counted(review, values, decided=self.decided, previous=self.previous, held=self.held)

    def demand_unchanged(self, conn: Connection) -> None:
        """In the transaction of the review. Raises ReviewedMeanwhile."""
        row = decision_store.find_decision(conn, self.decided.id)
        if row is not None and row["review"] != self.previous:
            raise ReviewedMeanwhile


def is_held(manifest: Manifest, outcome: str | None) -> bool:
    """Whether a result waits for a review before it counts. An outcome that is not known here does not."""
    return outcome is not None and manifest.release_of(outcome) == "after_review"


def earlier(g: Greffier, decided: Entry) -> Earlier:
    """What a review of this decision would take the place of, as things stand."""
    with g.reading() as conn:
        row = decision_store.find_decision(conn, decided.id)
        version = register_store.read_version(conn, decided.members["system"], decided.members["version"])
    previous = None if row is None else row["review"]
    return Earlier(decided, previous, is_held(version.manifest, None if row is None else row["outcome"]))
