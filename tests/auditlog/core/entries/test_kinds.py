"""The table: what it may hold, and that the page made from it is the page in the tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditlog.core.entries.kinds import COMMON, KINDS
from auditlog.core.entries.records_page import describe
from auditlog.core.entries.vocabulary import KIND_NAME, MEANING, PATTERNS

PAGE = Path(__file__).parents[4] / "docs" / "records.md"
SO_FAR = (
    "genesis system version state model boot selftest fitness override modification answers account close pulse outage "
    "refused opened unfinished decision review erasure correction hold access replay explanation finding request "
    "notice incident tally publication sample rotation freeze"
)


def all_members(members):
    for member in members:
        yield member
        yield from all_members(member.members)


def test_the_page_is_made_from_the_table():
    assert PAGE.read_text() == describe()


def test_the_page_tells_every_member_code_and_commitment():
    page = describe()
    for kind in KINDS.values():
        section = page.split(f"## `{kind.name}`")[1].split("\n## ")[0]
        for member in kind.members:
            assert f"| `{member.name}` |" in section
            assert all(f"`{code}`" in section for code in member.codes)
        assert all(f"| `{name}` |" in section for name in kind.commits)


def test_the_kinds_so_far_are_there():
    assert [name.split("/")[0] for name in KINDS] == SO_FAR.split()


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_a_kind_is_well_formed(kind):
    assert KIND_NAME.fullmatch(kind.name)
    names = [member.name for member in (*COMMON, *kind.members)]
    assert len(set(names)) == len(names)
    assert "commitments" not in names
    for member in all_members(kind.members):
        assert member.type in MEANING
        assert (member.type == "code") == bool(member.codes)
        assert (member.type == "object") == bool(member.members)
        assert member.doc
    for name in (*kind.one_of, *kind.together):
        assert next(member for member in kind.members if member.name == name).nullable


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_codes_are_words(kind):
    for member in all_members(kind.members):
        assert all(code.isascii() and code == code.lower() and " " not in code for code in member.codes)


@pytest.mark.parametrize("text", ["Jan de Boer", "0612345678 ", "a@b.example", "één", "two\nlines", ""])
def test_no_type_takes_free_text_about_a_person(text):
    # `release` and `origin` describe artefacts and logs; no kind about a person has them (test_privacy_of_entries).
    for name, pattern in PATTERNS.items():
        if name not in ("release", "origin"):
            assert pattern.fullmatch(text) is None, name
