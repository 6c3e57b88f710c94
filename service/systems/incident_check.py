"""What the rows of incidents say beyond their entries, against the sealed content: a part of `log fsck`.

What does not open says nothing: it was erased, or damaged, and the check of the vault says which.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from auditlog.core.entries.record import Entry, parse_entry
from auditlog.core.errors import AuditLogError
from auditlog.store.log import find_entry
from auditlog.store.vault import find_sealed
from auditlog.vault.seal import Vault
from registry.store import incidents as store

if TYPE_CHECKING:
    from sqlalchemy import Connection

_OF_ALL_STEPS = ("severity", "aware")
_OF_A_TELLING = ("recipient", "day", "reached")


def differences(conn: Connection, vault: Vault) -> Iterator[tuple[str, str]]:
    """(place, message) for every value of a step that is not what its content says, or not that of its incident."""
    of_all: dict[str, Mapping[str, Any]] = {}
    for place, row in sorted(store.stored_rows(conn).items()):
        said = _said(conn, vault, row["id"])
        # Content may be gone; the steps of an incident still have these in common.
        common = of_all.setdefault(row["incident"], {name: row[name] for name in _OF_ALL_STEPS})
        for name, value in {**common, **said}.items():
            if row[name] != value:
                yield f"registry_incident({place}).{name}", "is not what entry and content say"


def _said(conn: Connection, vault: Vault, id_: str) -> dict[str, Any]:
    """The columns of a step that its content tells."""
    sealed, stored = find_sealed(conn, id_), find_entry(conn, id_)
    entry = None if stored is None else parse_entry(stored.data)
    if sealed is None or not isinstance(entry, Entry):
        return {}
    try:
        values: Any = vault.open_row(sealed, entry, conn=conn).values
    except AuditLogError:
        return {}
    facts, told = values.get("facts"), values.get("told")
    if told is not None:
        return {**_named(told, (*_OF_A_TELLING, "account")), "reached": int(told["reached"])}
    if facts is not None:
        return {**dict.fromkeys(_OF_A_TELLING), **_named(facts, (*_OF_ALL_STEPS, "account"))}
    return {}


def _named(content: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: content[name] for name in names if name in content}
