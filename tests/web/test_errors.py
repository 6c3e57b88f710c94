from __future__ import annotations

import inspect
import json

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

import accounts.token
import auditlog.core.errors
import home.errors
import registry.errors
import runtime.errors
from accounts.token import Forbidden
from auditlog.core.entries.vocabulary import REFUSALS
from auditlog.core.errors import CannotRecord
from home.errors import Refused, TooMany, Unfinished
from registry.errors import Suspended, UnknownSystem
from web import FAMILIES
from web.errors import PROBLEMS, REASONS, error_response, problem_of

OURS = [
    error
    for module in (home.errors, accounts.token, auditlog.core.errors, registry.errors, runtime.errors)
    for _, error in inspect.getmembers(module, inspect.isclass)
    if issubclass(error, Exception) and error.__module__ == module.__name__
]


@pytest.mark.parametrize("error", [TooMany("no", retry_after_s=1), Forbidden("no")])
def test_a_title_that_people_see_as_well_speaks_of_no_key(error: Exception) -> None:
    """Codes tried from an address, and a session without the role, end in the same rows as a key."""
    assert "key" not in problem_of(error).title.lower()


def test_every_refusal_code_of_the_log_has_a_status() -> None:
    assert set(REASONS) >= set(REFUSALS)


@pytest.mark.parametrize("error", OURS, ids=lambda error: error.__qualname__)
def test_every_error_of_ours_is_handled_by_a_row_and_caught(error: type[Exception]) -> None:
    assert any(kind in PROBLEMS for kind in error.__mro__)
    assert issubclass(error, FAMILIES)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Refused("no", reason="suspended"), 409),
        (Refused("no", reason="unknown_system"), 404),
        (Refused("no", reason="input_invalid"), 422),
        (Refused("no", reason="a_code_of_tomorrow"), 409),
        (UnknownSystem("no"), 404),
        (Suspended("no"), 409),
        (CannotRecord("disk full", cause="disk_full"), 503),
        (Unfinished("no", reason="deadline"), 503),
        (Unfinished("no", reason="too_large"), 413),
        (HTTPException(405), 405),
        (HTTPException(418), 418),
        (ZeroDivisionError("x"), 500),
    ],
)
def test_status_of_an_error(error: Exception, status: int) -> None:
    assert problem_of(error).status == status


def test_a_problem_has_the_members_of_rfc_9457_and_ours() -> None:
    response = error_response(CannotRecord("the disk is full: make room", cause="disk_full"))
    body = json.loads(response.body)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"] == "10"
    assert body == {
        "type": "urn:greffier:problem:cannot-record",
        "title": "The log cannot record now, so nothing is decided",
        "status": 503,
        "detail": "the disk is full: make room",
        "cause": "disk_full",
    }


def test_what_went_wrong_inside_is_not_told() -> None:
    assert b"SECRET" not in error_response(ValueError("SECRET")).body


def test_validation_names_the_place_and_never_the_value_or_the_callers_names() -> None:
    error = RequestValidationError(
        [
            {"type": "extra_forbidden", "loc": ("body", "SECRET"), "msg": "x", "input": "SECRET"},
            {"type": "string_type", "loc": ("body", "input", "SECRET", "SECRET"), "msg": "SECRET", "input": "SECRET"},
            {"type": "a_type_of_tomorrow", "loc": ("query", "limit"), "msg": "SECRET", "input": "SECRET"},
        ]
    )
    body = error_response(error).body
    assert b"SECRET" not in body
    assert [one["field"] for one in json.loads(body)["errors"]] == ["body", "input", "limit"]
