"""The words of a stream: what of each piece of an answer is sent, as text or as JSON that grows."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from auditlog.core.formats.canonical import Json
from registry.manifest import Manifest
from runtime.capture import Piece
from service.deciding import chat


class Words(Protocol):
    """Gives the text for each piece, and what closes the whole."""

    def of(self, piece: Piece) -> str: ...
    def end(self, output: Json) -> str: ...


def words_of(manifest: Manifest, *, as_json: bool) -> Words:
    """Those of one stream of a version."""
    return Growing(manifest) if as_json else Spoken(chat.spoken(manifest))


@dataclass(frozen=True, slots=True)
class Spoken:
    """What the system says, and nothing of the other members."""

    member: str

    def of(self, piece: Piece) -> str:
        return piece.text if piece.output == self.member else ""

    def end(self, output: Json) -> str:  # noqa: ARG002 (as all of them are asked)
        return ""


@dataclass(slots=True)
class Growing:
    """The whole output as JSON: members in the order of the steps, without spaces, as `chat.json_of` writes it."""

    manifest: Manifest
    _begun: list[str] = field(default_factory=list)

    def of(self, piece: Piece) -> str:
        opening = self._open(piece.output)
        return opening + (json.dumps(piece.text, ensure_ascii=False)[1:-1] if self._text(piece.output) else piece.text)

    def end(self, output: Json) -> str:
        """Closes what is open, after members that had no text."""
        members = output if isinstance(output, dict) else {}
        missing = [step.output for step in self.manifest.steps if step.output in members]
        more = ""
        for name in missing:
            if name not in self._begun:
                more += self._open(name)
                more += "" if self._text(name) else chat.format_json(members[name])
        return more + self._close() + ("}" if self._begun else "{}")

    def _open(self, name: str) -> str:
        if self._begun and self._begun[-1] == name:
            return ""
        before = self._close() + "," if self._begun else "{"
        self._begun.append(name)
        return f'{before}"{name}":' + ('"' if self._text(name) else "")

    def _close(self) -> str:
        return '"' if self._begun and self._text(self._begun[-1]) else ""

    def _text(self, name: str) -> bool:
        properties = cast("dict[str, Any]", self.manifest.output_schema["properties"])
        return bool(properties[name]["type"] == "string")
