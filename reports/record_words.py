"""Parts of a register record as people read them, in one language: labels, values, and words for codes."""

from __future__ import annotations

from typing import Any

from registry.declaration import fields, rows


class RecordWords:
    """The filters of one language for records that were declared (`registry.declaration`)."""

    def __init__(self, lang: str) -> None:
        self._lang = lang

    def rows(self, record: Any, *without: str) -> list[tuple[str, str | list[str]]]:
        """Label and value of each member that holds something, but for those named."""
        left_out = {member.attribute for member in fields(type(record)) if member.name in without}
        labels = {str(member.label.get(self._lang)) for member in fields(type(record)) if member.attribute in left_out}
        return [row for row in rows(record, self._lang) if row[0] not in labels]

    def member(self, record: Any, name: str) -> str | list[str]:
        """The value of one member in words; codes as their label. Raises LookupError where there is no such member."""
        declared = next(member for member in fields(type(record)) if member.name == name)
        return declared.kind.text(getattr(record, declared.attribute), self._lang)
