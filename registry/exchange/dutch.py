"""The Dutch Algoritmeregister: publication standard 1.0 (text 1.0.10 of 29.11.2024), out and in, as JSON.

Keys, lengths and values are those of the register's configuration 1.0. Texts are Dutch; long ones in the HTML that the
standard allows. What has no Dutch text is missing there: another language would be passed off as Dutch.
"""

from __future__ import annotations

from dataclasses import replace

from registry.canonical import Json, format_canonical
from registry.errors import FormatError
from registry.exchange.drafts import checked, lost_of
from registry.exchange.dutch_fields import LANG, MOST_THEMES, PLACES
from registry.exchange.lenient_json import parse_foreign
from registry.exchange.transfer import Exported, Imported, Source, fill, read_places


def to_dutch(source: Source) -> Exported:
    """The record as the Algoritmeregister takes it."""
    dutch = replace(source, lang=LANG)
    filled = fill(PLACES, dutch)
    values = {name: value for name, value in filled.values.items() if value is not None}
    themes = dutch.system.themes or ()
    if len(themes) > MOST_THEMES:
        filled = replace(filled, cut=filled.cut | {"category"})
    data = format_canonical(values)
    return Exported(data, filled.missing, lost_of(dutch, _read(values).draft, PLACES, filled, one_language=True))


def from_dutch(data: bytes) -> tuple[Imported, ...]:
    """Drafts out of one record of the standard, or a list of them. Raises FormatError for other JSON."""
    value = parse_foreign(data)
    if isinstance(value, dict) and isinstance(value.get("results"), list):
        value = value["results"]  # a page of what the register's own interface answers
    records = value if isinstance(value, list) else [value]
    if not records or not all(isinstance(record, dict) for record in records):
        raise FormatError("is no record of the publication standard; write an object, or a list of them", field="file")
    found: list[Imported] = []
    for record in records:
        assert isinstance(record, dict)
        if not {"name", "source_id"} & set(record) or str(record.get("lang", "nld")).lower() != "nld":
            what = "is no record of the publication standard: it has a name or source_id, and lang is nld"
            raise FormatError(what, field="name")
        found.append(_read(record))
    return tuple(found)


def _read(values: dict[str, Json]) -> Imported:
    return checked(read_places(PLACES, values))
