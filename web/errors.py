"""From error to answer: one table of classes, one of refusal reasons, one shape (problem+json, RFC 9457).

`detail` carries our own messages, which name field and fix; what a caller sent is never repeated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from accounts.token import Forbidden, KeyRejected
from auditlog.core.errors import (
    AuditLogError,
    CannotRecord,
    Erased,
    FormatError,
    NotFound,
    TooLarge,
    VaultError,
    VerifyError,
)
from casework.errors import CaseworkError, CodeRejected
from casework.review import ReviewInvalid
from home.errors import (
    AppError,
    InProgress,
    KeyConflict,
    NumberConflict,
    Refused,
    SettingsError,
    TooMany,
    Unfinished,
    UnknownRecord,
    UsageError,
)
from registry.errors import RegistryError, UnknownSystem
from registry.exchange.transfer import DoesNotApply
from runtime.errors import Busy, RuntimeFault

MEDIA_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Problem:
    """Status, the code that ends the type URI, and a title that is the same each time (RFC 9457, 3.1)."""

    status: int
    code: str
    title: str


# The nearest class in an error's line of ancestors decides.
PROBLEMS: Final[Mapping[type[Exception], Problem]] = {
    KeyRejected: Problem(401, "key-rejected", "A valid API key is needed"),
    Forbidden: Problem(403, "forbidden", "Who asks may not do this"),
    UsageError: Problem(422, "invalid", "The request is not valid"),
    UnknownRecord: Problem(404, "not-found", "No such record"),
    UnknownSystem: Problem(404, "unknown-system", "No such system in the register"),
    KeyConflict: Problem(409, "conflict", "This key was used for another request"),
    NumberConflict: Problem(409, "conflict", "This number was used for another decision"),
    InProgress: Problem(409, "in-progress", "A request with this key is being answered; trying again is safe"),
    Refused: Problem(409, "refused", "A rule refuses this"),
    DoesNotApply: Problem(404, "not-for-it", "This format is for other systems"),
    RegistryError: Problem(409, "refused", "A rule of the register refuses this"),
    CaseworkError: Problem(409, "refused", "This cannot be done as things stand"),
    CodeRejected: Problem(403, "code-rejected", "This code opens nothing"),
    ReviewInvalid: Problem(422, "invalid", "The request is not valid"),
    Unfinished: Problem(503, "unfinished", "The decision was not finished; trying again is safe"),
    NotFound: Problem(404, "not-found", "Not in this log"),
    TooLarge: Problem(413, "too-large", "Too large"),
    FormatError: Problem(422, "invalid", "The request is not valid"),
    VerifyError: Problem(422, "does-not-verify", "This does not verify"),
    CannotRecord: Problem(503, "cannot-record", "The log cannot record now, so nothing is decided"),
    Erased: Problem(410, "erased", "The content was erased; entry and proof remain"),
    VaultError: Problem(500, "internal", "Something is wrong on our side"),
    AuditLogError: Problem(500, "internal", "Something is wrong on our side"),
    SettingsError: Problem(503, "incomplete", "The installation is not set up completely yet"),
    TooMany: Problem(429, "too-many", "Too many requests for now; wait, then try again"),
    Busy: Problem(503, "busy", "More requests wait than can be answered in time"),
    RuntimeFault: Problem(500, "internal", "Something is wrong on our side"),
    AppError: Problem(500, "internal", "Something is wrong on our side"),
}

# `refused/1` reason codes. 404 and 422 are about what was asked, 409 about the state of the system.
REASONS: Final[Mapping[str, int]] = {
    "unknown_system": 404,
    "not_running": 409,
    "suspended": 409,
    "retired": 409,
    "stopped_meanwhile": 409,
    "version_mismatch": 409,
    "model_missing": 409,
    "model_altered": 409,
    "model_not_registered": 409,
    "build_not_accepted": 409,
    "input_invalid": 422,
    "input_undeclared": 422,
    "too_large": 413,
    "entries_not_public": 403,
}

STATUSES: Final[Mapping[int, Problem]] = {
    400: Problem(400, "invalid", "The request is not valid"),
    404: Problem(404, "not-found", "There is nothing at this address"),
    405: Problem(405, "method-not-allowed", "This address does not take that method"),
    413: Problem(413, "too-large", "The request is larger than this address takes"),
    415: Problem(415, "media-type", "This address takes another media type"),
    422: Problem(422, "invalid", "The request is not valid"),
}
# What was too long once is too long each time: nobody is told to try again.
TOO_LONG: Final = Problem(413, "unfinished", "The decision was not finished: this is too long for the version")
INTERNAL: Final = Problem(500, "internal", "Something is wrong on our side")


def problem_of(error: Exception) -> Problem:
    """The row of the table for an error; a refusal's reason decides its status."""
    if isinstance(error, HTTPException):
        return STATUSES.get(error.status_code, Problem(error.status_code, "http", "The request was not served"))
    if isinstance(error, RequestValidationError):
        return STATUSES[422]
    if isinstance(error, Unfinished) and error.reason == "too_large":
        return TOO_LONG
    row = next((PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS), INTERNAL)
    if row.code != "refused":
        return row
    return Problem(REASONS.get(str(getattr(error, "reason", None)), row.status), row.code, row.title)


def problem_body(problem: Problem, **members: Any) -> dict[str, Any]:
    """A problem as JSON object; `members` with a value None are left out."""
    return {
        "type": f"urn:greffier:problem:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        **{name: value for name, value in members.items() if value is not None},
    }


def described(error: Exception) -> dict[str, Any]:
    """The problem of an error as JSON object, for an answer in which it is one of several."""
    problem = problem_of(error)
    return problem_body(problem, **_members(problem, error))


def problem_response(problem: Problem, *, headers: Mapping[str, str] | None = None, **members: Any) -> Response:
    """A problem as answer; `members` with a value None are left out."""
    return Response(
        json.dumps(problem_body(problem, **members), ensure_ascii=False),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers={"cache-control": "no-store", **(headers or {})},
    )


def error_response(error: Exception) -> Response:
    """The problem+json answer of any error."""
    problem = problem_of(error)
    headers: dict[str, str] = dict(getattr(error, "headers", None) or {})
    if problem.status == 401:
        headers["www-authenticate"] = 'Bearer realm="greffier"'
    if problem.status in (429, 503) or isinstance(error, InProgress):
        headers["retry-after"] = retry_after(error)
    return problem_response(problem, headers=headers, **_members(problem, error))


def retry_after(error: Exception) -> str:
    """Seconds. A queue empties, and a decision ends, much sooner than an outage does."""
    if isinstance(error, TooMany | Unfinished) and error.retry_after_s is not None:
        return str(error.retry_after_s)
    soon = isinstance(error, InProgress | Busy) or getattr(error, "cause", None) == "busy"
    return "1" if soon else "10"


def _members(problem: Problem, error: Exception) -> dict[str, Any]:
    if isinstance(error, RequestValidationError):
        return {"errors": field_errors(error.errors())}
    # A setting's message may name a path of this machine.
    if problem.code in {"internal", "http", "incomplete"} or isinstance(error, HTTPException):
        return {}
    return {
        "detail": str(error),
        "field": getattr(error, "field", None),
        "reason": getattr(error, "reason", None),
        "cause": getattr(error, "cause", None),
    }


def field_errors(errors: Sequence[Any]) -> list[dict[str, str]]:
    """Where and what, without the caller's values.

    An undeclared member's name is the caller's string as well, so its place is the object that holds it; a rule's own
    message is ours except where a parser quotes its input, hence the list of kinds whose message may be shown.
    """
    return [
        {"field": _place(error["type"], error["loc"]), "message": _message(error["type"], error.get("ctx") or {})}
        for error in errors
    ]


def _message(kind: str, bounds: Mapping[str, Any]) -> str:
    # `bounds` are our own declarations: the numbers and words that a field takes.
    said = _BOUNDS.get(kind)
    if said is not None and said[1] in bounds:
        return said[0].format(bounds[said[1]])
    return _MESSAGES.get(kind, _OTHER)


_OTHER: Final = "is not valid: see /openapi.json for what it takes"
_BOUNDS: Final[Mapping[str, tuple[str, str]]] = {
    "string_too_long": ("must have at most {} characters", "max_length"),
    "too_long": ("must have at most {} items", "max_length"),
    "too_short": ("must have at least {} items", "min_length"),
    "greater_than_equal": ("must be at least {}", "ge"),
    "less_than_equal": ("must be at most {}", "le"),
    "literal_error": ("must be {}", "expected"),
}
_MESSAGES: Final[Mapping[str, str]] = {
    "missing": "is needed",
    "extra_forbidden": "holds a name that is not taken here: leave it out, or see /openapi.json",
    "string_type": "must be text",
    "string_too_long": "is too long",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "has not the form that is taken here: see /openapi.json",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "list_type": "must be a list",
    "too_long": "has too many items",
    "too_short": "has too few items",
    "int_type": "must be an integer",
    "int_from_float": "must be an integer",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_parsing": "must be an integer",
    "greater_than_equal": "is too small",
    "less_than_equal": "is too large",
    "literal_error": "is not one of the values that are allowed",
    "json_invalid": "is not JSON",
    "date_from_datetime_parsing": "must be a date, YYYY-MM-DD",
    "date_parsing": "must be a date, YYYY-MM-DD",
}


def _place(kind: str, location: Sequence[str | int]) -> str:
    parts = [str(part) for part in location if part not in ("body", "query", "path")]
    if kind == "extra_forbidden":
        parts = parts[:-1]
    # Below `input` the names are the caller's.
    place = "query" if tuple(location[:1]) == ("query",) else "body"
    return ".".join(parts[:1] if parts[:1] == ["input"] else parts) or place
