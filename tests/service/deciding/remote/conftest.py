"""A home with the tax helpline's version that is asked through the gateway, and endpoints for it on loopback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.entries.record import Entry, parse_entry
from auditlog.store import log as log_store
from cli.demo.run import CASES
from home.greffier import Greffier
from service.records import reading
from service.systems import lifecycle, register
from service.wiring import create_home, open_home

TAX = "tax-question-reply"
STEPS = ("in_review", "approved", "active")


def register_file(url: str, **version: Any) -> dict[str, Any]:
    """The demo's remote version, asked at `url`; `version` replaces members of it."""
    document: dict[str, Any] = json.loads((CASES / f"{TAX}-remote.json").read_text(encoding="utf-8"))
    document["version"] |= version
    document["version"]["remote"] |= {"endpoint": url}
    return document


@dataclass
class Opened:
    """An open home and what its log says."""

    g: Greffier

    def entries(self, kind: str | None = None) -> list[Entry]:
        """Entries of the log, oldest first."""
        with self.g.reading() as conn:
            raw = list(log_store.iterate_entries(conn, 1, 0, self.g.log.state().size))
        found = [entry for entry in (parse_entry(data) for _, data in raw) if isinstance(entry, Entry)]
        return [entry for entry in found if kind in (None, entry.kind)]

    def values(self, record_id: str) -> Any:
        """The opened values of a record."""
        return reading.open(self.g, reading.CLI, "query", record_id).values

    def committed(self, entry: Entry) -> Any:
        """The sealed values of an entry that is no decision."""
        with self.g.reading() as conn:
            return self.g.vault.open(conn, entry.id, entry).values


Open = Callable[..., Any]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """Opens a new home whose helpline asks at `url`."""

    @contextmanager
    def made(url: str, change: Callable[[dict[str, Any]], Any] = lambda _document: None,
             **version: Any) -> Iterator[Opened]:  # fmt: skip
        home = tmp_path / "home"
        create_home(home, "waterveen", "waterveen.example/log")
        shutil.copyfile(CASES / "agency.json", home / "agency.json")
        document = register_file(url, **version)
        change(document)
        with open_home(home) as g:
            register.register(g, json.dumps(document).encode())
            for state in STEPS:
                lifecycle.change_state(g, document["system"]["slug"], state)
            yield Opened(g)

    return made
