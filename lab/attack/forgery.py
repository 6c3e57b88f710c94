"""What an operator can do past the program: to the database, to guard and keys, and with the log's own private keys."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from auditlog.core.entries.record import Entry, parse_entry, parse_time
from auditlog.core.entries.record import make_entry as _make
from auditlog.core.formats.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from auditlog.core.formats.merkle import leaf_hash, root_hash
from auditlog.core.formats.note import Note, Signer, format_note, parse_note
from auditlog.core.formats.tiles import grow
from auditlog.store.engine import open_engine, writing
from auditlog.store.witness import create_tables, read_keys, read_ledger, replace_keys
from auditlog.writing.guard import Guard
from auditlog.writing.keys import KeyFolder
from home.greffier import guard_name
from lab.attack.scene import NAME

DATABASE: Final = "greffier.db"
# Rows that name an entry's place follow it (first out of the way, since a place is held once); what has no entry goes.
_PLACED: Final = ("decision", "review", "about", "event", "source", "tally", "publication", "sample")
_KEYED: Final = (*((name, "id") for name in (*_PLACED, "sealed", "subject")), ("idempotency", "record"))
_ROWS_TO_MATCH: Final = (
    *(f"UPDATE auditlog_{name} SET idx = -1 - idx" for name in _PLACED),
    *(f"UPDATE auditlog_{name} AS r SET idx = e.idx FROM auditlog_entry AS e WHERE e.id = r.id" for name in _PLACED),
    "UPDATE auditlog_decision AS r SET n = json_extract(CAST(e.data AS TEXT), '$.n') "
    "FROM auditlog_entry AS e WHERE e.id = r.id",
    *(f"DELETE FROM auditlog_{name} WHERE {key} NOT IN (SELECT id FROM auditlog_entry)" for name, key in _KEYED),
)


def origin(number: int = 1) -> str:
    """The name of one of Waterveen's logs."""
    return f"{NAME}/{number}"


@contextlib.contextmanager
def database(home: Path) -> Iterator[sqlite3.Connection]:
    """Past every trigger and constraint."""
    with contextlib.closing(sqlite3.connect(home / DATABASE)) as conn:
        conn.execute("PRAGMA foreign_keys=OFF")
        conn.execute("PRAGMA ignore_check_constraints=ON")
        for name in ("update", "delete"):
            conn.execute(f"DROP TRIGGER IF EXISTS auditlog_entry_no_{name}")
        yield conn
        conn.commit()


def execute(home: Path, statement: str, *values: Any) -> None:
    """One statement past the program."""
    with database(home) as conn:
        if not conn.execute(statement, values).rowcount:
            raise RuntimeError(f"this attack found nothing to change: {statement}")


def entries(home: Path, number: int = 1) -> list[bytes]:
    """Every entry of a log, in order."""
    with database(home) as conn:
        rows = conn.execute("SELECT data FROM auditlog_entry WHERE log = ? ORDER BY idx", (number,))
        return [bytes(row[0]) for row in rows]


def note(home: Path, number: int = 1, name: str = "integrated") -> bytes:
    """A stored checkpoint."""
    with database(home) as conn:
        row = conn.execute("SELECT note FROM auditlog_head WHERE log = ? AND name = ?", (number, name)).fetchone()
        return bytes(row[0])


def signers(home: Path, number: int = 1) -> tuple[Signer, ...]:
    """The operator's private keys."""
    return KeyFolder(home / "keys").signers(origin(number))


def rewrite(home: Path, data: Sequence[bytes], number: int = 1, *, by: Sequence[Signer] | None = None) -> bytes:
    """Another history in the place of a log's, truly signed, with tiles and guard to match. Returns the checkpoint."""
    hashes = [leaf_hash(one) for one in data]
    signed = sign_checkpoint(Checkpoint(origin(number), len(data), root_hash(hashes)), by or signers(home, number))
    with database(home) as conn:
        conn.execute("DELETE FROM auditlog_entry WHERE log = ?", (number,))
        conn.execute("DELETE FROM auditlog_tile WHERE log = ?", (number,))
        for index, one in enumerate(data):
            entry = parse_entry(one)
            conn.execute(
                "INSERT INTO auditlog_entry (log, idx, id, data) VALUES (?, ?, ?, ?)", (number, index, entry.id, one)
            )
        for level, index, content in grow(0, {}, hashes).tiles:
            conn.execute(
                "INSERT INTO auditlog_tile (log, level, idx, hashes) VALUES (?, ?, ?, ?)",
                (number, level, index, content),
            )
        conn.execute("UPDATE auditlog_head SET size = ?, note = ? WHERE log = ?", (len(data), signed, number))
        for statement in _ROWS_TO_MATCH:
            conn.execute(statement)
    without_guard(home, number)
    return signed


def edited(data: bytes, **changes: Any) -> bytes:
    """The same entry with other members, in its proper form."""
    entry = parse_entry(data)
    if not isinstance(entry, Entry):
        raise TypeError("only known kinds are edited")
    members: dict[str, Any] = {**entry.members, **changes}
    moment = members.pop("time", None) or parse_time(entry.time)
    id_ = members.pop("id", entry.id)
    return _make(entry.kind, id=id_, agency=entry.agency, time=moment, **members).data


def position(data: Sequence[bytes], wanted: Callable[[Entry], bool]) -> int:
    """The last entry that is wanted."""
    found = [i for i, one in enumerate(data) if isinstance(entry := parse_entry(one), Entry) and wanted(entry)]
    return found[-1]


def with_note(home: Path, made: bytes, number: int = 1) -> None:
    """Both stored checkpoints replaced by this one."""
    size = parse_checkpoint(parse_note(made).text).size
    with database(home) as conn:
        conn.execute("UPDATE auditlog_head SET size = ?, note = ? WHERE log = ?", (size, made, number))


def stripped(made: bytes, type_: int) -> bytes:
    """The note without the signatures of one type. Key ids do not tell the type: the blob's length does."""
    parsed = parse_note(made)
    lines = tuple(line for line in parsed.signatures if (len(line.blob) > 100) != (type_ == 0x06))
    return format_note(Note(parsed.text, lines))


# --- guard, older copies, the witness's memory ------------------------------------------------------------------------


def without_guard(home: Path, number: int = 1) -> None:
    """The guard made anew for what the database says now."""
    path = home / "guard" / guard_name(number)
    path.unlink(missing_ok=True)
    checkpoint = parse_checkpoint(parse_note(note(home, number)).text)
    Guard(path).create(origin(number), size=checkpoint.size, root=checkpoint.root)


def restore(home: Path, older: Path, *names: str) -> None:
    """Files and folders of the home put back from an older copy; the database always."""
    for path in home.glob(f"{DATABASE}*"):
        path.unlink()
    for path in older.glob(f"{DATABASE}*"):
        shutil.copy2(path, home)
    for name in names:
        target = home / name
        if target.is_dir():
            shutil.rmtree(target)
            shutil.copytree(older / name, target)
        else:
            target.unlink(missing_ok=True)
            shutil.copy2(older / name, target)


def forget_witness(archive: Path) -> None:
    """The witness begins anew under its old keys, with an empty memory: only whoever runs it can do that."""
    path, counter = archive / "witness.db", archive / "keys" / "witness.counter"
    engine = open_engine(f"sqlite:///{path}")
    with writing(engine) as conn:
        ledger, ring = read_ledger(conn), read_keys(conn)
    engine.dispose()
    if ledger is None:
        raise RuntimeError("there is no witness to forget")
    line = Guard(counter).read_line()
    if line is None:
        raise RuntimeError("there is no counter to put back")
    for one in archive.glob("witness.db*"):
        one.unlink()
    counter.unlink()
    digest = sha256(ledger.vkeys.encode()).digest()
    engine = open_engine(f"sqlite:///{path}")
    with writing(engine) as conn:
        create_tables(conn, ledger.vkeys, digest)
        for name in ring.origins:
            replace_keys(conn, name, ring.of(name).keys)
    engine.dispose()
    Guard(counter).create(line.origin, size=0, root=digest)
