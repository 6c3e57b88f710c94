"""Samples that neither side can choose: begun with a hidden nonce, drawn with a root that a witness fixed later.

Nothing here opens content. The nonce is its owner's: the log has its hash until the draw, this installation never more.
"""

from __future__ import annotations

import uuid
from array import array
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from auditlog.core.checking import sample as rule
from auditlog.core.entries.record import Entry, format_time, parse_time
from auditlog.core.entries.vocabulary import PATTERNS
from auditlog.core.errors import FormatError, VerifyError
from auditlog.core.formats.checkpoint import open_checkpoint
from auditlog.core.formats.merkle import tree_root
from auditlog.core.formats.policy import cosigned_by
from auditlog.store import log as log_store
from auditlog.store import samples as store
from auditlog.writing.log import Sequenced, Unit
from home import policy_file
from home.errors import Refused, UnknownRecord, UsageError
from home.greffier import Greffier
from service.records import reading

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample: what was fixed at the beginning, and how far it is.

    `state`: "waiting" (for the witness), "ready" (to be drawn) or "drawn". `index`: of the entry that began it, in log
    `log`; `drawn`: of the one that drew it. `checkpoint`: size of the one that draws.
    """

    id: str
    state: str
    system: str | None
    log: int
    since: int
    until: int
    population: int
    count: int
    witness: str
    not_before: str
    index: int
    checkpoint: int | None
    drawn: int | None


@dataclass(frozen=True, slots=True)
class Chosen:
    """One decision that was drawn: its place in the draw (from 1), its index in the log, its id."""

    place: int
    index: int
    id: str


def begin(
    g: Greffier,
    *,
    count: int,
    witness: str,
    not_before: datetime,
    nonce_hash: str,
    system: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> Sample:
    """Record a sample of `count` decisions: those of `system` (or all), from minute `since` to before `until`.

    Their range in the log is from the first to the last one of that time: what was recorded between them belongs to
    it. Raises UsageError for what cannot be sampled.
    """
    if PATTERNS["hash"].fullmatch(nonce_hash) is None:
        raise UsageError("must be 64 lower-case hex digits: the SHA-256 of 32 random bytes", field="--nonce-hash")
    if format_time(not_before) <= format_time(g.clock()):
        raise UsageError("must lie in the future: a root that is known already is no surprise", field="--not-before")
    for name, minute in (("--since", since), ("--until", until)):
        _demand_minute(minute, name)
    if since is not None and until is not None and since >= until:
        raise UsageError("must be later than --since", field="--until")
    _demand_witness(g, witness)
    _demand_fresh(g, nonce_hash)
    first, end, number = _population(g, system, since, until)
    if not 1 <= count <= number:
        raise UsageError(f"must be 1 to {number}, the number of decisions to draw from", field="--count")
    entry = g.make(
        "sample/1",
        sample=str(uuid.uuid4()),
        stage="population",
        system=system,
        since=first,
        until=end,
        population=number,
        count=count,
        witness=witness,
        not_before=not_before,
        nonce=nonce_hash,
        checkpoint=None,
    )
    sample_id = str(entry.members["sample"])

    def rows(conn: Connection, sequenced: tuple[Sequenced, ...]) -> None:
        log, index = sequenced[0].place
        store.insert_sample(conn, store.SampleRow(sample_id, log, index, witness, str(entry.members["not_before"])))

    g.log.append(Unit((entry,), rows)).result()
    return find(g, sample_id)


def draw(g: Greffier, sample_id: str, nonce: bytes) -> list[Chosen]:
    """Reveal the nonce, record the draw, and say what was drawn.

    Raises UnknownRecord; Refused while there is no checkpoint to draw with, for another nonce, and for a second draw.
    """
    row = _row(g, sample_id)
    begun = _begun(g, row)
    if row.drawn is not None:
        raise Refused("was drawn already: run `greffier sample show`", reason="drawn", field="sample")
    if rule.nonce_hash(nonce) != begun.members["nonce"]:
        raise Refused("is not the one whose hash the log holds", reason="other_nonce", field="--nonce-file")
    if row.log != g.log.number:
        message = "began in a log that was closed before it was drawn: begin another one"
        raise Refused(message, reason="log_closed", field="sample")
    size, root = _checkpoint(g, row)
    drawn = {"stage": "draw", "nonce": nonce.hex(), "checkpoint": {"size": size, "root": root.hex()}}
    entry = g.make("sample/1", **{**begun.members, **drawn})

    def rows(conn: Connection, sequenced: tuple[Sequenced, ...]) -> None:
        if not store.mark_drawn(conn, sample_id, sequenced[0].index):
            raise Refused("was drawn meanwhile: run `greffier sample show`", reason="drawn", field="sample")

    g.log.append(Unit((entry,), rows)).result()
    return chosen(g, sample_id)


def find(g: Greffier, sample_id: str) -> Sample:
    """One sample; raises UnknownRecord."""
    row = _row(g, sample_id)
    return _sample(row, _begun(g, row))


def list_all(g: Greffier) -> list[Sample]:
    """All samples of this installation, oldest first."""
    with g.reading() as conn:
        many = store.list_samples(conn)
    return [_sample(row, _begun(g, row)) for row in many]


def chosen(g: Greffier, sample_id: str) -> list[Chosen]:
    """What a drawn sample holds, in the order of the draw, computed again from log, nonce and root.

    Raises UnknownRecord; Refused where it was not drawn yet.
    """
    row = _row(g, sample_id)
    if row.drawn is None:
        raise Refused("was not drawn yet", reason="not_drawn", field="sample")
    with g.reading() as conn:
        members: Any = reading.entry_at(conn, row.log, row.drawn).members
        entries = log_store.iterate_entries(conn, row.log, members["since"], members["until"])
        indices = rule.population(entries, members["system"])
        root = bytes.fromhex(members["checkpoint"]["root"])
        seed = rule.seed_of(bytes.fromhex(members["nonce"]), root)
        picked = rule.draw(seed, indices, members["count"])
        return [
            Chosen(place, index, reading.entry_at(conn, row.log, index).id) for place, index in enumerate(picked, 1)
        ]


def places(g: Greffier, sample_id: str) -> tuple[store.SampleRow, Entry]:
    """A sample's row (with the note that draws it), and the entry that began it. Raises UnknownRecord."""
    row = _row(g, sample_id)
    return row, _begun(g, row)


def _row(g: Greffier, sample_id: str) -> store.SampleRow:
    row = None
    if PATTERNS["id"].fullmatch(sample_id):
        with g.reading() as conn:
            row = store.find_sample(conn, sample_id)
    if row is None:
        raise UnknownRecord("no sample with this id here: see `greffier sample list`", field="sample")
    return row


def _begun(g: Greffier, row: store.SampleRow) -> Entry:
    with g.reading() as conn:
        return reading.entry_at(conn, row.log, row.idx)


def _sample(row: store.SampleRow, entry: Entry) -> Sample:
    members: Any = entry.members
    state = "drawn" if row.drawn is not None else "waiting" if row.note is None else "ready"
    stated = {name: members[name] for name in ("system", "since", "until", "population", "count")}
    return Sample(
        id=row.id,
        state=state,
        **stated,
        log=row.log,
        witness=row.witness,
        not_before=row.not_before,
        index=row.idx,
        checkpoint=row.size,
        drawn=row.drawn,
    )


def witnesses(g: Greffier) -> list[str]:
    """The names of the outside witnesses of the policy, one of which confirms what draws a sample."""
    return sorted({one.vkey.name for one in policy_file.read_policy(g).witnesses})


def _demand_witness(g: Greffier, witness: str) -> None:
    names = witnesses(g)
    if witness not in names:
        known = f"it names {', '.join(names)}" if names else "it names none"
        raise UsageError(f"must be the name of a witness of the policy; {known}", field="--witness")


def _demand_fresh(g: Greffier, nonce_hash: str) -> None:
    """A nonce that was revealed is known to those who write the log."""
    with g.reading() as conn:
        rows = store.list_samples(conn)
    if any(_begun(g, row).members["nonce"] == nonce_hash for row in rows):
        raise UsageError("was used for another sample: draw 32 new random bytes", field="--nonce-hash")


def _demand_minute(minute: str | None, option: str) -> None:
    try:
        if minute is not None:
            parse_time(minute)
    except FormatError:
        raise UsageError("must be a minute of the calendar, YYYY-MM-DDTHH:MMZ, or a date", field=option) from None


def _population(g: Greffier, system: str | None, since: str | None, until: str | None) -> tuple[int, int, int]:
    """Range of the log in force, and how many decisions belong to the population in it."""
    number = g.log.number
    with g.reading() as conn:
        entries = rule.sampled(log_store.iterate_entries(conn, number), system)
        dated = array("Q", (index for index, entry in entries if _within(entry.time, since, until)))
        if not dated:
            raise UsageError("no decision made on real people (live or pilot) to draw from", field="--system")
        first, end = dated[0], dated[-1] + 1
        if since is None and until is None:
            return first, end, len(dated)
        return first, end, len(rule.population(log_store.iterate_entries(conn, number, first, end), system))


def _within(minute: str, since: str | None, until: str | None) -> bool:
    return (since is None or minute >= since) and (until is None or minute < until)


def _checkpoint(g: Greffier, row: store.SampleRow) -> tuple[int, bytes]:
    """Size and root of the checkpoint that draws, which log and witness signed. Raises Refused while there is none."""
    if row.note is None:
        message = (
            f"no checkpoint yet that {row.witness} cosigned at {row.not_before} or later: `greffier serve` publishes "
            "by itself, `greffier log publish` at once"
        )
        raise Refused(message, reason="no_checkpoint", field="sample")
    found = open_checkpoint(row.note, g.keys, origin=g.settings.origin_of(row.log)).checkpoint
    policy = policy_file.read_policy(g)
    if row.witness not in rule.cosigned_at(policy, cosigned_by(policy, row.note)):
        raise VerifyError(f"names no key of {row.witness} that cosigned the checkpoint: put it back", field="policy")
    with g.reading() as conn:
        if tree_root(found.size, log_store.reader(conn, row.log, found.size)) != found.root:
            raise VerifyError("is not the root of this log at that size: run `greffier log fsck`", field="checkpoint")
    return found.size, found.root
