"""A conversation as the value of one field: a list of messages, each with the role that spoke and what was said. Pure.

A field is one if its schema has exactly the form below, so that a template may go through it and nothing else can
stand in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ROLES = ("user", "assistant")
SYSTEM = "system"
KEYS = ("role", "content")


def messages_schema(*, system: bool = False) -> dict[str, Any]:
    """The schema of such a field; with `system`, the caller may give the model instructions, too."""
    roles = [*([SYSTEM] if system else []), *ROLES]
    return {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"role": {"type": "string", "enum": roles}, "content": {"type": "string"}},
            "required": [*KEYS],
            "additionalProperties": False,
        },
    }


def is_messages(schema: Mapping[str, Any]) -> bool:
    """Whether a field of this schema holds messages; it may limit their number, and describe itself."""
    kept = {key: value for key, value in schema.items() if key not in ("minItems", "maxItems", "title", "description")}
    items = kept.get("items")
    if not isinstance(items, dict) or not isinstance(items.get("properties"), dict):
        return False
    role = items["properties"].get("role")
    roles = role.get("enum") if isinstance(role, dict) else None
    if not isinstance(roles, list) or not all(isinstance(one, str) for one in roles):
        return False
    if len(set(roles)) != len(roles) or set(roles) - {SYSTEM} != set(ROLES):
        return False
    wanted = messages_schema(system=SYSTEM in roles)
    wanted["items"]["properties"]["role"]["enum"] = roles
    given = {**items, "required": sorted(items.get("required") or [])}
    wanted["items"]["required"] = sorted(KEYS)
    return {**kept, "items": given} == wanted
