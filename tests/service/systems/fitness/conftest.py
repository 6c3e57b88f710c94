"""Versions of the loan check with a handful of invented cases, surveyed on the real model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.demo.run import CASES, ON_THE_WAY
from home.greffier import Greffier
from service.systems import lifecycle, register
from service.wiring import create_home, open_home

LOAN = "social-loan-check"
GRID = {
    "payment_record": ["always on time", "sometimes late", "often too late"],
    "income": ["no income"],
    "debts": ["unpaid debts"],
    "room": [150],
}


def document(**version: Any) -> dict[str, Any]:
    """The loan check's register file with three cases, and other members of its version."""
    found: dict[str, Any] = json.loads((CASES / f"{LOAN}.json").read_text("utf-8"))
    grid = [{"id": name, "values": values} for name, values in GRID.items()]
    found["version"] |= {"fitness": {"grid": grid, "explained": 0}} | version
    return found


def always_the_same() -> dict[str, Any]:
    """Its biases drown whatever is asked."""
    found = document()
    for outcome in found["version"]["outcomes"]:
        outcome["bias_millinats"] = 100_000 if outcome["code"] == "refuse" else 0
    return found


def by_protected_field() -> dict[str, Any]:
    """What it turns on most is declared to be a protected characteristic."""
    found = document()
    for field in found["version"]["fields"]:
        if field["id"] == "payment_record":
            field["protected"] = True
    return found


@pytest.fixture(autouse=True)
def _enforced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREFFIER_FITNESS", "enforced")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, model_file: Path) -> Path:
    """A closed home with the model and an agency, and no system."""
    home = tmp_path_factory.mktemp("fitness") / "home"
    create_home(home, "waterveen", "waterveen.example/log")
    (home / "agency.json").write_bytes((CASES / "agency.json").read_bytes())
    with open_home(home) as g:
        register.add_model(g, model_file)
    return home


@pytest.fixture
def here(empty: Path, tmp_path: Path, copied: Callable[[Path, Path], Path]) -> Path:
    """The test's own copy of it."""
    return copied(empty, tmp_path / "home")


@pytest.fixture
def g(here: Path) -> Iterator[Greffier]:
    """That copy, opened."""
    with open_home(here) as opened:
        yield opened


@pytest.fixture
def approve() -> Callable[[Greffier, dict[str, Any]], None]:
    """Registers a file and brings its system up to `approved`."""

    def bring(g: Greffier, file: dict[str, Any]) -> None:
        register.register(g, json.dumps(file).encode())
        for state in ON_THE_WAY:
            lifecycle.change_state(g, file["system"]["slug"], state)

    return bring


@pytest.fixture
def invented() -> dict[str, Callable[..., dict[str, Any]]]:
    """The files of this module by name."""
    return {"sound": document, "always the same": always_the_same, "by a protected field": by_protected_field}
