"""A schema outside the allow-list: the version is not registered, the place is named, and the log holds nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.demo.run import CASES

Version = dict[str, Any]


def field(**members: Any) -> Callable[[Version], None]:
    return lambda version: version["fields"][0]["schema"].update(members)


def output(**members: Any) -> Callable[[Version], None]:
    return lambda version: version["output_schema"]["properties"]["reply"].update(members)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            field(format="email"),
            "fields.message.schema.format: the keyword 'format' is not supported for type string. Use",
        ),
        (field(type=["string", "null"]), "version.fields[0].schema: is not a JSON Schema with a type; write"),
        (output(anyOf=[]), "output_schema.properties.reply.anyOf: the keyword 'anyOf' is not supported"),
        (
            output(pattern="^(a+)+$\\1"),
            "output_schema.properties.reply.pattern: the pattern is not anchored. Begin it with ^",
        ),
        (
            output(**{"$ref": "https://example.org/Piet Jansen"}),
            "output_schema.properties.reply.$ref: the keyword '$ref' is not supported",
        ),
        (lambda version: version["output_schema"].update(additionalProperties=True), "version.output_schema: leaves"),
    ],
)
def test_it_is_refused_at_registration(
    bare: Path, command: Any, unchanged: Any, tmp_path: Path, change: Callable[[Version], None], said: str
) -> None:
    document = json.loads((CASES / "tax-question-reply.json").read_bytes())
    change(document["version"])
    file = tmp_path / "system.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    with unchanged(bare):
        told = command("system", "register", file, "--home", bare)
    assert told.code in {2, 3}
    assert told.line.startswith(said)
