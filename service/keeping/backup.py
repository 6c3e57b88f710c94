"""`greffier backup`: one file with what cannot be made again, while the server goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from auditlog.core.entries.record import format_time
from auditlog.core.errors import FormatError
from auditlog.store.backup import Manifest, Progress, SavedLog, write_backup
from auditlog.store.files import heads
from home.errors import UsageError
from home.greffier import Greffier
from service.keeping import migrate
from service.records import reading

if TYPE_CHECKING:
    from sqlalchemy import Connection

SOFTWARE: Final = "greffier 0.1.0"


@dataclass(frozen=True, slots=True)
class Written:
    """A backup: its size in bytes, its SHA-256 (hexadecimal), and what it says of itself."""

    bytes: int
    sha256: str
    manifest: Manifest


def write(g: Greffier, to: Path, progress: Progress = lambda _table, _done, _all: None) -> Written:
    """Write a backup of one moment to a new file. Raises UsageError where there is a file, or none can be written.

    What is left out, and why, says `auditlog.store.backup`. Record keys, signing keys, guard and ledger are not in it:
    they are kept apart from it.
    """
    try:
        if to.exists():
            raise UsageError("is there already: a backup is never written over; name another file", field="--to")
        with g.reading() as conn:
            manifest = write_backup(conn, to, lambda counts: _manifest(g, conn, counts), progress)
        with to.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Written(to.stat().st_size, digest, manifest)
    except FormatError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}; name another place", field="--to") from error


def _manifest(g: Greffier, conn: Connection, counts: Mapping[str, int]) -> Manifest:
    logs = []
    for number in sorted(heads(conn)):
        head, checkpoint = reading.head(g, conn, log=number)
        logs.append(SavedLog(number, checkpoint.origin, head.size, checkpoint.root.hex()))
    return Manifest(
        created=format_time(g.clock()),
        software=SOFTWARE,
        revision=migrate.head(),
        agency=g.settings.agency,
        origin=g.settings.origin,
        payloads=g.settings.payload_store,
        logs=tuple(logs),
        tables=counts,
    )
