"""Systems that talk, beside those of the demo: one that streams a conversation, one that draws. Loaded by path."""

from __future__ import annotations

import json
from typing import Any

from cli.demo.run import CASES, ON_THE_WAY
from home.greffier import Greffier
from service.systems import lifecycle, register

CHAT = "tax-chat"
DRAW = "tax-draw"
_MESSAGES = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"role": {"type": "string", "enum": ["user", "assistant"]}, "content": {"type": "string"}},
        "required": ["role", "content"],
        "additionalProperties": False,
    },
    "minItems": 1,
}
_LOOP = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)


def add(g: Greffier, *, tokens: int = 48, least: int = 1) -> None:
    """Register both and put them to use. `least`: characters that an answer of the first has, unless it is cut."""
    for file in (_chat(tokens, least), _drawing()):
        register.register(g, json.dumps(file).encode())
        for step in (*ON_THE_WAY, "active"):
            lifecycle.change_state(g, file["system"]["slug"], step)


def _file(slug: str) -> dict[str, Any]:
    file: dict[str, Any] = json.loads((CASES / "tax-question-reply.json").read_text("utf-8"))
    file["system"]["slug"] = slug
    for outcome in file["version"]["outcomes"]:
        outcome |= {"release": "immediate", "bias_millinats": 0}
    return file


def _chat(tokens: int, least: int) -> dict[str, Any]:
    file = _file(CHAT)
    version = file["version"]
    del version["wordings"], version["fitness"]  # they are of the demo's field
    version["fields"] = [version["fields"][0] | {"id": "messages", "schema": _MESSAGES, "neutral": None}]
    version["steps"][0]["template"] = f"{_LOOP}Topic: "
    version["steps"][1] = {"output": "reply", "template": _LOOP, "max_tokens": tokens}
    version["output_schema"]["properties"]["reply"] = {"type": "string", "minLength": least}
    version |= {"streaming": True, "release": "immediate"}
    version["context"] |= {"n_ctx": 4096, "n_seq_max": 8}
    return file


def _drawing() -> dict[str, Any]:
    file = _file(DRAW)
    version = file["version"]
    version |= {"sampler": {"kind": "gumbel", "temperature_milli": 900}, "seed": "record", "release": "immediate"}
    version["output_schema"]["properties"]["reply"] = {"type": "string", "minLength": 1}
    return file
