"""A home with one system that runs elsewhere, so that no model is needed; the clock is the test's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from home.greffier import Greffier
from lab.bench import records_scene
from registry.rules import shipped
from service.systems import lifecycle, register
from service.wiring import create_home, open_home

SLUG = records_scene.SYSTEM
USE: dict[str, Any] = {
    "public_authority": True, "public_service": True, "decides_about_persons": True, "profiling": False,
    "personal_data": True, "workplace": False, "law_enforcement": False, "talks_with_people": False,
    "obviously_ai": False, "generates": [], "only_edits": False, "emotion_or_biometric": False, "deep_fakes": False,
    "publishes_text": False, "text_edited_by_person": False,
}  # fmt: skip


@dataclass
class Stand:
    """A home, its clock, and how its system is written."""

    home: Path
    now: datetime = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
    g: Greffier = field(init=False)

    def clock(self) -> datetime:
        return self.now

    def on(self, day: str) -> None:
        """Go on at nine in the morning of a later day."""
        self.now = datetime.fromisoformat(f"{day}T09:00:00+00:00")

    def write(self, *, use: dict[str, Any] | None = None, unknown_use: bool = False, **members: Any) -> None:
        """Register the system, or change its record. `use`: facts that differ; `unknown_use`: none are said."""
        file = json.loads(records_scene.system_file())
        points = {"annex_iii": ["III.5.a"], "annex_i": [], "exit_6_3": None, "reason": {"en": "A benefit."}}
        file["system"] |= {"role": "both", "classification": points, "use": {**USE, **(use or {})}, **members}
        if unknown_use:
            del file["system"]["use"]
        register.register(self.g, json.dumps(file).encode(), account="maker")

    @property
    def slug(self) -> str:
        return SLUG

    def approve(self) -> None:
        """Bring it to the step before its use."""
        for state in ("in_review", "approved"):
            lifecycle.change_state(self.g, SLUG, state, account="approver")

    def start(self, **given: Any) -> None:
        lifecycle.change_state(self.g, SLUG, "active", account="approver", **given)

    @staticmethod
    def answers(**members: Any) -> bytes:
        """Answers by which nothing is prohibited."""
        letters = [
            {"letter": item.letter, "applies": "no", "reason": {"en": "It does not."}} for item in shipped().letters
        ]
        value = {
            "format": "greffier-answers/1", "rules": shipped().version, "use": USE, "article_5": letters,
            "annex_iii": ["III.5.a"], "annex_i": [], "exit_6_3": None, "reason": {"en": "A benefit."}, **members,
        }  # fmt: skip
        return json.dumps(value).encode()

    def screened(self, letter: str, applies: str) -> bytes:
        """The same, with another answer to one letter."""
        value = json.loads(self.answers())
        for item in value["article_5"]:
            if item["letter"] == letter:
                item["applies"] = applies
        return json.dumps(value).encode()


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("duties") / "home"
    create_home(home, records_scene.AGENCY, "bench.example/log")
    return home


@pytest.fixture
def stand(empty_home: Path, tmp_path: Path, copied: Callable[[Path, Path], Path]) -> Iterator[Stand]:
    made = Stand(copied(empty_home, tmp_path / "home"))
    with open_home(made.home, clock=made.clock) as g:
        made.g = g
        yield made


@pytest.fixture
def written() -> Callable[[Path, Greffier], Stand]:
    """A stand over a home that the test opened itself."""

    def made(home: Path, g: Greffier) -> Stand:
        stand = Stand(home)
        stand.g = g
        return stand

    return made
