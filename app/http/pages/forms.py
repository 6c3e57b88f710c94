"""The fields of a posted form. A form here has a handful of fields and at most 1 MiB, all of it kept in memory only."""

from __future__ import annotations

from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qsl

from app.errors import UsageError

_MAX_FIELDS = 16


def parse_form(content_type: str, body: bytes) -> dict[str, bytes]:
    """Field name → bytes, of `multipart/form-data` (RFC 7578) or urlencoded. A field that comes twice is an error.

    Raises UsageError. Multipart is MIME, which the standard library reads; a form of files on disk would need more.
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


def _urlencoded(body: bytes) -> list[tuple[str, bytes]]:
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS, encoding="latin-1")
    except ValueError:
        raise UsageError("the form cannot be read", field="form") from None
    return [(name, value.encode("latin-1")) for name, value in pairs]


def _multipart(content_type: str, body: bytes) -> list[tuple[str, bytes]]:
    header = b"Content-Type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n"
    message = BytesParser(policy=HTTP).parsebytes(header + body)
    parts = message.get_payload()
    if not message.is_multipart() or not isinstance(parts, list) or message.defects or len(parts) > _MAX_FIELDS:
        raise UsageError("the form cannot be read", field="form")
    fields = []
    for part in parts:
        assert isinstance(part, Message)  # the parser makes messages; a str is what one may set by hand
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(content, bytes):
            raise UsageError("the form cannot be read", field="form")
        fields.append((name, content))
    return fields
