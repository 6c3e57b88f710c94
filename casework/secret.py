"""Codes that people copy from paper: random, without letters that look alike, and read with any spacing. Pure.

Crockford's base 32: no I, L, O and U; what is typed for I and L counts as 1, and O as 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from casework.errors import CodeRejected

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
GROUP: Final = 4
ACCESS: Final = 12
"""Characters of an access code: 60 random bits, for one record, with tries that are limited."""
TRACKING: Final = 20
"""Characters of a tracking code: 100 random bits, since nothing else says which request it is of."""

_READ: Final = str.maketrans({"I": "1", "L": "1", "O": "0", " ": None, "-": None, "\u2011": None, "\u2013": None})
_TYPED: Final = 100  # with all spaces and hyphens that somebody may put in
REJECTED: Final = "opens nothing: compare it with your letter, or ask us for a new one"


def draw_code(length: int, random: Callable[[int], bytes]) -> str:
    """A new code of that many characters; `random(n)` gives n random bytes. 32 divides 256: all are equally likely."""
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in random(length))


def format_code(code: str) -> str:
    """As it is printed: in groups of four with hyphens."""
    return "-".join(code[start : start + GROUP] for start in range(0, len(code), GROUP))


def parse_code(text: str, length: int) -> str:
    """What somebody typed, as it was drawn. Raises CodeRejected, which says no more than for a wrong one."""
    code = text.upper().translate(_READ) if len(text) <= _TYPED else ""
    if len(code) != length or not set(code) <= set(ALPHABET):
        raise CodeRejected(REJECTED, field="code")
    return code
