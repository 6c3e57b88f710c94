"""JSON Schema → GBNF for canonical-like JSON: no blanks, members in the schema's order, whole numbers of few digits.

What it lets through is what `schema.validate_output` accepts, and each value has one text only. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from runtime.errors import SchemaRefused
from runtime.output.pattern import grammar_of, literal

# 15 digits are exact in every reader of JSON (RFC 8785 numbers are doubles).
_INTEGER = '("0" | "-"? [1-9] [0-9]{0,14})'
_CHARACTER = r'[^"\\\x00-\x1F\x7F] | "\\" ["\\nt]'
_MAX_SIZE = 32_000
_MAX_COUNT = 500  # llama.cpp unrolls a repetition, and refuses one of 2000 rules


def check_written(schema: Mapping[str, Any], where: str) -> None:
    """Raises SchemaRefused, with the path, for what `schema.lint` passes and a grammar cannot hold."""
    if "const" not in schema and "enum" not in schema:
        _check_counts(schema, where)
    for name, inner in schema.get("properties", {}).items():
        check_written(inner, f"{where}.properties.{name}")
    if "items" in schema:
        check_written(schema["items"], f"{where}.items")
    if len(json_grammar(schema, where)) > _MAX_SIZE:
        raise SchemaRefused("makes too large a grammar", field=where, fix="list fewer values")


def _check_counts(schema: Mapping[str, Any], where: str) -> None:
    for keyword in ("minLength", "maxLength", "minItems", "maxItems"):
        if schema.get(keyword, 0) > _MAX_COUNT:
            fix = f"give at most {_MAX_COUNT}"
            raise SchemaRefused("is too large for a part of JSON", field=f"{where}.{keyword}", fix=fix)
    if "pattern" in schema:
        grammar_of(schema["pattern"], f"{where}.pattern", quoted=True)
        if "minLength" in schema or "maxLength" in schema:
            what = "stands beside a length, which a part of JSON cannot count"
            raise SchemaRefused(what, field=f"{where}.pattern", fix="write the length into the pattern")


def json_grammar(schema: Mapping[str, Any], where: str = "schema") -> str:
    """The grammar of a schema that `schema.lint` has passed; `where` names it should llama.cpp not take it."""
    return _grammar(json.dumps(schema), where)


@lru_cache(maxsize=256)
def _grammar(schema: str, where: str) -> str:
    rules = _Rules(where)
    rules.lines.append(f"character ::= {_CHARACTER}")
    rules.lines.append(f"root ::= {rules.value(json.loads(schema), where)}")
    return "\n".join(rules.lines) + "\n"


class _Rules:
    """Rules as they are made; every value that is not a literal or an integer gets one of its own."""

    def __init__(self, where: str) -> None:
        self.lines: list[str] = []
        self._where = where

    def _named(self, rule: str) -> str:
        name = f"r{len(self.lines)}"
        self.lines.append(f"{name} ::= {rule}")
        return name

    def value(self, schema: Mapping[str, Any], where: str) -> str:
        """An expression for any value of a schema."""
        if "const" in schema or "enum" in schema:
            values = [schema["const"]] if "const" in schema else schema["enum"]
            return "(" + " | ".join(literal(_text(value)) for value in values) + ")"
        if schema["type"] == "object":
            return self._object(schema, where)
        if schema["type"] == "array":
            return self._array(schema, where)
        if schema["type"] == "string":
            return self._string(schema, where)
        return _INTEGER if schema["type"] == "integer" else '("true" | "false")'

    def _object(self, schema: Mapping[str, Any], where: str) -> str:
        """Two chains of rules: what may come while nothing is written yet, and after something was (with a comma)."""
        required = schema.get("required", ())
        first = after = '""'
        for name, inner in reversed(schema["properties"].items()):
            member = f"{literal(_text(name) + ':')} {self.value(inner, f'{where}.properties.{name}')}"
            then = self._named(after) if after != '""' else ""
            before = self._named(first) if first != '""' else '""'
            member = self._named(f"{member} {then}".strip())
            optional = name not in required
            first = f"{member} | {before}" if optional else member
            after = f'"," {member}' + (f" | {then}" if optional and then else ' | ""' if optional else "")
        return self._named(f'"{{" ({first}) "}}"')

    def _array(self, schema: Mapping[str, Any], where: str) -> str:
        least, most = schema.get("minItems", 0), schema.get("maxItems")
        if most == 0:
            return '"[]"'
        item = self._named(self.value(schema["items"], f"{where}.items"))
        more = f'("," {item}){{{max(least - 1, 0)},{"" if most is None else most - 1}}}'
        return self._named(f'"[" {item} {more} "]"' if least else f'"[" ({item} {more})? "]"')

    def _string(self, schema: Mapping[str, Any], where: str) -> str:
        if "pattern" in schema:
            return self._named(f'"\\"" ({grammar_of(schema["pattern"], f"{where}.pattern", quoted=True)}) "\\""')
        least, most = schema.get("minLength", 0), schema.get("maxLength", "")
        return self._named(f'"\\"" character{{{least},{most}}} "\\""')


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
