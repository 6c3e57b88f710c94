"""Four eyes: who approves, starts, releases or overrides is another account than the one whose work it is.

The log has the role of each step. Which account it was stands in the register, for staff; an account that nobody named
(the command line without one) is one and the same hand each time, and approves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from auditlog.writing.log import Sequenced
from home.greffier import Greffier
from registry.canonical import digest
from registry.errors import FormatError, TransitionRefused
from registry.lifecycle import MODES
from registry.modification import ASKED_IN, Modification, format_reasons
from registry.store import as_of as store
from registry.store import history as history_store
from registry.store.history import Place
from registry.store.systems import Registration, StateChange
from registry.values import Words
from service.records import reading

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from auditlog.core.entries.record import Entry

_ACCOUNT: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_MADE: Final = frozenset({"system/1", "version/1"})


@dataclass(frozen=True, slots=True)
class Step:
    """One step as staff see it. `four_eyes`: whether it was taken by another account than its work is of; None where
    the step needs none."""

    log: int
    index: int
    time: str
    kind: str
    what: Mapping[str, Any]
    account: str | None
    four_eyes: bool | None


@dataclass(frozen=True, slots=True)
class PublicModification:
    """An answer to AI Act 3(23) as the register shows it. `because` is None where it is not what the log names."""

    version: int
    substantial: str
    because: Words | None
    role: str
    day: str
    log: int
    index: int


def check_account(account: str | None) -> None:
    """Raises FormatError for a text that is no account's id."""
    if account is not None and not re.fullmatch(_ACCOUNT, account):
        raise FormatError("is no id of an account; write 1 to 64 of a-z, 0-9, dot, hyphen and _", field="account")


def demand(g: Greffier, conn: Connection, change: StateChange, account: str | None, *, overridden: bool) -> None:
    """Raises TransitionRefused where the step needs another hand than `account`, or an approval that is not there."""
    told = _logged_changes(conn, change.system)
    _demand_approved(told, change)
    if g.settings.four_eyes == "enforced" and not _other(conn, told, change, account, overridden=overridden):
        message = "is none, or the one whose work this is: four eyes are needed, so another account takes this step"
        raise TransitionRefused(message, field="account")


def demand_answer(
    g: Greffier, plan: Registration, state: str | None, answer: Modification | None, *, demanded: bool = True
) -> None:
    """Raises FormatError where a new version of a system in use comes without the answer of AI Act 3(23)."""
    asked = plan.version is not None and state in ASKED_IN
    if answer is not None and not asked:
        raise FormatError("is asked for a new version of a system in use; leave it out", field="substantial")
    if asked and answer is None and demanded and g.settings.four_eyes == "enforced":
        raise FormatError(
            "is missing; say yes or no, and why: does the new version change the system substantially "
            "(AI Act 3(23))? `--substantial yes|no --because TEXT`",
            field="substantial",
        )


def make_modification(g: Greffier, plan: Registration, answer: Modification, role: str) -> Entry:
    """The `modification/1` entry, with the digest of the reasons."""
    assert plan.version is not None
    return g.make(
        "modification/1",
        system=plan.system.slug,
        version=plan.version.version,
        substantial=answer.substantial,
        statement=digest(format_reasons(answer).encode()),
        role=role,
    )


def add_modification(conn: Connection, plan: Registration, answer: Modification, role: str, place: Place) -> None:
    """Its row, in the transaction that wrote its entry at `place`."""
    assert plan.version is not None
    store.add_modification(
        conn,
        plan.system.slug,
        plan.version.version,
        place,
        substantial=answer.substantial,
        statement=format_reasons(answer),
        role=role,
    )


def modifications(g: Greffier, slug: str) -> tuple[PublicModification, ...]:
    """Every answer about a system's versions, the oldest first, as its entry tells of it."""
    with g.reading() as conn:
        found = []
        for row in store.modifications(conn, slug):
            entry = reading.entry_at(conn, *row.place)
            members: Any = entry.members
            told = members["statement"] == row.digest
            found.append(
                PublicModification(
                    version=members["version"],
                    substantial=members["substantial"],
                    because=row.statement if told else None,
                    role=members["role"],
                    day=entry.time[:10],
                    log=row.log,
                    index=row.index,
                )
            )
    return tuple(found)


def note(conn: Connection, slug: str, sequenced: tuple[Sequenced, ...], account: str | None) -> None:
    """The entries of a step in the system's history, and whose step it was; in the transaction that wrote them."""
    log, indices = sequenced[0].log, [item.index for item in sequenced]
    history_store.add_changes(conn, slug, log, indices)
    store.add_steps(conn, slug, log, indices, account)


def steps(g: Greffier, slug: str) -> list[Step]:
    """Every step of a system with its account, oldest first. For staff: the public sees roles."""
    found: list[Step] = []
    with g.reading() as conn:
        told, accounts = _logged_changes(conn, slug), store.accounts(conn, slug)
        for number, (place, entry) in enumerate(told):
            what = {name: value for name, value in entry.members.items() if name != "system"}
            hands = _hands_of_entry(told[:number], entry, accounts)
            account = accounts.get(place)
            eyes = None if not hands else account is not None and account not in hands
            found.append(Step(*place, entry.time, entry.kind, what, account, eyes))
    return found


def _logged_changes(conn: Connection, slug: str) -> list[tuple[Place, Entry]]:
    return [(place, reading.entry_at(conn, *place)) for place in history_store.list_changes(conn, slug)]


def _other(
    conn: Connection,
    told: list[tuple[Place, Entry]],
    change: StateChange,
    account: str | None,
    *,
    overridden: bool,
) -> bool:
    accounts = store.accounts(conn, change.system)
    number = None if change.version is None else change.version.version
    step = (change.source, change.target, change.reason)
    hands = {accounts.get(place) for place in _work(told, step, number, overridden=overridden)}
    return not hands or (account is not None and account not in hands)


def _hands_of_entry(
    before: list[tuple[Place, Entry]], entry: Entry, accounts: Mapping[Place, str | None]
) -> set[str | None]:
    """The accounts whose work a `state/1` entry let through, as it stood then."""
    if entry.kind != "state/1" or entry.members["from"] is None:
        return set()
    members: Any = entry.members
    overridden = bool(before) and before[-1][1].kind == "override/1"
    step = (members["from"], members["to"], members["reason"])
    return {accounts.get(place) for place in _work(before, step, members["version"], overridden=overridden)}


def _work(
    told: list[tuple[Place, Entry]], step: tuple[str, str, str], version: int | None, *, overridden: bool
) -> Iterator[Place]:
    """The entries whose work a step lets through: what another hand than theirs must look at."""
    source, target, reason = step
    approved = _approval(told, version)
    since = [(place, entry) for place, entry in told if approved is None or place > approved]
    if target == "approved" and source == "in_review":
        yield from (place for place, entry in since if entry.kind in _MADE or entry.members.get("to") == "in_review")
    if target not in MODES:
        return
    if source == "suspended":
        yield from _stop(told)
    if version is None:
        # A system that runs elsewhere unrecorded has its record alone.
        yield from [place for place, entry in told if entry.kind == "system/1"][-1:] if overridden else ()
        return
    of_version = [place for place, entry in told if entry.kind == "version/1" and entry.members["version"] == version]
    if overridden or reason == "approved":
        yield from of_version
    else:
        yield from (place for place in of_version if approved is None or place > approved)


def _stop(told: list[tuple[Place, Entry]]) -> Iterator[Place]:
    """The newest stop."""
    yield from [place for place, entry in told if entry.members.get("to") == "suspended"][-1:]


def _approval(told: list[tuple[Place, Entry]], version: int | None) -> Place | None:
    """The newest approval that counts for a version: of the whole system in review, unless it was taken back since, or
    of this version while the system is in use. That of another version looked at the other one. `version` None: of
    the whole system alone."""
    found = None
    for place, entry in told:
        members = entry.members
        if entry.kind != "state/1":
            continue
        if members["to"] == "draft":
            found = None
        elif members["reason"] == "approved" and (
            members["from"] == "in_review" or (version is not None and members["version"] == version)
        ):
            found = place
    return found


def _demand_approved(told: list[tuple[Place, Entry]], change: StateChange) -> None:
    """A version that changes the system substantially runs by an approval that came after it."""
    if change.target not in MODES or change.version is None or change.reason == "approved":
        return
    number = change.version.version
    asked = [
        place
        for place, entry in told
        if entry.kind == "modification/1"
        and entry.members["version"] == number
        and entry.members["substantial"] == "yes"
    ]
    approved = _approval(told, number)
    if not asked or (approved is not None and approved > asked[-1]):
        return
    raise TransitionRefused(
        "changes the system substantially (AI Act 3(23)) and was not approved since: look at it anew, then "
        f"`greffier system state {change.system} {_mode(change)} --version {number} --reason approved`",
        field="version",
    )


def _mode(change: StateChange) -> str:
    return change.source if change.source in MODES else change.target
