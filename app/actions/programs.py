"""From a version manifest to what the runtime runs, and from its answer to what the record holds."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

from app.errors import Refused
from auditlog.canonical import Json
from registry.manifest import Manifest
from runtime import schema
from runtime.engine import Choice, ContextSettings, Generation, Program, Step
from runtime.errors import SchemaFault

Refuse = Callable[[str, str, str | None], Refused]


def program(manifest: Manifest) -> Program:
    """The runtime's program of a version."""
    assert manifest.model is not None
    context = manifest.context
    return Program(
        model=manifest.model.sha256,
        steps=tuple(Step(step.output, step.template, step.max_tokens) for step in manifest.steps),
        output_schema=manifest.output_schema,
        outcomes=tuple(Choice(o.code, o.text, o.bias_millinats) for o in manifest.outcomes),
        sampler=manifest.sampler.as_dict(),
        context=ContextSettings(**context.as_dict()),
    )


def check_inputs(manifest: Manifest, inputs: Mapping[str, Json], refuse: Refuse) -> dict[str, Json]:
    """Inputs by declared field, absent ones as None; raises what `refuse` makes for an undeclared or invalid field."""
    declared = {field.id: field for field in manifest.fields}
    undeclared = sorted(set(inputs) - set(declared))
    if undeclared:
        # The name is the caller's string: it is neither logged nor repeated.
        raise refuse("input_undeclared", f"{len(undeclared)} field(s) are not declared; declared: {', '.join(declared)}", "input")
    values: dict[str, Json] = {}
    for field_id, field in declared.items():
        value = inputs.get(field_id)
        if value is not None:
            try:
                schema.validate(field.schema, value)
            except SchemaFault as error:
                raise refuse("input_invalid", error.rule, f"input.{field_id}") from None
        values[field_id] = value
    return values


def prompt_values(manifest: Manifest, values: Mapping[str, Json]) -> dict[str, Json]:
    """What the prompt shows: the value, or the declared neutral value where none was stated."""
    return {field.id: field.neutral if values[field.id] is None else values[field.id] for field in manifest.fields}


def seed(manifest: Manifest) -> int | None:
    """A fresh seed where the version samples, None where it does not."""
    return secrets.randbits(52) if manifest.seed == "record" else None


def held(manifest: Manifest, outcome: str) -> bool:
    """Whether a result waits for an officer: by the outcome's own rule, else the version's; cut or broken results do."""
    for declared in manifest.outcomes:
        if declared.code == outcome:
            return (declared.release or manifest.release) == "after_review"
    return True


def run_facts(manifest: Manifest, generation: Generation) -> dict[str, Json]:
    """The replay facts of a record: token ids, log-probabilities in micro-nats, seed, sampler, threads, build, model."""
    assert manifest.model is not None
    run = generation.run
    return {
        "prompt_tokens": list(run.prompt_tokens),
        "output_tokens": list(run.output_tokens),
        "logprobs": list(run.logprobs),
        "alternatives": dict(run.alternatives),
        "seed": run.seed,
        "sampler": run.sampler,
        "threads": run.threads,
        "build": run.build,
        "slot": run.slot,
        "model": manifest.model.sha256,
    }
