"""A key store and a vault in a folder of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from auditlog.vault.record_keys import RecordKeys
from auditlog.vault.seal import Vault

ORIGIN = "register.example/audit/1"  # the log of ../conftest.py


@pytest.fixture
def key_store(tmp_path: Path) -> Path:
    path = tmp_path / "record.keys"
    RecordKeys.create(path)
    return path


@pytest.fixture
def keys(key_store: Path) -> Iterator[RecordKeys]:
    opened = RecordKeys(key_store)
    yield opened
    opened.close()


@pytest.fixture
def vault(keys: RecordKeys) -> Vault:
    return Vault(keys, ORIGIN, b"i" * 32)
