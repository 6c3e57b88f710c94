"""What a person sees of the decision about them, by the access code of their letter: in the words of the version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from auditlog.core.entries.receipt import Receipt
from auditlog.core.entries.record import Entry, parse_entry, parse_time
from auditlog.core.entries.vocabulary import INPUT_PREFIX
from auditlog.core.formats.canonical import Json, format_canonical
from home.greffier import Greffier
from registry.manifest import Manifest
from registry.store import systems as register_store
from registry.values import Words
from service.cases import access_codes
from service.records.content import written_text
from service.systems import register


@dataclass(frozen=True, slots=True)
class OwnValue:
    """One detail that went in: its label, and its value as words per language, or as text where it has none."""

    label: Words
    words: Words | None
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class OwnReceipt:
    """A receipt as its person reads it. `held`: what came out is not told before the decision was sent to them.

    `result`: its label per language; None where it is held, or has no words. `written`: text that the system wrote.
    """

    receipt: Receipt = field(repr=False)
    id: str
    system: str
    name: Words
    recorded: datetime
    held: bool
    values: tuple[OwnValue, ...]
    result: Words | None
    written: str | None = field(repr=False)


def read_own(g: Greffier, record_id: str, code: str, *, bucket: str | None) -> OwnReceipt:
    """The receipt behind reference and code; the access is in the log first.

    Raises CodeRejected, TooMany, CannotRecord as `access_codes.open_receipt` does.
    """
    receipt = access_codes.open_receipt(g, record_id, code, bucket=bucket)
    entry = cast("Entry", parse_entry(receipt.entry))
    slug, number = str(entry.members["system"]), cast("int", entry.members["version"])
    with g.reading() as conn:
        manifest = register_store.read_version(conn, slug, number).manifest
    opened: Mapping[str, Json] = {one.field: one.value for one in receipt.openings}
    return OwnReceipt(
        receipt=receipt,
        id=entry.id,
        system=slug,
        name=register.show(g, slug).system.name,
        recorded=parse_time(entry.time),
        held="outcome" not in opened,
        values=_values(manifest, opened),
        result=_result(manifest, opened),
        written=written_text(manifest, output) if isinstance(output := opened.get("output"), dict) else None,
    )


def _values(manifest: Manifest, opened: Mapping[str, Json]) -> tuple[OwnValue, ...]:
    """Fields of which nothing was given are left out."""
    return tuple(
        OwnValue(one.label, one.words(value), value if isinstance(value, str) else format_canonical(value).decode())
        for one in manifest.fields
        if (value := opened.get(f"{INPUT_PREFIX}{one.id}")) is not None
    )


def _result(manifest: Manifest, opened: Mapping[str, Json]) -> Words | None:
    outcome = manifest.outcome(str(opened["outcome"])) if "outcome" in opened else None
    return None if outcome is None else outcome.label
