"""Reading a manifest strictly, and what holds between its members."""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import prod

from registry import declaration
from registry.canonical import Json, parse_json
from registry.errors import FormatError
from registry.fitness import DEFAULT, Thresholds
from registry.manifest import FORMAT, Context, InputField, Manifest, format_manifest

_EXPRESSION = re.compile(r"\{\{\s*([a-z0-9_]{1,40})\s*\}\}")
_LOOP = re.compile(
    r"\{%\s*for\s+([a-z_][a-z0-9_]{0,39})\s+in\s+([a-z0-9_]{1,40})\s*%\}(.*?)\{%\s*endfor\s*%\}", re.DOTALL
)
_MARKUP = re.compile(r"\{\{|\}\}|\{%|%\}|\{#|#\}")
MOST_CASES = 2_000
RESERVED_OUTCOMES = frozenset({"length", "invalid", "refusal"})
"""Outcomes that come by themselves: the answer was cut off, did not fit its schema, or the model would give none."""


def variables(template: str, path: str) -> tuple[str, ...]:
    """The variables of a prompt template, in order.

    Only `{{ name }}` is allowed, and one loop over a field of messages, so that explanations know where a detail
    stands; Jinja's other markup is refused.
    """
    flat = _LOOP.sub(_looped, template)
    if _MARKUP.search(_EXPRESSION.sub("", flat)):
        loop = "{% for m in field %}{{ m.role }}{{ m.content }}{% endfor %}"
        what = "has markup other than {{ field }}; write plain text and {{ field }}"
        raise FormatError(f"{what}, and for messages {loop}", field=path)
    return tuple(_EXPRESSION.findall(flat))


def _looped(match: re.Match[str]) -> str:
    """A loop as the field that it goes through; what else it holds stays, for the search for markup."""
    looper, field, body = match.groups()
    parts = re.compile(r"\{\{\s*" + looper + r"\.(role|content)\s*\}\}")
    return f"{{{{ {field} }}}}" + parts.sub("", body).replace("{{", "{%") if looper != field else match.group()


def parse_manifest(data: bytes) -> Manifest:
    """Read a canonical manifest; re-formatting must give the same bytes. Raises FormatError with the path."""
    value = parse_json(data, what="manifest")
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise FormatError(f'is not {FORMAT}; the manifest says "format": "{FORMAT}"', field="manifest.format")
    members = {name: item for name, item in value.items() if name != "format"}
    manifest = declaration.parse_object(Manifest, members, "manifest")
    _verify_manifest(manifest, "manifest")
    if format_manifest(manifest) != data:
        raise FormatError("is not canonical JSON; write it with format_manifest", field="manifest")
    return manifest


def parse_draft(value: Json, system: str, path: str = "version") -> Manifest:
    """Read the `version` object of a register file as a manifest numbered 1; the register gives the real number."""
    if isinstance(value, dict) and {"format", "system", "version"} & set(value):
        raise FormatError("names format, system or version; leave them out, the register gives them", field=path)
    numbered = {**value, "system": system, "version": 1} if isinstance(value, dict) else value
    manifest = declaration.parse_object(Manifest, numbered, path)
    _verify_manifest(manifest, path)
    return manifest


def _verify_manifest(manifest: Manifest, path: str) -> None:
    """Raises FormatError with the path of the member that does not fit the others."""
    _verify_fields_and_steps(manifest, path)
    _verify_outcomes(manifest, path)
    _verify_answer(manifest, path)
    _verify_place(manifest, path)
    _verify_choice(manifest, path)
    _verify_wordings(manifest, path)
    _verify_fitness(manifest, path)


def _verify_fields_and_steps(manifest: Manifest, path: str) -> None:
    _once((item.id for item in manifest.fields), f"{path}.fields", "id")
    for index, item in enumerate(manifest.fields):
        if item.neutral is None and not (isinstance(item.schema, dict) and item.schema.get("type") == "array"):
            # Only a conversation has nothing that says "not stated".
            raise FormatError("is empty; write a value", field=f"{path}.fields[{index}].neutral")
        _verify_words(item, f"{path}.fields[{index}]")
    known = {item.id for item in manifest.fields}
    for index, step in enumerate(manifest.steps):
        place = f"{path}.steps[{index}]"
        unknown = [name for name in variables(step.template, f"{place}.template") if name not in known]
        if unknown:
            raise FormatError(
                f"uses {unknown[0]}, which is no declared field and no earlier output; declare it in fields",
                field=f"{place}.template",
            )
        if step.output in known:
            raise FormatError("has the name of a field or of an earlier step; choose another", field=f"{place}.output")
        known.add(step.output)


def _verify_words(field: InputField, path: str) -> None:
    allowed = field.schema.get("enum", []) if isinstance(field.schema, dict) else []
    _once((str(item.value) for item in field.values or ()), f"{path}.values", "value")
    for index, item in enumerate(field.values or ()):
        if not isinstance(allowed, list) or item.value not in allowed:
            raise FormatError(
                "is not in the schema's enum; give words for allowed values only", field=f"{path}.values[{index}].value"
            )


def _verify_outcomes(manifest: Manifest, path: str) -> None:
    _once((outcome.code for outcome in manifest.outcomes), f"{path}.outcomes", "code")
    _once((outcome.text for outcome in manifest.outcomes), f"{path}.outcomes", "text")
    for index, outcome in enumerate(manifest.outcomes):
        if outcome.code in RESERVED_OUTCOMES:
            raise FormatError(
                "is reserved for the runtime; choose another code", field=f"{path}.outcomes[{index}].code"
            )


def _verify_answer(manifest: Manifest, path: str) -> None:
    place = f"{path}.output_schema"
    schema = manifest.output_schema
    properties = schema.get("properties")
    outputs = [step.output for step in manifest.steps]
    if schema["type"] != "object" or not isinstance(properties, dict) or set(properties) != set(outputs):
        raise FormatError(f"is not an object with one property a step; give it {', '.join(outputs)}", field=place)
    if schema.get("required") != outputs or schema.get("additionalProperties") is not False:
        raise FormatError(
            'leaves members open; write "required" with each step in order and "additionalProperties": false',
            field=place,
        )
    if not all(isinstance(item, dict) for item in properties.values()):
        raise FormatError("has a property that is no schema; write an object", field=f"{place}.properties")
    texts = [outcome.text for outcome in manifest.outcomes]
    if properties[outputs[0]].get("enum") != texts:
        raise FormatError(
            "does not list the texts of the outcomes; write them in the order of outcomes",
            field=f"{place}.properties.{outputs[0]}.enum",
        )


def _verify_place(manifest: Manifest, path: str) -> None:
    if (manifest.model is None) == (manifest.remote is None):
        raise FormatError("and remote exclude each other; give one of them, null for the other", field=f"{path}.model")
    if manifest.model is None:
        if manifest.context is not None or manifest.builds or manifest.adapters:
            raise FormatError(
                "is for a model that runs here; write null, and [] for builds and adapters", field=f"{path}.context"
            )
        return
    if manifest.context is None:
        raise FormatError("is missing; a model that runs here needs it", field=f"{path}.context")
    if not manifest.builds:
        raise FormatError("is empty; name at least one accepted build of the runtime", field=f"{path}.builds")
    _verify_context(manifest.context, max(step.max_tokens for step in manifest.steps), f"{path}.context")


def _verify_context(context: Context, longest: int, path: str) -> None:
    if context.n_batch > context.n_ctx:
        raise FormatError(
            "is larger than n_ctx, where llama.cpp cuts it silently; write n_ctx or less", field=f"{path}.n_batch"
        )
    if context.n_ubatch > context.n_batch:
        raise FormatError("is larger than n_batch; write n_batch or less", field=f"{path}.n_ubatch")
    if context.n_seq_max > context.n_batch:
        raise FormatError("is larger than n_batch; each sequence needs a row", field=f"{path}.n_seq_max")
    room = context.n_ctx if context.kv_unified else context.n_ctx // context.n_seq_max
    if room <= longest:
        raise FormatError(
            f"leaves {room} tokens a sequence, no more than max_tokens; raise n_ctx or lower n_seq_max",
            field=f"{path}.n_ctx",
        )
    if context.type_v == "q8_0" and context.flash_attention == "off":
        raise FormatError("is off, and V in q8_0 needs it; write auto or on", field=f"{path}.flash_attention")


def _verify_choice(manifest: Manifest, path: str) -> None:
    greedy = manifest.sampler.kind == "greedy"
    if greedy != (manifest.sampler.temperature_milli is None):
        fix = "leave it out for greedy" if greedy else "gumbel needs it, in thousandths"
        raise FormatError(f"does not fit the sampler; {fix}", field=f"{path}.sampler.temperature_milli")
    if greedy != (manifest.seed == "none"):
        fix = "none, since greedy draws nothing" if greedy else "record, so that the draw can be repeated"
        raise FormatError(f"does not fit the sampler; write {fix}", field=f"{path}.seed")
    if manifest.streaming and "after_review" in {manifest.release, *(item.release for item in manifest.outcomes)}:
        raise FormatError(
            "is true, and a result waits for review; write false, or release immediate", field=f"{path}.streaming"
        )


def _verify_wordings(manifest: Manifest, path: str) -> None:
    """Another wording asks the same: the same fields, in an order and in words of its own."""
    if manifest.wordings and manifest.model is None:
        raise FormatError("is for a model that runs here; leave it out", field=f"{path}.wordings")
    first = manifest.steps[0].template
    asked = set(variables(first, f"{path}.steps[0].template"))
    seen = {first: "is the first step's own prompt; reword it, or leave it out"}
    for index, wording in enumerate(manifest.wordings or ()):
        place = f"{path}.wordings[{index}].template"
        named = set(variables(wording.template, place))
        if wording.template in seen:
            raise FormatError(seen[wording.template], field=place)
        seen[wording.template] = "is another wording's prompt, too; keep one of them"
        if named - asked:
            raise FormatError(f"uses {min(named - asked)}, which the first step does not; leave it out", field=place)
        if asked - named:
            raise FormatError(f"leaves out {min(asked - named)}, which the first step uses; name it", field=place)


def _verify_fitness(manifest: Manifest, path: str) -> None:
    """Invented cases of declared fields. That their values are allowed, the runtime says."""
    fitness, place = manifest.fitness, f"{path}.fitness"
    if fitness is None:
        return
    if manifest.model is None:
        raise FormatError("is for a model that runs here; leave it out", field=place)
    if not fitness.grid and not fitness.cases:
        raise FormatError("has no cases; give grid or cases", field=place)
    _verify_thresholds(fitness.thresholds, f"{place}.thresholds")
    known = {item.id for item in manifest.fields}
    _once((item.id for item in fitness.grid or ()), f"{place}.grid", "id")
    for index, item in enumerate(fitness.grid or ()):
        if item.id not in known:
            raise FormatError("is no declared field; declare it in fields", field=f"{place}.grid[{index}].id")
    for index, case in enumerate(fitness.cases or ()):
        if set(case) - known:
            raise FormatError("has a member that is no declared field; leave it out", field=f"{place}.cases[{index}]")
    count = prod(len(item.values) for item in fitness.grid) if fitness.grid else 0
    count += len(fitness.cases or ())
    if count > MOST_CASES:
        raise FormatError(f"has {count} cases; leave values out, {MOST_CASES} are the most", field=place)


def _verify_thresholds(wanted: Thresholds | None, path: str) -> None:
    """What holds a version back is not the version's to loosen: for that there is an override, which is public."""
    if wanted is not None and wanted.same_outcome_most > DEFAULT.same_outcome_most:
        fix = f"write {DEFAULT.same_outcome_most} or less"
        raise FormatError(f"is looser than the gate; {fix}", field=f"{path}.same_outcome_most")
    if wanted is not None and wanted.sensitive_least < DEFAULT.sensitive_least:
        fix = f"write {DEFAULT.sensitive_least} or more"
        raise FormatError(f"is looser than the gate; {fix}", field=f"{path}.sensitive_least")


def _once(values: Iterable[str], path: str, member: str) -> None:
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value in seen:
            raise FormatError("is used twice; choose another", field=f"{path}[{index}].{member}")
        seen.add(value)
