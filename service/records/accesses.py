"""Who read what: the `access/1` entry that is in the log before any content is given (issue 4, GDPR 5(2) and 15).

The entry says purpose and role. Which records, by which account, and what was asked are committed and sealed, since all
of it is about persons: it goes when the last of those records is erased.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from auditlog.core.entries.record import Entry
from auditlog.core.entries.vocabulary import READERS, Purpose
from auditlog.core.errors import Erased
from auditlog.core.formats.canonical import Json
from auditlog.core.formats.id_set import SECRET_SIZE, id_root
from auditlog.store import record_events as about_store
from auditlog.store.erasures import with_content
from auditlog.store.insert import insert_rows
from auditlog.vault.holds import RESTRICTION, holds_among
from auditlog.vault.seal import Prepared
from auditlog.writing.log import Check, Sequenced, Unit
from home.errors import Refused, UsageError
from home.greffier import Greffier

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from auditlog.store.insert import Row

T = TypeVar("T")
Also = Callable[["Connection", str], None]
PERSON: Final = "person"
STAFF: Final = frozenset({"administrator", "officer", "approver", "auditor", "privacy_officer"})
"""Who is shown a result also while an officer has it."""
# What may still be read while the person has had the use of a record restricted (GDPR 18(2)).
_UNDER_RESTRICTION: Final = frozenset({"access_file", "lookup", "evidence", "correction"})
# What the person is shown of their own, all the same.
_OWN: Final = frozenset({"receipt", "request", "letter"})
# Who keeps the program running is given its measurements, in an evidence folder, and nothing else of a record.
_WITHOUT_CONTENT: Final = frozenset({"operator", "program"})
_MEASURES: Final = frozenset({"evidence", "sample"})
# Up to so many records each have an entry of their own; more of them stand in sets.
SINGLY: Final = 16
SET: Final = 256
_ENTRIES: Final = 16


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: a role (`vocabulary.READERS`) and the public id of the key or account, None where there is none."""

    role: str
    account: str | None

    def __post_init__(self) -> None:
        if self.role not in READERS:
            raise UsageError(f"must be one of {', '.join(READERS)}", field="role")


# Commands of the machine's owner.
CLI: Final = Reader("administrator", None)


class CountedToday(Exception):
    """The person's own reading of this record stands in the log for today already."""


def demand(conn: Connection, reader: Reader, purpose: Purpose, ids: Sequence[str]) -> None:
    """Raise Refused for a role that sees nothing of the content, and where the person has had the use of one of these
    records restricted, and this is such a use."""
    if reader.role in _WITHOUT_CONTENT and purpose not in _MEASURES:
        message = f"is not for the role {reader.role}, which sees nothing of the content"
        raise Refused(message, reason="role", field="role")
    if withheld(conn, reader, purpose, ids):
        message = (
            "the use of its content is restricted (GDPR 18): it may be read for the person's own access, a look-up, a "
            "correction or evidence; or lift the hold first"
        )
        raise Refused(message, reason="restricted", field="id")


def withheld(conn: Connection, reader: Reader, purpose: Purpose, ids: Sequence[str]) -> frozenset[str]:
    """Those of these records whose content may not be given for this purpose while a restriction is in force."""
    if purpose in _UNDER_RESTRICTION or (purpose in _OWN and reader.role == PERSON):
        return frozenset()
    return frozenset(id_ for id_, grounds in holds_among(conn, ids).items() if RESTRICTION in grounds)


def note(
    g: Greffier, reader: Reader, purpose: Purpose, ids: Sequence[str], *, scope: Json = None, also: Also | None = None
) -> None:
    """Put the access to these records into the log, and wait until it is integrated.

    One entry a record for up to 16 of them, else one for each set of 256; one with count 0 where there are none. A
    person's own reading is noted once a day (UTC) and record. `also` is told the id of the one entry of some records,
    and writes rows that follow from it. Raises CannotRecord: then nothing may be given; Erased where a record was
    erased meanwhile; Refused where its use was restricted meanwhile, and by role.
    """
    if g.problem is not None:
        raise g.problem
    ordered = sorted(set(ids))
    if also is not None:
        g.log.append(_beside(_unit(g, reader, purpose, [ordered], scope), also)).result()
        return
    sets = list(_parts(ordered, 1 if len(ordered) <= SINGLY else SET)) or [[]]
    if reader.role == PERSON:
        for one in ordered:
            _note_once(g, reader, purpose, one, scope)
        return
    for some in _parts(sets, _ENTRIES):
        g.log.append(_unit(g, reader, purpose, some, scope)).result()


def concerned(conn: Connection, entry: Entry) -> list[str]:
    """The records whose content an entry's is: those that it is about, else itself."""
    return about_store.records_behind(conn, entry.id) or [entry.id]


def _note_once(g: Greffier, reader: Reader, purpose: Purpose, id_: str, scope: Json) -> None:
    today = g.clock().date().isoformat()
    with g.reading() as conn:
        if about_store.read_on(conn, id_, reader.role, today):
            return
    try:
        g.log.append(_unit(g, reader, purpose, [[id_]], scope)).result()
    except CountedToday:
        return


def _unit(g: Greffier, reader: Reader, purpose: Purpose, sets: Sequence[Sequence[str]], scope: Json) -> Unit:
    made = [_entry(g, reader, purpose, ids, scope) for ids in sets]
    wanted = [id_ for ids in sets for id_ in ids]

    def rows(sequenced: tuple[Sequenced, ...]) -> list[Row]:
        kept: list[Row] = []
        for (entry, values, prepared), at in zip(made, sequenced, strict=True):
            kept += prepared.rows()
            kept += about_store.about_rows(about_store.about_from(entry, values, at.place))
        return kept

    def ask(conn: Connection) -> None:
        if not with_content(conn, wanted) >= set(wanted):
            raise Erased("the content was erased; its entry and proof remain", field="id")
        demand(conn, reader, purpose, wanted)

    def once(conn: Connection, sequenced: tuple[Sequenced, ...]) -> None:
        ask(conn)
        day = made[0][0].time.partition("T")[0]
        if any(about_store.read_on(conn, id_, reader.role, day) for id_ in wanted):
            raise CountedToday
        insert_rows(conn, rows(sequenced))

    entries = tuple(entry for entry, _, _ in made)
    if reader.role == PERSON:
        # By itself, after the rows of those before it in its group, so that two at once are told apart.
        return Unit(entries, once)
    return Unit(entries, rows=rows, check=Check(("access", entries[0].id), ask))


def _beside(unit: Unit, also: Also) -> Unit:
    """The unit of staff's access, with rows of others in its transaction."""

    def apply(conn: Connection, sequenced: tuple[Sequenced, ...]) -> None:
        assert unit.check is not None
        assert unit.rows is not None
        unit.check.ask(conn)
        insert_rows(conn, unit.rows(sequenced))
        also(conn, unit.entries[0].id)

    return Unit(unit.entries, apply)


def _entry(
    g: Greffier, reader: Reader, purpose: Purpose, ids: Sequence[str], scope: Json
) -> tuple[Entry, dict[str, Json], Prepared]:
    id_, secret = str(uuid.uuid4()), os.urandom(SECRET_SIZE)
    values: dict[str, Json] = {
        "records": {"count": len(ids), "root": id_root(secret, ids).hex()},
        "ids": {"ids": [*ids], "secret": secret.hex()},
        "scope": scope,
        "account": reader.account,
    }
    prepared = g.vault.prepare(id_, values)
    entry = g.make("access/1", id=id_, purpose=purpose, role=reader.role, commitments=prepared.commitments)
    return entry, values, prepared


def _parts(many: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(many), size):
        yield many[start : start + size]
