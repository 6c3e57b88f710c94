"""`python -m lab.attack`: play the attacks and say who noticed. Exit 1 where `docs/trust.md` claims something else."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.attack import page
from lab.attack.attacks import ATTACKS
from lab.attack.play import Outcome, play_all

PAGE = Path(__file__).parents[2] / "docs" / "trust.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status (2: usage)."""
    parser = argparse.ArgumentParser(prog="python -m lab.attack", description=__doc__, allow_abbrev=False)
    parser.add_argument("names", nargs="*", metavar="ATTACK", help="play these alone (see --list)")
    parser.add_argument("--json", action="store_true", help="print the outcomes as JSON")
    parser.add_argument("--list", action="store_true", help="print the names of all attacks, and play none")
    parser.add_argument("--markdown", action="store_true", help="write the tables of docs/trust.md")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in ATTACKS]:
        parser.error(f"there is no attack {unknown[0]}: see --list")
    if options.markdown and options.names:
        parser.error("--markdown writes the tables of all attacks: name none")
    if options.list:
        sys.stdout.write("".join(f"{one.name}: {one.what}\n" for one in ATTACKS.values()))
        return 0
    outcomes = play_all(options.names or list(ATTACKS), _progress)
    if options.json:
        sys.stdout.write(json.dumps(page.as_json(outcomes), indent=1, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(page.table(outcomes))
    text = PAGE.read_text("utf-8")
    if options.markdown:
        PAGE.write_text(page.written(text, page.markdown(outcomes)), "utf-8")
        return 0
    wrong = page.differences(text, outcomes)
    sys.stderr.write("".join(f"docs/trust.md: {one}\n" for one in wrong))
    if wrong:
        sys.stderr.write("The page and this program disagree: mend what is broken, or run with --markdown.\n")
    return 1 if wrong else 0


def _progress(outcome: Outcome) -> None:
    sys.stderr.write(f"{outcome.attack.name}: {', '.join(outcome.noticed) or 'nobody'}\n")


if __name__ == "__main__":
    sys.exit(main())
