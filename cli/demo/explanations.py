"""The demo's explanations: of one case of each system, in every language, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from home.greffier import Greffier
from reports.explanation.words import words
from service.deciding.decide import Answer
from service.explaining import explain
from service.records.reading import CLI

_UNFOUNDED: Final = {"model_missing", "not_recorded", "not_repeated"}
"""Reasons that a decision of a moment ago must not have."""


def explain_one_each(g: Greffier, decided: Mapping[str, Sequence[Answer]], folder: Path) -> tuple[bool, str]:
    """Explain the last case of each system into text files; whether each came to a verdict, and what was seen."""
    folder.mkdir(exist_ok=True)
    seen, held = [], True
    for slug, answers in decided.items():
        told = explain.explain(g, CLI, answers[-1].id)
        for lang in g.settings.languages:
            text = words(g.renderer, told.words, lang)
            (folder / f"explanation-{slug}.{lang}.txt").write_text(text, encoding="utf-8")
        held &= not _UNFOUNDED & set(told.reasons)
        why = f" ({', '.join(told.reasons)})" if told.reasons else ""
        seen.append(f"{slug} {told.verdict.replace('_', ' ')}{why}")
    return held, "; ".join(seen)
