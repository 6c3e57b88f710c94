"""Whom an action about another log believes: a policy file, or a file of keys."""

from __future__ import annotations

from pathlib import Path

from auditlog.core.errors import FormatError
from auditlog.core.formats.keyring import KeyRing, parse_key_ring
from auditlog.core.formats.policy import Policy, parse_policy
from home.errors import UsageError


def read_trust(policy: Path | None, vkey: Path | None) -> Policy | None:
    """The policy of a tlog-policy file, or of a file of log keys (then no cosignature is demanded); None for neither.

    Raises UsageError that names the option.
    """
    if policy is not None and vkey is not None:
        raise UsageError("give one of both: a policy names the log's keys itself", field="--policy, --vkey")
    if vkey is not None:
        return Policy(read_keys(vkey))
    if policy is None:
        return None
    try:
        return parse_policy(_read(policy, "--policy"))
    except FormatError as error:
        raise UsageError(f"{policy.name}: {error}", field="--policy") from None


def read_keys(path: Path) -> KeyRing:
    """The keys of the file that `--vkey` names. Raises UsageError that names the option, and the line."""
    try:
        return parse_key_ring(_read(path, "--vkey").decode(), name=path.name)
    except UnicodeDecodeError:
        raise UsageError(f"{path.name}: is not UTF-8 text", field="--vkey") from None
    except FormatError as error:
        raise UsageError(str(error), field="--vkey") from None


def _read(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path.name}: cannot be read: {error.strerror}", field=option) from None
