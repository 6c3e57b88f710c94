"""Answers about the class of systems in SQL: each round is kept, with who answered, when, and by which rules.

An `answers/1` entry has the digest of all rounds of a system. A round from before the log told of them has no salt.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select

from registry.answers import Answers, parse_answers
from registry.canonical import digest
from registry.store.tables import ANSWER

_TOLD: Final = ("number", "rules", "digest", "minute", "role", "account", "answers", "salt")


@dataclass(frozen=True, slots=True)
class Answered:
    """One round of answers. `rules` and `digest`: of the rules whose questions were asked; `minute` of UTC.

    `salt`: 64 random hex digits, None of a round from before the log told of answers. `text`: canonical JSON.
    """

    slug: str
    number: int
    rules: str
    digest: str
    minute: str
    role: str
    account: str | None
    text: str
    salt: str | None

    @property
    def answers(self) -> Answers:
        """The answers themselves. Raises FormatError for a text that holds none."""
        return parse_answers(self.text.encode())


def add_answers(conn: Connection, before: Iterable[Answered], given: Answered) -> bool:
    """Keep a round as the newest, in the transaction that writes its entry; False where others than `before` are there.

    Then nothing was kept: the entry would tell of other rounds than the database has.
    """
    if list_answers(conn, given.slug) != list(before):
        return False
    conn.execute(insert(ANSWER).values(slug=given.slug, **_columns(given)))
    return True


def next_round(before: Iterable[Answered], given: Answered) -> Answered:
    """The round with its number: from 1, after those that there are."""
    return replace(given, number=max((one.number for one in before), default=0) + 1)


def list_answers(conn: Connection, slug: str) -> list[Answered]:
    """Every round of a system, the newest first."""
    query = select(ANSWER).where(ANSWER.c.slug == slug).order_by(ANSWER.c.number.desc())
    return [_answered(row) for row in conn.execute(query)]


def rounds_digest(rounds: Iterable[Answered]) -> str:
    """`sha256:…` of all rounds of one system, as an `answers/1` entry has it: canonical JSON, the oldest first."""
    return _digest(_columns(one) for one in rounds)


def all_digests(conn: Connection) -> dict[str, tuple[str, bool]]:
    """System → digest of all its rounds, and whether none has a salt (from before the log told), for a full check."""
    return _by_system(dict(row) for row in conn.execute(select(ANSWER)).mappings())


def to_keep(rows: Iterable[Mapping[str, Any]], told: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """Those rounds of an older database that go into one that is built anew: of a system with an entry, all or none by
    its digest (`told`: slug → the newest one); of one without, those from before the log told of answers."""
    rows = list(rows)
    found = _by_system(rows)
    kept = {slug for slug, (its, old) in found.items() if (told[slug] == its if slug in told else old)}
    return [row for row in rows if row["slug"] in kept]


def put_back(conn: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Rounds of an older database that `to_keep` let through."""
    for row in rows:
        conn.execute(insert(ANSWER).values(**row))


def _columns(one: Answered) -> dict[str, Any]:
    """What the digest is over."""
    return {name: one.text if name == "answers" else getattr(one, name) for name in _TOLD}


def _by_system(rows: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, bool]]:
    rounds: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        rounds.setdefault(row["slug"], []).append(row)
    return {slug: (_digest(its), all(row.get("salt") is None for row in its)) for slug, its in rounds.items()}


def _digest(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows are read as they lie there: one that holds what no column may hold has a digest as well, and no entry's."""
    told = [{name: _plain(row.get(name)) for name in _TOLD} for row in rows]
    told.sort(key=lambda one: (not isinstance(one["number"], int), one["number"]))
    text = json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return digest(text.encode("utf-8", "surrogatepass"))


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, int | str) else repr(value)


def _answered(row: Row[Any]) -> Answered:
    return Answered(
        row.slug, row.number, row.rules, row.digest, row.minute, row.role, row.account, row.answers, row.salt
    )
