"""The blind index behind "find my decisions": references of persons, normalised and turned into keyed tags.

A reference (a client number, a case number) has many spellings. `normalise` gives one, in a stated and versioned way,
so that a later rule can stand beside this one. The tag is worthless without the index key; the normalised reference
itself lies sealed in the record, from where a new index key is applied.
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Iterable

from auditlog.core.errors import FormatError

RULE = "s1:"
MAX_REFERENCE = 200
_DROPPED = ("Z", "P", "C")  # Unicode categories: separators, punctuation, controls and unassigned

_WITHOUT = {code: None for code in range(128) if unicodedata.category(chr(code))[0] in _DROPPED}


def normalise(reference: str, *, field: str = "subject") -> str:
    """Rule s1: NFKC, casefold; spaces, punctuation and controls dropped; NFKC after each: "WV 12.3-a" → "s1:wv123a".

    Raises FormatError where nothing is left, or more than 200 characters came in. The error never repeats them.
    """
    if len(reference) > MAX_REFERENCE:
        raise FormatError(f"has more than {MAX_REFERENCE} characters; give a reference, not a text", field=field)
    if reference.isascii():  # which is its own NFKC
        kept = reference.lower().translate(_WITHOUT)
    else:
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", reference).casefold())
        kept = "".join(char for char in folded if unicodedata.category(char)[0] not in _DROPPED)
        kept = unicodedata.normalize("NFKC", kept)  # what stood apart may now combine
    if not kept:
        raise FormatError("holds no letter and no digit; give a reference that does", field=field)
    return RULE + kept


def normalise_all(references: Iterable[str]) -> list[str]:
    """The value of the field `subjects`: each person once, in rising order."""
    return sorted({normalise(reference) for reference in references})


def tag(index_key: bytes, normalised: str) -> bytes:
    """HMAC-SHA-256 of a normalised reference under the index key: 32 bytes."""
    if not normalised.startswith(RULE):
        raise FormatError('is not normalised; pass it through "normalise" first', field="subject")
    return hmac.digest(index_key, normalised.encode("utf-8"), "sha256")
