"""From a step of a program to a question for a model elsewhere, and from its answer to the step's value. Pure.

The prompt is the same template that a model here would get, as text: who runs the other model tokenizes it. One step is
one question. Biases are declared for models whose probabilities we have, so a version that asks elsewhere has none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runtime.errors import OutputInvalid
from runtime.gateway.reply import Reply
from runtime.output.json_text import show_json
from runtime.output.schema import choices, validate_output
from runtime.program import Program, Request
from runtime.prompt import PromptTemplate, Value

FORMS = ("json_schema", "json_object", "text")
"""How an endpoint is asked to keep to a form: by OpenAI's json_schema, by llama.cpp's json_object, or not at all."""

_LARGEST = (1 << 53) - 1

Message = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `schema` is that of a JSON object with the one member `step`; None for plain text.

    `temperature_milli` 0 asks for the likeliest words. `seed` is what an endpoint may draw by; no promise rests on it.
    """

    step: str
    messages: tuple[Message, ...]
    max_tokens: int
    schema: Mapping[str, Any] | None
    temperature_milli: int = 0
    seed: int | None = None
    stop: tuple[str, ...] = ()


def ask(
    request: Request, templates: tuple[PromptTemplate, ...], values: Mapping[str, Value], output: Mapping[str, Any]
) -> Question:
    """The question of the next step: the first that `output` has no value of."""
    program, index = request.program, len(output)
    step, last = program.steps[index], len(output) == len(program.steps) - 1
    limit = request.max_tokens if last and request.max_tokens is not None else step.max_tokens
    drawn = program.sampler.kind != "greedy"
    return Question(
        step=step.output,
        messages=_messages(templates[index], values, output),
        max_tokens=min(limit, step.max_tokens),
        schema=_schema(program, step.output),
        temperature_milli=program.sampler.temperature_milli if drawn else 0,
        seed=_seed(request.seed, index) if drawn else None,
        stop=request.stop if last else (),
    )


def certain(program: Program, index: int) -> str | None:
    """The answer of a step that allows one only: nobody has to be asked."""
    texts = choices(program.output_schema["properties"][program.steps[index].output])
    return texts[0] if texts is not None and len(texts) == 1 else None


def judge(question: Question, program: Program, reply: Reply, *, form: str) -> tuple[str, Any]:
    """How a step ended, and its value: `stop`, or the reserved outcome of the whole with the text as it came."""
    if reply.refused:
        return "refusal", (reply.refusal or reply.text).strip()
    if reply.finish == "length":
        return "length", reply.text.strip()
    try:
        if reply.finish == "stop":
            return "stop", answer_of(question, program, reply.text, form=form)
    except OutputInvalid:
        """Not what was asked for: then it is a text that a person looks at."""
    return "invalid", reply.text.strip()


def answer_of(question: Question, program: Program, text: str, *, form: str) -> Any:
    """The value of the step in an answer's text. Raises OutputInvalid where the text has another form."""
    schema = program.output_schema["properties"][question.step]
    where = f"output.{question.step}"
    value: Any = text.strip()
    if question.schema is not None and form != "text":
        value = _read(text, where)
        if not isinstance(value, dict) or set(value) != {question.step}:
            raise OutputInvalid("is no object with the one member", field=where)
        value = value[question.step]
    elif schema.get("type") != "string":
        value = _read(text, where)
    validate_output({"type": "object", "properties": {question.step: schema}}, {question.step: value})
    return value


def _read(text: str, where: str) -> Any:
    """JSON with whole numbers and whole characters only: what a record can hold."""
    try:
        value = json.loads(text, parse_float=_none, parse_constant=_none, parse_int=_whole)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise OutputInvalid("is no JSON that can be recorded", field=where) from None
    return value


def _none(_text: str) -> Any:
    raise ValueError


def _whole(text: str) -> int:
    value = int(text)
    if abs(value) > _LARGEST:
        raise ValueError
    return value


def response_format(question: Question, form: str) -> dict[str, Any] | None:
    """The member `response_format` of a request; None where none is sent."""
    if question.schema is None or form == "text":
        return None
    if form == "json_object":
        return {"type": "json_object", "schema": question.schema}
    return {"type": "json_schema", "json_schema": {"name": question.step, "strict": True, "schema": question.schema}}


def _messages(template: PromptTemplate, values: Mapping[str, Value], output: Mapping[str, Any]) -> tuple[Message, ...]:
    """A prompt is one message of the user. A chat's own messages go as they are, after the template's other text."""
    written = {name: value if isinstance(value, str) else show_json(value) for name, value in output.items()}
    shown: dict[str, Any] = {name: value for name, value in {**values, **written}.items() if name in template.names}
    talk: list[Message] = []
    for name in sorted(template.loops):
        talk += [{"role": str(one["role"]), "content": str(one["content"])} for one in shown[name]]
        shown[name] = []
    text = template.render(shown).text
    if not talk:
        return ({"role": "user", "content": text},)
    return (*([{"role": "system", "content": text.strip()}] if text.strip() else []), *talk)


def _schema(program: Program, name: str) -> Mapping[str, Any] | None:
    """Of the JSON object that holds one finite or structured value; free text comes without quotes around it."""
    schema = program.output_schema["properties"][name]
    if schema.get("type") == "string" and choices(schema) is None:
        return None
    return {"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": False}


def _seed(seed: str | None, index: int) -> int | None:
    """A whole number below 2^31 for each step, from the record's seed."""
    if seed is None:
        return None
    return int.from_bytes(hashlib.sha256(f"{seed}/{index}".encode()).digest()[:4], "big") >> 1
