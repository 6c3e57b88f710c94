"""The Algorithmic Transparency Standard 0.3.1 (beta) of Eurocities and its cities, out, as JSON.

Its schema file has no licence, so the fields are written here as facts. One language a record; other texts are told.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from registry.canonical import Json, format_canonical
from registry.exchange.atrs_words import contact, quality
from registry.exchange.drafts import lost_of
from registry.exchange.plain_text import blocks, joined, lines
from registry.exchange.transfer import Exported, Place, Source, fill
from registry.parts.conduct import AUTOMATION

VERSION: Final = "0.3.1"
DOMAINS: Final = {
    "organisation": "generic",
    "culture": "culture, sports, leisure",
    "economy": "economy",
    "finance": "finance",
    "housing": "housing and living environment",
    "international": "international cooperation",
    "migration": "immigration and integration",
    "environment": "agriculture, nature, food",
    "education": "education and science",
    "safety": "public safety",
    "law": "justice",
    "space": "environment, planning, water",
    "social": "subsidies, benefits and allowances",
    "traffic": "traffic and transport",
    "work": "work and career",
    "health": "health",
}
_STATUS: Final = {
    "draft": "design",
    "in_review": "development",
    "approved": "development",
    "pilot": "pilot",
    "active": "operational",
    "retired": "retired",
}


def to_eurocities(source: Source) -> Exported:
    """The record in the language of the source; a field that the standard demands and the record lacks is missing."""
    filled = fill(PLACES, source)
    values = {name: value for name, value in filled.values.items() if value is not None}
    lost = lost_of(source, {}, PLACES, filled, one_language=True)
    return Exported(format_canonical(values), filled.missing, lost)


def _text(member: str) -> Callable[[Source], Json]:
    return lambda source: source.say(getattr(source.system, member))


def _parts(member: str) -> Callable[[Source], Json]:
    return lambda source: blocks(getattr(source.system, member), source.lang)


def _organization(source: Source) -> Json:
    return source.say(source.agency.names) if source.agency else None


def _domain(source: Source) -> Json:
    return DOMAINS[source.system.themes[0]] if source.system.themes else None


def _status(source: Source) -> Json:
    return "retired" if source.system.ended is not None else _STATUS.get(source.state)


def _risk(source: Source) -> Json:
    system = source.system
    if system.high_risk:
        return "high"
    if system.use is None:
        return None
    told = bool(system.use.talks_with_people or system.use.generates or system.use.deep_fakes)
    return "limited" if told else "minimal"


def _phone(source: Source) -> Json:
    found = re.search(r"[+0][0-9 \-]{8,}", source.system.owner.contact)
    return found.group().strip() if found else None


def _data(*uses: str) -> Callable[[Source], Json]:
    return lambda source: blocks([item for item in source.system.data or () if item.use in uses], source.lang)


def _connected(source: Source) -> Json:
    found = [source.say(item.source) for item in source.system.data or () if item.use == "input"]
    return "; ".join(text for text in found if text) or None


def _dpia(source: Source) -> Json:
    return blocks([item for item in source.system.assessments or () if item.kind == "dpia"], source.lang)


def _dpia_link(source: Source) -> Json:
    return next((item.link for item in source.system.assessments or () if item.kind == "dpia" and item.link), None)


def _learning(source: Source) -> Json:
    """The standard's other values, rule-based and hybrid, are nothing that the record says."""
    return "self-learning" if any(item.self_learning for item in source.system.models or ()) else None


def _described(source: Source) -> Json:
    return joined(source.say(source.system.purpose), source.say(source.system.limits))


def _methods(source: Source) -> Json:
    model = source.version.manifest.model if source.version else None
    return joined(f"{model.name} ({model.quantization})" if model else None, blocks(source.system.models, source.lang))


def _objection(source: Source) -> Json:
    return source.say(source.agency.objection) if source.agency else None


def _product(source: Source) -> Json:
    return source.system.eu_database.link if source.system.eu_database else None


def _page(source: Source) -> Json:
    return f"{source.agency.site}/register/{source.system.slug}" if source.agency else None


def _decision(source: Source) -> Json:
    automation = source.system.automation
    how = AUTOMATION.text(automation, source.lang) if automation else None
    return joined(source.say(source.system.decision_process), how)


def _impact(source: Source) -> Json:
    fria = source.system.fria
    return source.say(fria.summary) if fria else source.say(source.system.affected_persons)


def _monitoring(source: Source) -> Json:
    return joined(blocks(source.system.oversight, source.lang), _retention(source))


def _retention(source: Source) -> str | None:
    return lines(source.system.retention, source.lang) if source.system.retention else None


def _nothing(_: Source) -> Json:
    return None


def _asked(
    name: str, label: str, members: tuple[str, ...], write: Callable[[Source], Json], longest: int | None = None
) -> Place:
    return Place(name, label, members, write, required=True, longest=longest)


PLACES: Final = (
    _asked("name", "Name", ("name",), _text("name")),
    _asked("description_short", "Short description", ("summary",), _text("summary"), 150),
    _asked("organization", "Organisation", (), _organization),
    _asked("department", "Department", ("owner.unit",), lambda source: source.system.owner.unit),
    _asked("contact_email", "Contact email", ("owner.contact",), contact),
    Place("contact_phone", "Contact phone", ("owner.contact",), _phone),
    Place("contact_name", "Contact", ("owner.senior_role",), lambda source: source.system.owner.senior_role),
    _asked("area", "Area", (), _organization),
    _asked("domain", "Policy area", ("themes",), _domain),
    Place("website", "Website", ("website",), lambda source: source.system.website),
    _asked("status", "Status", ("ended",), _status),
    Place("remark", "Remark", (), _nothing),
    _asked("decision_making_process", "Decision-making process", ("decision_process", "automation"), _decision),
    _asked("goal", "Goal", ("purpose",), _text("purpose")),
    _asked("impact", "Impact", ("fria.summary", "affected_persons"), _impact),
    _asked("risks", "Risks", ("risks",), _parts("risks")),
    _asked("risk_category", "Risk category", ("classification", "use"), _risk),
    _asked("proportionality", "Proportionality", ("proportionality",), _text("proportionality")),
    _asked("lawful_basis", "Lawful basis", ("legal_basis",), _parts("legal_basis")),
    Place("documentation", "Documentation", (), _page),
    _asked("training_data", "Training data", ("data",), _data("training", "testing")),
    _asked("source_data", "Source data", ("data",), _data("input", "output")),
    Place("data_bias", "Data bias", ("data.quality",), quality),
    _asked("connected_data_sources", "Connected data sources", ("data.source",), _connected),
    Place("DPIA_description", "DPIA", ("assessments",), _dpia),
    Place("DPIA_url", "DPIA link", ("assessments.link",), _dpia_link),
    _asked("algorithm_type", "Type of algorithm", ("models.self_learning",), _learning),
    _asked("description", "Description", ("purpose", "limits"), _described),
    Place("methods_and_models", "Methods and models", ("models",), _methods),
    Place("performance", "Performance", ("performance",), _parts("performance")),
    Place("alternatives_considered", "Alternatives considered", ("alternatives",), _text("alternatives")),
    Place("product_information", "Central registration", ("eu_database.link",), _product),
    Place("codebase_url", "Source code", ("source_code",), lambda source: source.system.source_code),
    Place(
        "product_page",
        "Product page",
        ("supplier.website",),
        lambda source: source.system.supplier.website if source.system.supplier else None,
    ),
    Place(
        "AIA_description",
        "Impact assessment",
        ("fria.summary",),
        lambda source: source.say(source.system.fria.summary if source.system.fria else None),
    ),
    Place(
        "AIA_url",
        "Impact assessment link",
        ("fria.link",),
        lambda source: source.system.fria.link if source.system.fria else None,
    ),
    _asked("monitoring", "Monitoring", ("oversight", "retention"), _monitoring),
    _asked("type", "Type of analysis", (), _nothing),
    _asked("human_intervention", "Human intervention", ("human_oversight",), _text("human_oversight")),
    _asked("objection_procedure", "Objection procedure", (), _objection),
    Place("rollback", "Rollback", (), _nothing),
    _asked("standard_version", "Version of the standard", (), lambda _: VERSION),
    Place("uuid", "Identifier", ("slug",), lambda source: source.system.slug),
    _asked("lang", "Language", (), lambda source: source.lang),
    _asked("publication_date", "Publication date", (), _nothing),
    _asked("last_change_date", "Date of the last change", (), _nothing),
    _asked("revision_date", "Date of the next revision", (), _nothing),
    Place("revision_note", "Revision note", (), _nothing),
    Place("keywords", "Keywords", ("themes",), lambda source: ", ".join(source.system.themes or ())),
)
"""The fields of the standard; dates of publication are the publishing register's own."""
