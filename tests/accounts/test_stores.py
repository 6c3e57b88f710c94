"""The tables of accounts, on both databases: what must happen once, happens once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine

from accounts import account_table, secret_table, session_table
from accounts.account import Account, new_account
from accounts.account_table import Event
from accounts.api_key_table import metadata
from auditlog.store.engine import open_engine, reading, writing

NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    with writing(engine) as conn:
        metadata.create_all(conn)
    yield engine
    engine.dispose()


@pytest.fixture
def account(engine: Engine) -> Account:
    made = new_account(
        "ada.voorbeeld",
        "Ada Voorbeeld é",
        "officer",
        systems=("loan", "aid"),
        ends=date(2026, 12, 31),
        now=NOW,
        random=lambda size: bytes(range(size)),
    )
    with writing(engine) as conn:
        account_table.insert_account(conn, made, account_table.LoggedAs("a pseudonym", "a salt"))
        secret_table.begin(conn, made.id, b"digest", NOW + timedelta(hours=1))
    return made


def test_an_account_comes_back_as_it_was(engine: Engine, account: Account) -> None:
    with reading(engine) as conn:
        assert account_table.find_account(conn, account.id) == account
        assert account_table.find_account(conn, account.login) == account
        assert account_table.find_account(conn, "nobody") is None
        assert account_table.list_accounts(conn) == [account]
        secret = secret_table.read_secret(conn, account.id)
    assert (secret.setup, secret.setup_until, secret.password) == (b"digest", NOW + timedelta(hours=1), None)


def test_a_step_and_a_recovery_code_are_used_once_by_many(engine: Engine, account: Account) -> None:
    with writing(engine) as conn:
        secret_table.replace_recovery(conn, account.id, [b"one", b"two"])

    def use(_: int) -> tuple[bool, bool]:
        with writing(engine) as conn:
            step = secret_table.use_step(conn, account.id, 100)
            return step, secret_table.use_recovery(conn, account.id, b"one")

    with ThreadPoolExecutor(4) as pool:
        used = list(pool.map(use, range(8)))
    assert [sum(step for step, _ in used), sum(code for _, code in used)] == [1, 1]
    with writing(engine) as conn:
        assert not secret_table.use_step(conn, account.id, 99)
        assert secret_table.use_step(conn, account.id, 101)
        assert not secret_table.use_step(conn, "u000000000000", 101)
        assert secret_table.count_recovery(conn, account.id) == 1


def test_tries_are_counted_one_by_one_and_begin_anew(engine: Engine) -> None:
    def count(_: int) -> int:
        with writing(engine) as conn:
            return session_table.count_attempt(conn, b"bucket", NOW, NOW - timedelta(minutes=15))[0]

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(count, range(8))) == [1, 2, 3, 4, 5, 6, 7, 8]
    later = NOW + timedelta(minutes=16)
    with writing(engine) as conn:
        assert session_table.count_attempt(conn, b"bucket", later, later - timedelta(minutes=15)) == (1, later)
        assert session_table.count_attempt(conn, b"other", later, later - timedelta(minutes=15)) == (1, later)
        session_table.forget_attempts(conn, b"bucket")
        assert session_table.count_attempt(conn, b"bucket", later, later - timedelta(minutes=15)) == (1, later)


def test_sessions_are_found_seen_and_ended(engine: Engine, account: Account) -> None:
    with writing(engine) as conn:
        for digest, stage in ((b"a", "full"), (b"b", "first"), (b"c", "full")):
            session_table.insert_session(conn, digest, account.id, stage, NOW)
        session_table.see_session(conn, b"a", NOW + timedelta(minutes=5))
    with writing(engine) as conn:
        found = session_table.find_session(conn, b"a")
        assert found is not None
        assert (found.account, found.stage, found.created) == (account, "full", NOW)
        assert found.seen == NOW + timedelta(minutes=5)
        assert session_table.delete_sessions_of(conn, account.id, but=b"a") == 2
        assert session_table.find_session(conn, b"b") is None
        session_table.delete_old_sessions(conn, NOW + timedelta(minutes=6), NOW)
        assert session_table.find_session(conn, b"a") is None


def test_events_come_newest_first(engine: Engine, account: Account) -> None:
    with writing(engine) as conn:
        for number, what in enumerate(("added", "set_up", "signed_in")):
            when = NOW + timedelta(minutes=number)
            account_table.insert_event(conn, f"{number:032x}", Event(account.id, when, what, None))
    with reading(engine) as conn:
        assert [one.what for one in account_table.list_events(conn, account.id, 2)] == ["signed_in", "set_up"]
