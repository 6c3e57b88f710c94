"""`greffier-system/1`: the file that `greffier system register` reads, a public record and a version in one."""

from __future__ import annotations

from dataclasses import dataclass

from registry import declaration, system
from registry.canonical import Json, parse_json
from registry.errors import FormatError
from registry.manifest import Manifest
from registry.manifest_rules import parse_draft
from registry.system import AISystem
from registry.version_rules import verify_together

FORMAT = "greffier-system/1"


@dataclass(frozen=True, slots=True)
class RegisterFile:
    """What a file asks for. `manifest` is numbered 1 until the register numbers it; None: it runs elsewhere."""

    system: AISystem
    manifest: Manifest | None


def parse_register_file(data: bytes) -> RegisterFile:
    """Read a register file of any layout. Raises FormatError: path of the member, rule, what to write."""
    value = parse_json(data)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise FormatError(f'is not {FORMAT}; begin the file with "format": "{FORMAT}"', field="format")
    if set(value) - {"format", "system", "version"}:
        raise FormatError("has a member beside format, system and version; leave it out", field="file")
    if "system" not in value:
        raise FormatError("is missing; give the public record", field="system")
    record = system.parse_system(value["system"])
    draft = value.get("version")
    program = None if draft is None else parse_draft(draft, record.slug)
    verify_together(record, program)
    return RegisterFile(record, program)


def format_register_file(file: RegisterFile) -> dict[str, Json]:
    """The JSON object of a register file: what `parse_register_file` reads, for export."""
    found: dict[str, Json] = {"format": FORMAT, "system": system.format_system(file.system)}
    if file.manifest is not None:
        members = declaration.format_object(file.manifest)
        found["version"] = {name: item for name, item in members.items() if name not in {"system", "version"}}
    return found


def json_schema() -> dict[str, Json]:
    """JSON Schema 2020-12 of a register file."""
    version = declaration.object_schema(Manifest)
    given = {"system", "version"}
    version["properties"] = {name: item for name, item in version["properties"].items() if name not in given}
    version["required"] = [name for name in version["required"] if name not in given]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "File of greffier system register",
        "type": "object",
        "additionalProperties": False,
        "required": ["format", "system"],
        "properties": {
            "format": {"const": FORMAT},
            "system": declaration.object_schema(AISystem),
            "version": {"anyOf": [version, {"type": "null"}]},
        },
    }
