"""By what a system is found: its theme, and the names that others have for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from registry.declaration import declared
from registry.values import Code, Text

THEMES: Final = Code(
    {
        "organisation": {"en": "Organisation", "nl": "Organisatie en bedrijfsvoering"},
        "culture": {"en": "Culture and recreation", "nl": "Cultuur en recreatie"},
        "economy": {"en": "Economy", "nl": "Economie"},
        "finance": {"en": "Public finance", "nl": "Overheidsfinanciën"},
        "housing": {"en": "Housing", "nl": "Wonen"},
        "international": {"en": "International", "nl": "Internationaal"},
        "migration": {"en": "Migration and integration", "nl": "Migratie en integratie"},
        "environment": {"en": "Nature and environment", "nl": "Natuur en milieu"},
        "education": {"en": "Education and science", "nl": "Onderwijs en wetenschap"},
        "safety": {"en": "Public order and safety", "nl": "Openbare orde en veiligheid"},
        "law": {"en": "Law", "nl": "Recht"},
        "space": {"en": "Space and infrastructure", "nl": "Ruimte en infrastructuur"},
        "social": {"en": "Social security", "nl": "Sociale zekerheid"},
        "traffic": {"en": "Traffic", "nl": "Verkeer"},
        "work": {"en": "Work", "nl": "Werk"},
        "health": {"en": "Care and health", "nl": "Zorg en gezondheid"},
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """A name that another register or the provider has for the system (AI Act Annex VIII A 4)."""

    scheme: str = field(metadata=declared(Text(100), en="Register", nl="Register"))
    value: str = field(metadata=declared(Text(200), en="Identifier", nl="Nummer"))
