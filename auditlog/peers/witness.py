"""A witness (c2sp.org/tlog-witness): it cosigns a checkpoint only where that extends what it cosigned before.

Its promise hangs on its memory. What it cosigned is stored and synced before the answer leaves, and the number of
cosignings stands, apart from the database, in a counter file beside the keys, which never decreases. A witness whose
database is gone, or older than the counter, never signs again: it is retired, and another one gets a new name and keys.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from auditlog.core.errors import AuditLogError, FormatError, GuardError, NotFound, VerifyError
from auditlog.core.formats.keyring import KeyRing
from auditlog.core.formats.note import Note, Signature, Signer, VerifierKey, format_note, format_signature, format_vkey
from auditlog.peers.submission import (
    Answer,
    NotCosigned,
    Submission,
    authenticate,
    contradicts,
    judge,
    parse_submission,
)
from auditlog.store import witness as store
from auditlog.store.engine import reading, writing
from auditlog.writing.guard import Guard

logger = logging.getLogger(__name__)

RETIRE = "this witness must be retired: make a new one with `greffier witness init`, under a new name, in another home"


class WitnessRetired(VerifyError):
    """The witness has lost its memory, in whole or in part: it could cosign a fork of what it cosigned before."""


@dataclass(frozen=True, slots=True)
class KnownLog:
    """A log that is cosigned, or was (then without keys), and what was cosigned last (`time`: POSIX seconds)."""

    origin: str
    keys: int
    size: int | None
    root: bytes | None
    time: int | None
    contradictions: int


class Witness:
    """A witness with its database, private keys (one a cosignature type) and counter file. See `identity.open_witness`.

    `clock` gives POSIX seconds. All methods may be called from many threads, and by several processes at once.
    """

    def __init__(
        self, engine: Engine, signers: tuple[Signer, ...], counter: Guard, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.name = signers[0].name
        self._engine = engine
        self._signers = signers
        self._counter = counter
        self._clock = clock

    @property
    def vkeys(self) -> tuple[VerifierKey, ...]:
        """The public keys, in the order of their lines."""
        return tuple(signer.vkey for signer in self._signers)

    def check(self) -> None:
        """Hold database and counter against each other, and raise the counter after a crash. Raises WitnessRetired."""
        counted = self._read_counter()
        with reading(self._engine) as conn:
            ledger = self._check_ledger(conn, counted)
        self._counter.raise_to(ledger.serial, ledger.digest)

    def add_checkpoint(self, data: bytes) -> Answer:
        """Answer the body of a request. Whatever happens it is one of the specification's answers, or 503."""
        try:
            return self._add(parse_submission(data))
        except FormatError as error:
            return Answer(400, f"{error}\n".encode())
        except NotCosigned as refused:
            return refused.answer
        except (SQLAlchemyError, AuditLogError, OSError) as error:
            # An operator reads the log; whoever asked learns only that it was not their doing.
            why = error if isinstance(error, AuditLogError) else type(error)
            logger.error("the witness cannot cosign: %s", why)  # noqa: TRY400 (no place in the code helps its operator)
            return Answer(503, b"the witness cannot cosign now: try again later\n", retry_after=60)

    def checkpoint(self, origin_hash: str) -> bytes:
        """The newest checkpoint cosigned of the log whose origin has this SHA-256 (hex). Raises NotFound."""
        with reading(self._engine) as conn:
            note = store.find_note(conn, origin_hash)
        if note is None:
            raise NotFound("nothing was cosigned of a log with this hash", field="origin")
        return note

    def trust(self, ring: KeyRing) -> None:
        """Cosign these logs from now on; the ring says all there is to say about the keys of each of its logs."""
        for key in ring.vkeys:
            if key in self.vkeys or key.name == self.name:
                raise FormatError("is the witness's own name or key", field=f"key {key.key_id.hex()}")
        with writing(self._engine) as conn:
            for origin in ring.origins:
                store.replace_keys(conn, origin, ring.of(origin).keys)

    def distrust(self, origin: str) -> None:
        """Cosign this log no longer. What was cosigned stays known, so that it can't be rolled back by coming again."""
        with writing(self._engine) as conn:
            if not store.read_keys(conn, origin).keys:
                raise NotFound("is no log that this witness cosigns", field="origin")
            store.replace_keys(conn, origin, ())

    def keys(self, origin: str) -> KeyRing:
        """The keys by which this log is known; an empty ring when it is not."""
        with reading(self._engine) as conn:
            return store.read_keys(conn, origin)

    def logs(self) -> list[KnownLog]:
        """Every log that is cosigned or was, by origin."""
        with reading(self._engine) as conn:
            ring, evidence = store.read_keys(conn), store.all_evidence(conn)
            seen = {one.origin: one for one in store.all_seen(conn)}
        found = []
        for origin in sorted({*ring.origins, *seen}):
            one = seen.get(origin)
            keys = sum(key.name == origin for key in ring.vkeys)
            forks = sum(item.origin == origin for item in evidence)
            size, root, time_ = (one.size, one.root, one.time) if one else (None, None, None)
            found.append(KnownLog(origin, keys, size, root, time_, forks))
        return found

    def evidence(self) -> list[store.Evidence]:
        """Every contradiction that a log has signed: two checkpoints of one size."""
        with reading(self._engine) as conn:
            return store.all_evidence(conn)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    # --- one submission -----------------------------------------------------------------------------------------------

    def _add(self, submission: Submission) -> Answer:
        origin = submission.body.origin
        # Signatures are verified before the write lock is taken: a stranger's request never holds up a log's.
        with reading(self._engine) as conn:
            ring = store.read_keys(conn, origin)
        lines = authenticate(submission, ring)
        counted = self._read_counter()
        refused: NotCosigned | None = None
        with writing(self._engine) as conn:
            ledger = self._check_ledger(conn, counted)
            seen = store.read_seen(conn, origin)
            last = None if seen is None else (seen.size, seen.root)
            now = int(self._clock())
            try:
                judge(submission, last)
            except NotCosigned as error:
                refused = error
            if seen is not None and contradicts(submission, last):
                note = format_note(Note(submission.note.text, lines))
                store.add_evidence(conn, store.Evidence(origin, now, seen.note, note))
            if refused is None:
                if seen is not None and now < seen.time:
                    return Answer(503, b"the clock of the witness was set back: try again later\n", retry_after=5)
                cosigned = self._cosign(conn, submission, lines, now)
                ledger = _advance(conn, ledger, submission, now)
        if refused is not None:
            raise refused
        self._counter.raise_to(ledger.serial, ledger.digest)
        return Answer(200, "".join(f"{format_signature(line)}\n" for line in cosigned).encode())

    def _cosign(
        self, conn: Connection, submission: Submission, lines: tuple[Signature, ...], now: int
    ) -> tuple[Signature, ...]:
        body, text = submission.body, submission.note.text
        cosigned = tuple(signer.sign(text, timestamp=now) for signer in self._signers)
        note = format_note(Note(text, lines + cosigned))
        store.write_seen(conn, store.Seen(body.origin, body.size, body.root, now, note))
        return cosigned

    # --- memory -------------------------------------------------------------------------------------------------------

    def _read_counter(self) -> tuple[int, bytes]:
        """Number and digest of the cosignings at least: read before the database, which may be further by then."""
        try:
            line = self._counter.read_line()
        except GuardError:
            line = None
        if line is None or line.origin != self.name:
            raise WitnessRetired(f"is missing or damaged; {RETIRE}", field=self._counter.path.name)
        return line.size, line.root

    def _check_ledger(self, conn: Connection, counted: tuple[int, bytes]) -> store.Ledger:
        ledger = store.read_ledger(conn)
        if ledger is None:
            raise WitnessRetired(f"holds no witness; {RETIRE}", field="witness.db")
        if ledger.vkeys != format_vkeys(self.vkeys):
            raise WitnessRetired(
                "belongs to other keys: put back the keys and the database of one witness", field="keys"
            )
        if ledger.serial < counted[0] or (ledger.serial == counted[0] and ledger.digest != counted[1]):
            raise WitnessRetired(
                f"is an older copy: it knows {ledger.serial} cosignings and not the {counted[0]} given; {RETIRE}",
                field="witness.db",
            )
        return ledger


def format_vkeys(vkeys: tuple[VerifierKey, ...]) -> str:
    """The public keys as `witness.vkey` has them, one a line."""
    return "".join(f"{format_vkey(key)}\n" for key in vkeys)


def _advance(conn: Connection, ledger: store.Ledger, submission: Submission, now: int) -> store.Ledger:
    """Count one more cosigning, and chain it to those before."""
    digest = sha256(ledger.digest + now.to_bytes(8, "big") + sha256(submission.note.text.encode()).digest()).digest()
    store.write_ledger(conn, ledger.serial + 1, digest)
    return store.Ledger(ledger.vkeys, ledger.serial + 1, digest)
