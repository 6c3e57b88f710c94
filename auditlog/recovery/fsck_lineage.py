"""A part of `fsck`: the tables of logs and of their keys against what the logs' own entries say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from auditlog.core.entries.lineage import Lineage
from auditlog.core.entries.record import parse_entry
from auditlog.core.errors import AuditLogError
from auditlog.core.formats.keyring import KeyRing, LogKey, key_digest
from auditlog.core.formats.note import parse_vkey
from auditlog.store.log import entry_table, head_table
from auditlog.store.logs import key_table, log_table
from auditlog.vault.check import Finding


@dataclass(slots=True)
class Lineages:
    """`lost`: number of a log → the size and root that its successor says were vouched for, where it states a loss.

    `ring`: all keys, with the sizes that the entries (not the rows) give them.
    """

    ring: KeyRing
    lost: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def check_lineages(conn: Connection, ring: KeyRing, logs: Iterable[tuple[int, str]]) -> Lineages:
    """Compare the tables with the entries of each log: (number, origin), oldest first. `ring`: the key file's."""
    result = Lineages(ring)
    told: dict[int, Mapping[str, Any]] = {}
    for number, origin in logs:
        found = _read(conn, number)
        if found.origin is not None:
            told[number] = {"origin": found.origin, "closed_at": found.closed_at}
            result.findings += [_wrong_origin(number)] if found.origin != origin else []
        result.findings += _compare_keys(conn, number, found)
        result.ring = _with_sizes(conn, result.ring, number, found)
        before = found.predecessor
        if before is not None and before.lost is not None and number - 1 in told:
            result.lost[number - 1] = (before.size, before.root)
            told[number - 1] = {**told[number - 1], "closed_at": _stored_size(conn, number - 1)}
    result.findings += _compare_logs(conn, told)
    return result


def _read(conn: Connection, number: int) -> Lineage:
    """What can be read; an entry that is damaged is a finding of the tree's own part."""
    found = Lineage()
    statement = select(entry_table.c.idx, entry_table.c.data).where(entry_table.c.log == number)
    for index, data in conn.execute(statement.order_by(entry_table.c.idx).execution_options(yield_per=1000)):
        try:
            found.add(index, parse_entry(bytes(data)))
        except (AuditLogError, TypeError):
            continue
    return found


def _stored_size(conn: Connection, number: int) -> int | None:
    where = (head_table.c.log == number, head_table.c.name == "integrated")
    return conn.execute(select(head_table.c.size).where(*where)).scalar_one_or_none()


def _wrong_origin(number: int) -> Finding:
    return Finding(f"auditlog_entry(log={number},idx=0)", "is the first entry of another log")


def _compare_logs(conn: Connection, told: Mapping[int, Mapping[str, Any]]) -> Iterator[Finding]:
    stored = {row["log"]: dict(row) for row in conn.execute(select(log_table)).mappings()}
    for number in sorted(told.keys() | stored.keys(), key=str):
        place = f"auditlog_log(log={number})"
        if number not in stored:
            yield Finding(place, "is missing, though the log is there")
        elif number not in told:
            yield Finding(place, "names a log whose first entry is not there")
        else:
            for name, value in told[number].items():
                if stored[number][name] != value:
                    yield Finding(f"{place}.{name}", "is not what the log's entries say")


def _with_sizes(conn: Connection, ring: KeyRing, number: int, found: Lineage) -> KeyRing:
    """The ring with what the entries of one log say of its keys; the keys themselves may stand in the rows alone."""
    keys = {key.vkey: key for key in ring.keys}
    for text in conn.execute(select(key_table.c.vkey).where(key_table.c.log == number)).scalars():
        try:
            vkey = parse_vkey(str(text))
        except AuditLogError:
            continue
        if key_digest(vkey) in found.keys:
            keys.setdefault(vkey, LogKey(vkey))
    return KeyRing(tuple(LogKey(key.vkey, *found.keys.get(key_digest(key.vkey), _sizes(key))) for key in keys.values()))


def _sizes(key: LogKey) -> tuple[int, int | None]:
    return key.valid_from, key.valid_until


def _compare_keys(conn: Connection, number: int, found: Lineage) -> Iterator[Finding]:
    due = dict(found.keys)
    statement = select(key_table).where(key_table.c.log == number).order_by(key_table.c.vkey)
    for row in conn.execute(statement).mappings():
        try:
            vkey = parse_vkey(str(row["vkey"]))
        except AuditLogError as error:
            yield Finding(f"auditlog_key(log={number}).vkey", f"is no verifier key: {error}")
            continue
        place = f"auditlog_key(log={number},vkey={vkey.key_id.hex()})"
        sizes = due.pop(key_digest(vkey), None)
        if sizes is None:
            yield Finding(place, "no rotation of the log names this key: it was added past the log")
        elif sizes[0] != row["valid_from"]:
            yield Finding(f"{place}.valid_from", "is not what the log's rotations say")
        elif sizes[1] != row["valid_until"]:
            yield Finding(f"{place}.valid_until", "is not what the log's rotations say")
    for digest in sorted(due):
        yield Finding(f"auditlog_key(log={number})", f"a rotation names the key {digest[:19]}…, and its row is missing")
