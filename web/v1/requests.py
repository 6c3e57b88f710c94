"""What a client of the OpenAI API asks, read strictly: what is not supported is refused by its name, never ignored."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from auditlog.core.formats.canonical import Json
from home.errors import UsageError
from web.json_body import read_json

MOST_STOPS: Final = 4
MOST_ALTERNATIVES: Final = 20
_LONGEST_STOP: Final = 100
_MOST_TOKENS: Final = 32_768
_SLUG_LONGEST: Final = 64
_PLAIN: Final = re.compile(r"[a-z][a-z_]{0,39}")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. `messages` of a chat, or the `prompt` of a completion. `schema`: the JSON form that is asked for.

    `temperature` and `top_p` are held against the version, which has its own; None where they are not given.
    """

    model: str
    messages: tuple[dict[str, Json], ...] | None = field(default=None, repr=False)
    prompt: str | None = field(default=None, repr=False)
    schema: Mapping[str, Json] | None = None
    seed: str | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: bool = False
    top: int = 0
    stream: bool = False
    include_usage: bool = False
    temperature: float | None = None
    top_p: float | None = None


Read = Callable[[Any, str], dict[str, Any]]

# Parameters that mean nothing here; each with what to do instead.
REFUSED: Final[Mapping[str, str]] = {
    "user": "is not taken: send the person's reference as the header x-greffier-subject",
    "safety_identifier": "is not taken: send the person's reference as the header x-greffier-subject",
    "metadata": "is not taken: send references as the headers x-greffier-case and x-greffier-conversation",
    "tools": "is not supported: a system does what its version says, and calls nothing",
    "tool_choice": "is not supported: leave it out",
    "parallel_tool_calls": "is not supported: leave it out",
    "functions": "is not supported: leave it out",
    "function_call": "is not supported: leave it out",
    "audio": "is not supported: systems read and write text",
    "modalities": "is not supported: systems read and write text",
    "web_search_options": "is not supported: nothing but declared input is used",
    "prediction": "is not supported: leave it out",
    "reasoning_effort": "is not supported: leave it out",
    "verbosity": "is not supported: leave it out",
    "service_tier": "is not supported: leave it out",
    "moderation": "is not supported: leave it out",
    "prompt_cache_key": "is not supported: what versions share is kept by itself",
    "prompt_cache_options": "is not supported: leave it out",
    "prompt_cache_retention": "is not supported: leave it out",
    "suffix": "is not supported: leave it out",
}


def parse_chat(body: bytes) -> Ask:
    """The body of `/v1/chat/completions`. Raises UsageError that names the parameter."""
    return _parse(body, {**_COMMON, **_CHAT}, ("model", "messages"))


def parse_completion(body: bytes) -> Ask:
    """The body of `/v1/completions`. Raises UsageError that names the parameter."""
    return _parse(body, {**_COMMON, **_COMPLETION}, ("model", "prompt"))


def _parse(body: bytes, readers: Mapping[str, Read], needed: tuple[str, ...]) -> Ask:
    value = read_json(body)
    if not isinstance(value, dict):
        raise UsageError("must be a JSON object", field="body")
    found: dict[str, Any] = {}
    for name in needed:
        if value.get(name) is None:
            raise UsageError("is needed", field=name)
    for name, given in value.items():
        if given is None:
            continue  # clients write null for what they leave out
        read = readers.get(name)
        if read is None:
            if name in REFUSED:
                raise UsageError(REFUSED[name], field=name)
            # Its name is the caller's word, unless it looks like one of a parameter.
            plain = _PLAIN.fullmatch(name) is not None
            what = "is not supported here" if plain else "holds a parameter that is not supported here"
            raise UsageError(f"{what}: use only {', '.join(sorted(readers))}", field=name if plain else "body")
        found |= read(given, name)
    _demand_fit(value, found)
    return Ask(**found)


def _demand_fit(value: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Raise UsageError for parameters that do not go together."""
    if value.get("max_tokens") is not None and value.get("max_completion_tokens") is not None:
        raise UsageError("is given as max_tokens, too: give one", field="max_completion_tokens")
    if found.get("include_usage") is not None and not found.get("stream"):
        raise UsageError("is for streams alone: leave it out", field="stream_options")
    if found.get("top") and not found.get("logprobs"):
        raise UsageError("needs logprobs: true", field="top_logprobs")


def _model(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, str) or not 1 <= len(value) <= _SLUG_LONGEST:
        raise UsageError("must be the slug of a system: see GET /v1/models", field=name)
    return {"model": value}


def _whole(value: Any, name: str, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise UsageError(f"must be a whole number from {least} to {most}", field=name)
    return value


def _flag(value: Any, name: str) -> bool:
    if type(value) is not bool:
        raise UsageError("must be true or false", field=name)
    return value


def _number(value: Any, name: str) -> float:
    if type(value) not in (int, float):
        raise UsageError("must be a number", field=name)
    return float(value)


def _only(wanted: Json, why: str) -> Read:
    """A parameter of which one value alone is taken: the one that changes nothing."""

    def read(value: Any, name: str) -> dict[str, Any]:
        if isinstance(value, bool) != isinstance(wanted, bool) or value != wanted:
            raise UsageError(why, field=name)
        return {}

    return read


def _stop(value: Any, name: str) -> dict[str, Any]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or len(texts) > MOST_STOPS:
        raise UsageError(f"must be a text, or a list of at most {MOST_STOPS} texts", field=name)
    if not all(isinstance(text, str) and 1 <= len(text) <= _LONGEST_STOP for text in texts):
        raise UsageError(f"must be texts of 1 to {_LONGEST_STOP} characters", field=name)
    return {"stop": tuple(dict.fromkeys(texts))}


def _stream_options(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError("must be an object with include_usage: true or false", field=name)
    given = {key: item for key, item in value.items() if item is not None}
    # Padding against traffic analysis is not offered; asked not to have it, nobody misses it.
    if given.keys() - {"include_usage", "include_obfuscation"} or given.get("include_obfuscation"):
        raise UsageError("may hold include_usage alone: leave the rest out", field=name)
    return {"include_usage": _flag(given.get("include_usage", False), f"{name}.include_usage")}


def _format(value: Any, name: str) -> dict[str, Any]:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "text" and value.keys() == {"type"}:
        return {}
    inner = value.get("json_schema") if kind == "json_schema" else None
    if not isinstance(inner, dict) or value.keys() != {"type", "json_schema"}:
        raise UsageError("must be text, or json_schema with the schema of the version's output", field=f"{name}.type")
    if inner.keys() - {"name", "description", "schema", "strict"} or not isinstance(inner.get("schema"), dict):
        raise UsageError("must hold name and schema", field=f"{name}.json_schema")
    return {"schema": inner["schema"]}


def _messages(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, list) or not value:
        raise UsageError("must be a list of at least one message", field=name)
    return {"messages": tuple(_message(one, f"{name}[{at}]") for at, one in enumerate(value))}


def _message(value: Any, where: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise UsageError("must be an object with role and content", field=where)
    # Clients send the answers back that they got, with all their empty members.
    more = [key for key, item in value.items() if key not in ("role", "content") and item not in (None, [], {})]
    if more:
        raise UsageError("holds more than role and content: leave the rest out", field=where)
    role = value.get("role")
    if role not in ("system", "user", "assistant"):
        raise UsageError("must be user or assistant, or system where the version takes one", field=f"{where}.role")
    return {"role": role, "content": _content(value.get("content"), f"{where}.content", empty=role == "assistant")}


def _content(value: Any, where: str, *, empty: bool) -> str:
    if value is None and empty:
        return ""
    if isinstance(value, list) and value:
        if not all(isinstance(part, dict) and part.keys() == {"type", "text"} for part in value):
            raise UsageError("has a part that is no text: only text is read", field=where)
        if not all(part["type"] == "text" and isinstance(part["text"], str) for part in value):
            raise UsageError("has a part that is no text: only text is read", field=where)
        return "".join(part["text"] for part in value)
    if not isinstance(value, str):
        raise UsageError("must be text", field=where)
    return value


def _prompt(value: Any, name: str) -> dict[str, Any]:
    text = value[0] if isinstance(value, list) and len(value) == 1 else value
    if not isinstance(text, str):
        raise UsageError("must be one text, not several and no tokens: ask once for each", field=name)
    return {"prompt": text}


def _seed(value: Any, name: str) -> dict[str, Any]:
    return {"seed": str(_whole(value, name, -(2**53) + 1, 2**53 - 1))}


def _max_tokens(value: Any, name: str) -> dict[str, Any]:
    return {"max_tokens": _whole(value, name, 1, _MOST_TOKENS)}


_UNCHANGED: Final = "is set by the version: leave it out, or give 0"
_COMMON: Final[Mapping[str, Read]] = {
    "model": _model,
    "seed": _seed,
    "max_tokens": _max_tokens,
    "stop": _stop,
    "stream": lambda value, name: {"stream": _flag(value, name)},
    "stream_options": _stream_options,
    "temperature": lambda value, name: {"temperature": _number(value, name)},
    "top_p": lambda value, name: {"top_p": _number(value, name)},
    "n": _only(1, "must be 1: a request has one answer, which is recorded"),
    "presence_penalty": _only(0, _UNCHANGED),
    "frequency_penalty": _only(0, _UNCHANGED),
    "logit_bias": _only({}, "is set by the version: leave it out"),
}
_CHAT: Final[Mapping[str, Read]] = {
    "messages": _messages,
    "max_completion_tokens": _max_tokens,
    "response_format": _format,
    "logprobs": lambda value, name: {"logprobs": _flag(value, name)},
    "top_logprobs": lambda value, name: {"top": _whole(value, name, 0, MOST_ALTERNATIVES)},
    "store": _only(False, "must be false: what is kept is the record, and nothing else"),
}
_COMPLETION: Final[Mapping[str, Read]] = {
    "prompt": _prompt,
    "logprobs": lambda value, name: {"logprobs": True, "top": _whole(value, name, 0, MOST_ALTERNATIVES)},
    "echo": _only(False, "is not supported: leave it out"),
    "best_of": _only(1, "must be 1: a request has one answer, which is recorded"),
}
