"""A small system whose rule is known: the model says again what one of its two details says, as its prompt shows it.

Conftests load it by path.
"""

from __future__ import annotations

import atexit
import copy
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.deciding import decide
from service.systems import lifecycle, register
from service.wiring import create_home, open_home

SLUG = "echo-check"
STEPS = ("in_review", "approved", "active")
HEADS = ("Repeat what the signal says.", "The answer follows the signal.", "Look at the signal and answer.")
SHOWN = (("north", "red"), ("south", "green"), ("south", "red"), ("north", "green"))
INPUT = {"light": "north", "signal": "red"}
CASES = Path(__file__).parents[1] / "cli" / "demo" / "cases"


@dataclass(frozen=True)
class Echo:
    """A closed home with the system in use; `record`: a decision of it, held, whose outcome "halt" is adverse."""

    home: Path
    record: str


def template(head: str) -> str:
    shown = "".join(f"Light: {light}. Signal: {signal}. Answer: {signal}\n" for light, signal in SHOWN)
    return f"{head}\n{shown}Light: {{{{ light }}}}. Signal: {{{{ signal }}}}. Answer: "


def field(name: str, *values: str, **more: Any) -> dict[str, Any]:
    """A field with words for its values."""
    told = [{"value": one, "label": {"en": f"the {one} one", "nl": f"de {one}"}} for one in values]
    return {
        "id": name,
        "label": {"en": f"Your {name}", "nl": f"Uw {name}"},
        "source": {"en": "Your letter", "nl": "Uw brief"},
        "class": "personal",
        "neutral": "not stated",
        "schema": {"type": "string", "enum": list(values)},
        "values": told,
        **more,
    }


def outcome(code: str, text: str, *, adverse: bool, bias: int = 0) -> dict[str, Any]:
    label = {"en": f"You must {code}", "nl": f"U moet {code}"}
    return {
        "code": code,
        "text": text,
        "bias_millinats": bias,
        "label": label,
        "release": "after_review",
        "adverse": adverse,
    }


def register_file(*, protected: bool = False, bias: int = 0) -> bytes:
    """The loan check's file with other fields, prompts and outcomes. `bias`: towards "halt", in millinats."""
    made = copy.deepcopy(json.loads((CASES / "social-loan-check.json").read_text("utf-8")))
    made["system"]["slug"] = SLUG
    version = made["version"]
    signal = field("signal", "red", "green", **({"protected": True} if protected else {}))
    version["fields"] = [field("light", "north", "south"), signal]
    version["steps"] = [{"output": "result", "template": template(HEADS[0]), "max_tokens": 4}]
    version["outcomes"] = [outcome("halt", "red", adverse=True, bias=bias), outcome("pass", "green", adverse=False)]
    properties = {"result": {"type": "string", "enum": ["red", "green"]}}
    version["output_schema"]["properties"] = properties
    version["wordings"] = [{"kind": "paraphrase", "template": template(head)} for head in HEADS[1:]]
    version.pop("fitness", None)
    return json.dumps(made).encode()


_made: dict[str, Echo] = {}


def echo(folder: Path, model_file: Path, **sort: Any) -> Echo:
    """A home of one's own in `folder`; what takes time is done once a session for each sort of the system."""
    if str(sort) not in _made:
        home = Path(tempfile.mkdtemp(prefix="greffier-echo-")) / "home"
        atexit.register(shutil.rmtree, home.parent, ignore_errors=True)
        create_home(home, "waterveen", "waterveen.example/log")
        shutil.copyfile(CASES / "agency.json", home / "agency.json")
        with open_home(home) as g:
            register.add_model(g, model_file)
            register.register(g, register_file(**sort))
            for state in STEPS:
                lifecycle.change_state(g, SLUG, state)
            _made[str(sort)] = Echo(home, decide.decide(g, SLUG, INPUT, subjects=("TEST-0001",)).id)
    made = _made[str(sort)]
    return Echo(Path(shutil.copytree(made.home, folder / "home")), made.record)
