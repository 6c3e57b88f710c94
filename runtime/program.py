"""What a version runs, as data: the part of its manifest that determines an answer, and one request of it.

Pure. `check_program` is what registration asks, so that a version that could never run is refused before it is
recorded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from runtime.errors import InputInvalid, InputUndeclared, ProgramInvalid, TemplateInvalid
from runtime.messages import is_messages
from runtime.output.json_grammar import check_written
from runtime.output.schema import choices, lint, validate_field
from runtime.prompt import PromptTemplate, Value, check_value
from runtime.sampler import Sampler
from runtime.shape import DEFAULT, Shape

RESERVED_OUTCOMES = ("length", "invalid", "refusal")
CACHE_TYPES = ("q8_0", "f16")
FLASH_ATTENTION = ("auto", "on", "off")
GREEDY = Sampler("greedy")
_SCALARS = ("string", "integer", "boolean")
_NAME = re.compile(r"[a-z0-9_]{1,40}")
_SEED = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class Field:
    """A declared input field: its schema, and the neutral value that stands in the prompt where it is absent (null)."""

    id: str
    schema: Mapping[str, Any]
    neutral: Value | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One prompt and the property of the output that its answer fills. Later templates may use earlier answers."""

    output: str
    template: str
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """One finite answer of the first step. `bias_millinats` is added to its log-probability before the choice."""

    code: str
    text: str
    bias_millinats: int = 0


@dataclass(frozen=True, slots=True)
class Program:
    """All that determines an answer, but for the input and the seed. `model` is a SHA-256 in hex."""

    model: str
    fields: tuple[Field, ...]
    steps: tuple[Step, ...]
    output_schema: Mapping[str, Any]
    outcomes: tuple[Outcome, ...]
    sampler: Sampler = GREEDY
    context: Shape = DEFAULT

    def template(self, index: int) -> PromptTemplate:
        """The parsed template of a step."""
        return PromptTemplate(self.steps[index].template, f"steps[{index}].template")


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a program. `fields` by field id, null where absent; `seed` where the sampler draws.

    `watts` is the declared power of the host for this system's estimate of energy, if it has one of its own.
    `max_tokens` and `stop` end the text of the last step sooner than the version does; both are facts of the run.
    `pieces`: the answer is also told piece by piece as it grows, with the `top` likeliest alternatives of each token.
    """

    id: str
    program: Program
    fields: Mapping[str, Value | None]
    seed: str | None = None
    watts: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    pieces: bool = False
    top: int = 0


def format_program(program: Program) -> dict[str, Any]:
    """As a JSON object; the members are those of the version manifest, without labels."""
    return asdict(program)


def parse_program(data: Mapping[str, Any]) -> Program:
    """The program in a JSON object; raises ProgramInvalid for unknown, missing or ill-typed members."""
    try:
        return Program(
            model=data["model"],
            fields=tuple(Field(**field) for field in data["fields"]),
            steps=tuple(Step(**step) for step in data["steps"]),
            output_schema=data["output_schema"],
            outcomes=tuple(Outcome(**outcome) for outcome in data["outcomes"]),
            sampler=Sampler(**data["sampler"]),
            context=Shape(**data["context"]),
        )
    except (KeyError, TypeError) as error:
        raise ProgramInvalid("a member is missing or unknown", field="program") from error


def format_request(request: Request) -> dict[str, Any]:
    """As the JSON object that crosses the pipe."""
    return asdict(request)


def parse_request(data: Mapping[str, Any]) -> Request:
    """What `format_request` wrote."""
    return Request(**{**data, "program": parse_program(data["program"]), "stop": tuple(data["stop"])})


def check_program(program: Program) -> None:
    """Raises ProgramInvalid, TemplateInvalid or SchemaRefused, naming the member, unless the program can run."""
    _check_context(program.context)
    _check_sampler(program.sampler)
    names = [field.id for field in program.fields] + [step.output for step in program.steps]
    for name in names:
        if not _NAME.fullmatch(name) or names.count(name) > 1:
            what = "names of fields and outputs are unique and made of a-z, 0-9 and _"
            raise ProgramInvalid(what, field=f"fields or steps, {name[:40]!r}")
    for field in program.fields:
        lint(field.schema, f"fields.{field.id}.schema", inputs=True)
        if field.schema["type"] not in _SCALARS and not is_messages(field.schema):
            what = "only text, whole numbers, true or false, and messages can stand in a prompt"
            raise ProgramInvalid(what, field=f"fields.{field.id}.schema.type")
    _check_output(program)
    for index in range(len(program.steps)):
        _check_step(program, index)


def _check_context(shape: Shape) -> None:
    sizes = {"n_ctx": shape.n_ctx, "n_batch": shape.n_batch, "n_ubatch": shape.n_ubatch, "n_seq_max": shape.n_seq_max}
    for name, size in sizes.items():
        if type(size) is not int or not 1 <= size <= 1 << 20:
            raise ProgramInvalid("must be a whole number from 1", field=f"context.{name}")
    if not shape.n_ubatch <= shape.n_batch <= shape.n_ctx:
        raise ProgramInvalid("must be in order n_ubatch ≤ n_batch ≤ n_ctx", field="context")
    if shape.n_seq_max > min(shape.n_batch, 256):
        what = "must not be above n_batch, as each sequence needs a row, nor above 256, which llama.cpp takes at most"
        raise ProgramInvalid(what, field="context.n_seq_max")
    for name, code in (("type_k", shape.type_k), ("type_v", shape.type_v)):
        if code not in CACHE_TYPES:
            raise ProgramInvalid("is not supported", field=f"context.{name}", fix=f"give {' or '.join(CACHE_TYPES)}")
    if type(shape.kv_unified) is not bool:
        raise ProgramInvalid("must be true or false", field="context.kv_unified")
    if shape.flash_attention not in FLASH_ATTENTION:
        raise ProgramInvalid(f"must be one of {', '.join(FLASH_ATTENTION)}", field="context.flash_attention")
    if type(shape.threads) is not int or not 0 <= shape.threads <= 512:
        raise ProgramInvalid("must be a whole number from 0 to 512", field="context.threads")


def _check_sampler(sampler: Sampler) -> None:
    if sampler.kind not in ("greedy", "gumbel"):
        raise ProgramInvalid("must be greedy or gumbel", field="sampler.kind")
    if sampler.kind == "gumbel" and not 1 <= sampler.temperature_milli <= 100_000:
        raise ProgramInvalid("must be from 1 to 100000", field="sampler.temperature_milli")


def _check_output(program: Program) -> None:
    lint(program.output_schema, "output_schema")
    properties = program.output_schema.get("properties", {})
    outputs = {step.output for step in program.steps}
    if program.output_schema["type"] != "object" or not outputs or set(properties) != outputs:
        raise ProgramInvalid("each property must be the output of one step", field="output_schema.properties")
    if set(program.output_schema.get("required", ())) != outputs:
        raise ProgramInvalid("must name every property", field="output_schema.required")
    for name, schema in properties.items():
        if schema["type"] != "string":
            check_written(schema, f"output_schema.properties.{name}")
    texts = [outcome.text for outcome in program.outcomes]
    codes = [outcome.code for outcome in program.outcomes]
    first = properties[program.steps[0].output]
    if not texts or choices(first) is None or sorted(choices(first) or ()) != sorted(texts):
        where = f"output_schema.properties.{program.steps[0].output}.enum"
        raise ProgramInvalid("must list the texts of the outcomes", field=where)
    if len(set(codes)) != len(codes) or set(codes) & set(RESERVED_OUTCOMES):
        what = f"codes are unique, and none is {', '.join(RESERVED_OUTCOMES)}"
        raise ProgramInvalid(what, field="outcomes")


def _check_step(program: Program, index: int) -> None:
    step = program.steps[index]
    where = f"steps[{index}]"
    known = {field.id for field in program.fields} | {earlier.output for earlier in program.steps[:index]}
    template = program.template(index)
    _check_messages(program, template, where)
    unknown = template.names - known
    if unknown:
        fix = "declare it, or correct the name"
        raise TemplateInvalid(f"uses {sorted(unknown)[0]!r}, no field or earlier output", field=where, fix=fix)
    if type(step.max_tokens) is not int or not 1 <= step.max_tokens < program.context.n_ctx:
        raise ProgramInvalid("must be from 1 to below n_ctx", field=f"{where}.max_tokens")
    texts = choices(program.output_schema["properties"][step.output])
    if texts is not None and program.model:  # one that runs elsewhere gives its answers in a form of its own
        _check_answers(texts, step, where)


def _check_messages(program: Program, template: PromptTemplate, where: str) -> None:
    """Messages stand in a prompt by a loop, and nothing else does."""
    messages = {field.id for field in program.fields if is_messages(field.schema)}
    plain, looped = template.names - template.loops, template.loops
    if plain & messages:
        fix = "go through them with {% for m in field %}"
        raise TemplateInvalid(f"uses {min(plain & messages)!r}, which holds messages", field=where, fix=fix)
    if looped - messages:
        fix = "give that field the schema of messages"
        raise TemplateInvalid(f"loops over {min(looped - messages)!r}, which holds none", field=where, fix=fix)


def _check_answers(texts: tuple[str, ...], step: Step, where: str) -> None:
    for text in texts:
        if not text or text != text.strip() or not text.isprintable():
            what = "answers are printable and neither empty nor padded"
            raise ProgramInvalid(what, field=f"output_schema.properties.{step.output}.enum")
        if any(other != text and other.startswith(text) for other in texts):
            what = "one answer begins with another, so their probabilities cannot be told apart"
            raise ProgramInvalid(what, field=f"output_schema.properties.{step.output}.enum", fix="reword one")
    # The answer follows the template directly: "back is" + "good" would ask the model for "back isgood".
    end = step.template[-1:]
    if (end.isalnum() or end in ".,;:?!)}") and any(text[0].isalnum() for text in texts):
        raise TemplateInvalid("an answer would touch the last word", field=f"{where}.template", fix="end with a space")


def check_fields(program: Program, fields: Mapping[str, Value | None]) -> dict[str, Value]:
    """The values for the prompt: validated, and neutral where absent. Raises InputUndeclared, InputInvalid."""
    declared = {field.id: field for field in program.fields}
    for name in fields:
        if name not in declared:
            shown = name if _NAME.fullmatch(name) else "a field"
            fix = f"give only {', '.join(declared)}"
            raise InputUndeclared("is not declared by this version", field=shown, fix=fix)
    values: dict[str, Value] = {}
    for name, field in declared.items():
        value = fields.get(name)
        if value is None:
            value = field.neutral
            if value is None:
                raise InputInvalid("is missing and has no neutral value", field=name, fix="give a value")
        else:
            validate_field(field.schema, value, name)
        check_value(name, value)
        values[name] = value
    return values


def check_seed(program: Program, seed: str | None) -> None:
    """Raises InputInvalid where a sampler that draws has no seed, or the seed is no plain code."""
    if seed is None and program.sampler.kind != "greedy":
        raise InputInvalid("this version draws by a seed", field="seed", fix="give 1 to 128 letters or digits")
    if seed is not None and not _SEED.fullmatch(seed):
        raise InputInvalid("is not 1 to 128 letters, digits, - or _", field="seed")


def program_key(program: Program) -> str:
    """A text equal for equal programs, to remember that one was checked."""
    return json.dumps(format_program(program), sort_keys=True)
