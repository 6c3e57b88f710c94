"""A new index key: every record gets its tags again, from the references that lie sealed in it.

1. `index.key.old` becomes a second name of the key in force, and `index.key` a new one. From here on every group is
   refused that was tagged under another key (`index_keys`), and look-ups ask under both keys.
2. Once the writer's turn has passed, all that follows has new tags. What is there already is opened and tagged anew, a
   batch a transaction, in the order of ids; how far that came is noted, so that a killed run goes on from there.
3. When all are done the old key is overwritten.

A record that does not open keeps its old tags, and the old key is kept with it until `log fsck` is content.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, delete, select

from auditlog.core.errors import AuditLogError, Erased, NotFound
from auditlog.recovery.rederive import tag_rows
from auditlog.store.engine import reading, writing
from auditlog.store.insert import Row, insert_rows
from auditlog.store.log import lock_log
from auditlog.store.vault import SealedRow, sealed_table, subject_table
from auditlog.vault.index_keys import FILE, OLD_FILE, SIZE, read_secret
from auditlog.vault.seal import Vault
from auditlog.writing import durable

BATCH: Final = 200
_PROGRESS: Final = "index.key.progress"


@dataclass(frozen=True, slots=True)
class Retagged:
    """How many records were tagged anew, by this run; how many were erased; how many do not open."""

    done: int
    erased: int
    unreadable: int


def is_begun(keys: Path) -> bool:
    """Whether a change of the index key waits for its end."""
    return (keys / OLD_FILE).exists()


def begin(keys: Path) -> None:
    """Step 1. A change that was begun is gone on with, whatever it had come to."""
    old = keys / OLD_FILE
    if not old.exists():
        read_secret(keys / FILE)
        old.hardlink_to(keys / FILE)
        durable.sync_folder(keys)
    if read_secret(old) == read_secret(keys / FILE):
        durable.replace(keys / FILE, secrets.token_bytes(SIZE), 0o600)


def retag(
    engine: Engine, vault: Vault, keys: Path, log: int, progress: Callable[[int], None] = lambda _done: None
) -> Retagged:
    """Steps 2 and 3. `log`: the number of the log in force. Raises NotFound where no change was begun, VaultError."""
    if not is_begun(keys):
        raise NotFound("no change of the index key was begun: give --new-key", field="retag")
    current, old = read_secret(keys / FILE), read_secret(keys / OLD_FILE)
    vault.use_index_keys(current, old)
    with writing(engine) as conn:
        lock_log(conn, log)  # who was writing under the former key is done now
    mark = hashlib.sha256(b"greffier/1/retag\0" + current).hexdigest()[:16]
    last = _read_progress(keys, mark)
    done = erased = unreadable = 0
    while True:
        with reading(engine) as conn:
            batch = _next(conn, last)
        if not batch:
            break
        anew: dict[str, list[Row]] = {}
        for row in batch:
            try:
                anew[row.id] = tag_rows(vault, vault.open_row(row))
            except Erased:
                erased += 1
            except AuditLogError:
                unreadable += 1
        with writing(engine) as conn:
            lock_log(conn, log)
            _replace(conn, anew)
        last, done = batch[-1].id, done + len(anew)
        durable.replace(keys / _PROGRESS, f"{mark} {last}\n".encode("ascii"), 0o600)
        progress(done)
    if not unreadable:
        durable.wipe(keys / OLD_FILE)
        vault.use_index_keys(current, None)
    (keys / _PROGRESS).unlink(missing_ok=True)
    durable.sync_folder(keys)
    return Retagged(done, erased, unreadable)


def _next(conn: Connection, last: str) -> list[SealedRow]:
    statement = select(sealed_table).where(sealed_table.c.id > last).order_by(sealed_table.c.id).limit(BATCH)
    return [SealedRow(row.id, row.slot, bytes(row.nonce), bytes(row.ciphertext)) for row in conn.execute(statement)]


def _replace(conn: Connection, anew: dict[str, list[Row]]) -> None:
    """Those that are still there: what was erased since the batch was read gets no tags back."""
    here = conn.execute(select(sealed_table.c.id).where(sealed_table.c.id.in_(list(anew)))).scalars().all()
    conn.execute(delete(subject_table).where(subject_table.c.id.in_(here)))
    insert_rows(conn, [row for id_ in here for row in anew[id_]])


def _read_progress(keys: Path, mark: str) -> str:
    """The last id that was done under this key, or an empty text, which is before every id."""
    try:
        found, _, last = (keys / _PROGRESS).read_text("ascii").removesuffix("\n").partition(" ")
    except (FileNotFoundError, UnicodeDecodeError):
        return ""
    return last if found == mark else ""
