"""`docs/register.md` is made from the declarations."""

from __future__ import annotations

from pathlib import Path

from registry import declaration
from registry.register_page import describe
from registry.system import AISystem

PAGE = Path(__file__).parents[2] / "docs" / "register.md"


def test_the_page_is_made_from_the_declarations() -> None:
    assert PAGE.read_text("utf-8") == describe()


def test_it_has_every_member() -> None:
    page = describe()
    assert all(f"| `{member.name}` *" in page for member in declaration.fields(AISystem))
