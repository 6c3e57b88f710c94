"""The model card of a CycloneDX 1.7 component, from the record: task, data, performance, use, limits, risks. Pure."""

from __future__ import annotations

from typing import Any

from registry.canonical import Json
from registry.exchange.transfer import Source
from registry.parts.conduct import DATA_CLASSES, ModelUsed


def of(source: Source, used: ModelUsed | None, ref: str) -> dict[str, Any]:
    """The card, without what the record does not say; texts in the language of the source."""
    system = source.system
    card: dict[str, Any] = {"bom-ref": ref}
    parameters = _parameters(source, used, ref)
    if parameters:
        card["modelParameters"] = parameters
    metrics = [_metric(source, item) for item in system.performance or ()]
    if metrics:
        card["quantitativeAnalysis"] = {"performanceMetrics": metrics}
    risks = [
        {"name": name, "mitigationStrategy": item.mitigation.get(source.lang, "")}
        for item in system.risks or ()
        if (name := item.risk.get(source.lang))
    ]
    considerations = {
        "users": [system.owner.unit],
        "useCases": _texts(source.say(system.purpose)),
        "technicalLimitations": _texts(source.say(system.limits)),
        "ethicalConsiderations": risks,
    }
    card["considerations"] = {name: value for name, value in considerations.items() if value}
    return card


def task_of(card: Json) -> str | None:
    """What another's card says the model is for, if it says so."""
    parameters = card.get("modelParameters") if isinstance(card, dict) else None
    task = parameters.get("task") if isinstance(parameters, dict) else None
    return task if isinstance(task, str) and task.strip() else None


def _parameters(source: Source, used: ModelUsed | None, ref: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    task = source.say(used.task) if used is not None else source.say(_estimates(source))
    if task:
        found["task"] = task
    manifest = source.version.manifest if source.version is not None and used is None else None
    if manifest is not None:
        if manifest.model is not None and manifest.model.architecture:
            found["architectureFamily"] = manifest.model.architecture
        found["inputs"] = [{"format": item.label.get(source.lang, item.id)} for item in manifest.fields]
        found["outputs"] = [{"format": item.label.get(source.lang, item.code)} for item in manifest.outcomes]
    data = [item for item in source.system.data or () if item.use in {"training", "testing"}]
    datasets = [
        {
            "bom-ref": f"{ref}-data-{number}",
            "type": "dataset",
            "name": source.say(item.name) or "",
            "description": source.say(item.quality) or source.say(item.source) or "",
            "sensitiveData": [] if item.class_ == "none" else [DATA_CLASSES.text(item.class_, source.lang)],
            "classification": item.class_,
            **({"contents": {"url": item.link}} if item.link else {}),
        }
        for number, item in enumerate(data, 1)
    ]
    if datasets:
        found["datasets"] = datasets
    return found


def _estimates(source: Source) -> Any:
    return source.system.notice.estimates if source.system.notice else None


def _metric(source: Source, item: Any) -> dict[str, str]:
    found = {"type": source.say(item.name) or "", "value": item.value}
    group = source.say(item.group)
    return found | ({"slice": group} if group else {})


def _texts(text: str | None) -> list[str]:
    return [] if text is None else [text]
