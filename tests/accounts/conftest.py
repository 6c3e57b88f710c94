"""A home with accounts of invented people, whose clock a test moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from accounts import administration, second_factor, sign_in
from service.wiring import create_home, open_home

PASSWORD = "vier losse woorden samen"


@dataclass
class Person:
    """Somebody with an account who has signed in once."""

    id: str
    login: str
    secret: bytes
    codes: tuple[str, ...]
    token: str


@dataclass
class Desk:
    """The home, opened, and its clock."""

    g: Any
    times: list[datetime]
    people: dict[str, Person] = field(default_factory=dict)

    def wait(self, **by: float) -> None:
        """Let time pass."""
        self.times[0] += timedelta(**by)

    def person(self, login: str, role: str = "officer", **more: Any) -> Person:
        """Add an account and go through its first sign-in."""
        issued = administration.add(self.g, login=login, name="Ada Voorbeeld", role=role, by=None, **more)
        begun = sign_in.begin_first(self.g, login, issued.code, address="203.0.113.9")
        secret = second_factor.unseal(
            second_factor.read_keys(self.g.home), begun.account.id, self.sealed(begun.account.id)
        )
        done = sign_in.finish_first(self.g, begun.token, PASSWORD, second_factor.code_at(secret, self.g.clock()))
        return Person(begun.account.id, login, secret, done.recovery_codes, done.token)

    def sealed(self, account: str) -> bytes:
        """The second factor as the database has it."""
        from accounts import secret_table

        with self.g.reading() as conn:
            kept = secret_table.read_secret(conn, account).totp
        assert kept is not None
        return kept

    def code(self, person: Person) -> str:
        """What the person's app shows, half a minute on, so that it is a new one."""
        self.wait(seconds=30)
        return second_factor.code_at(person.secret, self.g.clock())

    def sign_in(self, person: Person, password: str = PASSWORD, code: str | None = None, **more: Any) -> Any:
        """Try to."""
        given = self.code(person) if code is None else code
        return sign_in.sign_in(self.g, person.login, password, given, address="203.0.113.9", **more)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    times = [datetime(2026, 11, 26, 8, 0, tzinfo=UTC)]
    create_home(tmp_path / "home", "waterveen", "waterveen.example/log", clock=lambda: times[0])
    with open_home(tmp_path / "home", clock=lambda: times[0]) as g:
        yield Desk(g, times)
