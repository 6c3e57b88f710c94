"""What the UK standard asks for in words and the register holds in parts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from registry.canonical import Json
from registry.exchange.plain_text import blocks, joined, lines
from registry.exchange.transfer import Source
from registry.parts.conduct import DATA_CLASSES
from registry.parts.hosting import CAPTURES

_MAIL: Final = re.compile(r"[^\s@,;<>]+@[^\s@,;<>]+\.[A-Za-z]{2,}")
_PHASES: Final = {
    "draft": "Development",
    "in_review": "Development",
    "approved": "Development",
    "pilot": "Private beta",
    "active": "Production",
    "retired": "Retired",
}
"""A system that was stopped has no phase of the standard: it stays empty, and is told as missing."""


@dataclass(frozen=True, slots=True)
class Writer:
    """How a field is written, what of the record it says, and why it is not read back."""

    write: Callable[[Source], Json]
    members: tuple[str, ...] = ()
    why: str = "words"


def contact(source: Source) -> Json:
    """An address of mail of the owner, else of the agency: the standard takes nothing else."""
    found = _MAIL.search(source.system.owner.contact)
    if found is None and source.agency is not None:
        found = _MAIL.search(source.agency.contact or "")
    return None if found is None else found.group()


def _organisation(source: Source) -> Json:
    return None if source.agency is None else source.say(source.agency.names)


def _phase(source: Source) -> Json:
    return "Retired" if source.system.ended is not None else _PHASES.get(source.state)


def _involved(source: Source) -> Json:
    return "Yes" if source.system.supplier is not None else "No"


def _detailed(source: Source) -> Json:
    return joined(source.say(source.system.purpose), source.say(source.system.limits))


def _volume(source: Source) -> Json:
    return lines(source.system.expected_volume, source.lang) if source.system.expected_volume else None


def _appeals(source: Source) -> Json:
    return None if source.agency is None else source.say(source.agency.objection)


def _architecture(source: Source) -> Json:
    host = lines(source.system.host, source.lang, frozenset({"declared_watts"})) if source.system.host else None
    return joined(CAPTURES.text(source.system.capture, source.lang), host)


def _input(source: Source) -> Json:
    fields = source.version.manifest.fields if source.version else ()
    declared = "\n".join(f"{item.label['en']}: {item.source.get('en', '')}" for item in fields if "en" in item.label)
    return joined(declared, _data("input")(source))


def _output(source: Source) -> Json:
    outcomes = source.version.manifest.outcomes if source.version else ()
    return joined("\n".join(item.label["en"] for item in outcomes if "en" in item.label), _data("output")(source))


def _data(*uses: str) -> Callable[[Source], str | None]:
    return lambda source: blocks([item for item in source.system.data or () if item.use in uses], source.lang)


def _classes(*uses: str) -> Callable[[Source], Json]:
    def write(source: Source) -> Json:
        found = {item.class_ for item in source.system.data or () if item.use in uses}
        if "input" in uses and source.version is not None:
            found |= {item.class_ for item in source.version.manifest.fields}
        return "; ".join(DATA_CLASSES.text(code, source.lang) for code in DATA_CLASSES.codes if code in found)

    return write


def quality(source: Source) -> Json:
    """Whether the data to train and test are right and complete, in the words of the record."""
    found = [item for item in source.system.data or () if item.use in {"training", "testing"} and item.quality]
    return joined(*(source.say(item.quality) for item in found))


def _models(member: str) -> Callable[[Source], Json]:
    """A numbered line for each model, of the record and of the running version."""

    def write(source: Source) -> Json:
        found = [_model_text(source, item, member) for item in source.system.models or ()]
        model, notice = source.version.manifest.model if source.version else None, source.system.notice
        if model is not None:
            task = source.say(notice.estimates) if notice else None
            version = f"{model.quantization}, SHA-256 {model.sha256}"
            found.append({"name": model.name, "version": version, "task": task or ""}.get(member, ""))
        return "\n".join(f"{number}. {text}" for number, text in enumerate(found, 1) if text)

    return write


def _model_text(source: Source, model: object, member: str) -> str:
    value = getattr(model, member)
    if isinstance(value, Mapping):
        return str(value.get(source.lang, ""))
    return "" if value is None else str(value)


def _architectures(source: Source) -> Json:
    model = source.version.manifest.model if source.version else None
    return model.architecture if model else None


def _storage(source: Source) -> Json:
    processing, retention = source.system.processing, source.system.retention
    return joined(
        source.say(processing.security) if processing else None,
        lines(retention, source.lang) if retention else None,
    )


def _sharing(source: Source) -> Json:
    processing = source.system.processing
    return joined(blocks(processing.processors, "en"), blocks(processing.transfers, "en")) if processing else None


def _assessments(source: Source) -> Json:
    fria = source.system.fria
    return joined(
        lines(fria, source.lang) if fria else None,
        blocks(source.system.assessments, source.lang),
    )


def _nothing(_: Source) -> Json:
    return None


_NONE: Final = Writer(_nothing, why="other")
_DEVELOPMENT: Final = ("training", "testing")
WRITERS: Final[Mapping[str, Writer]] = {
    "organisation_name": Writer(_organisation, why="agency"),
    "organisation_or_department": Writer(_organisation, why="agency"),
    "phase": Writer(_phase, ("ended",), "state"),
    "region": _NONE,
    "third_party_involvement": Writer(_involved, ("supplier",), "other"),
    "detailed_description": Writer(_detailed, ("limits",)),
    "previous_process": _NONE,
    "frequency_and_scale_of_usage": Writer(_volume, ("expected_volume",)),
    "required_training": Writer(lambda source: blocks(source.system.oversight, source.lang), ("oversight",)),
    "appeals_and_review": Writer(_appeals, why="agency"),
    "system_architecture": Writer(_architecture, ("capture", "host")),
    "system_level_input": Writer(_input, ("data",)),
    "system_level_output": Writer(_output, ("data",)),
    "maintenance": _NONE,
    "models": Writer(_models("name"), ("models.name",)),
    "model_name": Writer(_models("name"), ("models.name",)),
    "model_version": Writer(_models("version"), ("models.version",)),
    "model_task": Writer(_models("task"), ("models.task",)),
    "model_input": _NONE,
    "model_output": _NONE,
    "model_architecture": Writer(_architectures),
    "model_performance": Writer(lambda source: blocks(source.system.performance, source.lang), ("performance",)),
    "datasets_and_their_purposes": Writer(_data(*_DEVELOPMENT), ("data",)),
    "development_data_description": Writer(_data(*_DEVELOPMENT), ("data",)),
    "data_modality": _NONE,
    "data_quantities": _NONE,
    "sensitive_attributes": Writer(_classes(*_DEVELOPMENT), ("data.class",)),
    "data_completeness_and_representativeness": Writer(quality, ("data.quality",)),
    "data_cleaning": _NONE,
    "data_collection": _NONE,
    "data_access_and_storage": _NONE,
    "data_sharing_agreements": _NONE,
    "data_sources": Writer(_data("input", "output"), ("data",)),
    "operational_sensitive_attributes": Writer(_classes("input", "output"), ("data.class",)),
    "data_processing_methods": _NONE,
    "operational_data_access_and_storage": Writer(_storage, ("processing.security", "retention")),
    "operational_data_sharing_agreements": Writer(_sharing, ("processing.processors", "processing.transfers")),
    "impact_assessment": Writer(_assessments, ("fria", "assessments")),
    "risks_and_mitigations": Writer(lambda source: blocks(source.system.risks, source.lang), ("risks",)),
}
"""By the standard's attribute. What the register has no member for stays empty."""
