"""An installation with one system that runs elsewhere, and decisions of it: invented, the same ones each time."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from service.external.lines import FIXED
from service.systems import lifecycle, register
from service.wiring import create_home, open_home

SYSTEM: Final = "permit-advice"
SOURCE: Final = "permit-suite"
AGENCY: Final = "bench-agency"
_STEPS: Final = ("in_review", "approved", "active")
_OUTCOMES: Final = {"grant": "grant it", "refuse": "refuse it", "visit": "visit first"}
_WORDS: Final = ("always", "mostly", "seldom", "never")
_TEXTS: Final = ("street", "zone", "remarks")
_NUMBERS: Final = ("width_cm", "cars", "distance_m")


def make_home(home: Path, database_url: str | None = None, *, version: Mapping[str, Any] | None = None) -> None:
    """Make the installation, with the system active. `version`: members of its version that differ."""
    create_home(home, AGENCY, "bench.example/log", database_url=database_url)
    with open_home(home) as g:
        register.register(g, system_file(version), account="maker")
        for state in _STEPS:
            account = "maker" if state == "in_review" else "approver"
            lifecycle.change_state(g, SYSTEM, state, account=account)


def line(n: int, /, **changes: Any) -> dict[str, Any]:
    """Decision number `n` with 8 input fields, as the system's supplier would send it."""
    outcome = tuple(_OUTCOMES)[n % 3]
    given: dict[str, Any] = {
        "system": SYSTEM,
        "source": SOURCE,
        "n": n,
        "decided": f"2026-03-{n % 28 + 1:02d}T{n % 24:02d}:{n % 60:02d}:00.{n % 1_000_000:06d}Z",
        "input": {
            "street": f"Test street {n % 977}",
            "zone": f"Z{n % 12}",
            "remarks": f"Invented case number {n}, made for a test of the record.",
            "width_cm": 240 + n % 90,
            "cars": n % 4,
            "distance_m": n % 700,
            "parking": _WORDS[n % 4],
            "resident": n % 2 == 0,
        },
        "output": {"result": _OUTCOMES[outcome]},
        "outcome": outcome,
        "subjects": [f"TEST-{n % 50_000:06d}"],
        "usage": {"prompt_tokens": 300 + n % 90, "output_tokens": 4, "total_us": 400_000 + n % 100_000},
    }
    return given | changes


def sent_line(sort: str, n: int) -> dict[str, Any]:
    """As `line`; of the sort `committed` with commitments alone, to values that nobody has."""
    if sort == "sealed":
        return line(n)
    # The server cannot tell a commitment from random digits.
    names = [*(f"in_{name}" for name in line(n)["input"]), *FIXED]
    commitments = {name: secrets.token_hex(32) for name in names}
    return {"system": SYSTEM, "source": f"{SOURCE}-kept", "n": n, "commitments": commitments}


def system_file(version: Mapping[str, Any] | None = None) -> bytes:
    """The register file of the system."""
    return json.dumps(
        {"format": "greffier-system/1", "system": _system(), "version": {**_version(), **(version or {})}}
    ).encode()


def _system() -> dict[str, Any]:
    contact = "permits@bench.example"
    return {
        "slug": SYSTEM,
        "agency": AGENCY,
        "name": {"en": "Permit advice"},
        "purpose": {"en": "Advises on parking permits. The supplier runs it."},
        "affected_persons": {"en": "People who ask for a parking permit."},
        "human_oversight": {"en": "A clerk decides."},
        "role": "deployer",
        "provider": {"name": "Test supplier", "contact": "supplier@bench.example"},
        "owner": {"unit": "Permits", "contact": contact},
        "capture": "external",
        "classification": {"annex_iii": [], "annex_i": [], "exit_6_3": None, "reason": {"en": "Advice to a clerk."}},
        "legal_basis": [{"law": "Test act", "article": "1", "link": None, "for": "task"}],
        "first_use": None,
        "cost_to_user": {"en": "Nothing."},
        "tariff": {"currency": "EUR", "valid_from": "2026-01-01", "components": {"input": 2_000_000, "request": 100}},
        "expected_volume": None,
        "target_latency_ms": 1000,
        "notice": None,
        "host": None,
    }


def _version() -> dict[str, Any]:
    texts: Mapping[str, Any] = {"type": "string", "minLength": 1, "maxLength": 200}
    whole: Mapping[str, Any] = {"type": "integer", "minimum": 0, "maximum": 100_000}
    schemas: dict[str, Any] = dict.fromkeys(_TEXTS, texts) | dict.fromkeys(_NUMBERS, whole)
    schemas |= {"parking": {"type": "string", "enum": list(_WORDS)}, "resident": {"type": "boolean"}}
    return {
        "model": None,
        "fields": [
            {"id": name, "label": {"en": name}, "source": {"en": "The form"}, "class": "personal",
             "neutral": "not stated", "schema": schema}
            for name, schema in schemas.items()
        ],
        "steps": [{"output": "result", "template": "Zone {{ zone }}: ", "max_tokens": 4}],
        **answers(),
        "sampler": {"kind": "greedy"},
        "seed": "none",
        "context": None,
        "adapters": [],
        "builds": [],
        "streaming": False,
        "release": "immediate",
        "remote": {"provider": "Test supplier", "endpoint": "https://supplier.example/", "model": "m-1", "terms": "t"},
    }  # fmt: skip


def answers(**more: str) -> dict[str, Any]:
    """The members of the version that list its outcomes. `more`: further ones, code → the text that stands for it."""
    texts = _OUTCOMES | more
    result = {"type": "string", "enum": list(texts.values())}
    return {
        "output_schema": {
            "type": "object",
            "properties": {"result": result},
            "required": ["result"],
            "additionalProperties": False,
        },
        "outcomes": [
            {"code": code, "text": text, "bias_millinats": 0, "label": {"en": text}, "release": None, "adverse": False}
            for code, text in texts.items()
        ],
    }
