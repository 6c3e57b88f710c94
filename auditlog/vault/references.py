"""The references under which a record is found again: persons, a case, a conversation.

Each is normalised by the rule in `subjects`, sealed in the record, and tagged under its own kind, so that equal texts
of two kinds have nothing in common in the index. Case and conversation are no part of the commitments: they belong to
the agency's filing, not to what the system was given and gave.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from auditlog.core.errors import FormatError, VaultError
from auditlog.core.formats.canonical import Json
from auditlog.vault.subjects import normalise, tag

TagKind = Literal["subject", "case", "conversation"]
SUBJECTS: Final = "subjects"
_TAG: Final = b"greffier/1/tag\0"


class Tag(NamedTuple):
    """One entry of the blind index: 32 bytes, and what kind of reference they stand for."""

    tag: bytes
    kind: str


@dataclass(frozen=True, slots=True)
class Refs:
    """Case and conversation to which a record belongs; `turn`: its number in the conversation, from 1."""

    case: str | None = None
    conversation: str | None = None
    turn: int | None = None

    def normalised(self) -> Refs:
        """As they are sealed. Raises FormatError with `case` or `conversation` as its field."""
        if self.turn is not None and (self.conversation is None or not 1 <= self.turn <= 2**31):
            raise FormatError("is a number from 1 in a conversation", field="turn")
        return replace(
            self,
            case=None if self.case is None else normalise(self.case, field="case"),
            conversation=None if self.conversation is None else normalise(self.conversation, field="conversation"),
        )

    def members(self) -> dict[str, Json]:
        """Those that there are, as the payload has them."""
        members: dict[str, Json] = {"case": self.case, "conversation": self.conversation, "turn": self.turn}
        return {name: value for name, value in members.items() if value is not None}


NO_REFS: Final = Refs()


def parse_refs(value: Json) -> Refs:
    """What `Refs.members` gave. Raises VaultError."""
    if isinstance(value, dict) and value and value.keys() <= {"case", "conversation", "turn"}:
        case, conversation, turn = value.get("case"), value.get("conversation"), value.get("turn")
        texts = all(text is None or isinstance(text, str) for text in (case, conversation))
        if texts and (turn is None or type(turn) is int):
            return Refs(case, conversation, turn)  # type: ignore[arg-type]
    raise VaultError("opened, but is no payload", field="ciphertext")


def make_tag(index_key: bytes, kind: TagKind, normalised: str) -> Tag:
    """HMAC-SHA-256 under the index key: of a person's reference alone, of any other with its kind before it."""
    if kind == "subject":
        return Tag(tag(index_key, normalised), kind)
    message = _TAG + kind.encode() + b"\0" + normalised.encode("utf-8")
    return Tag(hmac.digest(index_key, message, "sha256"), kind)


def tags_of(index_key: bytes, values: Mapping[str, Json], refs: Refs | None) -> tuple[Tag, ...]:
    """All tags that a record's content calls for. Raises VaultError where `subjects` is no list.

    A stream that was not finished names them in what it had reached.
    """
    reached = values.get("reached")
    references = (reached if isinstance(reached, dict) else values).get(SUBJECTS, [])
    if not isinstance(references, list):
        raise VaultError("is no list", field=SUBJECTS)
    tags = [make_tag(index_key, "subject", str(reference)) for reference in references]
    if refs is not None:
        if refs.case is not None:
            tags.append(make_tag(index_key, "case", refs.case))
        if refs.conversation is not None:
            tags.append(make_tag(index_key, "conversation", refs.conversation))
    return tuple(tags)
