"""What `/api/records` takes, as JSON Schema for `/openapi.json`; `service.external.lines` checks it."""

from __future__ import annotations

from typing import Any, Final

from auditlog.core.entries.vocabulary import ENERGY_METHODS, MAX_UINT, PATTERNS
from service.external.import_records import MAX_BATCH
from service.external.lines import MAX_SUBJECTS, NUMBERS

_SLUG: Final = {"type": "string", "pattern": f"^{PATTERNS['slug'].pattern}$"}
_REFERENCE: Final = {"type": "string", "minLength": 1, "maxLength": 200}
_WHOLE: Final = {"type": ["integer", "null"], "minimum": 0, "maximum": MAX_UINT}
_COMMON: Final[dict[str, Any]] = {
    "system": {**_SLUG, "description": "the system's slug; its capture is external"},
    "source": {**_SLUG, "description": "the system elsewhere that made the decision"},
    "n": {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_UINT,
        "description": "the source's own counter, from 1; each number counts once, over all systems",
    },
    "version": {
        "type": ["integer", "null"],
        "minimum": 1,
        "description": "that decided, where it is not the running one",
    },
}
_TOLD: Final[dict[str, Any]] = {
    "decided": {"type": "string", "format": "date-time"},
    "input": {"type": "object", "description": "declared fields by their id"},
    "output": {"description": "as the version's output schema has it"},
    "outcome": {"type": "string", "description": "the code of a declared outcome, or `length`, or `invalid`"},
    "subjects": {
        "type": ["array", "null"],
        "items": _REFERENCE,
        "maxItems": MAX_SUBJECTS,
        "description": "references of the people concerned; sealed, found again by a blind index",
    },
    "case": {**_REFERENCE, "type": ["string", "null"]},
    "conversation": {**_REFERENCE, "type": ["string", "null"]},
    "parent": {"type": ["string", "null"], "pattern": f"^{PATTERNS['id'].pattern}$"},
    "usage": {
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": {
            **dict.fromkeys(NUMBERS, _WHOLE),
            "energy_method": {"enum": [*ENERGY_METHODS, None]},
            "currency": {"type": ["string", "null"], "pattern": "^[A-Z]{3}$"},
        },
    },
}
LINE: Final[dict[str, Any]] = {
    "oneOf": [
        {
            "title": "A decision with its content, which is sealed here",
            "type": "object",
            "required": ["system", "source", "n", "decided", "input", "output", "outcome"],
            "additionalProperties": False,
            "properties": {**_COMMON, **_TOLD},
        },
        {
            "title": "A decision whose content stays with its sender",
            "type": "object",
            "required": ["system", "source", "n", "commitments"],
            "additionalProperties": False,
            "properties": {
                **_COMMON,
                "commitments": {
                    "type": "object",
                    "description": "field → commitment, for each field of a decision (docs/records.md)",
                    "additionalProperties": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                },
            },
        },
    ]
}
BATCH: Final[dict[str, Any]] = {
    "title": "Several records",
    "type": "object",
    "required": ["records"],
    "additionalProperties": False,
    "properties": {"records": {"type": "array", "minItems": 1, "maxItems": MAX_BATCH, "items": LINE}},
}
