"""Gathering cosignatures: all witnesses of the policy at once, until there is a quorum and a little longer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from auditlog.core.errors import AuditLogError, SignatureError
from auditlog.core.formats.note import Note, Signature, VerifierKey, format_note, parse_note
from auditlog.core.formats.policy import Policy, Witness
from auditlog.peers.client import Behind, Cosigned, Outcome, Prove, Rejected, add_newest

NO_ANSWER = "gave no answer in time"
_SLACK_S = 0.5


@dataclass(frozen=True, slots=True)
class Gathered:
    """A checkpoint's note with its cosignatures; `met`: they are a quorum. `missing`: witness name → reason.

    `refuted` are the witnesses that hold another tree of this log, or a larger one: a sign of a fork or a roll-back.
    """

    note: bytes
    met: bool
    missing: Mapping[str, str] = field(default_factory=dict)
    refuted: tuple[str, ...] = ()


class Cosigner:
    """Asks the witnesses of a policy, which is read anew each time. One serves all logs of an installation.

    `timeout_s`: how long a witness may take; `grace_s`: how long to wait for the others once there is a quorum.
    """

    def __init__(self, policy: Callable[[], Policy], *, timeout_s: float = 5.0, grace_s: float = 1.0) -> None:
        self.policy = policy
        self.timeout_s = timeout_s
        self._grace_s = grace_s
        self._known: dict[tuple[str, str], int] = {}
        self._asked: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def gather(
        self,
        policy: Policy,
        note: bytes,
        size: int,
        prove: Prove,
        *,
        before: bytes | None = None,
        largest: int | None = None,
    ) -> Gathered:
        """Ask for cosignatures of a checkpoint that the log signed. `prove(old)` gives the proof from a smaller size.

        Cosignatures on `before` are kept where that is the same checkpoint and a witness gives no newer one. `largest`:
        the log's present size, where that is not this one.
        """
        parsed = parse_note(note)
        lines = {} if before is None else _lines_of(policy, parsed.text, before)
        missing: dict[str, str] = {}
        refuted: set[str] = set()
        given: SimpleQueue[tuple[list[Witness], Outcome]] = SimpleQueue()
        waiting = {witness.name for witness in policy.witnesses if witness.url is not None}
        asked = parsed.text.split("\n", 1)[0], note, size, prove
        for url, witnesses in _by_url(policy).items():
            if not self._ask(url, witnesses, asked, given):
                missing.update({one.name: NO_ANSWER for one in witnesses})
                waiting.difference_update(one.name for one in witnesses)
        # What is kept from before counts only in the end: a refresh is to be fresh.
        fresh: set[str] = set()
        deadline = time.monotonic() + self.timeout_s + _SLACK_S
        while waiting:
            try:
                witnesses, outcome = given.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                break
            names = [witness.name for witness in witnesses]
            waiting.difference_update(names)
            if isinstance(outcome, Cosigned):
                lines.update({witness.vkey: line for witness, line in zip(witnesses, outcome.lines, strict=True)})
                fresh.update(names)
                if policy.met_by(fresh):
                    deadline = min(deadline, time.monotonic() + self._grace_s)
            else:
                missing.update(dict.fromkeys(names, _reason(outcome, size)))
                if _refutes(outcome, size if largest is None else largest):
                    refuted.update(names)
        missing.update(dict.fromkeys(waiting, NO_ANSWER))
        missing.update({one.name: "has no address in the policy" for one in policy.witnesses if one.url is None})
        own = tuple(line for line in parsed.signatures if not _is_witness(policy, line))
        cosigned = tuple(lines[witness.vkey] for witness in policy.witnesses if witness.vkey in lines)
        met = policy.met_by([witness.name for witness in policy.witnesses if witness.vkey in lines])
        return Gathered(format_note(Note(parsed.text, own + cosigned)), met, missing, tuple(sorted(refuted)))

    def _ask(
        self,
        url: str,
        witnesses: list[Witness],
        asked: tuple[str, bytes, int, Prove],
        given: SimpleQueue[tuple[list[Witness], Outcome]],
    ) -> bool:
        """Ask one witness on a thread of its own; False, and nothing done, while it has not answered the last time."""
        origin, note, size, prove = asked
        place = (url, origin)
        with self._lock:
            if place in self._asked:
                return False
            self._asked.add(place)

        def ask() -> None:
            try:
                known = self._known.get(place, 0)
                keys = [witness.vkey for witness in witnesses]
                outcome = add_newest(url, known, size, note, prove=prove, keys=keys, timeout_s=self.timeout_s)
                if isinstance(outcome, Cosigned | Behind):
                    self._known[place] = size if isinstance(outcome, Cosigned) else outcome.size
            except AuditLogError as error:  # no proof could be made from our own tiles
                outcome = Rejected(0, str(error))
            finally:
                with self._lock:
                    self._asked.discard(place)
            given.put((witnesses, outcome))

        threading.Thread(target=ask, name="greffier-cosign", daemon=True).start()
        return True


def _by_url(policy: Policy) -> dict[str, list[Witness]]:
    """One request an address: a witness that signs with two keys gives both lines at once."""
    found: dict[str, list[Witness]] = {}
    for witness in policy.witnesses:
        if witness.url is not None:
            found.setdefault(witness.url.rstrip("/"), []).append(witness)
    return found


def _lines_of(policy: Policy, text: str, note: bytes) -> dict[VerifierKey, Signature]:
    parsed = parse_note(note)
    if parsed.text != text:
        return {}
    lines: dict[VerifierKey, Signature] = {}
    for line in parsed.signatures:
        for witness in policy.witnesses:
            if (line.name, line.key_id) == (witness.vkey.name, witness.vkey.key_id) and _holds(witness, text, line):
                lines.setdefault(witness.vkey, line)
    return lines


def _holds(witness: Witness, text: str, line: Signature) -> bool:
    try:
        return bool(witness.vkey.verify(text, line.blob))
    except SignatureError:
        return False


def _is_witness(policy: Policy, line: Signature) -> bool:
    return any((line.name, line.key_id) == (one.vkey.name, one.vkey.key_id) for one in policy.witnesses)


def _refutes(outcome: Outcome, largest: int) -> bool:
    return (isinstance(outcome, Behind) and outcome.size > largest) or (
        isinstance(outcome, Rejected) and outcome.status == 422
    )


def _reason(outcome: Outcome, size: int) -> str:
    if isinstance(outcome, Behind):
        if outcome.size > size:
            return f"has cosigned {outcome.size} entries of this log already, more than {size}"
        return "names another size each time"
    if isinstance(outcome, Rejected):
        if outcome.status == 404:
            return "does not know this log: it must be told to trust its keys"
        if outcome.status == 403:
            return "knows other keys of this log: give it the newest log.vkey"
        return f"refuses ({outcome.status}): {outcome.reason}"
    return "" if isinstance(outcome, Cosigned) else outcome.reason
