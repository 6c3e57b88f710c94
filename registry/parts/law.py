"""What the law asks about a system: where it stands in the AI Act, what it rests on, and how it was assessed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from registry.declaration import Many, declared
from registry.parts.value_types import ANNEX_I, ANNEX_III, LINK, LONG
from registry.values import Code, Day, Flag, Multilingual, Text, Words

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
        "explanation": {"en": "right to an explanation", "nl": "recht op uitleg"},
        "reasons": {"en": "duty to give reasons", "nl": "plicht om een besluit te motiveren"},
    }
)
ASSESSMENTS = Code(
    {
        "dpia": {"en": "data protection impact assessment", "nl": "gegevensbeschermingseffectbeoordeling (DPIA)"},
        "fraia": {"en": "assessment of human rights and algorithms", "nl": "impact assessment mensenrechten (IAMA)"},
        "aiia": {"en": "AI impact assessment", "nl": "AI-impactassessment (AIIA)"},
        "security": {"en": "security assessment", "nl": "beveiligingstoets"},
        "audit": {"en": "audit", "nl": "audit"},
        "other": {"en": "other assessment", "nl": "andere toets"},
    }
)
GENERATED = Code(
    {
        "text": {"en": "text", "nl": "tekst"},
        "image": {"en": "images", "nl": "beelden"},
        "audio": {"en": "sound", "nl": "geluid"},
        "video": {"en": "video", "nl": "video"},
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """Where the agency places the system in the AI Act, and why."""

    annex_iii: tuple[str, ...] = field(metadata=declared(Many(ANNEX_III), en="Annex III", nl="Bijlage III"))
    annex_i: tuple[str, ...] = field(metadata=declared(Many(ANNEX_I), en="Annex I", nl="Bijlage I"))
    exit_6_3: str | None = field(
        metadata=declared(EXITS, en="Exit under 6(3)", nl="Uitzondering van 6(3)", presence="nullable")
    )
    reason: Words = field(metadata=declared(Multilingual(), en="Reason", nl="Reden"))


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalBasis:
    """One rule that the use rests on."""

    law: str = field(metadata=declared(Text(), en="Law", nl="Wet"))
    article: str = field(metadata=declared(Text(), en="Article", nl="Artikel"))
    link: str | None = field(metadata=declared(LINK, en="Link", nl="Link", presence="nullable"))
    for_: str = field(metadata=declared(BASES, en="For", nl="Voor"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Facts about the use on which duties hang. Each is a plain question with yes or no."""

    public_authority: bool = field(
        metadata=declared(
            Flag(), en="We are a public authority", nl="Wij zijn een overheid", article="AI Act 26(8), 27(1), 49(3)"
        )
    )
    public_service: bool = field(
        metadata=declared(
            Flag(), en="It serves a public task", nl="Het dient een publieke taak", article="AI Act 27(1)"
        )
    )
    decides_about_persons: bool = field(
        metadata=declared(
            Flag(),
            en="It makes or helps with decisions about people",
            nl="Het neemt of helpt bij besluiten over mensen",
            article="AI Act 26(11), 86",
        )
    )
    profiling: bool = field(
        metadata=declared(Flag(), en="It profiles people", nl="Het profileert mensen", article="AI Act 6(3); GDPR 4(4)")
    )
    personal_data: bool = field(
        metadata=declared(Flag(), en="It uses personal data", nl="Het gebruikt persoonsgegevens", article="GDPR 4(1)")
    )
    workplace: bool = field(
        metadata=declared(
            Flag(), en="Staff are subject to it", nl="Personeel heeft ermee te maken", article="AI Act 26(7)"
        )
    )
    law_enforcement: bool = field(
        metadata=declared(
            Flag(),
            en="It is for police, migration, asylum or borders",
            nl="Het is voor politie, migratie, asiel of grenzen",
            article="AI Act 49(4)",
        )
    )
    talks_with_people: bool = field(
        metadata=declared(Flag(), en="People talk with it", nl="Mensen praten ermee", article="AI Act 50(1)")
    )
    obviously_ai: bool = field(
        metadata=declared(
            Flag(), en="Everyone sees that it is AI", nl="Iedereen ziet dat het AI is", article="AI Act 50(1)"
        )
    )
    generates: tuple[str, ...] = field(
        metadata=declared(Many(GENERATED), en="It makes", nl="Het maakt", article="AI Act 50(2)")
    )
    only_edits: bool = field(
        metadata=declared(
            Flag(),
            en="It only edits what people made",
            nl="Het bewerkt alleen wat mensen maakten",
            article="AI Act 50(2)",
        )
    )
    emotion_or_biometric: bool = field(
        metadata=declared(
            Flag(),
            en="It reads emotions or sorts people by body",
            nl="Het leest emoties of deelt mensen in naar lichaam",
            article="AI Act 50(3)",
        )
    )
    deep_fakes: bool = field(
        metadata=declared(Flag(), en="It makes deep fakes", nl="Het maakt deepfakes", article="AI Act 50(4)")
    )
    publishes_text: bool = field(
        metadata=declared(
            Flag(),
            en="Its text is published for everyone",
            nl="De tekst wordt voor iedereen gepubliceerd",
            article="AI Act 50(4)",
        )
    )
    text_edited_by_person: bool = field(
        metadata=declared(
            Flag(),
            en="A person checks that text and answers for it",
            nl="Een mens controleert die tekst en staat ervoor in",
            article="AI Act 50(4)",
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EuDatabase:
    """The entry in the EU database (AI Act 49, 71)."""

    link: str | None = field(
        metadata=declared(
            LINK,
            en="Entry",
            nl="Inschrijving",
            presence="nullable",
            doc="null where the entry is in the section that is not public, or kept by the Member State.",
        )
    )
    number: str | None = field(metadata=declared(Text(100), en="Number", nl="Nummer", presence="nullable"))
    registered: date = field(metadata=declared(Day(), en="Registered on", nl="Ingeschreven op"))
    restricted: bool = field(
        metadata=declared(
            Flag(), en="Not in the public section", nl="Niet in het openbare deel", article="AI Act 49(4), 49(5)"
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fria:
    """The fundamental rights impact assessment, by the elements of AI Act 27(1)(a) to (f)."""

    processes: Words = field(
        metadata=declared(LONG, en="In which work it is used", nl="In welk werk", article="AI Act 27(1)(a)")
    )
    period: Words = field(
        metadata=declared(LONG, en="How long and how often", nl="Hoe lang en hoe vaak", article="AI Act 27(1)(b)")
    )
    persons: Words = field(metadata=declared(LONG, en="About whom", nl="Over wie", article="AI Act 27(1)(c)"))
    harms: Words = field(
        metadata=declared(LONG, en="What may go wrong for them", nl="Wat er mis kan gaan", article="AI Act 27(1)(d)")
    )
    oversight: Words = field(
        metadata=declared(LONG, en="How people watch over it", nl="Menselijk toezicht", article="AI Act 27(1)(e)")
    )
    measures: Words = field(
        metadata=declared(
            LONG, en="What we do if it goes wrong", nl="Wat wij doen als het misgaat", article="AI Act 27(1)(f)"
        )
    )
    summary: Words = field(
        metadata=declared(LONG, en="What we found", nl="Wat wij vonden", article="AI Act Annex VIII C 4")
    )
    made: date = field(metadata=declared(Day(), en="Made on", nl="Gemaakt op"))
    notified: date | None = field(
        metadata=declared(
            Day(), en="Authority told on", nl="Toezichthouder ingelicht op", presence="nullable", article="AI Act 27(3)"
        )
    )
    link: str | None = field(metadata=declared(LINK, en="Link", nl="Link", presence="nullable"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """Another assessment of the system, such as the DPIA (GDPR 35)."""

    kind: str = field(metadata=declared(ASSESSMENTS, en="Kind", nl="Soort"))
    title: str = field(metadata=declared(Text(), en="Title", nl="Titel"))
    made: date = field(metadata=declared(Day(), en="Made on", nl="Gemaakt op"))
    link: str | None = field(metadata=declared(LINK, en="Link", nl="Link", presence="nullable"))
    summary: Words | None = field(metadata=declared(LONG, en="Summary", nl="Samenvatting", presence="nullable"))
