"""The terms of the Data Privacy Vocabulary 2.3 that a record fills: how each is written, and read back."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from registry.canonical import Json
from registry.errors import FormatError
from registry.exchange.transfer import Draft, Place, Source, expect
from registry.parts.conduct import DATA_CLASSES
from registry.values import LANGUAGE, Words

_CLASSES: Final = {
    "none": "dpv:NonPersonalData",
    "personal": "dpv:PersonalData",
    "special": "dpv:SpecialCategoryPersonalData",
    "criminal": "dpv:PersonalData",
}
_USES: Final = {
    "input": "tech:hasInputData",
    "output": "tech:hasOutputData",
    "training": "ai:hasTrainingData",
    "testing": "ai:hasTestingData",
}
_STATUS: Final = {
    "pilot": "eu-aiact:PutIntoService",
    "active": "eu-aiact:PutIntoService",
    "retired": "eu-aiact:WithdrawnFromService",
}


def _tagged(words: Words | None) -> Json:
    return [{"@language": lang, "@value": text} for lang, text in words.items()] if words else None


def _words(value: Json) -> dict[str, Json]:
    """A text per language out of language-tagged values; what has no language is no text of the register."""
    found: dict[str, Json] = {}
    for item in value if isinstance(value, list) else [value]:
        lang = item.get("@language") if isinstance(item, dict) else None
        if isinstance(item, dict) and isinstance(lang, str) and re.fullmatch(LANGUAGE, lang):
            found[lang] = item.get("@value")
    if not found:
        raise FormatError('has no text with a language; write {"@language": "en", "@value": "…"}')
    return found


def _node(kind: str | list[str], **members: Json) -> dict[str, Json]:
    """A node without what is empty; `dct_title` is written `dct:title`."""
    types: Json = list(kind) if isinstance(kind, list) else kind
    return {"@type": types} | {name.replace("_", ":", 1): value for name, value in members.items() if value}


def _described(member: str, kind: str | list[str]) -> tuple[Callable[[Source], Json], Callable[[Json], Draft]]:
    """Writer and reader of a multilingual member as a node with a description."""

    def write(source: Source) -> Json:
        words = getattr(source.system, member)
        return _node(kind, dct_description=_tagged(words)) if words else None

    def read(value: Json) -> Draft:
        expect(value, dict, "an object")
        assert isinstance(value, dict)
        return {member: _words(value.get("dct:description"))}

    return write, read


def _types(source: Source) -> Json:
    found: list[Json] = ["ai:AISystem"]
    if source.system.high_risk:
        system = source.system.classification
        points = system.annex_iii if system.exit_6_3 is None else ()
        found += [f"eu-aiact:HighRiskAISystem-AnnexIII-{point[4:].replace('.', '-')}" for point in points]
        found += [f"eu-aiact:HighRiskAISystem-AnnexI-{point.rsplit('.', 1)[1]}" for point in system.annex_i]
    return found


def _level(source: Source) -> Json:
    system = source.system
    if system.classification.annex_i:
        return {"@id": "eu-aiact:RiskLevelHigh-A6-1"}
    if system.high_risk:
        return {"@id": "eu-aiact:RiskLevelHigh-A6-2"}
    use = system.use
    told = use is not None and bool(
        use.talks_with_people or use.generates or use.deep_fakes or use.emotion_or_biometric
    )
    return {"@id": "eu-aiact:RiskLevelTransparencyRequired" if told else "eu-aiact:RiskLevelNotHigh"}


def _bases(source: Source) -> Json:
    return [
        _node(
            "dpv:LegalBasis",
            dct_title=item.law,
            dct_identifier=item.article,
            dct_type=item.for_,
            dct_source={"@id": item.link} if item.link else None,
        )
        for item in source.system.legal_basis
    ]


def _read_bases(value: Json) -> Draft:
    found: list[Json] = []
    for item in _nodes(value):
        base = {"law": item.get("dct:title"), "article": item.get("dct:identifier"), "for": item.get("dct:type")}
        found.append({**base, "link": _id(item.get("dct:source"))})
    return {"legal_basis": found}


def _nodes(value: Json) -> list[dict[str, Any]]:
    expect(value, list, "a list")
    assert isinstance(value, list)
    for item in value:
        expect(item, dict, "an object")
    return [item for item in value if isinstance(item, dict)]


def _id(value: Json) -> Json:
    return value.get("@id") if isinstance(value, dict) else None


def _risks(source: Source) -> Json:
    return [
        _node(
            "dpv:Risk",
            dct_type=item.kind,
            dct_description=_tagged(item.risk),
            dpv_isMitigatedByMeasure=_node("dpv:RiskMitigationMeasure", dct_description=_tagged(item.mitigation)),
        )
        for item in source.system.risks or ()
    ]


def _read_risks(value: Json) -> Draft:
    found: list[Json] = []
    for item in _nodes(value):
        measure = item.get("dpv:isMitigatedByMeasure")
        expect(measure, dict, "an object")
        assert isinstance(measure, dict)
        words = {"risk": _words(item.get("dct:description")), "mitigation": _words(measure.get("dct:description"))}
        found.append({"kind": item.get("dct:type"), **words})
    return {"risks": found}


def _data(use: str) -> Callable[[Source], Json]:
    def write(source: Source) -> Json:
        return [
            _node(
                _CLASSES[item.class_],
                dct_title=_tagged(item.name),
                dpv_hasDataSource=_node("dpv:DataSource", dct_description=_tagged(item.source)),
                dct_description=_tagged(item.quality),
                dct_type=DATA_CLASSES.text(item.class_, "en"),
                dct_source={"@id": item.link} if item.link else None,
            )
            for item in source.system.data or ()
            if item.use == use
        ]

    return write


def _measures(source: Source) -> Json:
    system = source.system
    found: list[Json] = [
        _node(
            "eu-aiact:DeployerHumanOversightMeasure",
            dct_description=_tagged(item.measure),
            dpv_hasResponsibleEntity=_tagged(item.by),
        )
        for item in system.oversight or ()
    ]
    if system.fria is not None:
        made = system.fria.made.isoformat()
        found.append(_node("eu-aiact:FRIA", dct_description=_tagged(system.fria.summary), dct_date=made))
    for item in system.assessments or ():
        kind = "dpv:DPIA" if item.kind == "dpia" else "dpv:Assessment"
        day = item.made.isoformat()
        found.append(_node(kind, dct_title=item.title, dct_date=day, dct_description=_tagged(item.summary)))
    return found


def _provider(source: Source) -> Json:
    provider = source.system.provider
    return _node(
        "eu-aiact:AIProvider",
        dpv_hasName=provider.name,
        dpv_hasContact=provider.contact,
        dpv_hasAddress=provider.address,
    )


def _read_provider(value: Json) -> Draft:
    expect(value, dict, "an object")
    assert isinstance(value, dict)
    found = {
        "name": value.get("dpv:hasName"),
        "contact": value.get("dpv:hasContact"),
        "address": value.get("dpv:hasAddress"),
    }
    return {"provider": {name: item for name, item in found.items() if item is not None}}


def _deployer(source: Source) -> Json:
    owner = source.system.owner
    unit = _node("dpv:OrganisationalUnit", dpv_hasName=owner.unit, dpv_hasContact=owner.contact)
    names = _tagged(source.agency.names) if source.agency else None
    return _node("eu-aiact:AIDeployer", dpv_hasName=names, dpv_hasOrganisationalUnit=unit)


def _read_deployer(value: Json) -> Draft:
    unit = value.get("dpv:hasOrganisationalUnit") if isinstance(value, dict) else None
    expect(unit, dict, "an object")
    assert isinstance(unit, dict)
    return {"owner": {"unit": unit.get("dpv:hasName"), "contact": unit.get("dpv:hasContact")}}


def _models(source: Source) -> Json:
    return [
        _node(
            "ai:Model",
            dct_title=item.name,
            schema_version=item.version,
            dct_license=item.licence,
            dct_identifier=item.sha256,
            dct_description=_tagged(item.task),
        )
        for item in source.system.models or ()
    ]


def _link(member: str) -> tuple[Callable[[Source], Json], Callable[[Json], Draft]]:
    def write(source: Source) -> Json:
        value = getattr(source.system, member)
        return {"@id": value} if value else None

    return write, lambda value: {member: _id(value)}


def _status(source: Source) -> Json:
    found = _STATUS["retired"] if source.system.ended is not None else _STATUS.get(source.state)
    return {"@id": found} if found else None


def _read_title(value: Json) -> Draft:
    return {"name": _words(value)}


def _plain(term: str, label: str, member: str, pair: tuple[Callable[[Source], Json], Callable[[Json], Draft]]) -> Place:
    return Place(term, label, (member,), *pair)


PLACES: Final = (
    Place("@type", "Classes of the system", ("classification",), _types, None, why="class"),
    Place("dct:identifier", "Short name", ("slug",), lambda source: source.system.slug, lambda value: {"slug": value}),
    Place("dct:title", "Name", ("name",), lambda source: _tagged(source.system.name), _read_title, required=True),
    _plain("dct:abstract", "In short", "summary", _described("summary", "schema:Text")),
    _plain(
        "dpv:hasPurpose",
        "Intended purpose",
        "purpose",
        _described("purpose", ["dpv:Purpose", "eu-aiact:IntendedPurpose"]),
    ),
    _plain(
        "dpv:hasDataSubject", "Persons affected", "affected_persons", _described("affected_persons", "dpv:DataSubject")
    ),
    _plain(
        "dpv:hasHumanInvolvement",
        "Human oversight",
        "human_oversight",
        _described("human_oversight", "dpv:HumanInvolvement"),
    ),
    _plain("dpv:hasContext", "Part in the decision", "decision_process", _described("decision_process", "dpv:Context")),
    Place("eu-aiact:hasRiskLevel", "Level of risk", ("classification", "use"), _level, None, why="class"),
    Place("dpv:hasLegalBasis", "Legal basis", ("legal_basis",), _bases, _read_bases, True, "GDPR 6"),
    Place("dpv:hasRisk", "Risks and measures", ("risks",), _risks, _read_risks),
    *(Place(term, f"Data: {use}", ("data",), _data(use)) for use, term in _USES.items()),
    Place("dpv:hasOrganisationalMeasure", "Assessments and oversight", ("oversight", "fria", "assessments"), _measures),
    Place("dpv:hasEntity", "Provider", ("provider",), _provider, _read_provider, True),
    Place("dpv:hasResponsibleEntity", "Deployer and unit", ("owner",), _deployer, _read_deployer, True),
    Place("ai:hasModel", "Models", ("models",), _models),
    _plain("foaf:homepage", "Website", "website", _link("website")),
    _plain("schema:codeRepository", "Source code", "source_code", _link("source_code")),
    Place("dpv:hasStatus", "Status", ("ended",), _status, None, why="state"),
)
"""The terms that a node has, in order; each is a place of the record."""
