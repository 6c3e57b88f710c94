"""`docs/trust.md` names tests and parties that exist; what its tables claim is played by `test_attacks`."""

from __future__ import annotations

import re
from pathlib import Path

from lab.attack import page
from lab.attack.attacks import ATTACKS
from lab.attack.parties import PARTIES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "trust.md").read_text("utf-8")


def test_every_attack_names_who_notices_it_or_that_it_needs_trust() -> None:
    claims = page.claims(PAGE)
    assert len(claims) > 60
    for name, noticed in claims.items():
        assert set(noticed) <= set(PARTIES), name
    rows = [line for line in PAGE.splitlines() if re.search(r"\| `[a-z0-9_]+` \|$", line)]
    assert len(rows) == len(claims), "an attack stands on the page once"
    assert all(row.count(" | ") == 3 for row in rows)


def test_every_row_tells_the_attack_as_the_program_does() -> None:
    for one in ATTACKS.values():
        assert re.search(rf"^\| {re.escape(one.what)} \| .*`{one.name}` \|$", PAGE, re.MULTILINE), one.name


def test_every_named_test_exists() -> None:
    named = set(re.findall(r"`(test_[a-z_]+)`", PAGE))
    assert "test_tampered_export" in named
    assert named <= {path.stem for path in (ROOT / "tests").rglob("test_*.py")}


def test_every_named_command_exists() -> None:
    manual = (ROOT / "docs" / "commands.md").read_text("utf-8")
    for command in re.findall(r"`greffier ((?:log |witness )?[a-z-]+)", PAGE):
        assert f"`greffier {command}" in manual, command
