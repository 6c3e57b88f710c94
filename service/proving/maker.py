"""Receipts against one state of each log, checked as the one who gets them will, and the page of text beside them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from auditlog.core.checking.audit import format_posix
from auditlog.core.checking.sample import cosigned_at
from auditlog.core.entries import receipt as receipts
from auditlog.core.entries.record import parse_time
from auditlog.core.errors import NotPublished, VerifyError
from auditlog.core.formats.canonical import format_base64
from auditlog.core.formats.checkpoint import parse_checkpoint
from auditlog.core.formats.commitment import Opening
from auditlog.core.formats.merkle import prove_inclusion
from auditlog.core.formats.note import parse_note
from auditlog.core.formats.policy import check_policy, cosigned_by, organisations
from auditlog.core.formats.proof import LogProof
from auditlog.store import log as log_store
from home import policy_file
from home.greffier import Greffier
from reports.agency import LogStamp
from reports.evidence_page.context import EvidencePage, EvidencePeriod, EvidenceRecord, EvidenceSample
from service.proving import samples
from service.proving.item import Item, Period
from service.records import reading

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Maker:
    """Makes receipts against one state of each log, and checks them as the one who gets them will."""

    def __init__(self, g: Greffier) -> None:
        self.g = g
        self.ring = g.keys
        self.policy = policy_file.read_policy(g)
        self.heads: dict[int, log_store.Head] = {}
        self.names: dict[int, log_store.HeadName] = {}

    def entries_of(self, conn: Connection, sample: samples.Sample) -> tuple[reading.Found, reading.Found]:
        """The two entries of a drawn sample."""
        if sample.drawn is None:
            raise VerifyError("was not drawn", field="sample")
        begun, drawn = (
            reading.Found(reading.entry_at(conn, sample.log, index), sample.log, index)
            for index in (sample.index, sample.drawn)
        )
        return begun, drawn

    def choose_heads(self, conn: Connection, places: Iterable[reading.Found]) -> None:
        """Of each log the public state where that covers all of its entries here, else the newest one."""
        highest: dict[int, int] = {}
        for place in places:
            highest[place.log] = max(place.index, highest.get(place.log, 0))
        for number, index in sorted(highest.items()):
            head, _ = reading.head(self.g, conn, log=number, covering=index)
            self.heads[number] = head
            public = log_store.read_head(conn, number, "published")
            self.names[number] = "published" if public == head else "integrated"

    def receipt(self, conn: Connection, found: reading.Found, openings: tuple[Opening, ...] = ()) -> bytes:
        """The receipt of an entry, which holds. Raises VerifyError where it does not."""
        head = self.heads[found.log]
        hashes = prove_inclusion(found.index, head.size, log_store.reader(conn, found.log, head.size))
        made = receipts.Receipt(found.entry.data, LogProof(found.index, hashes, head.note, None), openings)
        receipts.verify_receipt(made, self.ring, origin=self.g.settings.origin_of(found.log))
        return receipts.format_receipt(made)

    def page(
        self,
        name: str,
        items: list[Item],
        sample: samples.Sample | None,
        period: Period | None,
        *,
        with_log: bool,
        technical: bool,
    ) -> EvidencePage:
        """The page of text."""
        profile = self.g.profile
        cosigned = set[str]()
        for head in self.heads.values():
            cosigned |= organisations(self.policy, cosigned_by(self.policy, head.note))
        return EvidencePage(
            agency=profile.names if profile else {"en": self.g.settings.agency},
            reference=name,
            logs=tuple(_stamp(head) for _, head in sorted(self.heads.items())),
            cosigned=tuple(sorted(cosigned)),
            records=tuple(_record(item) for item in items),
            sample=None if sample is None else self._evidence_sample(sample),
            period=None if period is None else _period(period),
            technical=technical,
            with_log=with_log,
            trust="--policy policy" if self._published() else "--vkey log.vkey",
        )

    def _published(self) -> bool:
        """Whether the verifier will find the policy met."""
        try:
            return all(check_policy(self.policy, head.note) is not None for head in self.heads.values())
        except NotPublished:
            return False

    def _evidence_sample(self, sample: samples.Sample) -> EvidenceSample:
        row, _ = samples.places(self.g, sample.id)
        note = row.note or b""
        times = cosigned_at(self.policy, cosigned_by(self.policy, note))
        return EvidenceSample(
            id=sample.id,
            system=sample.system,
            since=sample.since,
            last=sample.until - 1,
            population=sample.population,
            count=sample.count,
            begun=sample.index,
            drawn=sample.drawn or 0,
            witness=sample.witness,
            not_before=sample.not_before,
            cosigned=format_posix(times[sample.witness]),
            size=sample.checkpoint or 0,
        )


def _stamp(head: log_store.Head) -> LogStamp:
    checkpoint = parse_checkpoint(parse_note(head.note).text)
    return LogStamp(origin=checkpoint.origin, size=checkpoint.size, root=format_base64(checkpoint.root))


def _record(item: Item) -> EvidenceRecord:
    stone = item.tombstone
    return EvidenceRecord(
        id=item.id,
        index=item.found.index,
        state=item.state,
        corrected=bool(item.corrections),
        erased=None if stone is None else parse_time(stone.entry.time).date(),
        ground=None if stone is None else str(stone.entry.members["ground"]),
    )


def _period(period: Period) -> EvidencePeriod:
    return EvidencePeriod(
        system=period.system,
        first=period.first,
        last=period.last,
        entries=len(period.told),
        documents=len(period.files),
    )
