"""Wordings and invented cases that the runtime would not run: the place is named, and nothing is registered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.demo.run import CASES
from runtime.messages import messages_schema

Version = dict[str, Any]

WORDING = (
    "This person has {{ income }}, has {{ debts }}, pays bills {{ payment_record }} and has {{ room }} euro left."
    " The chance that the loan will be paid back is "
)
CASE = {"income": "a steady job", "debts": "no debts", "room": 150}


def wording(template: str) -> Callable[[Version], None]:
    return lambda version: version.update(wordings=[{"kind": "paraphrase", "template": template}])


def grid(**values: list[Any]) -> Callable[[Version], None]:
    axes = [{"id": name, "values": given} for name, given in values.items()]
    return lambda version: version.update(fitness={"grid": axes})


def cases(*given: dict[str, Any]) -> Callable[[Version], None]:
    return lambda version: version.update(fitness={"cases": [CASE, *given]})


def no_neutral(version: Version) -> None:
    """A conversation has no neutral value: a case that leaves it out cannot be asked."""
    version["fields"].append(
        {**version["fields"][0], "id": "talk", "neutral": None, "schema": messages_schema(), "values": None}
    )
    version["fitness"] = {"grid": [{"id": "income", "values": ["no income"]}]}
    version["wordings"] = None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (wording(WORDING.rstrip()), "version.wordings[0].template: an answer would touch the last word. End with"),
        (grid(income=["a steady job", "Piet Jansen"]), "version.fitness.grid[0].values[1]: the value does not fit"),
        (grid(debts=["no debts"], room=[150, "much"]), "version.fitness.grid[1].values[1]: the value does not fit"),
        (grid(room=[-1]), "version.fitness.grid[0].values[0]: the value does not fit the schema's minimum"),
        (cases({"room": "Piet Jansen"}), "version.fitness.cases[1].room: the value does not fit"),
        (cases({"income": "Piet Jansen"}), "version.fitness.cases[1].income: the value does not fit the schema's enum"),
        (no_neutral, "version.fitness.grid: is missing and has no neutral value"),
    ],
)
def test_it_is_refused_at_registration(
    bare: Path, command: Any, unchanged: Any, tmp_path: Path, change: Callable[[Version], None], said: str
) -> None:
    document = json.loads((CASES / "social-loan-check.json").read_bytes())
    change(document["version"])
    file = tmp_path / "system.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    with unchanged(bare):
        told = command("system", "register", file, "--home", bare)
    assert told.code == 3
    assert told.line.startswith(said)


def test_what_the_runtime_can_run_is_registered(bare: Path, command: Any, tmp_path: Path) -> None:
    document = json.loads((CASES / "social-loan-check.json").read_bytes())
    wording(WORDING)(document["version"])
    cases({"room": None, "debts": "unpaid debts"})(document["version"])
    file = tmp_path / "system.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    assert command("system", "register", file, "--home", bare).code == 0
