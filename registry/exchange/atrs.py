"""The UK Algorithmic Transparency Recording Standard: version 4.0 out, versions 3.0 and 4.0 in, as CSV.

Contains public sector information licensed under the Open Government Licence v3.0 (field names of the standard, Cabinet
Office and DSIT). The standard has no machine-readable schema: columns are those of its own table of version 3.0, with
the answer as a last one. Numbers of version 4.0 follow its guidance of 8.5.2025 and published records. In English.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from registry.canonical import Json
from registry.errors import FormatError
from registry.exchange import atrs_words
from registry.exchange.atrs_fields import FIELDS, NAMES, V3_NAMES, Field
from registry.exchange.drafts import checked, lost_of
from registry.exchange.sheet import MOST_BYTES, guarded, unguarded
from registry.exchange.transfer import Exported, Imported, Place, Source, fill, read_places, read_text
from registry.values import Words

LANG: Final = "en"
VERSION: Final = "4.0"
HEADER: Final = ("reference number", "attribute", "name", "value")


def to_atrs(source: Source) -> Exported:
    """The record as version 4.0 asks for it: one line a field, in the order of the standard."""
    english = replace(source, lang=LANG)
    filled = fill(PLACES, english)
    output = io.StringIO()
    writer = csv.writer(output)
    writer.writerow(HEADER)
    writer.writerow(("0.2", "standard_version", "Standard version", VERSION))
    for field in FIELDS:
        value = filled.values.get(field.attribute)
        writer.writerow((field.v4, field.attribute, field.name, guarded("" if value is None else str(value))))
    back = checked(read_places(PLACES, filled.values)).draft
    lost = lost_of(english, back, PLACES, filled, one_language=True)
    return Exported(output.getvalue().encode(), filled.missing, lost)


def from_atrs(data: bytes) -> tuple[Imported, ...]:
    """A draft out of a table of version 3.0 or 4.0. Raises FormatError where it is no such table."""
    rows = _rows(data)
    names = [cell.strip().lower() for cell in rows[0]]
    if "value" not in names or not {"attribute", "name", "reference number"} & set(names):
        raise FormatError(f"is no table of the standard: its first line is {', '.join(HEADER)}", field="file")
    lines = [dict(zip(names, row, strict=False)) for row in rows[1:] if any(row)]
    third = _version(lines) == "3"
    values: dict[str, Json] = {}
    for line in lines:
        attribute = _attribute(line, third=third)
        if attribute and attribute != "standard_version" and line.get("value", "").strip() not in {"", "N/A", "n/a"}:
            values[attribute] = unguarded(line["value"])
    return (checked(read_places(PLACES, values)),)


def _rows(data: bytes) -> list[list[str]]:
    if len(data) > MOST_BYTES:
        raise FormatError(f"is larger than {MOST_BYTES // 1_000_000} MB; it is one system", field="file")
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    except UnicodeDecodeError:
        raise FormatError("is not UTF-8; save it as CSV UTF-8", field="file") from None
    except csv.Error:
        raise FormatError("is no CSV that can be read: a quote is not closed", field="file") from None
    if not rows:
        raise FormatError("is empty; write the table of the standard", field="file")
    return rows


def _version(lines: list[dict[str, str]]) -> str:
    """`3` or `4`: as the table says, else by what only version 3.0 numbers."""
    said = next((line["value"] for line in lines if line.get("attribute") == "standard_version"), "")
    found = re.search(r"[34]", said)
    if found:
        return found.group()
    return "3" if any(line.get("reference number", "").strip() in {"0.11", "0.12"} for line in lines) else "4"


def _attribute(line: dict[str, str], *, third: bool) -> str:
    """The attribute that a line is about: as it says, else by its name, else by the version's number.

    Names before numbers, since published records number the fields of each tier anew.
    """
    attribute = line.get("attribute", "").strip()
    if attribute:
        return V3_NAMES.get(attribute, attribute) if third else attribute
    named = NAMES.get(line.get("name", "").strip().lower())
    if named is not None:
        return named
    number = line.get("reference number", "").strip()
    found = (field.attribute for field in FIELDS if number and number == (field.v3 if third else field.v4))
    return next(found, f"field {number}")


def _text(member: str) -> Callable[[Source], Json]:
    def write(source: Source) -> Json:
        value: Words | str | None = getattr(source.system, member)
        return value if value is None or isinstance(value, str) else source.say(value)

    return write


def _supplier(member: str) -> Callable[[Source], Json]:
    return lambda source: getattr(source.system.supplier, member) if source.system.supplier else None


_TEXTS: Final = {
    "name": "name",
    "one_sentence_description": "summary",
    "description": "purpose",
    "benefits": "proportionality",
    "alternatives_considered": "alternatives",
    "integration_into_broader_operational_process": "decision_process",
    "human_review": "human_oversight",
}
_SUPPLIED: Final = {
    "third_party": "name",
    "companies_house_number": "number",
    "third_party_role": "part",
    "procurement_procedure_type": "procurement",
    "third_party_data_access_terms": "data_access",
}


_PLAIN: Final[Mapping[str, tuple[Callable[[Source], Json], tuple[str, ...]]]] = {
    "website_url": (_text("website"), ("website",)),
    "team": (lambda source: source.system.owner.unit, ("owner", "unit")),
    "senior_responsible_owner": (lambda source: source.system.owner.senior_role, ("owner", "senior_role")),
    "contact_email": (atrs_words.contact, ("owner", "contact")),
}


def _place(field: Field) -> Place:
    name = field.attribute
    if name in _TEXTS:
        member = _TEXTS[name]
        return Place(name, field.name, (member,), _text(member), read_text(member, LANG), field.required)
    if name in _SUPPLIED:
        member = _SUPPLIED[name]
        write, read = _supplier(member), read_text("supplier", member)
        return Place(name, field.name, (f"supplier.{member}",), write, read, field.required)
    if name in _PLAIN:
        write, path = _PLAIN[name]
        return Place(name, field.name, (".".join(path),), write, read_text(*path), field.required)
    words = atrs_words.WRITERS[name]
    return Place(name, field.name, words.members, words.write, None, field.required, why=words.why)


PLACES: Final = tuple(_place(field) for field in FIELDS)
"""The fields of version 4.0, in its order."""
