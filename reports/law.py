"""How a document says which article asks for it, and from when: the dates come from the rules in the register."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class LawAsks:
    """One paragraph of the AI Act that may ask for a document."""

    article: int
    """Its article."""
    paragraph: int
    """Its paragraph."""
    applies: Literal["yes", "not_yet", "no", "unknown"]
    """Whether it asks for this document of this system today; `unknown` where the register lacks a fact."""
    day: date | None
    """From which day; None where it does not apply, or no day is known."""
    contested: bool
    """Whether it is open from which day it binds."""
