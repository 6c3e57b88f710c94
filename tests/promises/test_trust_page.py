"""`docs/trust.md` names tests that exist, and a catcher for every attack."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "trust.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith("| attack")
]


def test_every_attack_names_who_catches_it_or_that_it_needs_trust() -> None:
    assert len(ROWS) > 20
    parties = re.compile(r"audit|fsck|guard|gaps|receipt|witness|verify|needs trust|in part", re.IGNORECASE)
    for row in ROWS:
        assert len(row) == 4, row
        assert parties.search(row[1]), row


def test_every_named_test_exists() -> None:
    named = set(re.findall(r"`(test_[a-z_]+)`", PAGE))
    assert "test_tampered_export" in named
    assert named <= {path.stem for path in (ROOT / "tests").rglob("test_*.py")}


def test_what_is_caught_by_a_check_of_today_has_a_test() -> None:
    """A line without a test must say that it is for later, or a matter of trust."""
    for attack, catcher, _, tests in ROWS:
        if tests == "–":
            assert re.search(r"later|trust", catcher), attack
