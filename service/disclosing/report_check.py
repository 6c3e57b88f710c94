"""A published report against a log: of this installation, or exported, when nothing else is left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from auditlog.core.entries.record import Entry, parse_entry
from auditlog.store import log as log_store
from home.errors import UsageError
from home.greffier import Greffier
from reports.proofs import parse_proven, verify_alone
from reports.recount import Recounted, recount_report
from service.logs import gaps, trust


def read_report(path: Path) -> bytes:
    """The file's bytes. Raises UsageError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", field="FILE") from None


def verify_file(data: bytes, vkey: Path | None) -> Recounted | None:
    """A file that brings its entries and proofs, checked from itself alone, under these keys (None: those it brings).

    None where `data` is no such file. Raises TwinError, UsageError for a key file that is none.
    """
    proven = parse_proven(data)
    if proven is None:
        return None
    return verify_alone(proven, None if vkey is None else trust.read_keys(vkey))


def report_in(data: bytes) -> bytes:
    """The report's own bytes: of a file that brings proofs, the report in it."""
    proven = parse_proven(data)
    return data if proven is None else proven.report


def verify_at_home(g: Greffier, data: bytes) -> Recounted:
    """Against all logs of this installation. Raises TwinError."""
    ends = dict.fromkeys(sorted(g.publishers)) | {g.log.number: g.log.state().size}

    def entries() -> Iterator[Entry]:
        with g.reading() as conn:
            for number, end in sorted(ends.items()):
                for _, stored in log_store.iterate_entries(conn, number, 0, end):
                    entry = parse_entry(stored)
                    if isinstance(entry, Entry):
                        yield entry

    return recount_report(data, entries())


def verify_exported(data: bytes, logs: Sequence[Path], vkey: Path | None) -> Recounted:
    """Against exported logs, earlier ones first, each checked under these keys (None: those that it brings itself).

    Raises TwinError, UsageError for what is no export, VerifyError where one does not hold.
    """

    def entries() -> Iterator[Entry]:
        for folder in logs:
            yield from gaps.known_entries(folder, vkey)

    return recount_report(data, entries())
