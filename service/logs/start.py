"""From an opened home to a log that records: at the start, and again by a server that began when it could not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from auditlog.core.errors import AuditLogError, CannotRecord, Erased, VaultError
from auditlog.store import log as log_store
from auditlog.store import vault as vault_store
from auditlog.writing.log import Unit
from home.greffier import Greffier
from service.erasing import erase
from service.logs import publish, rotation


def start(g: Greffier, *, ask: bool = True) -> None:
    """Start the log, and complete what a crash left: a rotation of keys, erasures (a restored backup undoes some, too).

    The witnesses are asked first: they alone can tell when database and guard were put back together. A command that
    only reads does not `ask`, since one that cannot be reached is waited for. Raises CannotRecord.
    """
    _demand_guard(g)
    if ask:
        publish.ask_at_start(g)
    g.log.start()
    try:
        with needed_to_record("guard"):
            rotation.tidy(g)
            erase.complete_pending(g)
        with needed_to_record():
            _demand_keys(g)
    except BaseException:
        g.log.close()
        raise


def _demand_guard(g: Greffier) -> None:
    """`init` made the guard. Where it is gone with all entries, to begin anew would be a second log of this name."""
    if g.log.number == 1 and not g.guard.exists():
        with g.reading() as conn:
            if log_store.read_head(conn, 1) is None:
                g.guard.require(g.log.origin)


def _demand_keys(g: Greffier) -> None:
    """Raise VaultError where the key of what was sealed last is not here: an older key store, or another one, would
    give out slots that are taken, and what has no key would pass for erased."""
    with g.reading() as conn:
        newest = vault_store.newest_sealed(conn, 1)
    for row in newest:
        try:
            g.record_keys.read(row.slot)
        except Erased:
            if row.slot not in g.ledger.slots():
                message = "lacks the key of what was sealed last, and no erasure ordered it: put back its replica"
                raise VaultError(message, field="key_store") from None


def recover(g: Greffier) -> None:
    """Try again what failed when the home was opened, and state that outage. Raises CannotRecord while it lasts."""
    problem, since = g.problem, g.problem_since
    if problem is None or since is None:
        return
    start(g)
    entry = g.make("outage/1", cause=problem.cause, began=since, ended=g.clock(), boot=None)
    try:
        g.log.append(Unit((entry,))).result()
    except BaseException:
        g.log.close()
        raise
    g.problem = g.problem_since = None


@contextlib.contextmanager
def needed_to_record(cause: str = "key_store") -> Iterator[None]:
    """Without its keys, its key store and its ledger of erasures an installation can record nothing."""
    try:
        yield
    except CannotRecord:
        raise
    except AuditLogError as error:
        raise CannotRecord(str(error), cause=cause) from error
