"""A draft of an answer: what was measured about the result, in words. The officer edits it, and answers for it."""

from __future__ import annotations

from dataclasses import dataclass, field

from casework.request import Request
from home.errors import UsageError
from home.greffier import Greffier
from reports.explanation.words import words
from service.explaining import explain
from service.records import blind_review, reading


@dataclass(frozen=True, slots=True)
class Draft:
    """`explanation`: the id of the one that the text tells."""

    text: str = field(repr=False)
    explanation: str


def measured(g: Greffier, reader: reading.Reader, request: Request) -> Draft:
    """Run the record of a request again with other details, and say what that showed, in the person's language.

    Raises UsageError where the request names no record yet, and what `explain.explain` raises.
    """
    if request.reference is None:
        raise UsageError("is not known yet: say first which record this request is about", field="reference")
    told = explain.explain(g, reader, request.reference, cause="letter")
    return Draft(words(g.renderer, told.words, request.lang), told.id)


def kept(g: Greffier, reader: reading.Reader, request: Request) -> Draft | None:
    """The same from the explanation that is there already; None where there is none, and as long as this reader is to
    judge the case first. Raises as `reading.open`."""
    if request.reference is None or blind_review.is_due(g, reader, request.reference):
        return None
    record = reading.open(g, reader, "request", request.reference)
    told = explain.newest(g, record)
    return None if told is None else Draft(words(g.renderer, told.words, request.lang), told.id)
