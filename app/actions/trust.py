"""Whom an action about another log believes: a policy file, or a file of keys."""

from __future__ import annotations

from pathlib import Path

from app.errors import UsageError, asked
from auditlog.keys import read_key_ring
from auditlog.policy import Policy, parse_policy


def read_trust(policy: Path | None, vkey: Path | None) -> Policy | None:
    """The policy of a tlog-policy file, or of a file of log keys (then no cosignature is demanded); None for neither.

    Raises UsageError that names the option.
    """
    if policy is not None and vkey is not None:
        raise UsageError("give one of both: a policy names the log's keys itself", field="--policy, --vkey")
    with asked():
        if vkey is not None:
            return Policy(read_key_ring(vkey))
        if policy is None:
            return None
        try:
            data = policy.read_bytes()
        except OSError as error:
            raise UsageError(f"cannot be read: {error.strerror}", field="--policy") from None
        return parse_policy(data)
