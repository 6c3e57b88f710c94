from __future__ import annotations

import pytest

from app.errors import UsageError
from app.http.pages.forms import parse_form

MULTIPART = "multipart/form-data; boundary=XyZ"


def multipart(*parts: tuple[str, bytes]) -> bytes:
    body = b""
    for disposition, content in parts:
        body += b"--XyZ\r\nContent-Disposition: form-data; " + disposition.encode() + b"\r\n\r\n" + content + b"\r\n"
    return body + b"--XyZ--\r\n"


def test_a_file_keeps_every_byte() -> None:
    content = bytes(range(256)) + b"\r\n--XyX\r\n\n\r"
    body = multipart(('name="file"; filename="a.receipt.json"', content), ('name="reference"', b""))
    assert parse_form(MULTIPART, body) == {"file": content, "reference": b""}


def test_urlencoded_keeps_every_byte_too() -> None:
    body = "receipt=%7B%22é".encode().replace("é".encode(), b"%C3%A9%0D%0A+") + b"%22%7D&reference="
    assert parse_form("application/x-www-form-urlencoded", body) == {
        "receipt": b'{"\xc3\xa9\r\n "}',
        "reference": b"",
    }


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("", b""),
        ("multipart/form-data", b"x"),
        (MULTIPART, b"no boundary in here"),
        (MULTIPART, multipart(("filename=x", b"no name"))),
        (MULTIPART, multipart(('name="a"', b"1"), ('name="a"', b"2"))),
        (MULTIPART, multipart(*[(f'name="{n}"', b"") for n in range(20)])),
        ("application/x-www-form-urlencoded", b"&".join(b"f%d=1" % n for n in range(20))),
        ("application/x-www-form-urlencoded", b"a=1&a=2"),
        ("application/x-www-form-urlencoded", b"\xff=1"),
    ],
)
def test_what_is_no_form_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(UsageError):
        parse_form(content_type, body)
