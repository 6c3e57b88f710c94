"""Who made a system, who answers for it, and who else has a hand in it."""

from __future__ import annotations

from dataclasses import dataclass, field

from registry.declaration import declared
from registry.parts.value_types import LINK
from registry.values import Code, Text

ROLES = Code(
    {
        "provider": {"en": "provider", "nl": "aanbieder"},
        "deployer": {"en": "deployer", "nl": "gebruiksverantwoordelijke"},
        "both": {"en": "provider and deployer", "nl": "aanbieder en gebruiksverantwoordelijke"},
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Who made the system (AI Act 3(3))."""

    name: str = field(metadata=declared(Text(), en="Name", nl="Naam"))
    contact: str = field(metadata=declared(Text(), en="Contact", nl="Contact"))
    address: str | None = field(
        metadata=declared(Text(), en="Address", nl="Adres", presence="omitted", article="AI Act Annex VIII A 1"),
        default=None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who answers for its use within the agency: a unit and a function, never a person's name."""

    unit: str = field(metadata=declared(Text(), en="Unit", nl="Afdeling"))
    contact: str = field(metadata=declared(Text(), en="Contact", nl="Contact"))
    senior_role: str | None = field(
        metadata=declared(Text(), en="Final responsibility", nl="Eindverantwoordelijke", presence="omitted"),
        default=None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """An organisation that acts for another (AI Act Annex VIII A 2 and 3, B 2 and 3, C 2)."""

    name: str = field(metadata=declared(Text(), en="Name", nl="Naam"))
    address: str = field(metadata=declared(Text(), en="Address", nl="Adres"))
    contact: str = field(metadata=declared(Text(), en="Contact", nl="Contact"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplier:
    """From whom the agency has the system, and under which contract."""

    name: str = field(metadata=declared(Text(), en="Name", nl="Naam"))
    contact: str = field(metadata=declared(Text(), en="Contact", nl="Contact"))
    number: str | None = field(
        metadata=declared(Text(40), en="Number in the trade register", nl="KvK-nummer", presence="omitted"),
        default=None,
    )
    part: str | None = field(
        metadata=declared(Text(), en="What it does", nl="Wat zij doet", presence="omitted"), default=None
    )
    procurement: str | None = field(
        metadata=declared(Text(), en="How it was bought", nl="Hoe ingekocht", presence="omitted"), default=None
    )
    contract: str | None = field(
        metadata=declared(Text(), en="Contract", nl="Contract", presence="omitted"), default=None
    )
    data_access: str | None = field(
        metadata=declared(Text(), en="Access to data", nl="Toegang tot gegevens", presence="omitted"), default=None
    )
    website: str | None = field(metadata=declared(LINK, en="Website", nl="Website", presence="omitted"), default=None)
