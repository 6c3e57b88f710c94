"""Write docs/exchange.md anew: `PYTHONPATH=. .venv/bin/python tests/registry/exchange/make_page.py`."""

from __future__ import annotations

import json
from pathlib import Path

from registry.exchange.page import describe
from registry.exchange.transfer import Agency, Source
from registry.manifest import SystemVersion, numbered
from registry.register_file import parse_register_file

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "exchange.md"
CASES = ROOT / "cli" / "demo" / "cases"
STATES = {"social-loan-check": "active", "health-line-aid": "pilot", "tax-question-reply": "active"}


def sources() -> list[Source]:
    """The demo's three systems as they run there."""
    profile = json.loads((CASES / "agency.json").read_bytes())
    address, contact = ", ".join(profile["address"]), f"{profile['email']}, {profile['phone']}"
    agency = Agency(profile["names"], address, contact, "https://waterveen.example", profile["objection_route"])
    found = []
    for slug, state in STATES.items():
        file = parse_register_file((CASES / f"{slug}.json").read_bytes())
        assert file.manifest is not None
        found.append(Source(file.system, state, SystemVersion(slug, 1, numbered(file.manifest, 1)), agency))
    return found


if __name__ == "__main__":
    PAGE.write_text(describe(sources()), "utf-8")
