"""The public record of a system (DESIGN §5.6). Each member is declared once; a new one is one declaration here.

Everything that reads, checks, publishes or shows a record comes from the declarations: see `registry.declaration`.
Its parts stand in `registry.parts`, by subject.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from registry import declaration
from registry.canonical import Json, digest, format_canonical, parse_json
from registry.declaration import Declared, Many, Part, declared
from registry.errors import FormatError
from registry.parts.basics import Core
from registry.parts.conduct import AUTOMATION, DataUsed, Measure, ModelUsed, Oversight, Paper, Risk
from registry.parts.hosting import Processing
from registry.parts.law import Assessment, EuDatabase, Fria, Use
from registry.parts.people import Party, Supplier
from registry.parts.publication import Publication, withholdable
from registry.parts.subjects import THEMES, Identifier
from registry.parts.value_types import COUNTRY, LINK, LONG, TRANSLATED
from registry.record_rules import verify_publication, verify_translations
from registry.retention import check_retention
from registry.values import Day, Multilingual, Words

_BINDS: Final = date(2027, 12, 2)
"""From when a high-risk system of Annex III must be registered before its use: AI Act 26(8) by 113(c)(i). Whether 49(3)
binds earlier is contested; that is for the duties to say, not for the form of a record."""
_TAKEN: Final = frozenset({"schema"})
"""Short names under whose address the register has something else."""
_RESTRICTED_POINTS: Final = re.compile(r"III\.(1|6|7)\b.*")


@dataclass(frozen=True, slots=True, kw_only=True)
class AISystem(Core):
    """One system in the register. Each change is an entry in the log. What is here and not in `Core` may be missing."""

    summary: Words | None = field(
        metadata=declared(Multilingual(350), en="In short", nl="In het kort", presence="omitted"), default=None
    )
    themes: tuple[str, ...] | None = field(
        metadata=declared(Many(THEMES), en="Themes", nl="Thema's", presence="omitted"), default=None
    )
    decision_process: Words | None = field(
        metadata=declared(
            LONG,
            en="Its part in the decision",
            nl="De rol bij het besluit",
            presence="omitted",
            doc="Which step, what comes out, who reads it, and what happens then.",
            article="AI Act 86(1)",
        ),
        default=None,
    )
    automation: str | None = field(
        metadata=declared(AUTOMATION, en="How far it goes", nl="Hoever het gaat", presence="omitted"), default=None
    )
    use: Use | None = field(
        metadata=declared(Part(Use), en="Facts about the use", nl="Feiten over het gebruik", presence="omitted"),
        default=None,
    )
    data: tuple[DataUsed, ...] | None = field(
        metadata=declared(
            Many(Part(DataUsed)), en="Data", nl="Gegevens", presence="omitted", article="AI Act 10, 26(4)"
        ),
        default=None,
    )
    models: tuple[ModelUsed, ...] | None = field(
        metadata=declared(Many(Part(ModelUsed)), en="AI models", nl="AI-modellen", presence="omitted"), default=None
    )
    oversight: tuple[Oversight, ...] | None = field(
        metadata=declared(
            Many(Part(Oversight)), en="Oversight", nl="Toezicht", presence="omitted", article="AI Act 14, 26(2)"
        ),
        default=None,
    )
    performance: tuple[Measure, ...] | None = field(
        metadata=declared(
            Many(Part(Measure)),
            en="How well does it work?",
            nl="Hoe goed werkt het?",
            presence="omitted",
            article="AI Act 13(3)(b)(ii), (v)",
        ),
        default=None,
    )
    limits: Words | None = field(
        metadata=declared(
            LONG,
            en="What it is not fit for",
            nl="Waar het niet voor deugt",
            presence="omitted",
            article="AI Act 13(3)(b)(iii)",
        ),
        default=None,
    )
    risks: tuple[Risk, ...] | None = field(
        metadata=declared(
            Many(Part(Risk)), en="Risks", nl="Risico's", presence="omitted", article="AI Act 9, 27(1)(d)"
        ),
        default=None,
    )
    proportionality: Words | None = field(
        metadata=declared(LONG, en="Why this way?", nl="Waarom op deze manier?", presence="omitted"), default=None
    )
    alternatives: Words | None = field(
        metadata=declared(LONG, en="What else was considered", nl="Wat nog meer is overwogen", presence="omitted"),
        default=None,
    )
    fria: Fria | None = field(
        metadata=declared(
            Part(Fria),
            en="Effect on fundamental rights",
            nl="Gevolgen voor grondrechten",
            presence="omitted",
            article="AI Act 27",
        ),
        default=None,
    )
    assessments: tuple[Assessment, ...] | None = field(
        metadata=declared(
            Many(Part(Assessment)), en="Assessments", nl="Toetsen", presence="omitted", article="GDPR 35"
        ),
        default=None,
    )
    supplier: Supplier | None = field(
        metadata=declared(Part(Supplier), en="Supplier", nl="Leverancier", presence="omitted"), default=None
    )
    papers: tuple[Paper, ...] | None = field(
        metadata=declared(
            Many(Part(Paper)), en="Papers received", nl="Ontvangen stukken", presence="omitted", article="AI Act 26(1)"
        ),
        default=None,
    )
    processing: Processing | None = field(
        metadata=declared(
            Part(Processing), en="Personal data", nl="Persoonsgegevens", presence="omitted", article="GDPR 28, 30, 44"
        ),
        default=None,
    )
    eu_database: EuDatabase | None = field(
        metadata=declared(
            Part(EuDatabase), en="EU database", nl="EU-databank", presence="omitted", article="AI Act 49, 71"
        ),
        default=None,
    )
    submitter: Party | None = field(
        metadata=declared(
            Part(Party),
            en="Registered for us by",
            nl="Ingeschreven namens ons door",
            presence="omitted",
            article="AI Act Annex VIII A 2, C 2",
        ),
        default=None,
    )
    authorised_representative: Party | None = field(
        metadata=declared(
            Part(Party),
            en="Authorised representative",
            nl="Gemachtigde",
            presence="omitted",
            article="AI Act 22, Annex VIII A 3",
        ),
        default=None,
    )
    identifiers: tuple[Identifier, ...] | None = field(
        metadata=declared(
            Many(Part(Identifier)),
            en="Other names",
            nl="Andere nummers",
            presence="omitted",
            article="AI Act Annex VIII A 4",
        ),
        default=None,
    )
    countries: tuple[str, ...] | None = field(
        metadata=declared(
            Many(COUNTRY),
            en="Used in",
            nl="Gebruikt in",
            presence="omitted",
            article="AI Act Annex VIII A 10",
        ),
        default=None,
    )
    website: str | None = field(
        metadata=declared(LINK, en="More about it", nl="Meer erover", presence="omitted"), default=None
    )
    source_code: str | None = field(
        metadata=declared(LINK, en="Source code", nl="Broncode", presence="omitted"), default=None
    )
    ended: date | None = field(
        metadata=declared(Day(), en="Out of use since", nl="Buiten gebruik sinds", presence="omitted"), default=None
    )
    publication: Publication | None = field(
        metadata=declared(
            Part(Publication), en="What is public", nl="Wat openbaar is", presence="omitted", article="AI Act 49(4)"
        ),
        default=None,
    )
    machine_translated: tuple[str, ...] | None = field(
        metadata=declared(
            Many(TRANSLATED),
            en="Translated by a machine",
            nl="Vertaald door een machine",
            presence="omitted",
            doc="Paths of texts that nobody has read after their translation; pages say so beside them.",
        ),
        default=None,
    )


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
    _verify_members(system)
    return system


def _verify_members(system: AISystem) -> None:
    """What holds between members. Raises FormatError with the path of the one that does not fit the others."""
    if system.slug in _TAKEN:
        raise FormatError("is a name that the register itself uses; choose another", field="system.slug")
    _verify_dates(system)
    if system.machine_translated:
        verify_translations(system.machine_translated, format_system(system))
    if system.publication is not None:
        points = any(_RESTRICTED_POINTS.fullmatch(point) for point in system.classification.annex_iii)
        under_49_4 = points and system.use is not None and system.use.law_enforcement
        verify_publication(system.publication, withholdable(AISystem), under_49_4=under_49_4)


def _verify_dates(system: AISystem) -> None:
    if system.ended is not None and system.first_use is not None and system.ended < system.first_use:
        raise FormatError("is before first_use; correct one of the two days", field="system.ended")
    fria = system.fria
    if fria is not None and fria.notified is not None and fria.notified < fria.made:
        raise FormatError("is before the assessment was made (AI Act 27(3)); correct it", field="system.fria.notified")
    for index, paper in enumerate(system.papers or ()):
        if paper.expires is not None and paper.expires < paper.received:
            raise FormatError("is before it was received; correct it", field=f"system.papers[{index}].expires")
    entry, first = system.eu_database, system.first_use
    if entry is None or first is None or not (system.high_risk and system.classification.annex_iii):
        return
    if first >= _BINDS and entry.registered > first:
        raise FormatError(
            "is after first_use; a high-risk system is registered before its use (AI Act 26(8), 49(3))",
            field="system.eu_database.registered",
        )


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
