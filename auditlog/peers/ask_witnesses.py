"""Asking the witnesses, before anything is signed, whether they have seen more of this log than its database holds.

The guard notices a database that was rolled back or replaced. It cannot notice that it was itself put back from the
same copy: the witnesses can, since their memory is not ours to change.
"""

from __future__ import annotations

import threading
import time
from queue import Empty, SimpleQueue

from auditlog.core.errors import AuditLogError, GuardError
from auditlog.core.formats.checkpoint import Checkpoint, open_checkpoint
from auditlog.core.formats.keyring import KeyRing
from auditlog.core.formats.policy import Policy
from auditlog.peers.client import Behind, Prove, Rejected, add_checkpoint, read_cosigned
from auditlog.store.log import Head

_FIX = "restore the newest database and guard; if they are lost, open a successor log that states the loss"
_UNSHOWN = (
    "It shows no checkpoint that says so; if it is wrong, take it out of the policy file and tell whoever runs it"
)


class RolledBack(GuardError):
    """A witness shows a checkpoint (`size`, `root`) that this log's own keys signed and its database does not reach."""

    def __init__(self, message: str, *, size: int, root: bytes) -> None:
        super().__init__(message, field="witness")
        self.size = size
        self.root = root


def ask_witnesses(
    policy: Policy, ring: KeyRing, origin: str, head: Head, *, size: int, prove: Prove, timeout_s: float = 5.0
) -> None:
    """Raise GuardError where a witness has cosigned more entries than the `size` of our log, or another tree.

    `head` is the published checkpoint (the newest one where nothing is published), and `prove(old)` proves that it
    extends `old` entries: so nothing is told to anyone that is not public. A witness that can't be reached, or does not
    know the log, says nothing. What was never published no witness has seen, nor can it be missed here.
    """
    if policy.quorum is None:
        return
    told: SimpleQueue[GuardError | None] = SimpleQueue()
    urls = {one.url.rstrip("/") for one in policy.witnesses if one.url is not None}

    def ask(url: str) -> None:
        try:
            told.put(_ask(url, ring, origin, head, size, prove, timeout_s))
        except AuditLogError:
            told.put(None)

    for url in urls:
        threading.Thread(target=ask, args=(url,), name="greffier-ask", daemon=True).start()
    deadline = time.monotonic() + timeout_s + 0.5
    for _ in urls:
        try:
            found = told.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            return
        if found is not None:
            raise found


def _ask(  # noqa: PLR0917 (what asking takes, handed on to a thread as it stands)
    url: str, ring: KeyRing, origin: str, head: Head, size: int, prove: Prove, timeout_s: float
) -> GuardError | None:
    """What is wrong with our database by this witness; None where it says nothing against it."""
    outcome = add_checkpoint(url, head.size, (), head.note, (), timeout_s=timeout_s)
    if isinstance(outcome, Behind) and outcome.size < head.size:
        outcome = add_checkpoint(url, outcome.size, prove(outcome.size), head.note, (), timeout_s=timeout_s)
    if isinstance(outcome, Behind) and outcome.size > size:
        sentence = (
            f"the log was rolled back: {url} has cosigned {outcome.size} entries of it, and this database holds {size}"
        )
        shown = _shown(url, ring, origin, size, timeout_s)
        if shown is None:
            return GuardError(f"{sentence}. {_FIX}. {_UNSHOWN}", field="witness")
        told = f"It shows a checkpoint of {shown.size} entries that this log's own keys signed"
        return RolledBack(f"{sentence}. {_FIX}. {told}", size=shown.size, root=shown.root)
    if isinstance(outcome, Rejected) and outcome.status == 422:
        return GuardError(
            f"the log was forked or replaced: {url} has cosigned another tree of it. {_FIX}", field="witness"
        )
    return None


def _shown(url: str, ring: KeyRing, origin: str, size: int, timeout_s: float) -> Checkpoint | None:
    """The larger checkpoint that the witness shows, where our own keys signed it: then it cannot be mistaken."""
    note = read_cosigned(url, origin, timeout_s=timeout_s)
    try:
        shown = None if note is None else open_checkpoint(note, ring, origin=origin).checkpoint
    except AuditLogError:
        return None
    return None if shown is None or shown.size <= size else shown
