"""CycloneDX 1.7 as ML-BOM: the models of a system with digest and licence, out and in, as JSON.

What `cyclonedx-python-lib` writes is completed with the model card, for which it has no part yet; tests check the whole
against the schema of the specification. The same record gives the same bytes: the serial number is made from its
digest, and there is no time in it. `cyclonedx` is loaded only here, when used.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from registry.canonical import Json, format_canonical
from registry.errors import FormatError
from registry.exchange import model_card
from registry.exchange.drafts import checked, lost_of
from registry.exchange.lenient_json import parse_foreign
from registry.exchange.transfer import DoesNotApply, Draft, Exported, Filled, Imported, Place, Source
from registry.parts.conduct import ModelUsed
from registry.system import AISystem, format_record

if TYPE_CHECKING:
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component

MODEL: Final = "machine-learning-model"
OURS: Final = "greffier:"
_ROOT: Final = "system"


@dataclass(frozen=True, slots=True)
class _Model:
    """A model as the bill names it; `used` is the part of the record, None for the one of the running version."""

    name: str
    version: str | None
    licence: str | None
    sha256: str | None
    used: ModelUsed | None


def to_mlbom(source: Source) -> Exported:
    """The bill of materials of a system's models. Raises DoesNotApply where the record names no model."""
    demand(source)
    models = _models(source)
    value = json.loads(_written(_bom(source, models)))
    del value["metadata"]["timestamp"]
    value["metadata"]["properties"] = _about(source.system)
    by_ref = {component["bom-ref"]: component for component in value["components"]}
    value["components"] = [
        by_ref[f"model-{number}"] | _more(source, model, number) for number, model in enumerate(models, 1)
    ]
    data = format_canonical(value)
    filled = Filled({place.id: True for place in PLACES}, (), frozenset())
    (back,) = from_mlbom(data)
    return Exported(data, (), lost_of(source, back.draft, PLACES, filled))


def demand(source: Source) -> None:
    """Raise DoesNotApply where the record names no model."""
    if not _models(source):
        raise DoesNotApply("names no model, so there is no bill of materials of it", field=source.system.slug)


def from_mlbom(data: bytes) -> tuple[Imported, ...]:
    """A draft with the models of a CycloneDX bill. Raises FormatError for anything else."""
    value = parse_foreign(data)
    if not isinstance(value, dict) or value.get("bomFormat") != "CycloneDX":
        raise FormatError('is no CycloneDX bill; it has "bomFormat": "CycloneDX"', field="bomFormat")
    components = value.get("components")
    found = [item for item in components or () if isinstance(item, dict)] if isinstance(components, list) else []
    models = [item for item in found if item.get("type") == MODEL]
    if not models:
        raise FormatError("has no component of type machine-learning-model; name one", field="components")
    draft = _said(_properties(value.get("metadata")))
    used = [_read_model(item) for item in models if not _own_version(item)]
    if used:
        draft["models"] = list(used)
    return (checked(Imported(draft)),)


def _models(source: Source) -> list[_Model]:
    found = [_Model(one.name, one.version, one.licence, one.sha256, one) for one in source.system.models or ()]
    manifest = source.version.manifest if source.version else None
    if manifest is not None and manifest.model is not None:
        own = manifest.model
        found.append(_Model(own.name, own.quantization, own.licence, f"sha256:{own.sha256}", None))
    if manifest is not None and manifest.remote is not None:
        found.append(_Model(manifest.remote.model, None, None, None, None))
    return found


def _bom(source: Source, models: list[_Model]) -> Bom:
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.contact import OrganizationalEntity

    digest = hashlib.sha256(format_record(source.system) + (source.version.digest if source.version else "").encode())
    root = Component(
        type=ComponentType.APPLICATION,
        name=source.system.slug,
        version=str(source.version.version) if source.version else None,
        bom_ref=_ROOT,
        supplier=OrganizationalEntity(name=source.system.provider.name),
    )
    parts = [_component(model, f"model-{number}") for number, model in enumerate(models, 1)]
    bom = Bom(serial_number=UUID(bytes=digest.digest()[:16], version=5), components=parts)
    bom.metadata.component = root
    bom.register_dependency(root, parts)
    return bom


def _component(model: _Model, ref: str) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.license import DisjunctiveLicense
    from cyclonedx.spdx import is_supported_id

    licences = []
    if model.licence is not None:
        known = is_supported_id(model.licence)
        licences.append(DisjunctiveLicense(id=model.licence) if known else DisjunctiveLicense(name=model.licence))
    hashes = []
    if model.sha256 is not None:
        hashes.append(HashType(alg=HashAlgorithm.SHA_256, content=model.sha256.removeprefix("sha256:")))
    return Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=model.name,
        version=model.version,
        bom_ref=ref,
        hashes=hashes,
        licenses=licences,
    )


def _written(bom: Bom) -> str:
    from cyclonedx.output.json import JsonV1Dot7

    return JsonV1Dot7(bom).output_as_string()


def _more(source: Source, model: _Model, number: int) -> dict[str, Any]:
    """The model card and our own properties of a component."""
    card = model_card.of(source, model.used, f"card-{number}")
    if model.used is None:
        assert source.version is not None
        return {
            "modelCard": card,
            "properties": _named({"manifest": source.version.digest, "version": str(source.version.version)}),
        }
    task = {f"task:{lang}": text for lang, text in model.used.task.items()}
    said = {**task, "self_learning": "true" if model.used.self_learning else "false"}
    return {"modelCard": card, "properties": _named(said)}


def _about(system: AISystem) -> list[Json]:
    said = {"slug": system.slug}
    said |= {f"name:{lang}": text for lang, text in system.name.items()}
    said |= {f"purpose:{lang}": text for lang, text in system.purpose.items()}
    return _named(said)


def _named(said: dict[str, str]) -> list[Json]:
    return [{"name": f"{OURS}{name}", "value": value} for name, value in sorted(said.items())]


def _properties(holder: Json) -> dict[str, str]:
    """Our own properties of an object, by name without the prefix."""
    listed = holder.get("properties") if isinstance(holder, dict) else None
    found: dict[str, str] = {}
    for item in listed if isinstance(listed, list) else ():
        name, value = (item.get("name"), item.get("value")) if isinstance(item, dict) else (None, None)
        if isinstance(name, str) and name.startswith(OURS) and isinstance(value, str):
            found[name.removeprefix(OURS)] = value
    return found


def _said(properties: dict[str, str]) -> Draft:
    draft: Draft = {"slug": properties["slug"]} if "slug" in properties else {}
    for member in ("name", "purpose"):
        words = _words(properties, member)
        if words:
            draft[member] = words
    return draft


def _words(properties: dict[str, str], member: str) -> dict[str, Json]:
    return {name.removeprefix(f"{member}:"): text for name, text in properties.items() if name.startswith(f"{member}:")}


def _own_version(component: dict[str, Json]) -> bool:
    return "manifest" in _properties(component)


def _read_model(component: dict[str, Json]) -> dict[str, Json]:
    """A component as the register names a model; what only we write may be missing, and is then asked for."""
    said = _properties(component)
    found: dict[str, Json] = {"name": component.get("name"), "version": component.get("version")}
    found["licence"] = _licence(component.get("licenses"))
    found["sha256"] = _sha256(component.get("hashes"))
    task = _words(said, "task")
    card = model_card.task_of(component.get("modelCard"))
    if not task and card is not None:
        task = {"en": card}
    if task:
        found["task"] = task
    if "self_learning" in said:
        found["self_learning"] = said["self_learning"] == "true"
    return found


def _licence(listed: Json) -> Json:
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, dict):
            one = item.get("license")
            named = one.get("id") or one.get("name") if isinstance(one, dict) else item.get("expression")
            if isinstance(named, str):
                return named
    return None


def _sha256(listed: Json) -> Json:
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, dict) and item.get("alg") == "SHA-256":
            return f"sha256:{item.get('content')}"
    return None


def _written_whole(_: Source) -> Json:
    return True


PLACES: Final = (
    Place("metadata.component", "The system", ("slug", "name", "purpose", "provider.name"), _written_whole),
    Place("components", "Models with digest and licence", ("models",), _written_whole),
    Place("modelCard.quantitativeAnalysis", "Performance", ("performance",), _written_whole),
    Place("modelCard.considerations", "Use, limits, risks", ("limits", "risks", "owner.unit"), _written_whole),
    Place("modelCard.modelParameters.datasets", "Data to train and test", ("data",), _written_whole),
)
"""Where a bill says what of a record, for the table of formats."""
