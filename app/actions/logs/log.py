"""The log as operators and auditors handle it: health, export, full check, gaps, doctor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from app.access import account_told
from app.actions.cases import rebuild as cases
from app.actions.figures import figures_check, figures_sums
from app.actions.logs import policy_file, publish, timestamp
from app.actions.replaying import replay_health
from app.actions.systems import answers_told, incident_check, overdue, register_check
from app.errors import UnknownRecord
from app.home import Greffier
from auditlog.checking import gaps
from auditlog.checking.rules import LogRules
from auditlog.entries.record import Entry, OpaqueEntry, parse_entry
from auditlog.errors import AuditLogError, FormatError, VerifyError
from auditlog.formats.checkpoint import parse_checkpoint
from auditlog.formats.note import parse_note
from auditlog.recovery import export, fsck
from auditlog.store import log as log_store
from auditlog.vault.losses import Losses
from registry.errors import RegistryError
from registry.store import model_files as model_store
from runtime.errors import RuntimeFault
from runtime.models import weights

if TYPE_CHECKING:
    from sqlalchemy import Connection


_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
PlacedEntry = tuple[tuple[int, int], Entry | OpaqueEntry]


@dataclass(frozen=True, slots=True)
class Health:
    """Whether decisions can be recorded. `cause` is an outage cause code, `since` UTC to the minute."""

    recording: bool
    cause: str | None
    since: str | None
    size: int
    runtime: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `fsck` or `doctor` found: where, and what with its fix."""

    place: str
    message: str


def health(g: Greffier) -> Health:
    """State of the log and of the runtime, without touching either."""
    state = g.log.state()
    runtime = "running" if g.runtime.boot is not None else "not started"
    if g.problem is not None:
        return Health(False, g.problem.cause, None, state.size, runtime)
    since = state.since.strftime("%Y-%m-%dT%H:%MZ") if state.since else None
    return Health(state.recording, state.cause, since, state.size, runtime)


def export_log(g: Greffier, to: Path, *, number: int | None = None) -> int:
    """Write log `number` (by default the one in force) as a static tree that anyone can check; returns its size.

    One that may not be written (see `problem`) is exported as it stands, as evidence; else nothing above the guard.
    """
    number = g.log.number if number is None else number
    if number not in g.publishers:
        raise UnknownRecord(f"this installation has the logs 1 to {max(g.publishers)}", field="log")
    ring = g.keys.of(g.settings.origin_of(number))
    policy = policy_file.with_logs(policy_file.read_text(g), g.keys, g.settings.base_url)
    with g.reading() as conn:
        head = log_store.read_head(conn, number)
        if head is not None and g.problem is None:
            g.guard_of(number).wait_for(head.size)
        return export.export_log(conn, number, ring, to, policy=policy)


def check_all(g: Greffier) -> list[Finding]:
    """`log fsck`: every column of the log's tables, what the entries say together, register and figures against them.

    An empty list is a clean log.
    """
    ring = g.key_folder.ring()
    with g.reading() as conn:
        logs = [fsck.Checked(k, g.settings.origin_of(k), g.guard_of(k)) for k in sorted(g.publishers)]
        stored = fsck.fsck(conn, ring, logs, g.vault, ledger=g.ledger, stated=content_lost(g))
        found = [Finding(finding.place, finding.message) for finding in stored]
        rules = _Rules([(log.number, log.origin, _stated_root(conn, log.number)) for log in logs])
        told, accounts = figures_check.Told(), account_told.Newest()
        try:
            entries = accounts.watch(told.watch(rules.watch(_entries(conn, logs))))
            different = list(register_check.differences(conn, entries, g.models()))
        except (AuditLogError, RegistryError) as error:
            different = [(error.field or "registry", str(error))]
        else:
            different += figures_check.differences(g, conn, told, content_lost(g))
            different += figures_sums.differences(g, conn, told.sizes)
            different += cases.differences(conn, g.vault)
            different += incident_check.differences(conn, g.vault)
            different += account_told.differences(conn, accounts)
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


def read_gaps(g: Greffier, reached: Mapping[str, int] | None = None) -> gaps.Gaps:
    """Per boot and source: counters recorded, missing, refused, unfinished; and the silent hours, up to the present.

    `reached`: what the own counters of sources say.
    Raises CannotRecord where the database's head does not hold: then no list of entries is to be believed.
    """
    if g.problem is not None and g.problem.cause == "database":
        raise g.problem
    with g.reading() as conn:
        entries = (log_store.iterate_entries(conn, number) for number in sorted(g.publishers))
        return gaps.gaps(chain.from_iterable(entries), now=g.clock(), reached=reached)


def _stated_root(conn: Connection, number: int) -> bytes | None:
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


def remarks(g: Greffier) -> list[Finding]:
    """What is wrong and no outage: publication, witnesses, time stamps; replays that came out otherwise."""
    found = [Finding(place, message) for place, message in publish.findings(g)]
    found += [Finding("replay", message) for message in replay_health.warnings(g)]
    late = timestamp.late(g)
    return found if late is None else [*found, Finding("time stamp", late)]


def doctor(g: Greffier) -> list[Finding]:
    """What an operator should mend: guard beside the database, models missing or changed, keys readable by others."""
    found: list[Finding] = []
    if g.problem is not None:
        found.append(Finding("log", str(g.problem)))
    if g.guard.path.resolve().is_relative_to(g.home.resolve()):
        found.append(
            Finding("guard_dir", "lies in the same backup tree as the database: set guard_dir to another disk")
        )
    found += remarks(g)
    found += [
        Finding(f"keys/{path.name}", "is no key of log.vkey: of a rotation that was not recorded, or somebody else's")
        for path in g.key_folder.unlisted()
    ]
    if g.settings.fitness == "reported":
        message = "is reported: versions decide about people whatever their tests say; write enforced"
        found.append(Finding("fitness", message))
    if g.settings.four_eyes == "reported":
        message = "is reported: one account may make a system and approve it; write enforced"
        found.append(Finding("four_eyes", message))
    site = urlsplit(g.settings.base_url)
    if site.scheme != "https" and site.hostname not in _THIS_MACHINE:
        message = "is not https: passwords and sessions of staff can be read on the way"
        found.append(Finding("base_url", message))
    if g.profile is None:
        found.append(Finding("agency.json", "is missing: without names, address and rights no letter can be written"))
    found += [
        Finding(f"keys/{path.name}", "can be read by others: chmod 600")
        for path in sorted((g.home / "keys").iterdir())
        if path.suffix in {".key", ".keys"} and path.stat().st_mode & 0o077
    ]
    found += _model_findings(g)
    found += [Finding(place, message) for place, message in (*overdue.findings(g), *answers_told.findings(g))]
    return found


def _model_findings(g: Greffier) -> Iterator[Finding]:
    with g.reading() as conn:
        models = model_store.list_models(conn)
    for model in models:
        try:
            weights.open_model(g.models(), model.sha256).close()
        except RuntimeFault as error:
            yield Finding(f"models/{model.sha256[:12]}….gguf", str(error))
