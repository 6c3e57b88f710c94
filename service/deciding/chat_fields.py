"""From what a client of the OpenAI API asks to the declared fields of a version, and what it asks of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from auditlog.core.errors import FormatError
from auditlog.core.formats.canonical import Json, parse_json
from home.errors import UsageError
from home.greffier import Greffier
from registry.manifest import Manifest
from registry.store import systems as register_store
from runtime.capture import Piece, TokenText
from runtime.messages import ROLES, SYSTEM
from runtime.output.schema import choices
from service.deciding import chat

Message = Mapping[str, Json]
_NOTES = ("title", "description")


@dataclass(slots=True)
class Heard:
    """The tokens of an answer as they were chosen, of the member that is said or of the whole output."""

    member: str
    whole: bool
    tokens: list[TokenText] = field(default_factory=list, repr=False)

    def __call__(self, piece: Piece) -> None:
        """Keep a piece; it leaves with the answer, once that is recorded."""
        if self.whole or piece.output == self.member:
            self.tokens += piece.tokens


def manifest_of(g: Greffier, slug: str, version: int) -> Manifest:
    """That of a registered version."""
    with g.reading() as conn:
        return register_store.read_version(conn, slug, version).manifest


def inputs_of_chat(manifest: Manifest, messages: Sequence[Message]) -> dict[str, Json]:
    """The fields for a list of messages: a conversation where the version declares one, else one user's message.

    Raises UsageError that names the parameter.
    """
    name = chat.messages_field(manifest)
    if name is None:
        if len(messages) != 1 or messages[0]["role"] != "user":
            message = "must be one message of the user: this version answers one question, and keeps no conversation"
            raise UsageError(message, field="messages")
        return inputs_of_text(manifest, str(messages[0]["content"]), "messages[0].content")
    schema = cast("Any", next(one for one in manifest.fields if one.id == name).schema)
    roles = schema["items"]["properties"]["role"]["enum"]
    for at, said in enumerate(messages):
        if said["role"] not in roles:
            fix = f"must be {' or '.join(role for role in (*ROLES, SYSTEM) if role in roles)} for this version"
            raise UsageError(fix, field=f"messages[{at}].role")
    return {name: [dict(message) for message in messages]}


def inputs_of_text(manifest: Manifest, text: str, parameter: str) -> dict[str, Json]:
    """The fields for one text: that of a version with a single text field, or a JSON object of declared fields.

    Where one field of several is free text, a text that is no JSON object is that field's. Raises UsageError.
    """
    if chat.messages_field(manifest) is not None:
        message = "is for versions without conversations: ask /v1/chat/completions"
        raise UsageError(message, field=parameter)
    texts = [one.id for one in manifest.fields if _is_text(cast("Any", one.schema))]
    if len(manifest.fields) == 1 and texts:
        return {texts[0]: text}
    try:
        value = parse_json(text.encode())
    except (FormatError, UnicodeEncodeError):
        value = None
    if isinstance(value, dict):
        return value
    if len(texts) == 1:
        return {texts[0]: text}
    fields = ", ".join(one.id for one in manifest.fields)
    raise UsageError(f"must be a JSON object of the version's fields: {fields}", field=parameter)


def demand_sampling(manifest: Manifest, *, temperature: float | None, top_p: float | None, seed: str | None) -> None:
    """Raise UsageError for a wish about sampling that the version does not grant: it says how it chooses."""
    own = (manifest.sampler.temperature_milli or 0) / 1000
    if temperature is not None and temperature != own:
        raise UsageError(f"is set by the version: leave it out, or give {own:g}", field="temperature")
    if top_p is not None and top_p != 1:
        raise UsageError("is set by the version: leave it out, or give 1", field="top_p")
    if seed is not None and manifest.seed != "record":
        raise UsageError("is for versions that draw; this one takes the likeliest: leave it out", field="seed")


def demand_schema(manifest: Manifest, schema: Mapping[str, Json] | None) -> None:
    """Raise UsageError for a JSON form other than that of the version's output."""
    if schema is not None and _bare(dict(schema)) != _bare(manifest.output_schema):
        message = "is not the schema of this version's output: take it from /v1/models"
        raise UsageError(message, field="response_format.json_schema.schema")


def _is_text(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "string" and choices(schema) is None


def _bare(schema: Json) -> Json:
    """A schema without what only describes it, its lists of required members in one order."""
    if isinstance(schema, list):
        return [_bare(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: value for key, value in schema.items() if key not in _NOTES or not isinstance(value, str)}
    return {
        key: sorted(value, key=str) if key == "required" and isinstance(value, list) else _bare(value)
        for key, value in found.items()
    }
