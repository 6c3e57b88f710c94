"""AI Act Annex VIII as JSON: what a provider (A, B) or a public authority (C) enters in the EU database.

Regulation (EU) 2024/1689, Articles 49 and 71, as amended by Regulation (EU) 2026/1744, which deleted B 7 and B 9. The
Commission has published no file format of its own: field numbers are those of the Annex, values are the register's.
"""

from __future__ import annotations

from typing import Final

from registry.canonical import Json, format_canonical, parse_json
from registry.errors import FormatError
from registry.exchange.annex_viii_fields import SECTIONS, is_protected, restricted
from registry.exchange.drafts import checked, lost_of
from registry.exchange.transfer import DoesNotApply, Exported, Imported, Missing, Place, Source, fill, read_places
from registry.system import AISystem

FORMAT: Final = "greffier-annex-viii/1"
LAW: Final = "Regulation (EU) 2024/1689, Annex VIII, as amended by Regulation (EU) 2026/1744"
_RESTRICTED: Final = frozenset({"A1", "A2", "A3", "A4", "A5", "A7", "A10", "B1", "B2", "B3", "B4", "B5", "B8"}) | {
    f"C{number}" for number in (1, 2, 3)
}
"""What Article 49(4) leaves of each section in the part of the database that is not public."""


def to_annex_viii(source: Source, section: str) -> Exported:
    """Section `A`, `B` or `C` of this system. Raises DoesNotApply where the Annex does not ask for it.

    Of a system of Article 49(4) only the fields of the restricted section are written.
    """
    demand(source.system, section)
    places = _asked(source.system, section)
    filled = fill(places, source)
    labels = {place.id: place.label for place in places}
    value: dict[str, Json] = {
        "format": FORMAT,
        "law": LAW,
        "section": section,
        "restricted": restricted(source.system),
        "system": source.system.slug,
        "fields": {name: {"label": labels[name], "value": item} for name, item in filled.values.items()},
    }
    data = format_canonical(value)
    lost = lost_of(source, from_annex_viii(data).draft, places, filled)
    unsure = source.system.use is None and section == "C"
    missing = (Missing("use", "Whether we are a public authority", "use.public_authority", "AI Act 49(3)"),) * unsure
    return Exported(data, missing + filled.missing, lost)


def from_annex_viii(data: bytes) -> Imported:
    """A draft out of a file that `to_annex_viii` wrote. Raises FormatError for anything else."""
    value = parse_json(data)
    if not isinstance(value, dict) or value.get("format") != FORMAT or str(value.get("section")) not in SECTIONS:
        raise FormatError(f'is no section of Annex VIII; the file begins with "format": "{FORMAT}"', field="format")
    fields = value.get("fields")
    if not isinstance(fields, dict) or not all(isinstance(item, dict) for item in fields.values()):
        raise FormatError('is not an object of fields; write {"A1": {"value": …}}', field="fields")
    found = read_places(
        SECTIONS[str(value["section"])],
        {name: item.get("value") for name, item in fields.items() if isinstance(item, dict)},
    )
    slug = value.get("system")
    if isinstance(slug, str):
        found.draft["slug"] = slug
    return checked(found)


def demand(system: AISystem, section: str) -> None:
    """Raise DoesNotApply where the Annex does not ask this section of the system, FormatError for no section."""
    points = system.classification.annex_iii
    if section not in SECTIONS:
        raise FormatError("is no section of Annex VIII; write A, B or C", field="section")
    if not points:
        raise DoesNotApply("names no point of Annex III: Annex VIII is not for it (AI Act 49)", field=system.slug)
    if set(points) == {"III.2"}:
        raise DoesNotApply("is of point 2 of Annex III: it is registered nationally (AI Act 49(5))", field=system.slug)
    left = system.classification.exit_6_3 is not None
    if section in "AB" and system.role == "deployer":
        raise DoesNotApply("is provided by another: sections A and B are for providers (49(1), (2))", field=system.slug)
    if section == "A" and left:
        raise DoesNotApply("is not high-risk by Article 6(3): write section B (AI Act 49(2))", field=system.slug)
    if section == "B" and not left:
        raise DoesNotApply("takes no exit under Article 6(3): write section A (AI Act 49(1))", field=system.slug)
    if section == "C" and left:
        raise DoesNotApply("is not high-risk by Article 6(3): section C is not for it (49(3))", field=system.slug)
    if section == "C" and system.role == "provider":
        raise DoesNotApply("is used by others: section C is for deployers (AI Act 49(3))", field=system.slug)
    if section == "C" and system.use is not None and not system.use.public_authority:
        raise DoesNotApply("is not used by a public authority: section C is not for it (49(3))", field=system.slug)


def _asked(system: AISystem, section: str) -> tuple[Place, ...]:
    """The fields that this system's entry has: fewer where it is restricted; no instructions for those areas (A 12)."""
    places = SECTIONS[section]
    if restricted(system):
        return tuple(place for place in places if place.id in _RESTRICTED)
    return tuple(place for place in places if place.id != "A12") if is_protected(system) else places
