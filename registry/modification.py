"""Whether a new version changes a system substantially (AI Act 3(23)): the question that comes with it once people are
decided about, and the answer that everybody can read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from registry.errors import FormatError
from registry.gate_report import format_statement, parse_statement
from registry.values import Words

Answer = Literal["yes", "no"]
ASKED_IN: Final = frozenset({"pilot", "active", "suspended"})
"""States in which a new version is a change of something that people are subject to."""


@dataclass(frozen=True, slots=True)
class Modification:
    """`substantial`: whether the new version was not foreseen in the first assessment and touches compliance or the
    intended purpose. `because`: the reasons by language, public."""

    substantial: Answer
    because: Words


def parse_modification(substantial: str, because: dict[str, str]) -> Modification:
    """Check an answer that somebody gave. Raises FormatError that names the member."""
    if substantial not in {"yes", "no"}:
        raise FormatError("is neither yes nor no; write one of them (AI Act 3(23))", field="substantial")
    return Modification("yes" if substantial == "yes" else "no", parse_statement(because, "because"))


def format_reasons(modification: Modification) -> str:
    """Canonical JSON of the reasons: their digest is in the `modification/1` entry."""
    return format_statement(modification.because).decode()
