"""References of a request: persons, case, conversation; in its body, or in headers for clients whose body is fixed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.requests import Request

from auditlog.vault.references import Refs
from home.errors import UsageError

SUBJECT: Final = "x-greffier-subject"
CASE: Final = "x-greffier-case"
CONVERSATION: Final = "x-greffier-conversation"
RECORD: Final = "x-greffier-record"
_MOST: Final = 16
_ASCII: Final = re.compile(r"[ -~]{1,200}")

PARAMETERS: Final[list[dict[str, Any]]] = [
    {
        "name": name,
        "in": "header",
        "required": False,
        "description": f"{what}. Visible ASCII without commas; anything else goes into the body. Kept sealed.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[ -+\\--~]+$"},
    }
    for name, what in (
        (SUBJECT, "Reference of a person concerned; several headers for several persons"),
        (CASE, "Reference of the case"),
        (CONVERSATION, "Reference of the conversation: the record names the turn before as its parent"),
    )
]


@dataclass(frozen=True, slots=True)
class Given:
    """What the headers of a request say."""

    subjects: tuple[str, ...] = field(repr=False)
    case: str | None = field(repr=False)
    conversation: str | None = field(repr=False)

    def with_body(
        self, subjects: list[str], case: str | None, conversation: str | None
    ) -> tuple[tuple[str, ...], Refs]:
        """Persons of both; case and conversation from where they are. Raises UsageError for one that is in both."""
        for name, inside, outside in ((CASE, case, self.case), (CONVERSATION, conversation, self.conversation)):
            if inside is not None and outside is not None:
                raise UsageError("is in the body, too: give it once", field=name)
        if len(subjects) + len(self.subjects) > _MOST:
            raise UsageError(f"names more than {_MOST} persons, with those of the body", field=SUBJECT)
        return (*subjects, *self.subjects), Refs(case or self.case, conversation or self.conversation)


def given(request: Request) -> Given:
    """The references in the headers. Raises UsageError that names the header, never what is in it."""
    return Given(tuple(_texts(request, SUBJECT)), _single(request, CASE), _single(request, CONVERSATION))


def _single(request: Request, name: str) -> str | None:
    texts = _texts(request, name)
    if len(texts) > 1:
        raise UsageError("names one; send it once", field=name)
    return texts[0] if texts else None


def _texts(request: Request, name: str) -> list[str]:
    # A proxy may join headers of one name by commas (RFC 9110 5.3), so a comma is never part of a reference.
    texts = [part.strip() for line in request.headers.getlist(name) for part in line.split(",")]
    if any(_ASCII.fullmatch(text) is None for text in texts):
        raise UsageError("must be 1 to 200 visible ASCII characters; give others in the body", field=name)
    return texts
