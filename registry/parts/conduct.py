"""How a system works on people: what it is told, what it reads, how well it does, what may go wrong, who watches."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from registry.declaration import declared
from registry.parts.value_types import DIGEST, LINK, LONG
from registry.values import Code, Day, Flag, Multilingual, Text, Words

HUMANS = Code(
    {
        "before": {"en": "looks at every result first", "nl": "kijkt eerst naar elke uitkomst"},
        "on_request": {"en": "looks at a result when you ask", "nl": "kijkt naar een uitkomst als u dat vraagt"},
    }
)
AUTOMATION = Code(
    {
        "informs": {"en": "gives information", "nl": "geeft informatie"},
        "prepares": {"en": "prepares a decision", "nl": "bereidt een besluit voor"},
        "advises": {"en": "advises on a decision", "nl": "adviseert over een besluit"},
        "selects": {"en": "selects cases", "nl": "kiest zaken uit"},
        "decides": {"en": "decides by itself", "nl": "beslist zelf"},
    }
)
DATA_USES = Code(
    {
        "input": {"en": "read for each result", "nl": "gelezen voor elke uitkomst"},
        "output": {"en": "made by the system", "nl": "gemaakt door het systeem"},
        "training": {"en": "used to train it", "nl": "gebruikt om het te trainen"},
        "testing": {"en": "used to test it", "nl": "gebruikt om het te testen"},
    }
)
DATA_CLASSES = Code(
    {
        "none": {"en": "no personal data", "nl": "geen persoonsgegevens"},
        "personal": {"en": "personal data", "nl": "persoonsgegevens"},
        "special": {"en": "sensitive data (GDPR 9)", "nl": "bijzondere persoonsgegevens (AVG 9)"},
        "criminal": {"en": "data on offences (GDPR 10)", "nl": "strafrechtelijke gegevens (AVG 10)"},
    }
)
RISK_KINDS = Code(
    {
        "data": {"en": "data", "nl": "gegevens"},
        "use": {"en": "use", "nl": "gebruik"},
        "algorithm": {"en": "algorithm", "nl": "algoritme"},
        "output": {"en": "result", "nl": "uitkomst"},
        "organisation": {"en": "organisation", "nl": "organisatie"},
        "rights": {"en": "rights of people", "nl": "rechten van mensen"},
    }
)
PAPERS = Code(
    {
        "instructions": {"en": "instructions for use (AI Act 13)", "nl": "gebruiksaanwijzing (AI-verordening 13)"},
        "eu_declaration": {"en": "EU declaration (AI Act 47)", "nl": "EU-verklaring (AI-verordening 47)"},
        "certificate": {"en": "certificate (AI Act 44)", "nl": "certificaat (AI-verordening 44)"},
        "database_entry": {"en": "entry in the EU database", "nl": "inschrijving in de EU-databank"},
        "log_access": {"en": "agreement on access to logs", "nl": "afspraak over toegang tot logs"},
        "exit": {"en": "agreement on leaving", "nl": "afspraak over vertrek"},
        "exit_6_3": {"en": "assessment of Article 6(4)", "nl": "beoordeling van artikel 6 lid 4"},
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """The words that a notice to people needs (AI Act 26(11), CONTENT "Notice for people")."""

    application: Words = field(metadata=declared(Multilingual(200), en="Your …", nl="Uw …"))
    estimates: Words = field(
        metadata=declared(Multilingual(400), en="It estimates", nl="Het maakt een inschatting van")
    )
    human: str = field(metadata=declared(HUMANS, en="A member of staff", nl="Een medewerker"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DataUsed:
    """Data that the system reads, makes, or was made with, beyond the declared fields of a version."""

    name: Words = field(metadata=declared(Multilingual(200), en="Data", nl="Gegevens"))
    source: Words = field(metadata=declared(Multilingual(400), en="Source", nl="Bron"))
    use: str = field(metadata=declared(DATA_USES, en="Use", nl="Gebruik"))
    class_: str = field(metadata=declared(DATA_CLASSES, en="Kind", nl="Soort"))
    quality: Words | None = field(
        metadata=declared(
            LONG,
            en="Are they right and complete?",
            nl="Kloppen ze en zijn ze volledig?",
            presence="omitted",
            article="AI Act 26(4)",
        ),
        default=None,
    )
    link: str | None = field(metadata=declared(LINK, en="Link", nl="Link", presence="omitted"), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUsed:
    """An AI model of a system that runs elsewhere; of one that runs here the version's manifest says it."""

    name: str = field(metadata=declared(Text(200), en="Name", nl="Naam"))
    version: str | None = field(metadata=declared(Text(100), en="Version", nl="Versie", presence="nullable"))
    licence: str | None = field(metadata=declared(Text(100), en="Licence", nl="Licentie", presence="nullable"))
    sha256: str | None = field(metadata=declared(DIGEST, en="Digest", nl="Controlegetal", presence="nullable"))
    task: Words = field(metadata=declared(Multilingual(400), en="Task", nl="Taak"))
    self_learning: bool = field(
        metadata=declared(Flag(), en="Goes on learning in use", nl="Leert door tijdens gebruik")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Oversight:
    """One measure by which people watch over the system (AI Act 14, 26(2))."""

    measure: Words = field(metadata=declared(LONG, en="Measure", nl="Maatregel"))
    by: Words = field(metadata=declared(Multilingual(200), en="By whom", nl="Door wie"))
    trained: date | None = field(
        metadata=declared(Day(), en="Trained on", nl="Opgeleid op", presence="nullable", article="AI Act 4, 26(2)")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """How well the system does, as it was measured; `group`: for whom (AI Act 13(3)(b)(ii) and (v))."""

    name: Words = field(metadata=declared(Multilingual(200), en="What", nl="Wat"))
    value: str = field(metadata=declared(Text(100), en="Value", nl="Waarde"))
    group: Words | None = field(metadata=declared(Multilingual(200), en="For", nl="Voor", presence="nullable"))
    measured: date = field(metadata=declared(Day(), en="Measured on", nl="Gemeten op"))
    how: Words = field(metadata=declared(LONG, en="How", nl="Hoe"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """What may go wrong, and what is done about it."""

    kind: str = field(metadata=declared(RISK_KINDS, en="Kind", nl="Soort"))
    risk: Words = field(metadata=declared(LONG, en="Risk", nl="Risico"))
    mitigation: Words = field(metadata=declared(LONG, en="What we do about it", nl="Wat wij eraan doen"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A paper that the agency received about the system."""

    kind: str = field(metadata=declared(PAPERS, en="Paper", nl="Stuk"))
    received: date = field(metadata=declared(Day(), en="Received on", nl="Ontvangen op"))
    version: str | None = field(metadata=declared(Text(100), en="Version", nl="Versie", presence="nullable"))
    link: str | None = field(metadata=declared(LINK, en="Link", nl="Link", presence="nullable"))
    expires: date | None = field(
        metadata=declared(Day(), en="Valid until", nl="Geldig tot", presence="omitted"), default=None
    )
