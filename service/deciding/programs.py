"""From a version manifest to what the runtime runs, and from its answer to what the record holds."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any, Final, cast

from auditlog.core.formats.canonical import Json
from registry.declaration import format_object
from registry.manifest import Manifest
from runtime.capture import Generation, token_digest
from runtime.errors import RuntimeFault
from runtime.output.schema import lint, validate_field
from runtime.program import Field, Outcome, Program, Step, check_fields, check_program
from runtime.prompt import check_value
from runtime.sampler import Sampler
from runtime.shape import Shape

ELSEWHERE: Final = Shape(n_ctx=1 << 20)
"""The context of a model that runs elsewhere: what fits into it, its provider says."""


def program(manifest: Manifest) -> Program:
    """What a version runs. That of a remote model names no weights: it serves to ask, to check and to validate."""
    return Program(
        model=manifest.model.sha256 if manifest.model else "",
        fields=tuple(Field(f.id, cast("Any", f.schema), cast("Any", f.neutral)) for f in manifest.fields),
        steps=tuple(Step(step.output, step.template, step.max_tokens) for step in manifest.steps),
        output_schema=cast("Any", manifest.output_schema),
        outcomes=tuple(Outcome(o.code, o.text, o.bias_millinats) for o in manifest.outcomes),
        sampler=Sampler(manifest.sampler.kind, manifest.sampler.temperature_milli or 0),
        context=Shape(**cast("Any", format_object(manifest.context))) if manifest.context else ELSEWHERE,
    )


def check(manifest: Manifest, *, recorded_only: bool = False) -> None:
    """Raises RuntimeFault, naming the member, for a version that could never run.

    `recorded_only`: nobody here asks it, but what is recorded of it is held against its schemas.
    """
    if manifest.model is not None or not recorded_only:
        check_program(program(manifest))
        _check_wordings(manifest)
        _check_cases(manifest)
        return
    for field in manifest.fields:
        lint(cast("Any", field.schema), f"fields.{field.id}.schema", inputs=True)
    lint(cast("Any", manifest.output_schema), "output_schema")


def _check_wordings(manifest: Manifest) -> None:
    """Each is asked as the first step is: the rules for that prompt hold for it, too."""
    asked = program(manifest)
    for index, wording in enumerate(manifest.wordings or ()):
        first = replace(asked.steps[0], template=wording.template)
        with _said_of(f"version.wordings[{index}].template"):
            check_program(replace(asked, steps=(first, *asked.steps[1:])))


def _check_cases(manifest: Manifest) -> None:
    fitness = manifest.fitness
    if fitness is None:
        return
    schemas = {field.id: field.schema for field in manifest.fields}
    for index, axis in enumerate(fitness.grid or ()):
        for at, value in enumerate(axis.values):
            place = f"version.fitness.grid[{index}].values[{at}]"
            with _said_of(place):
                validate_field(cast("Any", schemas[axis.id]), value, place)
                check_value(place, value)
    asked = program(manifest)
    if fitness.grid:  # what it leaves out is neutral in each of its cases
        with _said_of("version.fitness.grid"):
            check_fields(asked, cast("Any", {axis.id: axis.values[0] for axis in fitness.grid}))
    for index, case in enumerate(fitness.cases or ()):
        with _said_of(f"version.fitness.cases[{index}]", inside=True):
            check_fields(asked, cast("Any", case))


@contextlib.contextmanager
def _said_of(place: str, *, inside: bool = False) -> Iterator[None]:
    """Faults name the member of the register file. `inside`: the fault's own field is one of that member's."""
    try:
        yield
    except RuntimeFault as fault:
        field = f"{place}.{fault.field}" if inside and fault.field else place
        raise type(fault)(fault.message, field=field, fix=fault.fix) from None


def inputs(manifest: Manifest, given: Mapping[str, Json]) -> dict[str, Json]:
    """Every declared field with its value, None where absent; raises the runtime's InputUndeclared or InputInvalid."""
    values = {field.id: given.get(field.id) for field in manifest.fields}
    check_fields(program(manifest), cast("Any", given))
    return values


def seed(manifest: Manifest) -> str | None:
    """A fresh seed where the version samples, None where it does not."""
    return secrets.token_hex(16) if manifest.seed == "record" else None


def run_facts(generation: Generation) -> dict[str, Json]:
    """The replay facts of a record, as JSON: tokens, log-probabilities, seed, sampler, threads, build, model."""
    facts = cast("dict[str, Json]", to_json(asdict(generation.run)))
    if not generation.run.prompt_digests:
        del facts["prompt_digests"]
    return facts


def without_prompts(run: Mapping[str, Json]) -> dict[str, Json]:
    """Replay facts with digests of the prompts instead of their tokens: what stands in them is kept elsewhere."""
    prompts = cast("list[list[int]]", run.get("prompt_tokens") or [])
    if not prompts:  # of a model that runs elsewhere
        return dict(run)
    return {**run, "prompt_tokens": [[] for _ in prompts], "prompt_digests": [*map(token_digest, prompts)]}


def to_json(value: Any) -> Json:
    """Tuples as lists, mappings as objects: what parsing the stored payload gives back."""
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return cast("Json", value)
