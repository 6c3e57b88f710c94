"""The fields of a posted form. A form here has a handful of fields and at most 1 MiB, all of it kept in memory only.

Forms are read in the loop that serves every request, so nothing here takes longer than its length asks for.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Final
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from home.errors import UsageError

_MAX_FIELDS: Final = 64
_MAX_HEAD: Final = 4096
"""Bytes of the headers of one part: a name, and what its file is called."""
_PARAMETER: Final = r';[ \t]*([a-z]+\*?)=("(?:[^"\\]|\\.)*"|[^";\s]*)[ \t]*'
_DISPOSITION: Final = re.compile(rf"form-data[ \t]*((?:{_PARAMETER})*)", re.IGNORECASE)
_ONE: Final = re.compile(_PARAMETER, re.IGNORECASE)
_BOUNDARY: Final = re.compile(r';[ \t]*boundary=(?:"([^"\\]{1,70})"|([^";\s]{1,70}))[ \t]*(?:;|\Z)', re.IGNORECASE)
_PLAIN: Final = frozenset({"7bit", "8bit", "binary"})
_MOST_MARKS: Final = 30
"""On one letter (Unicode Standard Annex 15, Stream-Safe Text): no language comes near."""
# Of class 0 themselves, but made of marks alone.
_MADE_OF_MARKS: Final = frozenset("\u0f73\u0f75\u0f81")


async def read_form(request: Request) -> dict[str, bytes]:
    """The fields of the request's form. Raises UsageError."""
    return parse_form(request.headers.get("content-type", ""), await request.body())


Form = Annotated[dict[str, bytes], Depends(read_form)]


def text_of(form: dict[str, bytes], name: str, most: int = 200) -> str:
    """A field as text in NFC without white space around it; empty where it was left out. Raises UsageError.

    `most`: characters that it may have.
    """
    try:
        text = form.get(name, b"").decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError("must be UTF-8 text", field=name) from None
    _demand_letters(text, name)
    text = unicodedata.normalize("NFC", text).strip()
    if len(text) > most:
        raise UsageError(f"must have at most {most} characters", field=name)
    return text


def twice(form: dict[str, bytes]) -> str:
    """A new password, which the form asks for twice. Raises UsageError where the two differ."""
    password = text_of(form, "password", 1000)
    if password != text_of(form, "again", 1000):
        raise UsageError("differs from the first: type both again", field="again")
    return password


def parse_form(content_type: str, body: bytes) -> dict[str, bytes]:
    """Field name → bytes, of `multipart/form-data` (RFC 7578) or urlencoded. A field that comes twice is an error.

    Raises UsageError.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        fields = _urlencoded(body)
    elif kind == "multipart/form-data":
        fields = _multipart(content_type, body)
    else:
        raise UsageError(
            "send a form as multipart/form-data or application/x-www-form-urlencoded", field="content-type"
        )
    names = [name for name, _ in fields]
    if len(set(names)) != len(names):
        raise UsageError("send each field once", field="form")
    return dict(fields)


def _demand_letters(text: str, field: str) -> None:
    """Raise UsageError for more marks in a row than a letter has: to put them in order takes the square of the time."""
    if text.isascii():
        return
    marks = 0
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) or char in _MADE_OF_MARKS else 0
        if marks > _MOST_MARKS:
            raise UsageError(f"has more than {_MOST_MARKS} accents on one letter", field=field)


def _urlencoded(body: bytes) -> list[tuple[str, bytes]]:
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS, encoding="latin-1")
    except ValueError:
        raise _unreadable() from None
    return [(name, value.encode("latin-1")) for name, value in pairs]


def _multipart(content_type: str, body: bytes) -> list[tuple[str, bytes]]:
    """What browsers send: parts that follow each other, none within another, each as it is (RFC 7578, 4.1 to 4.8)."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise _unreadable()
    boundary = (found[1] or found[2]).encode("latin-1")
    before, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary, _MAX_FIELDS + 1)
    # Every part begins on a line of its own; what follows the last boundary, after two hyphens, is no part.
    if before or not parts or not parts.pop().startswith(b"--"):
        raise _unreadable()
    return [_part(part) for part in parts]


def _part(part: bytes) -> tuple[str, bytes]:
    head, found, content = part.partition(b"\r\n\r\n")
    if not found or not head.startswith(b"\r\n") or len(head) > _MAX_HEAD:
        raise _unreadable()
    headers: dict[str, str] = {}
    for line in head.removeprefix(b"\r\n").split(b"\r\n"):
        name, colon, value = line.decode("utf-8", "replace").partition(":")
        if not colon or headers.setdefault(name.lower(), value.strip()) != value.strip():
            raise _unreadable()
    if headers.get("content-transfer-encoding", "binary").lower() not in _PLAIN:
        raise _unreadable()
    return _name(headers.get("content-disposition", "")), content


def _name(disposition: str) -> str:
    """The name of a part's field. Raises UsageError where it has none, or two."""
    whole = _DISPOSITION.fullmatch(disposition)
    names = [] if whole is None else [value for name, value in _ONE.findall(whole[1]) if name.lower() == "name"]
    if len(names) != 1:
        raise _unreadable()
    return str(names[0]).removeprefix('"').removesuffix('"')


def _unreadable() -> UsageError:
    return UsageError("the form cannot be read", field="form")
