"""Answers in the shapes of the OpenAI API: whole ones, chunks of streams, models, and errors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from auditlog.core.formats.canonical import Json
from runtime.capture import TokenText
from service.deciding.decide import Answer
from web.errors import field_errors, problem_of, retry_after

PREFIX: Final = "/v1/"
_MILLION: Final = 1_000_000

# A client of that API tries 408, 409, 429 and 5xx again by itself: what a rule refuses is none of these.
_STATUSES: Final[Mapping[int, int]] = {422: 400, 409: 403, 410: 404}
_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}


@dataclass(frozen=True, slots=True)
class Form:
    """Which of the two interfaces is answered: names of objects, and where the text is."""

    chat: bool

    @property
    def whole(self) -> str:
        return "chat.completion" if self.chat else "text_completion"

    @property
    def chunk(self) -> str:
        return "chat.completion.chunk" if self.chat else "text_completion"


def whole_body(
    form: Form, answer: Answer, content: str, *, created: int, tokens: Sequence[TokenText] | None
) -> dict[str, Any]:
    """A whole answer. `tokens`: with log-probabilities, where they were asked for and the result is not held."""
    logprobs = None if tokens is None else logprobs_of(form, tokens)
    choice: dict[str, Any] = {"index": 0, "finish_reason": finish_of(answer), "logprobs": logprobs}
    if form.chat:
        choice["message"] = {"role": "assistant", "content": content, "refusal": None}
    else:
        choice["text"] = content
    return {
        **head(form.whole, answer.id, answer.system, created),
        "choices": [choice],
        "usage": usage_of(answer),
        "greffier": facts_of(answer),
    }


def head(kind: str, record_id: str, system: str, created: int) -> dict[str, Any]:
    """What every body begins with; its id is that of the record."""
    return {"id": record_id, "object": kind, "created": created, "model": system}


def facts_of(answer: Answer) -> dict[str, Any]:
    """What the record says beside the answer."""
    return {
        "record": answer.id,
        "index": answer.index,
        "version": answer.version,
        "outcome": answer.outcome,
        "notice": answer.notice,
        "held": answer.held,
        "ai_generated": answer.ai_generated,
    }


def finish_of(answer: Answer) -> str:
    """Why the answer ended. While a result is held this is the same for all."""
    reasons = {"length": "length", "invalid": "content_filter", "refusal": "content_filter"}
    return reasons.get(answer.outcome or "", "stop")


def usage_of(answer: Answer) -> dict[str, Any] | None:
    """Tokens; None where they are held with the result, or not known."""
    if answer.usage is None:
        return None
    prompt, output = answer.usage.get("prompt_tokens"), answer.usage.get("output_tokens")
    if not isinstance(prompt, int) or not isinstance(output, int):
        return None
    return {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}


def logprobs_of(form: Form, tokens: Sequence[TokenText], *, offset: int = 0) -> dict[str, Any]:
    """Log-probabilities of tokens, in nats; `offset`: characters before the first one."""
    if form.chat:
        content = [
            {**_token(one.text, one.data, one.logprob), "top_logprobs": [_token(*other) for other in one.top]}
            for one in tokens
        ]
        return {"content": content, "refusal": None}
    offsets = []
    for one in tokens:
        offsets.append(offset)
        offset += len(one.text)
    return {
        "tokens": [one.text for one in tokens],
        "token_logprobs": [one.logprob / _MILLION for one in tokens],
        "top_logprobs": [{text: logprob / _MILLION for text, _, logprob in one.top} for one in tokens],
        "text_offset": offsets,
    }


def _token(text: str, data: str, logprob: int) -> dict[str, Any]:
    return {"token": text, "bytes": list(bytes.fromhex(data)), "logprob": logprob / _MILLION}


def event(data: Json | dict[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


DONE: Final = b"data: [DONE]\n\n"


def is_ours(request: Request) -> bool:
    """Whether a request came to this interface."""
    return request.url.path.startswith(PREFIX)


def error_answer(error: Exception) -> Response:
    """The answer to an error."""
    status, body = error_body(error)
    headers = {"cache-control": "no-store"}
    if status == 401:
        headers["www-authenticate"] = 'Bearer realm="greffier"'
    if status in (429, 503):
        headers["retry-after"] = retry_after(error)
    return JSONResponse(body, status_code=status, headers=headers)


def error_body(error: Exception) -> tuple[int, dict[str, Any]]:
    """Status, and the error as an object of that API."""
    problem = problem_of(error)
    status = _STATUSES.get(problem.status, problem.status)
    field = getattr(error, "field", None)
    if isinstance(error, RequestValidationError):
        first = field_errors(error.errors())[0]
        field, message = first["field"], f"{first['field']}: {first['message']}"
    elif status == 500 or isinstance(error, HTTPException) or problem.code in ("internal", "http", "incomplete"):
        field, message = None, problem.title
    else:
        message = _named(str(error), field, _PARAMETERS.get(str(field)))
    code = _code(error, problem.code)
    if code == "model_not_found":
        message = "model: is not the slug of a registered system: see GET /v1/models"
    return status, {
        "error": {
            "message": message,
            "type": _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error"),
            "param": _PARAMETERS.get(str(field), field),
            "code": code,
        }
    }


# Our names of what that API calls otherwise.
_PARAMETERS: Final = {"system": "model", "lang": "x-greffier-lang"}


def _named(message: str, ours: str | None, theirs: str | None) -> str:
    return message if theirs is None else f"{theirs}: {message.removeprefix(f'{ours}: ')}"


def _code(error: Exception, code: str) -> str:
    reason = getattr(error, "reason", None) or getattr(error, "cause", None) or code
    names = {"unknown_system": "model_not_found", "key-rejected": "invalid_api_key", "too-many": "rate_limit_exceeded"}
    return names.get(str(reason), str(reason))
