"""What the page of an evidence folder is made of. It holds no content of a record, and no time of its own making."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from reports.agency import LogStamp

State = Literal["open", "erased", "restricted", "elsewhere"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRecord:
    """One decision in the folder."""

    id: str
    """Its id, which is random."""
    index: int
    """Its index in the log."""
    state: State
    """Whether its content is here; if not, why. "elsewhere": the system that made it committed to it, and keeps it."""
    corrected: bool = False
    """Whether something in it was wrong, and a correction says what is right."""
    erased: date | None = None
    """Day of its tombstone; None where that follows with the others of its day."""
    ground: str | None = None
    """Ground code of the tombstone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSample:
    """How the decisions were drawn."""

    id: str
    """Id of the sample."""
    system: str | None
    """Slug of the system; None for all."""
    since: int
    """Index of the first entry that was drawn from."""
    last: int
    """Index of the last one."""
    population: int
    """Number of decisions that were drawn from."""
    count: int
    """Number of decisions that were drawn."""
    begun: int
    """Index of the entry that fixed all this."""
    drawn: int
    """Index of the entry that drew."""
    witness: str
    """Name of the witness."""
    not_before: str
    """From when on its cosignature counted."""
    cosigned: str
    """When it cosigned, by its own clock."""
    size: int
    """Size of the log that it cosigned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidencePeriod:
    """A system in a period."""

    system: str
    """Slug of the system."""
    first: date
    """The first day, UTC."""
    last: date
    """The last day."""
    entries: int
    """Number of entries about the system itself, from its registration to the last day."""
    documents: int
    """Number of documents behind those entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidencePage:
    """The page of one record's evidence, of a sample's, or of a system's in a period."""

    agency: Mapping[str, str]
    """Whose log, per language."""
    reference: str
    """Id of the record or sample."""
    logs: tuple[LogStamp, ...]
    """The states of the logs that the proofs lead to."""
    cosigned: tuple[str, ...]
    """Who cosigned them, each name once."""
    records: tuple[EvidenceRecord, ...]
    """The decisions in the folder, in the order of the draw."""
    sample: EvidenceSample | None
    """The draw, where it is one."""
    period: EvidencePeriod | None
    """The system and its period, where the folder is about one."""
    technical: bool
    """Whether only technical values were opened, by the reader's right."""
    with_log: bool
    """Whether a copy of the log is in the folder."""
    trust: str
    """What names the keys to the verifier: the options of its commands."""
