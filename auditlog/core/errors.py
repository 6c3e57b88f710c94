"""The error family of the log: what went wrong, at which field or place, and how to mend it."""

from __future__ import annotations


class AuditLogError(Exception):
    """Base of the family. `field` names the member, line or place that is wrong, where there is one."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message if field is None else f"{field}: {message}")
        self.field = field


class FormatError(AuditLogError):
    """The bytes are not what their format says."""


class TooLarge(FormatError):
    """An entry is longer than tlog-tiles allows (65,535 bytes)."""


class VerifyError(AuditLogError):
    """Well-formed, but it does not hold."""


class SignatureError(VerifyError):
    """A signature is missing, of an unknown key, or does not verify."""


class ProofError(VerifyError):
    """A Merkle proof does not lead to the root."""


class OpeningError(VerifyError):
    """An opened value does not match its commitment."""


class NotPublished(VerifyError):
    """Not yet published: the checkpoint lacks the cosignatures that the policy demands."""


class NotFound(AuditLogError):
    """No such record, entry, tile or checkpoint in this log."""


class KeptElsewhere(NotFound):
    """The content was never here: its sender committed to it, and kept it."""


class CannotRecord(AuditLogError):
    """The log cannot write now: nothing may be decided or released. `cause` is an `outage/1` cause code."""

    def __init__(self, message: str, *, cause: str, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.cause = cause


class GuardError(CannotRecord):
    """The guard is missing, damaged, or above the database."""

    def __init__(self, message: str, *, field: str | None = "guard") -> None:
        super().__init__(message, cause="guard", field=field)


class Frozen(CannotRecord):
    """The log has its last entry. `cause` is "closed": no outage, since nothing may follow."""

    def __init__(self) -> None:
        super().__init__(
            "was frozen, nothing may follow: restart this program, it goes on in the successor; without one, run "
            "`greffier log succeed`",
            cause="closed",
            field="log",
        )


class VaultError(AuditLogError):
    """The vault cannot give the content: key store missing, key wrong, ciphertext damaged."""


class Erased(VaultError):
    """The content was erased; its entry and proof remain."""


class Held(AuditLogError):
    """The content must be kept: holds are in force. `grounds`: codes of `vocabulary.HOLD_GROUNDS`, in their order."""

    def __init__(self, grounds: tuple[str, ...], *, field: str = "id") -> None:
        lift = f"`greffier hold ID --ground {grounds[0]} --lift`"
        super().__init__(f"is held ({', '.join(grounds)}): lift the hold first ({lift})", field=field)
        self.grounds = grounds
