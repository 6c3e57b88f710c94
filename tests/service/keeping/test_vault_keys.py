"""A home's key store, key-encryption key and tag keys, by its settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from auditlog.core.entries.kinds import KINDS
from auditlog.core.errors import CannotRecord
from auditlog.vault.key_database import DatabaseKeys
from auditlog.vault.key_encryption import KeyEncryptionKey
from auditlog.vault.record_keys import RecordKeys
from auditlog.writing.log import Unit
from service.wiring import create_home, open_home

NEVER = "00000000-0000-4000-8000-000000000000"
HEX = "5a" * 32
KEK = KeyEncryptionKey(bytes.fromhex(HEX))


@pytest.fixture
def keys_url(postgresql_server: str, postgresql_url: str) -> Any:
    """A second database, for the keys."""
    name = f"{make_url(postgresql_url).database}_keys"
    server = make_url(postgresql_server).set(drivername="postgresql+psycopg")
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as conn:
        conn.execute(text(f"CREATE DATABASE {name}"))
    yield make_url(postgresql_server).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as conn:
        conn.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


def record(g: Any) -> str:
    """A review of a decision that is elsewhere: content of its own, without a model."""
    id_ = g.make("pulse/1", boots=[], recording="ok").id
    values = {"reference": id_, "action": "confirm"}
    prepared = g.vault.prepare(id_, dict.fromkeys(KINDS["review/1"].commits) | values)
    entry = g.make("review/1", id=id_, commitments=prepared.commitments)
    g.log.append(Unit((entry,), lambda conn, _sequenced: prepared.insert(conn))).result(30)
    return id_


def opened(g: Any, id_: str) -> Any:
    with g.reading() as conn:
        return g.vault.open(conn, id_).values["action"]


def test_keys_in_a_database_of_their_own(url: str, keys_url: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("GREFFIER_KEY_STORE", keys_url)
    home = tmp_path / "home"
    create_home(home, "waterveen", "waterveen.example/log", database_url=url)
    with open_home(home) as g:
        assert isinstance(g.record_keys, DatabaseKeys)
        id_ = record(g)
    with open_home(home) as g:
        assert opened(g, id_) == "confirm"
    assert not (home / "keys" / "records.keys").exists()
    with pytest.raises(Exception, match="never replaced"):
        create_home(tmp_path / "other", "waterveen", "waterveen.example/log")


def test_keys_in_the_logs_own_database_are_refused(postgresql_url: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("GREFFIER_KEY_STORE", postgresql_url)
    with pytest.raises(Exception, match="key_store: names the log's own database"):
        create_home(tmp_path / "home", "waterveen", "waterveen.example/log", database_url=postgresql_url)
    assert not (tmp_path / "home" / "greffier.toml").exists()
    # By another spelling: what lies there tells.
    plain = make_url(postgresql_url)
    monkeypatch.delenv("GREFFIER_KEY_STORE")
    create_home(tmp_path / "home", "waterveen", "waterveen.example/log", database_url=postgresql_url)
    monkeypatch.setenv("GREFFIER_KEY_STORE", str(plain.update_query_dict({"port": "5432"})))
    with pytest.raises(CannotRecord, match="key_store"), open_home(tmp_path / "home"):
        pass


def test_a_home_that_is_encrypted_from_its_beginning(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("GREFFIER_KEY_ENCRYPTION", "env:SOME_KEK")
    monkeypatch.setenv("SOME_KEK", HEX)
    home = tmp_path / "home"
    create_home(home, "waterveen", "waterveen.example/log")
    with open_home(home) as g:
        id_ = record(g)
        slot = g.record_keys.count() - 1
        key = g.record_keys.read(slot)
    assert key not in (home / "keys" / "records.keys").read_bytes()
    monkeypatch.setenv("SOME_KEK", "5b" * 32)
    with pytest.raises(CannotRecord, match="key_encryption: gives another key"), open_home(home):
        pass
    monkeypatch.delenv("SOME_KEK")
    with pytest.raises(CannotRecord, match="has no SOME_KEK"), open_home(home):
        pass
    monkeypatch.setenv("SOME_KEK", HEX)
    with open_home(home) as g:
        assert opened(g, id_) == "confirm"


def test_a_home_from_before_gets_its_request_key_and_knows_old_requests(tmp_path: Path) -> None:
    home = tmp_path / "home"
    create_home(home, "waterveen", "waterveen.example/log")
    (home / "keys" / "request.key").unlink()
    index = (home / "keys" / "index.key").read_bytes()
    with open_home(home) as g:
        before = g.vault.key_tag("account", "key-1")
    assert (home / "keys" / "request.key").read_bytes() == index
    (home / "keys" / "index.key").write_bytes(b"n" * 32)
    with open_home(home) as g:
        assert g.vault.key_tag("account", "key-1") == before
    (home / "keys" / "request.key").write_bytes(b"short")
    with pytest.raises(CannotRecord, match=r"request.key: must hold 32 bytes"), open_home(home):
        pass


def test_an_index_key_that_changes_under_a_running_log_refuses_one_group(tmp_path: Path) -> None:
    """What was prepared under the former key never commits; the next one is tagged under the new one."""
    home = tmp_path / "home"
    create_home(home, "waterveen", "waterveen.example/log")
    with open_home(home) as g:
        before = g.vault.prepare(NEVER, {}, ("X",)).tags
        new = home / "keys" / "next"
        new.write_bytes(b"n" * 32)
        new.replace(home / "keys" / "index.key")
        with pytest.raises(CannotRecord, match=r"index.key: was changed at this moment: try again"):
            record(g)
        assert g.vault.prepare(NEVER, {}, ("X",)).tags != before
        record(g)
        (home / "keys" / "index.key").unlink()
        with pytest.raises(CannotRecord, match=r"index.key: is missing"):
            record(g)


def test_the_settings_file_may_name_the_store(tmp_path: Path) -> None:
    home = tmp_path / "home"
    create_home(home, "waterveen", "waterveen.example/log")
    settings = home / "greffier.toml"
    settings.write_text(settings.read_text() + f"key_encryption = {json.dumps('vault:x')}\n")
    with pytest.raises(CannotRecord, match="must be file:PATH"), open_home(home):
        pass
    assert RecordKeys(home / "keys" / "records.keys").count() == 0
