"""The error family of the application: settings, refusals by rule, and what is not there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from auditlog.core.errors import FormatError


class AppError(Exception):
    """Base of the family; `field` names the setting, field or option that is wrong."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message if field is None else f"{field}: {message}")
        self.field = field


class SettingsError(AppError):
    """A setting or a file of the home is missing or wrong."""


class UnknownRecord(AppError):
    """No decision with this id in the log."""


class UsageError(AppError):
    """The request cannot be understood: an option, a file or a value is wrong."""


@contextlib.contextmanager
def asked(where: str | None = None) -> Iterator[None]:
    """Around what a caller gave: where it has not the form that it must have, the request is wrong, not the log.

    `where`: the field that is named where the error names none.
    """
    try:
        yield
    except FormatError as error:
        raise UsageError(str(error).removeprefix(f"{error.field}: "), field=error.field or where) from None


class Refused(AppError):
    """A rule refuses the request; `reason` is a `refused/1` reason code, never the caller's words."""

    def __init__(self, message: str, *, reason: str, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.reason = reason


class Unfinished(AppError):
    """A decision did not end; if the model had begun, an `unfinished/1` entry is in the log. Trying again is safe.

    `retry_after_s`: when to, where a provider said so.
    """

    def __init__(self, message: str, *, reason: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after_s = retry_after_s


class KeyConflict(Refused):
    """A key under which something else was asked before; `field` names the header or option that it came in."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message, reason="key_conflict", field=field)


class NumberConflict(Refused):
    """A number of a source that another decision has; `field` names the member."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message, reason="number_conflict", field=field)


class InProgress(Unfinished):
    """A request with the same key is being decided at this moment: its answer will be this one's, too."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(f"{field}: {message}", reason="in_progress")
        self.field = field


class TooMany(AppError):
    """More is asked than a limit allows: of a key, an address, a record or an account; nothing was begun.

    `retry_after_s`: when to ask again.
    """

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
