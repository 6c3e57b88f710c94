"""Where a system runs, and who handles personal data for the agency there (GDPR 28, 44 to 46)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from registry.declaration import Many, Part, declared
from registry.parts.value_types import COUNTRY, LINK, LONG
from registry.values import Code, Day, Integer, Text, Words

CAPTURES = Code(
    {
        "runtime": {"en": "runs here, each result is recorded", "nl": "draait hier, elke uitkomst wordt vastgelegd"},
        "gateway": {"en": "runs elsewhere, asked through us", "nl": "draait elders, gevraagd via ons"},
        "external": {
            "en": "runs elsewhere, results are sent to us",
            "nl": "draait elders, uitkomsten worden ingestuurd",
        },
        "none": {"en": "runs elsewhere, not recorded", "nl": "draait elders, niet vastgelegd"},
    }
)
HOSTS = Code(
    {
        "in_house": {"en": "own computer room", "nl": "eigen computerruimte"},
        "edge_device": {"en": "device at the place of use", "nl": "apparaat op de plek van gebruik"},
        "cloud": {"en": "cloud provider", "nl": "cloudaanbieder"},
        "serverless_gpu": {"en": "rented GPU, by the second", "nl": "gehuurde GPU, per seconde"},
    }
)
TRANSFERS = Code(
    {
        "adequacy": {"en": "adequacy decision (GDPR 45)", "nl": "adequaatheidsbesluit (AVG 45)"},
        "clauses": {"en": "standard clauses (GDPR 46(2)(c))", "nl": "modelbepalingen (AVG 46 lid 2 onder c)"},
        "binding_rules": {"en": "binding corporate rules (GDPR 47)", "nl": "bindende bedrijfsvoorschriften (AVG 47)"},
        "instrument": {
            "en": "agreement between authorities (GDPR 46(2)(a))",
            "nl": "afspraak tussen overheden (AVG 46 lid 2 onder a)",
        },
        "derogation": {"en": "derogation (GDPR 49)", "nl": "afwijking (AVG 49)"},
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Where it runs. `declared_watts` is the estimate used where energy cannot be measured."""

    kind: str = field(metadata=declared(HOSTS, en="Kind", nl="Soort"))
    place: str = field(metadata=declared(Text(), en="Place", nl="Plaats"))
    declared_watts: int | None = field(
        metadata=declared(Integer(1, 1_000_000), en="Declared watts", nl="Opgegeven watt", presence="nullable")
    )
    provider: str | None = field(
        metadata=declared(Text(), en="Cloud provider", nl="Cloudaanbieder", presence="omitted"), default=None
    )
    tier: str | None = field(metadata=declared(Text(100), en="Tier", nl="Niveau", presence="omitted"), default=None)
    region: str | None = field(metadata=declared(Text(100), en="Region", nl="Regio", presence="omitted"), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Personal data that go outside the EEA (GDPR 44 to 49)."""

    country: str = field(metadata=declared(COUNTRY, en="Country", nl="Land"))
    ground: str = field(metadata=declared(TRANSFERS, en="Ground", nl="Grond", article="GDPR 45, 46, 47, 49"))
    safeguards: Words = field(metadata=declared(LONG, en="Safeguards", nl="Waarborgen"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """An organisation that handles personal data for the agency (GDPR 28)."""

    name: str = field(metadata=declared(Text(), en="Name", nl="Naam"))
    does: Words = field(metadata=declared(LONG, en="What it does", nl="Wat zij doet"))
    agreed: date | None = field(
        metadata=declared(Day(), en="Agreement of", nl="Overeenkomst van", presence="nullable", article="GDPR 28(3)")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Processing:
    """How personal data are handled: what GDPR 30(1) asks beyond the rest of the record."""

    persons: Words = field(metadata=declared(LONG, en="Whose data", nl="Van wie", article="GDPR 30(1)(c)"))
    recipients: Words = field(
        metadata=declared(LONG, en="Who receives them", nl="Wie ze ontvangt", article="GDPR 30(1)(d)")
    )
    security: Words = field(
        metadata=declared(LONG, en="How they are protected", nl="Hoe ze zijn beveiligd", article="GDPR 30(1)(g), 32")
    )
    processors: tuple[Processor, ...] = field(
        metadata=declared(Many(Part(Processor)), en="Processors", nl="Verwerkers", article="GDPR 28")
    )
    transfers: tuple[Transfer, ...] = field(
        metadata=declared(Many(Part(Transfer)), en="Outside the EEA", nl="Buiten de EER", article="GDPR 44 to 49")
    )
    link: str | None = field(
        metadata=declared(
            LINK, en="Record of processing", nl="Verwerkingsregister", presence="nullable", article="GDPR 30"
        )
    )
