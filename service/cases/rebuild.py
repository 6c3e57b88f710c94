"""Rows of requests and first judgements, as entries and sealed content make them: for a database that is built anew,
and for the full check of one that is there.

What does not open makes no row: its key is gone, or it was damaged, and the check of the vault says which.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from auditlog.core.entries.record import Entry, parse_entry
from auditlog.core.errors import AuditLogError
from auditlog.recovery.salvage import copy_rows
from auditlog.store.erasures import erased_among, with_content
from auditlog.store.log import find_entry
from auditlog.store.record_events import accesses_for, ids_of
from auditlog.store.replacement import Old
from auditlog.store.rollup import ids_of_kind
from auditlog.store.vault import find_sealed
from auditlog.vault.seal import Opened, Vault
from casework.request import Request, after, received_as
from casework.store import requests as store
from casework.store import secrets, work
from casework.store.tables import code_table, request_table, tracking_table
from casework.store.work import Judgement
from service.cases.first_judgement import SCOPE
from service.cases.request_steps import KIND, facts

if TYPE_CHECKING:
    from sqlalchemy import Connection

T = TypeVar("T", Request, Judgement)


def rebuild(conn: Connection, vault: Vault) -> None:
    """Write the rows that follow from the log, and drop codes that lead to nothing. Tags and rows about records are
    there already."""
    store.replace_requests(conn, list(_requests(conn, vault).values()))
    work.replace_judgements(conn, list(_judgements(conn, vault).values()))
    secrets.drop_without_request(conn)
    coded = secrets.records_with_code(conn)
    secrets.delete_codes(conn, set(coded) - with_content(conn, coded))


def salvage(new: Connection, old: Old, vault: Vault) -> None:
    """As `rebuild`, where another database still has the codes."""
    for table in (code_table, tracking_table):
        copy_rows(new, old, table)
    rebuild(new, vault)


def differences(conn: Connection, vault: Vault) -> Iterator[tuple[str, str]]:
    """(place, message) of each row that is missing, that nothing tells of, or that differs from entry and content."""
    stored = {one.id: one for one in store.all_requests(conn)}
    yield from _compare(request_table.name, _requests(conn, vault), stored)
    told = _judgements(conn, vault)
    there = {one.record: one for one in work.all_judgements(conn)}
    yield from _compare("casework_judgement", told, there)


def _requests(conn: Connection, vault: Vault) -> dict[str, Request]:
    found: dict[str, Request] = {}
    for _, opened in _opened(conn, vault, ids_of_kind(conn, KIND)):
        taken = facts(opened.values)
        before = found.get(taken.request)
        if before is not None:
            found[taken.request] = after(before, taken)
        elif taken.request == opened.id:
            found[taken.request] = received_as(taken)
    named = sorted({one.reference for one in found.values() if one.reference is not None})
    gone = erased_among(conn, named)
    return {id_: replace(one, reference=None) if one.reference in gone else one for id_, one in found.items()}


def _judgements(conn: Connection, vault: Vault) -> dict[str, Judgement]:
    found: dict[str, Judgement] = {}
    for entry, opened in _opened(conn, vault, accesses_for(conn, "review")):
        scope = opened.values.get("scope")
        said = scope.get(SCOPE) if isinstance(scope, dict) else None
        if not isinstance(said, dict):
            continue
        account = opened.values.get("account")
        for record in ids_of(opened.values):
            day, outcome = str(said.get("day")), str(said.get("outcome"))
            found[record] = Judgement(record, entry.id, day, outcome, None if account is None else str(account))
    return found


def _opened(conn: Connection, vault: Vault, ids: Sequence[str]) -> Iterator[tuple[Entry, Opened]]:
    """Those whose content is there, in the order given."""
    for id_ in ids:
        sealed, stored = find_sealed(conn, id_), find_entry(conn, id_)
        entry = None if stored is None else parse_entry(stored.data)
        if sealed is None or not isinstance(entry, Entry):
            continue
        try:
            yield entry, vault.open_row(sealed, entry, conn=conn)
        except AuditLogError:
            continue


def _compare(table: str, told: Mapping[str, T], stored: Mapping[str, T]) -> Iterator[tuple[str, str]]:
    for id_ in sorted(told.keys() | stored.keys()):
        place = f"{table}({id_})"
        if id_ not in stored:
            yield place, "is missing"
        elif id_ not in told:
            yield place, "is told of by no entry: it was added past the log"
        elif told[id_] != stored[id_]:
            yield place, "is not what entry and content say"
