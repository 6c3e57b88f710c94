"""The error family of casework. A message names the field and the fix, never what a person wrote."""

from __future__ import annotations


class CaseworkError(Exception):
    """Base of the family. `field` is what is wrong."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message if field is None else f"{field}: {message}")
        self.field = field


class StepRefused(CaseworkError):
    """The request is in a state in which this step cannot be taken."""


class TakenMeanwhile(CaseworkError):
    """Somebody else changed this request or review since it was looked at: look at it again."""


class CodeRejected(CaseworkError):
    """An access or tracking code that opens nothing. One message for wrong, unknown, withdrawn and erased ones, so that
    nobody learns which records and requests there are."""
