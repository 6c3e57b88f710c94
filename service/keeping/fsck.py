"""`log fsck`: the log, its tables, register, cases and figures held against each other and against the entries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from accounts import log_check
from auditlog.core.checking.rules import LogRules
from auditlog.core.entries.record import Entry, OpaqueEntry, parse_entry
from auditlog.core.errors import AuditLogError, FormatError, VerifyError
from auditlog.core.formats.checkpoint import parse_checkpoint
from auditlog.core.formats.note import parse_note
from auditlog.recovery import fsck
from auditlog.store import log as log_store
from auditlog.vault.losses import Losses
from home.greffier import Greffier
from registry.errors import RegistryError
from service.cases import rebuild as cases
from service.figures import check, sums
from service.systems import incident_check, register_check

if TYPE_CHECKING:
    from sqlalchemy import Connection


PlacedEntry = tuple[tuple[int, int], Entry | OpaqueEntry]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `fsck` or `doctor` found: where, and what with its fix."""

    place: str
    message: str


def check_all(g: Greffier) -> list[Finding]:
    """`log fsck`: every column of the log's tables, what the entries say together, register and figures against them.

    An empty list is a clean log.
    """
    ring = g.key_folder.ring()
    with g.reading() as conn:
        logs = [fsck.Checked(k, g.settings.origin_of(k), g.guard_of(k)) for k in sorted(g.publishers)]
        stored = fsck.fsck(conn, ring, logs, g.vault, ledger=g.ledger, stated=content_lost(g))
        found = [Finding(finding.place, finding.message) for finding in stored]
        rules = _Rules([(log.number, log.origin, _head_root(conn, log.number)) for log in logs])
        told, accounts = check.LoggedTallies(), log_check.Newest()
        try:
            entries = accounts.watch(told.watch(rules.watch(_entries(conn, logs))))
            different = list(register_check.differences(conn, entries, g.models()))
        except (AuditLogError, RegistryError) as error:
            different = [(error.field or "registry", str(error))]
        else:
            different += check.differences(g, conn, told, content_lost(g))
            different += sums.differences(g, conn, told.sizes)
            different += cases.differences(conn, g.vault)
            different += incident_check.differences(conn, g.vault)
            different += log_check.differences(conn, accounts)
    return found + [Finding(place, message) for place, message in rules.broken + different]


def content_lost(g: Greffier) -> dict[str, str]:
    """Records whose content an import could not give back, and when that was stated: entry and proof hold."""
    return Losses(g.guard.path.parent).read()


class _Rules:
    """The rules between entries, applied to a stream on its way; `broken` holds the first one that was broken."""

    def __init__(self, logs: Sequence[tuple[int, str, bytes | None]]) -> None:
        self._logs = {number: (origin, root) for number, origin, root in logs}
        self._number = 0
        self._rules: LogRules | None = None
        self.broken: list[tuple[str, str]] = []

    def watch(self, entries: Iterator[PlacedEntry]) -> Iterator[PlacedEntry]:
        """The same entries; what follows a broken rule is not judged."""
        for place, entry in entries:
            if not self.broken:
                self._judge(*place, entry)
            yield place, entry

    def _judge(self, number: int, index: int, entry: Entry | OpaqueEntry) -> None:
        try:
            if self._rules is None or number != self._number:
                if self._rules is not None:
                    self._rules.finish(self._logs[self._number][1])
                self._rules, self._number = LogRules(self._logs[number][0], self._rules), number
            self._rules.add(index, entry)
        except VerifyError as error:
            place = error.field or f"entry {index}"
            self.broken.append((place if number == 1 else f"log {number}, {place}", str(error)))


def _head_root(conn: Connection, number: int) -> bytes | None:
    """The root that the stored head states; whether it holds is the tree's part of the check."""
    head = log_store.read_head(conn, number)
    try:
        return None if head is None else parse_checkpoint(parse_note(head.note).text).root
    except FormatError:
        return None


def _entries(conn: Connection, logs: Sequence[fsck.Checked]) -> Iterator[PlacedEntry]:
    """Every entry of this snapshot, log after log, whoever wrote it; raises FormatError where one is damaged."""
    for log in logs:
        for index, data in log_store.iterate_entries(conn, log.number):
            yield (log.number, index), parse_entry(data)
