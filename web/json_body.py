"""The body of a request as JSON, and as the shape that an address takes; what is wrong is named, never quoted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from auditlog.core.formats.canonical import Json, parse_json
from home.errors import asked

Shape = TypeVar("Shape", bound=BaseModel)


async def body_of(request: Request) -> bytes:
    """The body as it was sent, before anything is made of it."""
    return await request.body()


Sent = Annotated[bytes, Depends(body_of)]
"""The body of a request, for a parameter; `read_body` makes its shape of it."""


def taking(shape: type[BaseModel], *parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What OpenAPI says of an address that has its body from `read_body`, and of parameters that no argument shows."""
    content = {"application/json": {"schema": shape.model_json_schema()}}
    stated: dict[str, Any] = {"parameters": list(parameters)} if parameters else {}
    return {**stated, "requestBody": {"required": True, "content": content}}


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
