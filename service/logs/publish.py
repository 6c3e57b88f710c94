"""The log's public view: the published checkpoint, tiles below it, bundles where the agency allows; and publishing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from auditlog.core.errors import AuditLogError
from auditlog.core.formats.merkle import prove_consistency
from auditlog.core.formats.policy import Policy
from auditlog.core.formats.tiles import parse_entries_path, parse_tile_path
from auditlog.peers.ask_witnesses import ask_witnesses
from auditlog.peers.cosign import Cosigner
from auditlog.store import log as log_store
from auditlog.store.engine import cannot_record, is_database_error
from auditlog.writing.guard import Guard
from auditlog.writing.publish import PublicState, Publisher
from home import policy_file
from home.errors import AppError, Refused, UnknownRecord
from home.greffier import Clock, Greffier
from home.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine


def checkpoint(g: Greffier, k: int) -> bytes:
    """The published checkpoint of log `k` as a signed note; raises UnknownRecord for another log."""
    return _publisher(g, k).checkpoint()


def tile(g: Greffier, k: int, path: str) -> bytes:
    """A tile by its tlog-tiles path (`tile/…`); raises FormatError or NotFound."""
    return _publisher(g, k).tile(parse_tile_path(path))


def entries(g: Greffier, k: int, path: str) -> bytes:
    """An entry bundle by its path; refused unless the agency publishes its entries."""
    publisher = _publisher(g, k)
    if not g.settings.entries_public:
        raise Refused("this agency gives entry bundles to auditors only", reason="entries_not_public", field="path")
    index, width = parse_entries_path(path)
    return publisher.entries(index, width)


def make_publishers(
    home: Path, settings: Settings, engine: Engine, guards: Mapping[int, Guard], clock: Clock
) -> dict[int, Publisher]:
    """A publisher for each log (number → its guard). They ask the same witnesses, by the same settings."""
    asking = cosigner(home, settings)
    pace, republish = settings.publish_pace_s, settings.republish_s
    return {
        number: Publisher(engine, number, pace, guard=guard, cosigner=asking, republish=republish, clock=clock)
        for number, guard in guards.items()
    }


def cosigner(home: Path, settings: Settings) -> Cosigner:
    """Asks the witnesses of the home's policy file, as it stands each time; without a file there are none."""

    def policy() -> Policy:
        return policy_file.parse(policy_file.read_file(home / settings.policy_file))

    return Cosigner(policy, timeout_s=settings.witness_timeout_s, grace_s=settings.witness_grace_s)


def advance(g: Greffier, *, at_once: bool = False) -> bool:
    """Publish what is due of every log here (frozen ones too), `at_once` without waiting for the pace; whether any was.

    Nothing of a log that may not be written is published. Raises SettingsError for a policy that cannot be read,
    CannotRecord for a database that cannot.
    """
    if g.problem is not None:
        raise g.problem
    moved, failed = False, None
    # The log in force first: what is wrong with an old one must not hold it up.
    for _, publisher in sorted(g.publishers.items(), reverse=True):
        try:
            moved |= publisher.advance(at_once=at_once)
        except (AppError, AuditLogError) as error:
            failed = failed or error
        except Exception as error:
            if not is_database_error(error):
                raise
            raise cannot_record(error) from error
    if failed is not None:
        raise failed
    return moved


def try_advance(g: Greffier) -> str | None:
    """As `advance`, for the server: None where all is as the policy demands, else what is wrong, in one line."""
    try:
        advance(g)
        return next((message for _, message in findings(g)), None)
    except (AppError, AuditLogError) as error:
        return str(error)


def state(g: Greffier) -> PublicState:
    """How far the public view of the log in force is. Raises SettingsError for a policy that cannot be read."""
    return g.publisher.state()


def findings(g: Greffier) -> Iterator[tuple[str, str]]:
    """(place, message) for what keeps the log in force from being published as its policy demands.

    Who is missing is known to the process that publishes; from the database alone one sees that a quorum is.
    """
    try:
        now = state(g)
    except (AppError, AuditLogError) as error:
        yield "publish", f"nothing is published, since the policy cannot be used: {error}"
        return
    if not policy_file.is_there(g):
        yield (
            "policy_file",
            "is missing, so no witness is asked: put it back from a backup; for no witness write `quorum none` into it",
        )
    if now.refuted:
        who = ", ".join(now.refuted)
        yield (
            "witness",
            f"{who}: has cosigned another tree of this log, or a larger one; run `greffier log fsck` at once",
        )
    if now.since is not None or (not now.met and g.publisher.policy().quorum is not None):
        since = "" if now.since is None else f" since {now.since.strftime('%Y-%m-%dT%H:%MZ')}"
        why = "; ".join(f"{name} {reason}" for name, reason in now.missing.items()) or "run `greffier log publish`"
        yield "publish", f"the quorum of the policy is lacking{since}: {why}"
    fresh, limit = now.fresh, 3 * g.settings.republish_s
    if now.met and fresh is not None and g.clock().timestamp() - fresh > limit and not g.publisher.ended():
        yield (
            "publish",
            f"the cosignatures are older than {limit} seconds: start `greffier serve`, or run `greffier log publish`",
        )


def ask_at_start(g: Greffier) -> None:
    """Ask the witnesses whether they know more of the log in force than its database. Raises GuardError if they do.

    A policy that cannot be read hinders no start: nothing is published then, and `findings` says so.
    """
    try:
        policy = g.publisher.policy()
    except (AppError, AuditLogError):
        return
    number, origin = g.log.number, g.log.origin
    with g.reading() as conn:
        integrated = log_store.read_head(conn, number)
        published = log_store.read_head(conn, number, "published")
    head = published or integrated
    if head is None or integrated is None or policy.quorum is None:
        return

    def prove(old: int) -> tuple[bytes, ...]:
        with g.reading() as conn:
            return prove_consistency(old, head.size, log_store.reader(conn, number, head.size))

    timeout_s = g.settings.witness_timeout_s
    ask_witnesses(policy, g.keys, origin, head, size=integrated.size, prove=prove, timeout_s=timeout_s)


def _publisher(g: Greffier, k: int) -> Publisher:
    if k not in g.publishers:
        raise UnknownRecord("this installation has no log with this number", field="log")
    return g.publishers[k]
