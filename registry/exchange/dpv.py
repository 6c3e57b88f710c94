"""The record as JSON-LD in the W3C Data Privacy Vocabulary 2.3 and its extension for the AI Act, out and in.

Terms: https://w3id.org/dpv, /ai, /tech, /legal/eu/aiact (W3C Software and Document licence, 2023). What the vocabulary
has no term for is left out and told; texts keep all their languages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from registry.canonical import Json, format_canonical
from registry.errors import FormatError
from registry.exchange.dpv_terms import PLACES
from registry.exchange.drafts import checked, lost_of
from registry.exchange.lenient_json import parse_foreign
from registry.exchange.transfer import Exported, Imported, Source, fill, read_places

CONTEXT: Final[dict[str, Json]] = {
    "dpv": "https://w3id.org/dpv#",
    "ai": "https://w3id.org/dpv/ai#",
    "tech": "https://w3id.org/dpv/tech#",
    "eu-aiact": "https://w3id.org/dpv/legal/eu/aiact#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "schema": "https://schema.org/",
}


def to_dpv(source: Source) -> Exported:
    """The record as one JSON-LD node; its address is that of its page."""
    filled = fill(PLACES, source)
    node = {name: value for name, value in filled.values.items() if value is not None}
    site = source.agency.site if source.agency else "urn:greffier"
    value: dict[str, Json] = {"@context": CONTEXT, "@id": f"{site}/register/{source.system.slug}", **node}
    back = _read(value)
    return Exported(format_canonical(value), filled.missing, lost_of(source, back.draft, PLACES, filled))


def from_dpv(data: bytes) -> tuple[Imported, ...]:
    """A draft out of a node of class `ai:AISystem` with our prefixes. Raises FormatError for other JSON."""
    value = parse_foreign(data)
    types = value.get("@type") if isinstance(value, dict) else None
    if not isinstance(value, dict) or "ai:AISystem" not in (types if isinstance(types, list) else [types]):
        raise FormatError('is no AI system in JSON-LD; it has "@type": "ai:AISystem" and the prefix ai', field="@type")
    if not isinstance(value.get("@context"), dict):
        raise FormatError("is missing; write the prefixes as an object", field="@context")
    return (_read(value),)


def _read(value: Mapping[str, Json]) -> Imported:
    return checked(read_places(PLACES, {name: item for name, item in value.items() if name not in {"@context", "@id"}}))
