"""A home with a hand on the clock, four eyes enforced, and a system that runs elsewhere, which needs no model."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cli.demo.run import CASES
from home.greffier import Greffier
from lab.bench import records_scene
from registry.modification import Modification
from service.systems import lifecycle, register
from service.wiring import create_home, open_home

SLUG = records_scene.SYSTEM
MAKER, APPROVER = "eef.voorbeeld", "bo.voorbeeld"


@dataclass
class House:
    """An open home and what time it is there."""

    g: Greffier
    now: list[datetime]

    def on(self, day: str) -> None:
        """From now on it is noon of that day."""
        self.now[0] = datetime.fromisoformat(f"{day}T12:00:00+00:00")

    def register(self, *, account: str | None = MAKER, substantial: Modification | None = None, **changes: Any) -> None:
        """Register the system; `version`: members of its version, others: members of its record."""
        file = json.loads(records_scene.system_file(changes.pop("version", None)))
        file["system"] |= {"agency": "waterveen", **changes}
        register.register(self.g, json.dumps(file).encode(), account=account, substantial=substantial)

    def step(self, state: str, account: str | None, **options: Any) -> None:
        """Bring the system into a state."""
        lifecycle.change_state(self.g, SLUG, state, account=account, **options)

    def start(self) -> None:
        """Submitted by the maker, approved and started by another."""
        self.step("in_review", MAKER)
        self.step("approved", APPROVER, role="approver")
        self.step("active", APPROVER, role="approver")


@pytest.fixture
def enforced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four eyes as an agency has them."""
    monkeypatch.setenv("GREFFIER_FOUR_EYES", "enforced")


@pytest.fixture
def home(tmp_path: Path, enforced: None) -> Path:
    """A new installation."""
    home = tmp_path / "home"
    create_home(home, "waterveen", "waterveen.example/log", clock=lambda: datetime(2026, 1, 5, 12, tzinfo=UTC))
    shutil.copyfile(CASES / "agency.json", home / "agency.json")
    return home


@pytest.fixture
def house_of() -> Callable[[Path], Any]:
    """`with house_of(home) as house`: an installation, open in January 2026."""
    return _house


@contextlib.contextmanager
def _house(home: Path) -> Iterator[House]:
    now = [datetime(2026, 1, 5, 12, tzinfo=UTC)]
    with open_home(home, clock=lambda: now[0]) as g:
        yield House(g, now)


@pytest.fixture
def house(home: Path) -> Iterator[House]:
    """That installation, open for the test."""
    with _house(home) as house:
        yield house


@pytest.fixture
def opened() -> Callable[[Path], Any]:
    """`with opened(home) as g`: an installation in February 2026."""
    return lambda home: open_home(home, clock=lambda: datetime(2026, 2, 20, 12, tzinfo=UTC))
