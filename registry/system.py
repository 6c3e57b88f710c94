"""The public record of a system (DESIGN §5.6). Each member is declared once; a new one is one declaration here.

Everything that reads, checks, publishes or shows a record comes from the declarations: see `registry.declaration`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from registry import declaration
from registry.canonical import Json, digest, format_canonical, parse_json
from registry.declaration import Declared, Many, Part, declared
from registry.errors import FormatError
from registry.retention import Retention, check_retention
from registry.values import SLUG, Code, Day, Integer, Multilingual, Text, Words

_SLUG = Text(64, pattern=SLUG, example="lower-case letters, digits and hyphens")
_LINK = Text(500, pattern=r"https?://[^\s\"<>]+", example="an address that begins with https://")
_ANNEX_III = Text(10, pattern=r"III\.([134578]\.[a-e]|6\.[a-e]|2)", example="the point as III.5.b")
_ANNEX_I = Text(10, pattern=r"I\.[AB]\.[0-9]{1,2}", example="the section and point as I.A.11")
_MONEY = Integer(0, 10**15, scale=1_000_000)

ROLES = Code(
    {
        "provider": {"en": "provider", "nl": "aanbieder"},
        "deployer": {"en": "deployer", "nl": "gebruiksverantwoordelijke"},
        "both": {"en": "provider and deployer", "nl": "aanbieder en gebruiksverantwoordelijke"},
    }
)
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
EXITS = Code(
    {
        "a": {"en": "narrow procedural task", "nl": "beperkte procedurele taak"},
        "b": {"en": "improves work that a person did", "nl": "verbetert werk dat een mens al deed"},
        "c": {"en": "finds patterns in decisions", "nl": "vindt patronen in beslissingen"},
        "d": {"en": "preparatory task", "nl": "voorbereidende taak"},
    }
)
BASES = Code(
    {
        "task": {"en": "the task itself", "nl": "de taak zelf"},
        "gdpr_6": {"en": "use of personal data (GDPR 6)", "nl": "gebruik van persoonsgegevens (AVG 6)"},
        "gdpr_9": {"en": "use of sensitive data (GDPR 9)", "nl": "gebruik van gevoelige gegevens (AVG 9)"},
        "gdpr_22": {"en": "decision without a person (GDPR 22)", "nl": "besluit zonder mens (AVG 22)"},
    }
)
PERIODS = Code(
    {
        "day": {"en": "a day", "nl": "per dag"},
        "week": {"en": "a week", "nl": "per week"},
        "month": {"en": "a month", "nl": "per maand"},
        "year": {"en": "a year", "nl": "per jaar"},
    }
)
HUMANS = Code(
    {
        "before": {"en": "looks at every result first", "nl": "kijkt eerst naar elke uitkomst"},
        "on_request": {"en": "looks at a result when you ask", "nl": "kijkt naar een uitkomst als u dat vraagt"},
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Who made the system (AI Act 3(3))."""

    name: str = field(metadata=declared(Text(), en="Name", nl="Naam"))
    contact: str = field(metadata=declared(Text(), en="Contact", nl="Contact"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who answers for its use within the agency."""

    unit: str = field(metadata=declared(Text(), en="Unit", nl="Afdeling"))
    contact: str = field(metadata=declared(Text(), en="Contact", nl="Contact"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """Where the agency places the system in the AI Act, and why."""

    annex_iii: tuple[str, ...] = field(metadata=declared(Many(_ANNEX_III), en="Annex III", nl="Bijlage III"))
    annex_i: tuple[str, ...] = field(metadata=declared(Many(_ANNEX_I), en="Annex I", nl="Bijlage I"))
    exit_6_3: str | None = field(
        metadata=declared(EXITS, en="Exit under 6(3)", nl="Uitzondering van 6(3)", presence="nullable")
    )
    reason: Words = field(metadata=declared(Multilingual(), en="Reason", nl="Reden"))


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalBasis:
    """One rule that the use rests on."""

    law: str = field(metadata=declared(Text(), en="Law", nl="Wet"))
    article: str = field(metadata=declared(Text(), en="Article", nl="Artikel"))
    link: str | None = field(metadata=declared(_LINK, en="Link", nl="Link", presence="nullable"))
    for_: str = field(metadata=declared(BASES, en="For", nl="Voor"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffComponents:
    """Prices in millionths of the currency. Tokens are priced per million of them."""

    input: int | None = field(
        metadata=declared(_MONEY, en="Per million input tokens", nl="Per miljoen tokens invoer", presence="omitted")
    )
    output: int | None = field(
        metadata=declared(_MONEY, en="Per million output tokens", nl="Per miljoen tokens uitvoer", presence="omitted")
    )
    cached: int | None = field(
        metadata=declared(_MONEY, en="Per million cached tokens", nl="Per miljoen bewaarde tokens", presence="omitted")
    )
    request: int | None = field(metadata=declared(_MONEY, en="Per request", nl="Per verzoek", presence="omitted"))
    minimum: int | None = field(
        metadata=declared(_MONEY, en="At least, per month", nl="Minstens, per maand", presence="omitted")
    )
    month: int | None = field(
        metadata=declared(_MONEY, en="Fixed, per month", nl="Vast, per maand", presence="omitted")
    )
    device_hour: int | None = field(
        metadata=declared(_MONEY, en="Per device-hour", nl="Per apparaat-uur", presence="omitted")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What the agency pays for results."""

    currency: str = field(metadata=declared(Text(3, pattern=r"[A-Z]{3}", example="EUR"), en="Currency", nl="Munt"))
    valid_from: date = field(metadata=declared(Day(), en="Valid from", nl="Geldig vanaf"))
    components: TariffComponents = field(metadata=declared(Part(TariffComponents), en="Prices", nl="Prijzen"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """How many results are expected."""

    count: int = field(metadata=declared(Integer(0, 10**12), en="Results", nl="Uitkomsten"))
    per: str = field(metadata=declared(PERIODS, en="Period", nl="Periode"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """The words that a notice to people needs (AI Act 26(11), CONTENT "Notice for people")."""

    application: Words = field(metadata=declared(Multilingual(200), en="Your …", nl="Uw …"))
    estimates: Words = field(
        metadata=declared(Multilingual(400), en="It estimates", nl="Het maakt een inschatting van")
    )
    human: str = field(metadata=declared(HUMANS, en="A member of staff", nl="Een medewerker"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Where it runs. `declared_watts` is the estimate used where energy cannot be measured."""

    kind: str = field(metadata=declared(HOSTS, en="Kind", nl="Soort"))
    place: str = field(metadata=declared(Text(), en="Place", nl="Plaats"))
    declared_watts: int | None = field(
        metadata=declared(Integer(1, 1_000_000), en="Declared watts", nl="Opgegeven watt", presence="nullable")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AISystem:
    """One system in the register. `slug` never changes; everything else may, and each change is an entry in the log."""

    slug: str = field(metadata=declared(_SLUG, en="Short name", nl="Korte naam"))
    agency: str = field(metadata=declared(_SLUG, en="Agency", nl="Organisatie"))
    name: Words = field(metadata=declared(Multilingual(200), en="Name", nl="Naam", article="AI Act Annex VIII C"))
    purpose: Words = field(
        metadata=declared(Multilingual(), en="What is it for?", nl="Waarvoor?", article="AI Act 3(12)")
    )
    affected_persons: Words = field(
        metadata=declared(Multilingual(), en="Who is affected?", nl="Om wie gaat het?", article="AI Act 27(1)(c)")
    )
    human_oversight: Words = field(
        metadata=declared(Multilingual(), en="Who decides?", nl="Wie beslist?", article="AI Act 14, 26(2)")
    )
    role: str = field(metadata=declared(ROLES, en="Our role", nl="Onze rol", article="AI Act 3(3), 3(4)"))
    provider: Provider = field(metadata=declared(Part(Provider), en="Provider", nl="Aanbieder", article="AI Act 3(3)"))
    owner: Owner = field(metadata=declared(Part(Owner), en="Owner", nl="Eigenaar", article="AI Act 26(2)"))
    capture: str = field(metadata=declared(CAPTURES, en="How it is recorded", nl="Hoe het wordt vastgelegd"))
    classification: Classification = field(
        metadata=declared(
            Part(Classification), en="Class of risk", nl="Risicoklasse", article="AI Act 6, Annexes I, III"
        )
    )
    legal_basis: tuple[LegalBasis, ...] = field(
        metadata=declared(Many(Part(LegalBasis), 1), en="Legal basis", nl="Wettelijke basis", article="GDPR 6, 9, 22")
    )
    first_use: date | None = field(
        metadata=declared(Day(), en="In use since", nl="In gebruik sinds", article="AI Act 111(2)", presence="nullable")
    )
    cost_to_user: Words = field(metadata=declared(Multilingual(), en="What does it cost you?", nl="Wat kost het u?"))
    tariff: Tariff | None = field(
        metadata=declared(Part(Tariff), en="What does it cost us?", nl="Wat kost het ons?", presence="nullable")
    )
    expected_volume: Volume | None = field(
        metadata=declared(Part(Volume), en="Expected use", nl="Verwacht gebruik", presence="nullable")
    )
    target_latency_ms: int | None = field(
        metadata=declared(
            Integer(1, 3_600_000),
            en="Target time (ms)",
            nl="Streeftijd (ms)",
            presence="nullable",
            doc="The time within which a result should be there, in milliseconds.",
        )
    )
    notice: Notice | None = field(
        metadata=declared(
            Part(Notice),
            en="What we tell people",
            nl="Wat wij zeggen",
            presence="nullable",
            article="AI Act 26(11), 50",
        )
    )
    host: Host | None = field(
        metadata=declared(Part(Host), en="Where does it run?", nl="Waar draait het?", presence="nullable")
    )
    retention: Retention | None = field(
        metadata=declared(
            Part(Retention),
            en="How long is it kept?",
            nl="Hoe lang bewaard?",
            presence="omitted",
            article="AI Act 19(1), 26(6); GDPR 5(1)(e)",
        ),
        default=None,
    )

    @property
    def high_risk(self) -> bool:
        """Whether the agency classes it as high-risk: Annex III without an exit under 6(3), or Annex I."""
        named = self.classification
        return bool(named.annex_i) or (bool(named.annex_iii) and named.exit_6_3 is None)


def parse_system(value: Json) -> AISystem:
    """Build and check a system from its JSON object. Raises FormatError with the path of the member."""
    system = declaration.parse_object(AISystem, value, "system")
    if system.capture in {"runtime", "gateway"} and system.notice is None:
        raise FormatError(
            "is missing; give application, estimates and human: each result carries it", field="system.notice"
        )
    if system.classification.exit_6_3 and not system.classification.annex_iii:
        raise FormatError(
            "is an exit from Annex III, and no point is named; name it in annex_iii",
            field="system.classification.exit_6_3",
        )
    if system.retention is not None:
        check_retention(system.retention, high_risk=system.high_risk, path="system.retention")
    return system


def format_system(system: AISystem) -> dict[str, Json]:
    """The JSON object of a system: what `parse_system` reads, in its one form."""
    return declaration.format_object(system)


def parse_record(data: bytes) -> AISystem:
    """A stored or exported record: canonical JSON whose re-formatting gives the same bytes."""
    system = parse_system(parse_json(data, what="record"))
    if format_record(system) != data:
        raise FormatError("is not canonical JSON; write it with format_record", field="record")
    return system


def format_record(system: AISystem) -> bytes:
    """Canonical JSON of the whole public record."""
    return format_canonical(format_system(system))


def record_digest(system: AISystem) -> str:
    """`sha256:…` of the canonical record, as `system/1` entries carry it."""
    return digest(format_record(system))


def json_schema() -> dict[str, Json]:
    """JSON Schema 2020-12 of a system's record."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "AI system in a public register"}
    return head | declaration.object_schema(AISystem)


def fields() -> Iterator[Declared]:
    """The declared members of a system, in the order in which people read them."""
    yield from declaration.fields(AISystem)


def rows(system: AISystem, lang: str) -> list[tuple[str, str | list[str]]]:
    """Label and value of each member that holds something: a page shows them as they stand."""
    return declaration.rows(system, lang)
