"""What the register has of every system, since its first day."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from registry.declaration import Many, Part, declared
from registry.parts.conduct import Notice
from registry.parts.hosting import CAPTURES, Host
from registry.parts.law import Classification, LegalBasis
from registry.parts.money import Tariff, Volume
from registry.parts.people import ROLES, Owner, Provider
from registry.parts.value_types import SHORT_NAME
from registry.retention import Retention
from registry.values import Day, Integer, Multilingual, Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What the register has of every system. `slug` never changes; everything else may."""

    slug: str = field(metadata=declared(SHORT_NAME, en="Short name", nl="Korte naam"))
    agency: str = field(metadata=declared(SHORT_NAME, en="Agency", nl="Organisatie"))
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
