"""What an OpenAI-compatible endpoint answers: the text, and what its provider says of itself. Pure.

Nothing that a provider states is taken on trust. A member that is absent, or that cannot be what its name says, is None
(recorded as `not_disclosed`); one that is there and cannot be right is named in `doubtful`, beside what was stated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NOT_DISCLOSED = "not_disclosed"
MAX_COUNT = (1 << 31) - 1
_LONGEST = 200
_SPARE_TOKENS = 64
"""A token of text holds a byte at least. Beside those of the text a reply may count marks of roles and ends."""


class ReplyInvalid(Exception):
    """It is no answer of such an endpoint; the message says why, and quotes nothing."""


@dataclass(slots=True)
class ProviderFacts:
    """What the provider states. Tokens are those of the bill; `price_millionths` where it names a price itself."""

    id: str | None = None
    model: str | None = None
    fingerprint: str | None = None
    tier: str | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    price_millionths: int | None = None
    doubtful: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Reply:
    """One answer, read whole or put together from its chunks. `finish` is the provider's word, None without one."""

    text: str = ""
    refusal: str = ""
    finish: str | None = None
    stated: ProviderFacts = field(default_factory=ProviderFacts)

    @property
    def refused(self) -> bool:
        """The model or its provider would not answer."""
        return bool(self.refusal) or self.finish == "content_filter"


def read_reply(data: bytes) -> Reply:
    """An answer in one piece. Raises ReplyInvalid."""
    body = _object(data)
    reply = Reply()
    _take_facts(reply.stated, body)
    choice = _choice(body)
    if choice is None:
        raise ReplyInvalid("it holds no choice")
    _take_choice(reply, choice, choice.get("message"))
    return reply


def take_chunk(reply: Reply, data: str) -> str:
    """Adds one chunk of a stream; gives the text that it added. Raises ReplyInvalid."""
    body = _object(data.encode())
    if "error" in body and "choices" not in body:
        raise ReplyInvalid("it broke off with an error")
    _take_facts(reply.stated, body)
    choice, before = _choice(body), len(reply.text)
    if choice is not None:
        _take_choice(reply, choice, choice.get("delta"))
    return reply.text[before:]


def judge_counts(reply: Reply, *, sent_bytes: int) -> None:
    """Names the counts that cannot be right for what was sent and received, once the answer is whole."""
    stated = reply.stated
    received = len(reply.text.encode()) + len(reply.refusal.encode())
    hidden = stated.reasoning_tokens or 0
    if stated.prompt_tokens is not None and not 0 < stated.prompt_tokens <= sent_bytes + _SPARE_TOKENS:
        stated.doubtful.append("prompt_tokens")
    if stated.output_tokens is not None and stated.output_tokens > received + hidden + _SPARE_TOKENS:
        stated.doubtful.append("output_tokens")
    if stated.output_tokens == 0 and received:
        stated.doubtful.append("output_tokens")
    if (stated.cached_tokens or 0) > (stated.prompt_tokens or 0):
        stated.doubtful.append("cached_tokens")
    if hidden > (stated.output_tokens or 0):
        stated.doubtful.append("reasoning_tokens")
    stated.doubtful = sorted(set(stated.doubtful))


def _object(data: bytes) -> dict[str, Any]:
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        raise ReplyInvalid("it is no JSON") from None
    if not isinstance(body, dict):
        raise ReplyInvalid("it is no JSON object")
    return body


def _choice(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The one choice that was asked for; None in a chunk that holds only usage."""
    choices = body.get("choices")
    if choices is None or choices == []:
        return None
    if not isinstance(choices, list) or not isinstance(choices[0], dict):
        raise ReplyInvalid("its choices are none")
    return choices[0]


def _take_choice(reply: Reply, choice: Mapping[str, Any], message: Any) -> None:
    if not isinstance(message, dict):
        raise ReplyInvalid("it holds no message")
    reply.text += _text(message.get("content"))
    reply.refusal += _text(message.get("refusal"))
    finish = choice.get("finish_reason")
    if finish is not None:
        reply.finish = finish if isinstance(finish, str) and finish.isidentifier() and len(finish) < 40 else "other"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ReplyInvalid("its text is no text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ReplyInvalid("its text holds half a character") from None
    return value


def _take_facts(stated: ProviderFacts, body: Mapping[str, Any]) -> None:
    stated.id = _word(stated, "id", body.get("id"), stated.id)
    stated.model = _word(stated, "model", body.get("model"), stated.model)
    stated.fingerprint = _word(stated, "fingerprint", body.get("system_fingerprint"), stated.fingerprint)
    stated.tier = _word(stated, "tier", body.get("service_tier"), stated.tier)
    usage = body.get("usage")
    if usage is None:
        return
    if not isinstance(usage, dict):
        stated.doubtful.append("usage")
        return
    stated.prompt_tokens = _count(stated, "prompt_tokens", usage.get("prompt_tokens"))
    stated.output_tokens = _count(stated, "output_tokens", usage.get("completion_tokens"))
    prompt, output = (_part(usage, name) for name in ("prompt_tokens_details", "completion_tokens_details"))
    stated.cached_tokens = _count(stated, "cached_tokens", prompt.get("cached_tokens"))
    stated.reasoning_tokens = _count(stated, "reasoning_tokens", output.get("reasoning_tokens"))
    stated.price_millionths = _price(stated, usage.get("cost"))
    total = _count(stated, "total_tokens", usage.get("total_tokens"))
    if total is not None and total != (stated.prompt_tokens or 0) + (stated.output_tokens or 0):
        stated.doubtful.append("total_tokens")


def _part(usage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = usage.get(name)
    return part if isinstance(part, dict) else {}


def _word(stated: ProviderFacts, name: str, value: Any, before: str | None) -> str | None:
    """A short printable word. A chunk that says nothing leaves what an earlier one said."""
    if value is None or value == "":
        return before
    if not isinstance(value, str) or len(value) > _LONGEST or not value.isascii() or not value.isprintable():
        stated.doubtful.append(name)
        return before
    return value


def _count(stated: ProviderFacts, name: str, value: Any) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= MAX_COUNT:
        stated.doubtful.append(name)
        return None
    return value


def _price(stated: ProviderFacts, value: Any) -> int | None:
    """Some providers name what the answer cost, in units of their currency: rounded to millionths."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MAX_COUNT:
        stated.doubtful.append("price_millionths")
        return None
    return round(value * 1_000_000)
