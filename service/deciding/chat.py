"""Systems that hold conversations: what of a thread is new, what a turn keeps, and the whole thread put together again.

A turn's record has the messages that came with it; those before are the messages and results of the turns before, by
the record's `parent`. So the thread that the model reads is always that of the records.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from auditlog.core.entries.vocabulary import INPUT_PREFIX
from auditlog.core.formats.canonical import Json
from auditlog.store import conversations as store
from auditlog.store import vault as vault_store
from auditlog.vault.conversations import new_messages
from auditlog.vault.references import Refs
from home.errors import UsageError, asked
from home.greffier import Greffier
from registry.lifecycle import Gate
from registry.manifest import Manifest
from registry.store import systems as register_store
from runtime.messages import is_messages
from runtime.output.schema import choices
from service.deciding import conversations
from service.records import reading
from service.records.release import needs_review as is_held

FIELD = "x-greffier-conversation"


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn before it is made: what the model reads, what the record keeps, and where it stands."""

    values: dict[str, Json]
    kept: dict[str, Json]
    parent: str | None
    refs: Refs


def messages_field(manifest: Manifest) -> str | None:
    """The id of the field that holds a conversation; None where the version has none."""
    return next((field.id for field in manifest.fields if is_messages(cast("Any", field.schema))), None)


def spoken(manifest: Manifest) -> str:
    """The member of the output that is what the system says: the last free text, or else the outcome's text."""
    properties = cast("dict[str, Any]", manifest.output_schema["properties"])
    free = [step.output for step in manifest.steps if choices(properties[step.output]) is None]
    return free[-1] if free else manifest.steps[0].output


def text_of(manifest: Manifest, output: Json) -> str:
    """What the system says in its answer; empty where it came to nothing."""
    value = output.get(spoken(manifest), "") if isinstance(output, dict) else ""
    return value if isinstance(value, str) else format_json(value)


def json_of(manifest: Manifest, output: Json) -> str:
    """The whole output as JSON, its members in the order of the steps."""
    members = output if isinstance(output, dict) else {}
    return format_json({step.output: members[step.output] for step in manifest.steps if step.output in members})


def format_json(value: Json) -> str:
    """JSON without spaces, as answers have it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def turn(g: Greffier, gate: Gate, values: dict[str, Json], refs: Refs, parent: str | None) -> Turn | None:
    """The next turn of a conversation, of which the caller gives the whole thread; None for anything else.

    Raises UsageError where the thread does not go on from the turns before, or one of them was erased.
    """
    name = messages_field(gate.running.manifest)
    if name is None or refs.conversation is None:
        return None
    parent, refs = conversations.place(g, gate.system, refs, parent)
    thread = _thread(g, gate.system, name, refs.normalised().conversation, parent)
    given = [_as_recorded(one, thread[at] if at < len(thread) else None) for at, one in enumerate(_list(values[name]))]
    with asked():
        new = new_messages([said.message for said in thread], given)
    return Turn({**values, name: given}, {**values, name: cast("Json", new)}, parent, refs)


def whole_input(g: Greffier, record: reading.Record) -> dict[str, Json]:
    """All fields of a recorded decision as the model read them: of a conversation, the whole thread.

    Raises UsageError where a turn before it was erased.
    """
    values = {
        name.removeprefix(INPUT_PREFIX): value for name, value in record.values.items() if name.startswith(INPUT_PREFIX)
    }
    system, number = str(record.entry.members["system"]), cast("int", record.entry.members["version"])
    with g.reading() as conn:
        name = messages_field(register_store.read_version(conn, system, number).manifest)
    parent = record.values.get("parent")
    if name is None or record.opened.refs.conversation is None or not isinstance(parent, str):
        return values
    thread = _thread(g, system, name, record.opened.refs.conversation, parent)
    return {**values, name: cast("Json", [*(said.message for said in thread), *_list(values[name])])}


@dataclass(frozen=True, slots=True)
class _Said:
    """A message of an earlier turn; `forms`: how a client may have got the same result."""

    message: dict[str, Json]
    forms: frozenset[str]


def _as_recorded(given: Json, said: _Said | None) -> Json:
    """An answer that a client repeats in another form of it than the record's is the record's."""
    if said is None or not isinstance(given, dict) or given.get("role") != said.message["role"]:
        return given
    return cast("Json", said.message) if given.get("content") in said.forms else given


def _thread(g: Greffier, system: str, name: str, conversation: str | None, last: str | None) -> list[_Said]:
    """What was said in the turns that end with `last`. `conversation`: the reference, normalised."""
    if last is None or conversation is None:
        return []
    tags = g.vault.search_tags(conversation, "conversation")
    with g.reading() as conn:
        ids = store.turns_of(conn, tags, system)
        manifests = {one.version: one.manifest for one in register_store.list_versions(conn, system)}
    turns = {record.entry.id: record for record in reading.recount(g, ids)}
    path: list[reading.Record] = []
    at: Json = last
    while isinstance(at, str) and at in turns:
        path.append(turns.pop(at))
        at = path[-1].values.get("parent")
    if isinstance(at, str) and _erased(g, at):
        message = "has a turn that was erased, so the thread cannot go on from it: begin a new conversation"
        raise UsageError(message, field=FIELD)
    return [said for record in reversed(path) for said in _of_turn(record, name, manifests)]


def _of_turn(record: reading.Record, name: str, manifests: Mapping[int, Manifest]) -> list[_Said]:
    manifest = manifests[cast("int", record.entry.members["version"])]
    messages = _list(record.values.get(f"{INPUT_PREFIX}{name}"))
    found = [_Said(cast("dict[str, Json]", message), frozenset()) for message in messages]
    # What an officer holds back was not said to anybody, and the model is not to repeat it.
    held = is_held(manifest, cast("str | None", record.values.get("outcome")))
    text = "" if held else text_of(manifest, record.values.get("output"))
    forms = frozenset({text, text if held else json_of(manifest, record.values.get("output"))})
    return [*found, _Said({"role": "assistant", "content": text}, forms)]


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _erased(g: Greffier, id_: str) -> bool:
    with g.reading() as conn:
        return vault_store.find_erasure(conn, id_) is not None or g.ledger.names(id_)
