from __future__ import annotations

import time

import pytest

from home.errors import UsageError
from web.pages.forms import parse_form, text_of

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
        ("multipart/form-data; boundary=", multipart(('name="a"', b"1"))),
        (f"multipart/form-data; boundary={'x' * 71}", b"--" + b"x" * 71 + b"--"),
        (MULTIPART, multipart(('name="a"', b"1")).removesuffix(b"--\r\n")),
        (MULTIPART, multipart(('name="a"; name="b"', b"1"))),
        (MULTIPART, multipart(('name="a"\r\nContent-Disposition: form-data; name="b"', b"1"))),
        (MULTIPART, multipart(('name="a"\r\nContent-Transfer-Encoding: base64', b"YQ=="))),
        (MULTIPART, multipart(("name*=utf-8''%61", b"1"))),
        (MULTIPART, multipart(('name="a', b"1"))),
        (MULTIPART, b"--XyZ\r\nno header\r\n\r\n1\r\n--XyZ--"),
        (MULTIPART, b"--XyZ\r\n\xff: x\r\n\r\n1\r\n--XyZ--"),
        (MULTIPART, b"no boundary in here"),
        (MULTIPART, multipart(("filename=x", b"no name"))),
        (MULTIPART, multipart(('name="a"', b"1"), ('name="a"', b"2"))),
        (MULTIPART, multipart(*[(f'name="{n}"', b"") for n in range(65)])),
        ("application/x-www-form-urlencoded", b"&".join(b"f%d=1" % n for n in range(65))),
        ("application/x-www-form-urlencoded", b"a=1&a=2"),
        ("application/x-www-form-urlencoded", b"\xff=1"),
    ],
)
def test_what_is_no_form_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(UsageError):
        parse_form(content_type, body)


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('name="file"; filename="C:\\\\bewijs \\"een\\".json"', "file"),
        ("name=file; filename*=utf-8''b%C3%A9.json", "file"),
        ('filename="é;name=x.json"; name="file"', "file"),
        ('name="file"; filename="a"\r\nContent-Type: application/json\r\nContent-Transfer-Encoding: binary', "file"),
    ],
)
def test_a_file_has_whatever_name_it_has(disposition: str, name: str) -> None:
    assert parse_form(MULTIPART, multipart((disposition, b"{}"))) == {name: b"{}"}
    assert parse_form('multipart/form-data; charset=utf-8; boundary="XyZ"', multipart((disposition, b"{}"))) == {
        name: b"{}"
    }


def nested(levels: int) -> bytes:
    part = b'--b%d\r\nContent-Disposition: form-data; name="a"\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n'
    return b"".join(part % (level, level + 1) for level in range(levels))


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data; boundary=b0", nested(10_000)),
        (MULTIPART, multipart(('name="a"' + "\r\nContent-Type: message/rfc822" * 20_000, b""))),
        (MULTIPART, multipart(*[('name="a"', b"")] * 15_000)),
        (MULTIPART, multipart((f'name="{"a;" * 500_000}"', b""))),
        (MULTIPART, multipart((f'name="a"{"; x=y" * 200_000}', b""))),
        (MULTIPART, multipart(('name="a"' + "\r\na: b" * 150_000, b""))),
        (MULTIPART, multipart((f"name={'=?utf-8?q?a?= ' * 60_000}", b""))),
        (MULTIPART, b"--XyZ\r\nContent-Disposition: " + b"(" * 1_000_000 + b"\r\n\r\n1\r\n--XyZ--"),
        (f"multipart/form-data; boundary={'(' * 60_000}", b"--XyZ--"),
        (f"multipart/form-data{'; x*0=a' * 8_000}; boundary=XyZ", b"--XyZ"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else value[:30],
)
def test_a_form_that_was_made_to_cost_time_costs_none(content_type: str, body: bytes) -> None:
    """Forms are read where every request is: what takes seconds there stops the portal for everybody."""
    began = time.process_time()
    with pytest.raises(UsageError):
        parse_form(content_type, body)
    assert time.process_time() - began < 1


@pytest.mark.parametrize("marks", ["\u0301\u0327", "\u0f73\u0301", "\u0f81"])
def test_a_text_of_nothing_but_accents_is_refused_before_it_costs_time(marks: str) -> None:
    """Marks are put in order by comparing each with each: of a MiB of them, that takes minutes, and no thread runs."""
    text = "a" + marks * (400_000 // len(marks))
    began = time.process_time()
    with pytest.raises(UsageError) as error:
        text_of({"text": text.encode()}, "text", 1 << 20)
    assert time.process_time() - began < 1
    assert error.value.field == "text"


def test_a_text_keeps_the_accents_that_a_language_has() -> None:
    assert (
        text_of({"text": "e\u0301 नि q\u0327\u0302\u0308 \u0f73".encode()}, "text")
        == "é नि q\u0327\u0302\u0308 \u0f71\u0f72"
    )
