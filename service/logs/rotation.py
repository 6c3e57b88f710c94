"""New keys for the log in force: for a time both pairs sign, then the old pair is retired and destroyed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from auditlog.core.formats.keyring import KeyRing, LogKey, key_digest
from auditlog.store import log as log_store
from auditlog.store import logs as logs_store
from auditlog.writing.log import Sequenced, Unit
from home import policy_file
from home.errors import Refused
from home.greffier import Greffier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from auditlog.core.formats.note import VerifierKey


def begin(g: Greffier) -> tuple[VerifierKey, ...]:
    """Make a new pair of keys and record it; from the next checkpoint on both pairs sign. Returns the new public keys.

    A pair that a crash left unrecorded is taken first. Raises Refused while a rotation is under way, CannotRecord.
    """
    before = g.keys
    if _doubled(before, g.log.origin):
        raise Refused(
            "is under way: give the new log.vkey to all who check this log, then run `greffier log rotate --finish`",
            reason="rotation_under_way",
            field="rotation",
        )
    added = g.key_folder.prepare(g.log.origin, before.vkeys)

    def rows(conn: Connection, sequenced: tuple[Sequenced, ...]) -> None:
        _demand_unchanged(conn, before)
        logs_store.add_keys(conn, g.log.number, added, valid_from=sequenced[0].index + 1)

    g.log.append(Unit((g.make("rotation/1", added=[key_digest(key) for key in added], retired=[]),), rows)).result()
    tidy(g)
    return added


def finish(g: Greffier) -> tuple[VerifierKey, ...]:
    """Retire the older pair and destroy its private keys. Returns the retired public keys, which stay known for ever.

    Raises Refused unless both pairs sign now, and a checkpoint with both was published: from it, whoever knows only the
    old keys can go on to the new ones.
    """
    before = g.keys
    doubled = _doubled(before, g.log.origin)
    if not doubled:
        raise Refused("none is under way: begin with `greffier log rotate`", reason="no_rotation", field="rotation")
    newest = max(key.valid_from for key in doubled)
    with g.reading() as conn:
        published = log_store.read_head(conn, g.log.number, "published")
    if published is None or published.size < newest:
        raise Refused(
            "no checkpoint that both pairs signed is published yet: run `greffier log publish`, then try again",
            reason="overlap_not_published",
            field="rotation",
        )
    retired = tuple(key.vkey for key in doubled if key.valid_from < newest)

    def rows(conn: Connection, sequenced: tuple[Sequenced, ...]) -> None:
        _demand_unchanged(conn, before)
        logs_store.retire_keys(conn, g.log.number, retired, valid_until=sequenced[0].index + 1)

    g.log.append(Unit((g.make("rotation/1", added=[], retired=[key_digest(key) for key in retired]),), rows)).result()
    tidy(g)
    return retired


def tidy(g: Greffier) -> None:
    """Bring `log.vkey` and policy file to what the log says of its keys; destroy private keys that were retired.

    Also at each start, since a crash may have come between a rotation's entry and this.
    """
    ring = g.keys
    if g.key_folder.ring() != ring:
        g.key_folder.write_ring(ring)
    policy_file.tidy(g)
    g.key_folder.destroy([key.vkey for key in ring.keys if key.valid_until is not None])


def _doubled(ring: KeyRing, origin: str) -> Sequence[LogKey]:
    """The keys that sign now, where there is more than one of a type; else none."""
    valid = [key for key in ring.of(origin).keys if key.valid_until is None]
    return valid if max(Counter(key.vkey.type for key in valid).values()) > 1 else ()


def _demand_unchanged(conn: Connection, before: KeyRing) -> None:
    """Asked with the turn to write: two rotations at once would retire a key twice, which no audit lets pass."""
    if logs_store.with_rotations(conn, before) != before:
        raise Refused(
            "was changed by another process at this moment: look at log.vkey, then try again",
            reason="rotation_under_way",
            field="rotation",
        )
