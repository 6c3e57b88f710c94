"""What of a record is public, and why the rest is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from registry.declaration import Many, Part, declared, fields
from registry.parts.value_types import LONG
from registry.values import NAME, Code, Day, Text, Words

PUBLICATIONS = Code(
    {
        "public": {"en": "public", "nl": "openbaar"},
        "partly": {"en": "partly public", "nl": "deels openbaar"},
        "restricted": {"en": "not public", "nl": "niet openbaar"},
    }
)
MEMBER = Text(40, pattern=NAME, example="the name of the member")
REASONS = Code(
    {
        "security": {"en": "security", "nl": "veiligheid"},
        "investigation": {"en": "detection and prosecution", "nl": "opsporing en vervolging"},
        "inspection": {"en": "inspection and supervision", "nl": "inspectie en toezicht"},
        "trade_secret": {"en": "trade secret", "nl": "bedrijfsgeheim"},
        "privacy": {"en": "privacy", "nl": "privacy"},
        "article_49_4": {"en": "AI Act 49(4)", "nl": "AI-verordening 49 lid 4"},
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """A member of the record that the public does not see. That it is withheld, and why, is public."""

    member: str = field(metadata=declared(MEMBER, en="Member", nl="Onderdeel"))
    reason: str = field(metadata=declared(REASONS, en="Reason", nl="Reden"))
    explanation: Words = field(metadata=declared(LONG, en="Why", nl="Waarom"))
    until: date | None = field(metadata=declared(Day(), en="Until", nl="Tot", presence="nullable"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """How far the record is public. Without it, all of it is."""

    state: str = field(metadata=declared(PUBLICATIONS, en="State", nl="Staat"))
    withheld: tuple[Withheld, ...] = field(metadata=declared(Many(Part(Withheld)), en="Withheld", nl="Niet getoond"))


NEVER: Final = frozenset({"notice", "retention", "publication", "machine_translated"})
"""Optional members that nobody may withhold: people are owed them, or they say what is withheld."""


def withholdable(record: type[Any]) -> tuple[str, ...]:
    """The members that may be withheld: those that a record may lack, but for `NEVER`."""
    optional = (member.name for member in fields(record) if member.presence != "required")
    return tuple(name for name in optional if name not in NEVER)
