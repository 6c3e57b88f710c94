"""The error family of the application: settings, refusals by rule, and what is not there."""

from __future__ import annotations


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


class Refused(AppError):
    """A rule refuses the request; `reason` is a `refused/1` reason code, never the caller's words."""

    def __init__(self, message: str, *, reason: str, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.reason = reason


class Unfinished(AppError):
    """A decision did not end; if the model had begun, an `unfinished/1` entry is in the log. Trying again is safe."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason
