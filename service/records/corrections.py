"""Corrections (GDPR 16): the record stays as it was, what is right stands beside it, in an entry of its own.

What was wrong has been decided upon, and its commitment stays checkable. Whoever is shown the record is shown its
corrections (`of`): the officer, the person's letter and access file.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from auditlog.core.entries.record import Entry
from auditlog.core.entries.vocabulary import INPUT_PREFIX, ROLES
from auditlog.core.formats.canonical import Json
from auditlog.store import record_events as about_store
from auditlog.vault.holds import demand_holdable
from auditlog.writing.log import Sequenced, Unit
from home.errors import UsageError
from home.greffier import Greffier
from service.records import reading
from service.records.reading import Record

if TYPE_CHECKING:
    from sqlalchemy import Connection

KIND = "correction/1"
MAX_REASONS = 4000
# What a person can say is wrong; usage, run and times are measurements.
_RESULTS = ("output", "outcome")


@dataclass(frozen=True, slots=True)
class Correction:
    """What is right: value by field as the record names it (`in_<field>`, `output`, `outcome`), why, and when."""

    id: str
    time: str
    values: Mapping[str, Json]
    reasons: str


def parse(value: Json) -> tuple[dict[str, Json], str]:
    """Field → right value, and the reasons, of `{"values": {…}, "reasons": "…"}`. Raises UsageError, names no value."""
    if not isinstance(value, dict) or value.keys() != {"values", "reasons"}:
        raise UsageError("must be an object with the members values and reasons", field="--from")
    values, reasons = value["values"], value["reasons"]
    if not isinstance(values, dict) or not values:
        raise UsageError("must be an object: field and what is right, at least one", field="--from: values")
    if not isinstance(reasons, str) or not reasons.strip() or len(reasons) > MAX_REASONS:
        raise UsageError(f"must be a text of 1 to {MAX_REASONS} characters", field="--from: reasons")
    return values, reasons


@dataclass(frozen=True, slots=True)
class Prepared:
    """A correction that is ready for the log: its entry, and the rows that it writes once it has its place."""

    entry: Entry
    write: Callable[[Connection, Sequenced], None]


def correct(
    g: Greffier, record_id: str, values: Mapping[str, Json], reasons: str, *, role: str = "administrator"
) -> str:
    """Record what is right; returns the id of the entry. Raises what `prepare` raises."""
    ready = prepare(g, record_id, values, reasons, role=role)
    g.log.append(Unit((ready.entry,), lambda conn, sequenced: ready.write(conn, sequenced[0]))).result()
    return ready.entry.id


def prepare(g: Greffier, record_id: str, values: Mapping[str, Json], reasons: str, *, role: str) -> Prepared:
    """A correction that goes into the log by itself (`correct`), or with what it belongs to.

    A field is named as declared (`income`), or `output` or `outcome`. Raises UnknownRecord, Erased, NotFound for what
    has no content of its own, UsageError for a field that the record does not have.
    """
    if role not in ROLES:
        raise UsageError(f"must be one of {', '.join(ROLES)}", field="--as")
    named = _named(reading.find_live(g, record_id).entry, values)
    content: dict[str, Json] = {"values": named, "reasons": reasons}
    prepared = g.vault.prepare(str(uuid.uuid4()), content)
    entry = g.make(KIND, id=prepared.id, record=record_id, role=role, commitments=prepared.commitments)

    def write(conn: Connection, sequenced: Sequenced) -> None:
        demand_holdable(conn, g.ledger, record_id)
        prepared.insert(conn)
        about_store.insert_about(conn, about_store.about_from(entry, content, sequenced.place))

    return Prepared(entry, write)


def of(g: Greffier, record: Record) -> list[Correction]:
    """The corrections of a record that was opened just now, oldest first: whoever reads it reads these."""
    with g.reading() as conn:
        ids = [row.id for row in about_store.find_about(conn, record.entry.id, KIND)]
    found = []
    for one in reading.behind(g, record, ids):
        values, reasons = one.values["values"], one.values["reasons"]
        found.append(Correction(one.entry.id, one.entry.time, values if isinstance(values, dict) else {}, str(reasons)))
    return found


def _named(entry: Entry, values: Mapping[str, Json]) -> dict[str, Json]:
    """The values by the names that the record has. The caller's own words are never repeated."""
    named: dict[str, Json] = {}
    for number, (field, value) in enumerate(values.items(), 1):
        name = next((one for one in (f"{INPUT_PREFIX}{field}", field) if one in entry.commitments), None)
        if name is None or not (name.startswith(INPUT_PREFIX) or name in _RESULTS):
            known = [one.removeprefix(INPUT_PREFIX) for one in entry.commitments if one.startswith(INPUT_PREFIX)]
            raise UsageError(
                f"field number {number} is none that the record has; it has {', '.join([*sorted(known), *_RESULTS])}",
                field="--from: values",
            )
        if name in named:
            raise UsageError(f"field number {number} stands there twice", field="--from: values")
        named[name] = value
    return named
