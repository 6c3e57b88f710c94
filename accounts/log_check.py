"""Accounts against what the log tells of them: who may do what, and the four eyes, rest on these rows.

Each change of an account is an `account/1` entry, in the transaction that writes the row. In it stand what was done,
the role, a name of the account that is random and used for the log alone, and a digest of the row. A salt, drawn anew
with each change, stands in the row alone: without it the digest says nothing about anybody.
"""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from accounts import account_table
from accounts.account import Account
from accounts.account_table import LoggedAs
from auditlog.core.entries.record import Entry, OpaqueEntry, parse_entry
from auditlog.store import log as log_store
from auditlog.writing.log import Unit
from home.greffier import Greffier

if TYPE_CHECKING:
    from sqlalchemy import Connection

KIND: Final = "account/1"
Placed = tuple[tuple[int, int], Entry | OpaqueEntry]
_COLUMNS: Final = ("id", "login", "name", "role", "systems", "created", "ends", "ended", "salt")


def record(g: Greffier, account: Account, action: str, rows: Callable[[Connection, LoggedAs], None]) -> None:
    """Write rows and entry of a change in one unit. `account`: as it is from now on; `rows` gets what it must keep.

    Raises what `rows` raises, and CannotRecord; then nothing was changed.
    """
    with g.reading() as conn:
        before = account_table.pseudonym_of(conn, account.id)
    told = LoggedAs(before or str(uuid.uuid4()), secrets.token_hex(32))
    digest = row_digest({"id": account.id, **account_table.columns(account, told)})
    entry = g.make(KIND, action=action, role=account.role, account=told.pseudonym, row=digest)
    g.log.append(Unit((entry,), lambda conn, _: rows(conn, told))).result()


def row_digest(row: Mapping[str, Any]) -> str:
    """`sha256:…` of a row of `access_account`, as its newest entry has it: canonical JSON of all columns but the name
    that the log uses. A value that no column may hold has a digest as well, and no entry's."""
    told = {name: _plain(row.get(name)) for name in _COLUMNS}
    text = json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return f"sha256:{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


@dataclass
class Newest:
    """What the log told last of each account: pseudonym → members of the entry."""

    entries: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def watch(self, entries: Iterable[Placed]) -> Iterator[Placed]:
        """The same entries of every log, oldest first, read on their way."""
        for place, entry in entries:
            if isinstance(entry, Entry) and entry.kind == KIND:
                self.entries[entry.members["account"]] = entry.members
            yield place, entry


def differences(conn: Connection, newest: Newest) -> Iterator[tuple[str, str]]:
    """(place, message) for every account that was added, changed or taken away past the log: a part of `log fsck`.

    An account that has ended before the log told of accounts opens nothing, and is not asked for.
    """
    there = set()
    for row in account_table.all_rows(conn):
        place = f"access_account({row['id']})"
        entry = newest.entries.get(row["pseudonym"])
        there.add(row["pseudonym"])
        if entry is None and row["pseudonym"] is None and row["ended"] is not None:
            continue
        if entry is None:
            yield (
                place,
                "no entry of the log tells of it: it was added past the log, or before the log told of accounts. If it "
                "is one of yours, confirm it with `greffier account change LOGIN --role ROLE`; else end it",
            )
        elif entry["row"] != row_digest(row):
            yield place, "is not what the log tells of it: it was changed past the log"
    for pseudonym, entry in sorted(newest.entries.items()):
        if pseudonym not in there and entry["action"] != "lost":
            place = f"access_account(pseudonym={pseudonym})"
            yield place, "the log tells of it, but the row is missing: restore the database from a good backup"


def state_lost(g: Greffier) -> int:
    """After an import: the log says which accounts the new database has not; returns how many. Raises CannotRecord."""
    newest = Newest()
    with g.reading() as conn:
        for number in sorted(g.publishers):
            for index, data in log_store.iterate_entries(conn, number):
                for _ in newest.watch([((number, index), parse_entry(data))]):
                    pass
        there = {row["pseudonym"] for row in account_table.all_rows(conn)}
    lost = [one for name, one in newest.entries.items() if name not in there and one["action"] != "lost"]
    for one in lost:
        entry = g.make(KIND, action="lost", role=one["role"], account=one["account"], row=None)
        g.log.append(Unit((entry,))).result()
    return len(lost)


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, int | str) else repr(value)
