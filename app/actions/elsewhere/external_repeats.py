"""Lines whose number has a record: each says the same as that record, or is a conflict. Nobody sees the content."""

from __future__ import annotations

from collections.abc import Mapping

from app.actions.elsewhere.external_lines import Committed, Line, Told
from app.actions.elsewhere.external_register import Register
from app.actions.elsewhere.external_values import told, with_subjects
from app.actions.records import reading
from app.errors import AppError, UsageError
from app.home import Greffier
from auditlog.entries.record import Entry
from auditlog.errors import Erased, NotFound, VaultError
from auditlog.formats.commitment import canonical_value
from auditlog.store.sources import SourceRow


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
    if not _is_of(line, record.entry) or not isinstance(line, Told) or record.opened.refs != line.refs.normalised():
        return False
    version = register.version(line.system, record.entry.members["version"])
    try:
        values = with_subjects(version.content(line, g.clock()), line)
    except UsageError:
        return False
    return canonical_value(told(values), field="record") == canonical_value(told(record.values), field="record")


def _is_of(line: Line, entry: Entry) -> bool:
    members = entry.members
    return members["system"] == line.system and line.version in {None, members["version"]}
