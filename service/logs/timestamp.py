"""Time stamps (RFC 3161): taken over the published checkpoints at an interval, kept beside exports and receipts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from auditlog.core.entries.receipt import Receipt, verify_receipt
from auditlog.core.errors import AuditLogError, FormatError, VerifyError
from auditlog.core.formats.checkpoint import open_checkpoint, parse_checkpoint
from auditlog.core.formats.keyring import KeyRing
from auditlog.core.formats.merkle import prove_inclusion
from auditlog.core.formats.note import parse_note
from auditlog.core.formats.proof import LogProof
from auditlog.peers import tsa
from auditlog.recovery.timestamps import format_time
from auditlog.store import log as log_store
from auditlog.store import timestamps as timestamp_store
from auditlog.store.engine import cannot_record, is_database_error, writing
from home.errors import AppError, SettingsError, asked
from home.greffier import Greffier
from service.proving import receipts
from service.records import reading

TIMEOUT_S = 10.0
# An authority whose clock is further from ours than this would make the interval meaningless.
_MAX_DIFFERENCE = timedelta(hours=1)
_LATE_AFTER = 2


@dataclass(frozen=True, slots=True)
class Stamp:
    """One time-stamped checkpoint: log, size, time (UTC), the authority as its token names it, and its serial."""

    log: int
    size: int
    time: str
    authority: str | None
    serial: str


@dataclass(frozen=True, slots=True)
class StampedReceipt:
    """A receipt whose proof leads to a time-stamped checkpoint, that checkpoint's note, and the token over the note."""

    receipt: Receipt
    checkpoint: bytes
    token: bytes
    time: str


@dataclass(frozen=True, slots=True)
class VerifiedStamp:
    """What a token proves: the log, as its checkpoint states it, had `size` entries at `time` (UTC) or before.

    `signed`: whether the checkpoint's signatures were checked too.
    """

    origin: str
    size: int
    root: str
    time: str
    authority: str | None
    signed: bool


def stamp(g: Greffier, *, now: bool = False) -> list[Stamp]:
    """Take a token over each log's newest published checkpoint that has none, when the interval allows it.

    `now` does not ask the interval, nor does a log that is closed. Returns what was taken. Raises SettingsError for an
    address that is none, `tsa.NoToken` when the authority gives no token: recording goes on, try again later.
    """
    url = g.settings.timestamp_url
    if url is None:
        return []
    rows = [_asked(g, url, number, head) for number, head in _due(g, now=now)]
    return [_said(row) for row in rows if _keep(g, row)]


def try_stamp(g: Greffier) -> str | None:
    """As `stamp`, for the server: None where all is well, else what is wrong, in one line."""
    try:
        stamp(g)
    except (AppError, AuditLogError) as error:
        return str(error)
    return None


def stamps(g: Greffier) -> list[Stamp]:
    """Every time-stamped checkpoint, oldest first."""
    with g.reading() as conn:
        rows = [row for number in sorted(g.publishers) for row in timestamp_store.iterate_timestamps(conn, number)]
    return [_said(row) for row in rows]


def newest(g: Greffier) -> datetime | None:
    """When the newest checkpoint of the log in force that has a time stamp got it, as its authority says (UTC)."""
    with g.reading() as conn:
        row = timestamp_store.newest_timestamp(conn, g.log.number)
    return None if row is None else _moment(row)


def late(g: Greffier) -> str | None:
    """What `doctor` and `/health` say where time stamps are wanted and have been missing for two intervals."""
    if g.settings.timestamp_url is None:
        return None
    with g.reading() as conn:
        published = log_store.read_head(conn, g.log.number, "published")
        newest = timestamp_store.newest_timestamp(conn, g.log.number)
    if published is None or (newest is not None and newest.size >= published.size):
        return None
    if newest is None:
        return (
            "no checkpoint has a time stamp yet: run `greffier log timestamp`, and look whether timestamp_url answers"
        )
    if g.clock() - _moment(newest) < _LATE_AFTER * timedelta(seconds=g.settings.timestamp_every_s):
        return None
    return f"the newest time stamp is of {newest.time}: run `greffier log timestamp`, and look whether it is refused"


def stamped_receipt(g: Greffier, record_id: str, *, openings: reading.Reader | None) -> StampedReceipt:
    """A record's receipt against the oldest time-stamped checkpoint that covers it: the earliest time it can prove.

    Raises `tsa.NoToken` where none covers it, and what `receipts.receipt` raises.
    """
    found = reading.find(g, record_id)
    with g.reading() as conn:
        row = timestamp_store.oldest_timestamp(conn, found.log, found.index)
        if row is None:
            raise tsa.NoToken(
                "no time-stamped checkpoint covers this record yet: run `greffier log timestamp` once it is published",
                field="id",
            )
        hashes = prove_inclusion(found.index, row.size, log_store.reader(conn, found.log, row.size))
    receipt = replace(
        receipts.receipt(g, record_id, openings=openings), proof=LogProof(found.index, hashes, row.note, None)
    )
    verify_receipt(receipt, g.keys, origin=g.settings.origin_of(found.log))
    return StampedReceipt(receipt, row.note, row.token, row.time)


def verify(checkpoint: bytes, token: bytes, ca: bytes, ring: KeyRing | None = None) -> VerifiedStamp:
    """Check a token over a checkpoint's note, offline, under the CA of a certificate file.

    With `ring` the note's signatures are checked too. Raises FormatError or VerifyError: one sentence.
    """
    try:
        text = parse_checkpoint(parse_note(checkpoint).text)
    except FormatError as error:
        raise FormatError(f"is no checkpoint of a log ({error})", field="checkpoint") from None
    if ring is not None:
        if text.origin not in ring.origins:
            raise VerifyError("is of a log that the key file does not name", field="checkpoint")
        open_checkpoint(checkpoint, ring, origin=text.origin)
    with asked():
        roots, intermediates = tsa.read_certificates(ca)
    moment = tsa.verify_token(token, checkpoint, roots=roots, intermediates=intermediates)
    facts = tsa.describe_token(token)
    return VerifiedStamp(
        text.origin, text.size, text.root.hex(), format_time(moment), facts.authority, signed=ring is not None
    )


def _due(g: Greffier, *, now: bool) -> list[tuple[int, log_store.Head]]:
    """(log, published head) of those to stamp."""
    every = timedelta(seconds=g.settings.timestamp_every_s)
    due = []
    with g.reading() as conn:
        for number in sorted(g.publishers):
            head = log_store.read_head(conn, number, "published")
            newest = timestamp_store.newest_timestamp(conn, number)
            if head is None or (newest is not None and newest.size >= head.size):
                continue
            closed = number != g.log.number
            if now or closed or newest is None or g.clock() - _moment(newest) >= every:
                due.append((number, head))
    return due


def _asked(g: Greffier, url: str, number: int, head: log_store.Head) -> timestamp_store.StampedNote:
    try:
        token = tsa.request_token(url, head.note, timeout=TIMEOUT_S)
    except FormatError as error:
        raise SettingsError(str(error)) from None
    moment = tsa.describe_token(token).time
    if abs(moment - g.clock()) > _MAX_DIFFERENCE:
        raise tsa.NoToken(
            f"states {format_time(moment)}, more than an hour from our clock: look which of the two is wrong",
            field="time-stamping authority",
        )
    return timestamp_store.StampedNote(number, head.size, head.note, token, format_time(moment))


def _keep(g: Greffier, row: timestamp_store.StampedNote) -> bool:
    """False where another process was first."""
    try:
        with writing(g.engine) as conn:
            return timestamp_store.insert_timestamp(conn, row)
    except Exception as error:
        if not is_database_error(error):
            raise
        raise cannot_record(error) from error


def _said(row: timestamp_store.StampedNote) -> Stamp:
    facts = tsa.describe_token(row.token)
    return Stamp(row.log, row.size, row.time, facts.authority, str(facts.serial))


def _moment(row: timestamp_store.StampedNote) -> datetime:
    return datetime.strptime(row.time, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
