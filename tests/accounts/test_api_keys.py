from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import IntegrityError

from accounts import api_key_table, api_keys
from accounts.token import KeyRejected
from home.errors import UsageError

NOW = datetime(2026, 11, 24, 8, 10, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path / 'keys.db'}")
    api_key_table.metadata.create_all(engine)
    yield engine
    engine.dispose()


def test_a_key_that_was_made_is_known_and_comes_back_as_it_was(engine: Engine) -> None:
    made = api_keys.create_key(engine, role="client", systems=("aid",), now=NOW)
    assert api_keys.known_key(engine, made.secret) == made.key
    assert api_keys.list_keys(engine) == [made.key]


def test_the_database_holds_nothing_that_opens(engine: Engine, tmp_path: Path) -> None:
    made = api_keys.create_key(engine, role="auditor", now=NOW)
    assert made.secret.split("_", 2)[2].encode() not in (tmp_path / "keys.db").read_bytes()


def test_two_keys_differ(engine: Engine) -> None:
    first, second = (api_keys.create_key(engine, role="client", now=NOW) for _ in range(2))
    assert first.secret != second.secret
    assert first.prefix != second.prefix


def test_a_withdrawn_key_is_rejected_at_once_and_stays_in_the_list(engine: Engine) -> None:
    made = api_keys.create_key(engine, role="client", now=NOW)
    later = NOW + timedelta(days=1)
    api_keys.revoke_key(engine, made.prefix, now=later)
    with pytest.raises(KeyRejected):
        api_keys.known_key(engine, made.secret)
    assert [key.revoked for key in api_keys.list_keys(engine)] == [later]
    with pytest.raises(UsageError, match="prefix"):
        api_keys.revoke_key(engine, made.prefix, now=later)


def test_an_unknown_role_is_refused_with_the_roles_there_are(engine: Engine) -> None:
    with pytest.raises(UsageError, match="client, officer, auditor, operator"):
        api_keys.create_key(engine, role="emperor", now=NOW)
    assert api_keys.list_keys(engine) == []


def test_the_database_itself_refuses_a_role_that_does_not_exist(engine: Engine) -> None:
    api_keys.create_key(engine, role="client", now=NOW)
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(text("UPDATE access_key SET role = 'emperor'"))
