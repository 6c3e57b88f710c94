"""The demo's remote version of the tax helpline, asked at an OpenAI-compatible endpoint that somebody has started.

Only where `GREFFIER_DEMO_ENDPOINT` names one, such as `http://127.0.0.1:8080/v1` of a llama.cpp server.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from auditlog.core.formats.canonical import Json
from cli.demo.gate import APPROVER, MAKER
from home.errors import Unfinished
from home.greffier import Greffier
from registry.modification import Modification
from service.deciding import decide
from service.records.reading import CLI
from service.replaying import replay
from service.systems import lifecycle, register

_SAME_USE: Final = Modification(
    "no",
    {
        "en": "The questions, the prompt and who reads the reply stay the same. Only the model runs elsewhere.",
        "nl": "De vragen, de opdracht en wie het antwoord leest blijven gelijk. Alleen draait het model elders.",
    },
)
VARIABLE: Final = "GREFFIER_DEMO_ENDPOINT"
SLUG: Final = "tax-question-reply"
FILE: Final = Path(__file__).parent / "cases" / f"{SLUG}-remote.json"
QUESTION: Final[dict[str, Json]] = {"message": "May I pay next month instead of now?", "bill_year": 2026}


def ask(g: Greffier, endpoint: str, step: Callable[[str, bool, str], None]) -> None:
    """Register and start the version, ask it one question, and try to run the result again."""
    document = json.loads(FILE.read_text(encoding="utf-8"))
    document["version"]["remote"] |= {"endpoint": endpoint, "form": "json_object"}
    registered = register.register(g, json.dumps(document).encode(), account=MAKER, substantial=_SAME_USE)
    newest = (registered.running_version or 0) + 1
    lifecycle.change_state(g, SLUG, "active", reason="new_version", version=newest, account=APPROVER, role="approver")
    try:
        answer = decide.decide(g, SLUG, QUESTION, lang="nl")
    except Unfinished as error:
        step("a model elsewhere", False, str(error))
        return
    verdict = replay.replay(g, CLI, answer.id)
    kept = "held for an officer" if answer.held else f"{answer.outcome}"
    seen = f"version {newest}, asked through the gateway: {kept}; replay: {verdict.verdict} ({verdict.reason})"
    step("a model elsewhere", verdict.reason == "provider", seen)
