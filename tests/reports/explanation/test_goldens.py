"""Explanations as a person reads them, compared with committed files; written anew as in `test_golden.py`."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from reports.explanation.context import Explanation
from reports.explanation.words import words
from reports.render import Renderer
from runtime.explain.question import REASONS

GOLDEN = Path(__file__).parents[2] / "golden" / "explanation"
TEMPLATE = '{% from "components/explanation.html" import explanation_part %}{{ explanation_part(explanation, false) }}'
CASES = {
    "one_change": ("EXPLAINED",),
    "threshold": ("THRESHOLD",),
    "pair": ("PAIR",),
    "sentences": ("SENTENCES",),
    "set_aside": ("SET_ASIDE",),
    "fresh": ("DUE", "DONE"),
    "withheld": REASONS,
}


def explanations(invented: ModuleType, case: str) -> dict[str, Explanation]:
    if case == "withheld":
        return {reason: invented.withheld(reason) for reason in REASONS}
    return {name: getattr(invented, name) for name in CASES[case]}


@pytest.fixture
def parts(tmp_path: Path) -> Renderer:
    (tmp_path / "part.html").write_text(TEMPLATE, "utf-8")
    return Renderer(lambda: datetime(2026, 11, 24, 9, 30, tzinfo=UTC), templates=[tmp_path])


@pytest.mark.parametrize("lang", ["en", "nl"])
@pytest.mark.parametrize("case", CASES)
def test_text_is_as_committed(case: str, lang: str, invented: ModuleType, plain_renderer: Renderer):
    made = {name: words(plain_renderer, one, lang) for name, one in explanations(invented, case).items()}
    compare(GOLDEN / f"{case}.{lang}.txt", "\n".join(f"== {name}\n\n{text}" for name, text in made.items()))


@pytest.mark.parametrize("lang", ["en", "nl"])
@pytest.mark.parametrize("case", CASES)
def test_part_of_a_letter_is_as_committed(case: str, lang: str, invented: ModuleType, parts: Renderer):
    made = {name: parts.page("part.html", lang, explanation=one) for name, one in explanations(invented, case).items()}
    compare(GOLDEN / f"{case}.{lang}.html", "".join(f"<!-- {name} -->\n{html}\n" for name, html in made.items()))


def compare(path: Path, made: str) -> None:
    if os.environ.get("GREFFIER_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made, "utf-8")
    assert path.read_text("utf-8") == made, f"{path.name} differs; see tests/reports/test_golden.py"
