"""Find my decisions: from a reference of a person or a case to the records that it leads to (GDPR 15, issue 4).

The reference is compared as a keyed tag (`auditlog.vault.subjects`), and stands nowhere afterwards. Each look-up is in
the log before its answer, also one that finds nothing: what it commits as its question is the kind of tag and the rule
of normalisation.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, get_args

from auditlog.core.entries.receipt import Receipt
from auditlog.core.errors import Erased, FormatError
from auditlog.core.formats.canonical import Json
from auditlog.vault.subjects import RULE
from home.errors import UsageError
from home.greffier import Greffier
from service.proving import receipts
from service.records import query, reading
from service.records.query import LogStamp
from service.records.reading import Found, Purpose, Reader, Record

By: TypeAlias = Literal["subject", "case"]
# With receipts all of them are opened at once, and in memory.
MAX_OPENED: Final = 256
REQUEST: Final = "request/1"


@dataclass(frozen=True, slots=True)
class Reference:
    """What is looked up; `option`: the name of the field or option that it came in."""

    by: By
    text: str = field(repr=False)
    option: str

    @property
    def scope(self) -> dict[str, Json]:
        """What the access entry commits of it."""
        return {"tag": self.by, "rule": RULE.removesuffix(":")}


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """One record: what its entry says in clear.

    `receipt` where receipts were asked for; without openings where the content was kept by its sender. `mode` is None
    for a streamed answer that came to no decision: what had been said is about the person all the same.
    """

    id: str
    log: int
    index: int
    time: str
    system: str
    version: int
    mode: str | None
    receipt: Receipt | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """The records, oldest first, and the log that they were found in.

    `restricted`: how many more there are whose use is restricted (GDPR 18), and not allowed for this purpose.
    """

    records: tuple[FoundRecord, ...]
    restricted: int
    log: LogStamp


def look_up(
    g: Greffier,
    reader: Reader,
    purpose: Purpose,
    reference: Reference,
    *,
    receipted: bool = False,
    within: Callable[[str], bool] | None = None,
) -> Answer:
    """The decisions that a reference leads to, by any spelling of it; with `within` those of systems it allows.

    Raises UsageError for a purpose that there is none, a reference that cannot be normalised, or more records than can
    be opened at once; and what `reading.note_scope` raises.
    """
    if purpose not in get_args(Purpose):
        raise UsageError(f"must be one of {', '.join(get_args(Purpose))}", field="purpose")
    every = find(g, reference, within=within)
    held = reading.withheld(g, reader, purpose, [one.entry.id for one in every])
    found = [one for one in every if one.entry.id not in held]
    if receipted and len(found) > MAX_OPENED:
        message = f"leads to more than {MAX_OPENED} records: look up without receipts, then ask for those you need"
        raise UsageError(message, field="receipts")
    if not receipted:
        reading.note_scope(g, reader, purpose, [one.entry.id for one in found], reference.scope)
        return Answer(tuple(_shown(one, None) for one in found), len(held), query.stamp(g))
    content = opened(g, reader, purpose, reference, found)
    shown = [_shown(one, _receipt(g, one, content[one.entry.id])) for one in found if one.entry.id in content]
    return Answer(tuple(shown), len(held), query.stamp(g))


def find(g: Greffier, reference: Reference, *, within: Callable[[str], bool] | None = None) -> Sequence[Found]:
    """The entries of the decisions that a reference leads to, in the order of the log. The caller notes the access."""
    found = [one for one in _find_all(g, reference) if one.entry.kind != REQUEST]
    allowed = [one for one in found if within is None or within(str(one.entry.members["system"]))]
    return sorted(allowed, key=lambda one: (one.log, one.index))


def find_requests(g: Greffier, reference: Reference) -> list[Found]:
    """What the person asked, in the order of the log: those that can still be read. The caller notes the access."""
    found = [one for one in _find_all(g, reference) if one.entry.kind == REQUEST]
    return sorted([one for one in found if not g.ledger.names(one.entry.id)], key=lambda one: (one.log, one.index))


def _find_all(g: Greffier, reference: Reference) -> list[Found]:
    try:
        with g.reading() as conn:
            ids = g.vault.find(conn, reference.text, reference.by)
    except FormatError as error:
        raise UsageError(str(error).removeprefix(f"{error.field}: "), field=reference.option) from None
    return [reading.find(g, id_) for id_ in ids]


def opened(
    g: Greffier, reader: Reader, purpose: Purpose, reference: Reference, found: Sequence[Found]
) -> dict[str, Record | None]:
    """Id → content, once the access to each is in the log; None where its sender kept the content.

    What was erased since it was found is left out. Where there is nothing, an access to 0 records is noted.
    """
    records = reading.open_many(g, reader, purpose, [one.entry.id for one in found], scope=reference.scope)
    content: dict[str, Record | None] = {record.entry.id: record for record in records}
    elsewhere = []
    for one in found:
        with contextlib.suppress(Erased):
            if one.entry.id not in content:
                elsewhere.append(reading.find_live(g, one.entry.id).entry.id)
    if elsewhere or not content:
        reading.note_scope(g, reader, purpose, elsewhere, reference.scope)
    return content | dict.fromkeys(elsewhere)


def _receipt(g: Greffier, found: Found, record: Record | None) -> Receipt:
    if record is None:
        return receipts.receipt(g, found.entry.id, openings=None)
    return receipts.receipt_of(g, record)


def _shown(found: Found, receipt: Receipt | None) -> FoundRecord:
    members = found.entry.members
    return FoundRecord(
        id=found.entry.id,
        log=found.log,
        index=found.index,
        time=found.entry.time,
        system=str(members["system"]),
        version=int(members["version"]),
        mode=members.get("mode"),
        receipt=receipt,
    )
