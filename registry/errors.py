"""The error family of the register. A message names the member and the fix, never the value that somebody gave."""

from __future__ import annotations

from typing import ClassVar


class RegistryError(Exception):
    """Base of the family. `field` is the path of the wrong member; `reason` a `refused/1` code or None."""

    reason: ClassVar[str | None] = None

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message if field is None else f"{field}: {message}")
        self.field = field


class FormatError(RegistryError):
    """A file, record or manifest is not what its format says."""


class Conflict(RegistryError):
    """The register already holds something else under this name, or changed while we were writing."""


class SameManifest(Conflict):
    """The manifest is already a version of this system."""


class TransitionRefused(RegistryError):
    """The table of transitions does not have this step, or what the step needs is missing."""


class AnswersChanged(TransitionRefused):
    """The answers about the class of a system are not those that the log tells of: nothing is opened by them."""


class UnknownVersion(RegistryError):
    """The system has no version of that number."""


class GateClosed(RegistryError):
    """Base of everything for which the gate refuses a decision; `reason` is always set."""


class UnknownSystem(GateClosed):
    """No system of that slug is registered."""

    reason = "unknown_system"


class NotRunning(GateClosed):
    """The system is not in use: not yet in pilot or active, without a running version, or run elsewhere."""

    reason = "not_running"


class NotElsewhere(NotRunning):
    """The decisions of this system are made here, or not recorded: no record of one is taken in."""


class Suspended(GateClosed):
    """The system was stopped."""

    reason = "suspended"


class Retired(GateClosed):
    """The system was taken out of use for good."""

    reason = "retired"


class ModelNotRegistered(GateClosed):
    """The running version names a model that is not in the register."""

    reason = "model_not_registered"


class StoppedMeanwhile(GateClosed):
    """The system was stopped between the gate and the record."""

    reason = "stopped_meanwhile"


class VersionMismatch(GateClosed):
    """Another version runs than the one that made the result."""

    reason = "version_mismatch"
