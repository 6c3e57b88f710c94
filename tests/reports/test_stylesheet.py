"""What can be checked of the stylesheet without a browser: contrast, and that it fetches nothing."""

from __future__ import annotations

import re

import pytest

PAIRS = [
    ("text", "page", 4.5),
    ("text", "area", 4.5),
    ("muted", "page", 4.5),
    ("muted", "area", 4.5),
    ("link", "page", 4.5),
    ("link", "area", 4.5),
    ("link-hover", "page", 4.5),
    ("on-accent", "accent", 4.5),
    ("on-accent", "link-hover", 4.5),
    ("good", "good-area", 4.5),
    ("warning", "warning-area", 4.5),
    ("bad", "bad-area", 4.5),
    ("control", "page", 3),
    ("focus", "page", 3),
    ("focus", "focus-behind", 3),
    ("accent", "area", 3),
]


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
def test_contrast(front: str, back: str, least: float, stylesheet: str):
    tokens = dict(re.findall(r"--colour-([\w-]+): (#[0-9a-f]{6});", stylesheet))
    high, low = sorted((luminance(tokens[front]), luminance(tokens[back])), reverse=True)
    assert (high + 0.05) / (low + 0.05) >= least


def test_colours_are_tokens(stylesheet: str):
    rules = stylesheet.partition("}")[2].partition("@media print")[0]
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b", rules) == []


def test_every_token_used_is_defined(stylesheet: str):
    assert set(re.findall(r"var\((--[\w-]+)", stylesheet)) <= set(re.findall(r"(--[\w-]+):", stylesheet))


def test_nothing_is_fetched(stylesheet: str):
    assert "url(" not in stylesheet
    assert "@import" not in stylesheet
    assert "@font-face" not in stylesheet


def test_targets_are_large_enough(stylesheet: str):
    size = re.search(r"--target: ([\d.]+)rem", stylesheet)
    assert size is not None
    assert float(size[1]) * 16 >= 24


def test_there_are_rules_for_print_and_narrow_screens(stylesheet: str):
    assert "@media print" in stylesheet
    assert "@media (max-width" in stylesheet
