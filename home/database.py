"""The database of a home, opened by its settings alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from auditlog.core.errors import FormatError
from auditlog.store.engine import demand_file, open_engine
from home.errors import SettingsError
from home.settings import Settings, read_settings

if TYPE_CHECKING:
    from sqlalchemy import Engine


def engine_of(home: Path, settings: Settings) -> Engine:
    """The home's database. Raises SettingsError for a URL that is none."""
    try:
        return open_engine(_database_url(home, settings))
    except FormatError as error:
        raise SettingsError(str(error)) from None


def _database_url(home: Path, settings: Settings) -> str:
    url = settings.database_url
    prefix = "sqlite:///"
    if url.startswith(prefix) and not url.startswith("sqlite:////"):
        return f"sqlite:///{(home / url.removeprefix(prefix)).resolve()}"
    return url


@contextlib.contextmanager
def open_database(home: Path) -> Iterator[Engine]:
    """Only the database of a home, whatever its schema (for `migrate`)."""
    engine = engine_of(home, read_settings(home))
    try:
        demand_file(engine)
        yield engine
    finally:
        engine.dispose()
