"""JSON Schema as this program accepts it: an allow-list that grammar and validator both honour, and nothing else.

What the grammar would ignore in silence is refused at registration (`../shared/reference/runtime.md` 6: minimum,
maximum, multipleOf, uniqueItems, not, if). Field schemas, which only the validator reads, may have minimum and maximum.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from json import dumps, loads
from typing import Any

from jsonschema import Draft202012Validator

from runtime.errors import InputInvalid, OutputInvalid, RuntimeFault, SchemaRefused
from runtime.output.pattern import PRINTABLE, check_pattern, grammar_of

Schema = Mapping[str, Any]

_ANYWHERE = frozenset({"type", "description", "title", "enum", "const"})
_BY_TYPE: dict[str, frozenset[str]] = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "minItems", "maxItems"}),
    "string": frozenset({"minLength", "maxLength", "pattern"}),
    "integer": frozenset(),
    "boolean": frozenset(),
}
_INPUT_ONLY: dict[str, frozenset[str]] = {"integer": frozenset({"minimum", "maximum"})}
_COUNTS = frozenset({"minLength", "maxLength", "minItems", "maxItems"})
_PYTHON: dict[str, type] = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list}
_MAX_PATTERN = 200
_MAX_DEPTH = 16


def lint(schema: Schema, where: str, *, inputs: bool = False, depth: int = 0) -> None:
    """Raises SchemaRefused, naming keyword and path, unless every keyword is one that is enforced."""
    if depth > _MAX_DEPTH:
        raise SchemaRefused(f"the schema is more than {_MAX_DEPTH} levels deep", field=where, fix="flatten it")
    if not isinstance(schema, dict):
        raise SchemaRefused("a schema is a JSON object", field=where)
    kind = schema.get("type")
    if not isinstance(kind, str) or kind not in _BY_TYPE:
        fix = f"give one of {', '.join(_BY_TYPE)}"
        raise SchemaRefused("the schema has no type that is supported", field=f"{where}.type", fix=fix)
    allowed = _ANYWHERE | _BY_TYPE[kind] | (_INPUT_ONLY.get(kind, frozenset()) if inputs else frozenset())
    for keyword, value in schema.items():
        if keyword not in allowed:
            what = f"the keyword {keyword!r} is not supported for type {kind}"
            raise SchemaRefused(what, field=f"{where}.{keyword}", fix=f"use only {', '.join(sorted(allowed))}")
        _lint_value(keyword, value, f"{where}.{keyword}", kind, inputs=inputs)
    if kind == "object":
        _lint_object(schema, where, inputs=inputs, depth=depth)
    if kind == "array":
        lint(schema.get("items", {}), f"{where}.items", inputs=inputs, depth=depth + 1)
    _lint_sense(schema, where, inputs=inputs)


def _lint_sense(schema: Schema, where: str, *, inputs: bool) -> None:
    """Bounds must be in order; values that an output's schema lists must fit all of it, as the grammar writes them."""
    for least, most in (("minLength", "maxLength"), ("minItems", "maxItems"), ("minimum", "maximum")):
        if least in schema and most in schema and schema[least] > schema[most]:
            raise SchemaRefused(f"is above {most}, so that nothing fits", field=f"{where}.{least}", fix="swap them")
    if inputs:
        return
    listed = [("enum", schema["enum"])] if "enum" in schema else []
    listed += [("const", [schema["const"]])] if "const" in schema else []
    rest = _validator(dumps({name: schema[name] for name in schema if name not in ("enum", "const")}, sort_keys=True))
    for keyword, values in listed:
        if keyword == "const" and schema["const"] not in schema.get("enum", values):
            raise SchemaRefused("is not in the list beside it", field=f"{where}.const", fix="leave one of them out")
        if not all(_is_plain(value) and rest.is_valid(value) for value in values):
            fix = "list only values that fit the rest of the schema"
            raise SchemaRefused("lists a value that does not fit", field=f"{where}.{keyword}", fix=fix)


def _lint_value(keyword: str, value: Any, where: str, kind: str, *, inputs: bool) -> None:
    if keyword in _COUNTS and (type(value) is not int or value < 0):
        raise SchemaRefused("must be a whole number from 0", field=where)
    if keyword in ("minimum", "maximum") and type(value) is not int:
        raise SchemaRefused("must be a whole number", field=where)
    if keyword == "enum" and not (isinstance(value, list) and value and all(_is(item, kind) for item in value)):
        raise SchemaRefused(f"must be a list of values of type {kind}", field=where)
    if keyword == "enum" and len({dumps(item) for item in value}) != len(value):
        raise SchemaRefused("lists a value twice", field=where)
    if keyword == "const" and not _is(value, kind):
        raise SchemaRefused(f"must be of type {kind}", field=where)
    if keyword in ("title", "description") and not isinstance(value, str):
        raise SchemaRefused("must be text", field=where)
    if keyword == "pattern":
        _lint_pattern(value, where, inputs=inputs)


def _lint_pattern(value: Any, where: str, *, inputs: bool) -> None:
    if not isinstance(value, str) or len(value) > _MAX_PATTERN:
        raise SchemaRefused(f"must be a regular expression of at most {_MAX_PATTERN} characters", field=where)
    if inputs:
        check_pattern(value, where)
    else:
        grammar_of(value, where)


def _lint_object(schema: Schema, where: str, *, inputs: bool, depth: int) -> None:
    properties = schema.get("properties")
    if schema.get("additionalProperties") is not False:
        raise SchemaRefused("must be false", field=f"{where}.additionalProperties", fix="close the object")
    if not isinstance(properties, dict) or not properties:
        raise SchemaRefused("must name at least one property", field=f"{where}.properties")
    required = schema.get("required", [])
    if not isinstance(required, list) or not set(map(str, required)) <= set(properties):
        raise SchemaRefused("must list names of properties", field=f"{where}.required")
    for name, inner in properties.items():
        lint(inner, f"{where}.properties.{name}", inputs=inputs, depth=depth + 1)


def _is(value: Any, kind: str) -> bool:
    wanted = _PYTHON[kind]
    return type(value) is wanted


def _is_plain(value: Any) -> bool:
    """Whether a value is made of types that a schema here can have, whole characters, and numbers exact everywhere."""
    if isinstance(value, dict):
        return all(_is_plain(name) and _is_plain(item) for name, item in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, str):
        return not any("\ud800" <= char <= "\udfff" for char in value)
    return isinstance(value, int) and abs(value) < 1 << 53


def choices(schema: Schema) -> tuple[str, ...] | None:
    """The texts that a finite string schema allows, in its order; None for free text and for other types."""
    if schema["type"] != "string":
        return None
    if "const" in schema:
        return (str(schema["const"]),)
    return tuple(schema["enum"]) if "enum" in schema else None


def grammar(schema: Schema, where: str = "schema") -> str:
    """GBNF for a free string, written as plain text without quotes: printable characters of one line, or the pattern.

    Lengths are not in it: the engine counts characters, which costs nothing, while a grammar unrolls each repetition.
    """
    pattern = schema.get("pattern")
    rule = f"{PRINTABLE}*" if pattern is None else grammar_of(pattern, where)
    return f"root ::= {rule}\n"


def validate_output(schema: Schema, value: object) -> None:
    """Raises OutputInvalid unless the finished output fits its schema."""
    _validate(schema, value, "output", OutputInvalid)


def validate_field(schema: Schema, value: object, field: str) -> None:
    """Raises InputInvalid unless a field's value fits its schema."""
    _validate(schema, value, field, InputInvalid)


def _validate(schema: Schema, value: object, where: str, fault: type[RuntimeFault]) -> None:
    error = next(iter(_validator(dumps(schema, sort_keys=True)).iter_errors(value)), None)
    if error is not None:
        # Neither the value nor the validator's own sentence, which quotes it.
        path = ".".join([where, *(str(part) for part in error.absolute_path)])
        limit = "" if error.validator in ("additionalProperties", "required") else f" ({_short(error.validator_value)})"
        raise fault(f"the value does not fit the schema's {error.validator}{limit}", field=path)


def _short(value: object) -> str:
    text = dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else text[:199] + "…"


@lru_cache(maxsize=256)
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(loads(schema))
