"""Lines whose number has a record: each says the same as that record, or is a conflict. Nobody sees the content."""

from __future__ import annotations

from collections.abc import Mapping

from auditlog.core.entries.record import Entry
from auditlog.core.errors import Erased, NotFound, VaultError
from auditlog.core.formats.commitment import canonical_value
from auditlog.store.sources import SourceRow
from home.errors import AppError, UsageError
from home.greffier import Greffier
from service.external.lines import Committed, Line, Reported
from service.external.register import Register
from service.external.values import sent_values, with_subjects
from service.records import reading


def compare(
    g: Greffier, register: Register, again: Mapping[int, tuple[Line, SourceRow]]
) -> dict[int, bool | Exception]:
    """For each line by its position: whether it says the same as the record of its number.

    An error where that cannot be said: the content was erased, or cannot be read.
    """
    found: dict[int, bool | Exception] = {}
    for position, (line, row) in again.items():
        try:
            if row.committed is not None:
                found[position] = _is_same_commitment(line, reading.find_live(g, row.id).entry)
            else:
                found[position] = _is_same(g, register, line, _record(g, row.id))
        except (AppError, Erased, NotFound, VaultError) as error:
            found[position] = error
    return found


def _record(g: Greffier, record_id: str) -> reading.Record:
    record = next(reading.recount(g, [record_id]), None)
    if record is None:
        raise Erased("the content was erased; its entry and proof remain", field="n")
    return record


def _is_same_commitment(line: Line, entry: Entry) -> bool:
    return _is_of(line, entry) and isinstance(line, Committed) and dict(entry.commitments) == line.commitments


def _is_same(g: Greffier, register: Register, line: Line, record: reading.Record) -> bool:
    if not _is_of(line, record.entry) or not isinstance(line, Reported) or record.opened.refs != line.refs.normalised():
        return False
    version = register.version(line.system, record.entry.members["version"])
    try:
        values = with_subjects(version.content(line, g.clock()), line)
    except UsageError:
        return False
    return canonical_value(sent_values(values), field="record") == canonical_value(
        sent_values(record.values), field="record"
    )


def _is_of(line: Line, entry: Entry) -> bool:
    members = entry.members
    return members["system"] == line.system and line.version in {None, members["version"]}
