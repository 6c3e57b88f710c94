"""What was published: every report with its editions, the newest one, and the proofs of the entries behind one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from auditlog.core.entries.record import parse_time
from auditlog.core.formats.keyring import format_key_ring
from auditlog.store import publications as store
from home.errors import UnknownRecord, UsageError
from home.greffier import Greffier
from reports.json_twin import read_twin
from reports.proofs import Proven, format_proven
from reports.transparency.context import Correction, TransparencyReport
from service.proving import receipts

DOCUMENT: Final = "transparency"


@dataclass(frozen=True, slots=True)
class PublishedReport:
    """A report that was published. `edition`: 1, or more for a correction; `newest`: none corrects it.

    `index`: of its `publication/1` entry in log `log`; `digest`: "sha256:…" of its bytes, as that entry has it.
    """

    id: str
    first: date
    last: date
    edition: int
    newest: bool
    published: datetime
    log: int
    index: int
    digest: str


def listed(g: Greffier) -> tuple[PublishedReport, ...]:
    """All published reports, the newest first."""
    with g.reading() as conn:
        rows = store.list_publications(conn, DOCUMENT)
    last = {(row.first, row.last): row.id for row in rows}
    return tuple(
        PublishedReport(
            id=row.id,
            first=date.fromisoformat(row.first),
            last=date.fromisoformat(row.last),
            edition=row.edition,
            newest=last[row.first, row.last] == row.id,
            published=parse_time(row.minute),
            log=row.log,
            index=row.idx,
            digest=row.digest,
        )
        for row in reversed(rows)
    )


def body(g: Greffier, id_: str) -> bytes:
    """A report's form for machines, byte for byte as it was published. Raises UnknownRecord."""
    with g.reading() as conn:
        found = store.body_of(conn, id_)
    if found is None:
        raise UnknownRecord("no such report was published")
    return found


def report_of(g: Greffier, id_: str) -> TransparencyReport:
    """A published report. Raises UnknownRecord."""
    return read_twin(TransparencyReport, body(g, id_))


def newest(g: Greffier) -> TransparencyReport | None:
    """The newest report that was published, or None."""
    with g.reading() as conn:
        found = store.newest_body(conn, DOCUMENT)
    return None if found is None else read_twin(TransparencyReport, found)


def proven(g: Greffier, id_: str) -> bytes:
    """A published report with the entries and proofs behind it, and the log's keys: its figures can be checked from
    this file alone (`reports.proofs`). Raises UnknownRecord, CannotRecord where no proof can be made."""
    data = body(g, id_)
    ids = [tally.id for tally in read_twin(TransparencyReport, data).tallies]
    made = [receipts.receipt(g, one, openings=None) for one in (*ids, id_)]
    return format_proven(Proven(data, tuple((one.entry, one.proof) for one in made), format_key_ring(g.keys)))


def demand_note(g: Greffier, days: tuple[date, date], note: Mapping[str, str] | None) -> None:
    """A correction says what was wrong; what corrects nothing says nothing. Raises UsageError."""
    before = _before(g, days)
    if before is not None and not note:
        raise UsageError(
            "was published before: say what was wrong with --note LANG=TEXT, once for each language; the new report "
            "shows it",
            field="--period",
        )
    if before is None and note:
        raise UsageError("corrects a report that was published, and none of these days was", field="--note")
    missing = [] if note is None else [lang for lang in g.settings.languages if not note.get(lang, "").strip()]
    if missing:
        raise UsageError(f"is missing in {', '.join(missing)}: every reader must understand it", field="--note")


def correction(g: Greffier, days: tuple[date, date], note: Mapping[str, str] | None) -> Correction | None:
    """What a new report of these days says about the one before."""
    before = _before(g, days)
    if before is None or note is None:
        return None
    return Correction(
        edition=before.edition + 1, corrects=before.digest, published=before.published.date(), note=dict(note)
    )


def _before(g: Greffier, days: tuple[date, date]) -> PublishedReport | None:
    return next((one for one in listed(g) if one.newest and (one.first, one.last) == days), None)
