"""The body of a request as JSON, and as the shape that an address takes; what is wrong is named, never quoted."""

from __future__ import annotations

from typing import TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from app.errors import asked
from auditlog.canonical import Json, parse_json

Shape = TypeVar("Shape", bound=BaseModel)


def read_json(body: bytes) -> Json:
    """Strict JSON: no name twice, no lone surrogate, no NaN. Raises UsageError that names the body."""
    with asked("body"):
        return parse_json(body)


def read_body(shape: type[Shape], body: bytes) -> Shape:
    """Strict JSON first, then the shape. Raises UsageError or RequestValidationError."""
    value = read_json(body)
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_input=False)) from None
