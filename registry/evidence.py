"""Which evidence of a duty a record itself holds. What only the log can say is looked up by an action. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from registry.answers import Answers
from registry.retention import HIGH_RISK_MONTHS
from registry.rules import Rules
from registry.system import AISystem

NEW_LETTERS: Final = frozenset({"ba", "bb"})
ELSEWHERE: Final = frozenset({"quality_system", "documents_kept", "permission_48h", "accessible"})
"""What no register holds; whether it is there, people must say."""
IN_LOG: Final = frozenset(
    {
        "manifest",
        "decisions_logged",
        "stop",
        "fitness",
        "reviews",
        "incidents_told",
        "worker_notice",
        "notice_given",
        "marking",
        "emotion_notice",
        "deep_fake_notice",
        "text_notice",
        "explanations",
        "export",
    }
)
"""What is found by asking the log."""


def _paper(kind: str) -> Callable[[AISystem], bool]:
    return lambda system: any(paper.kind == kind for paper in system.papers or ())


def _assessment(kind: str) -> Callable[[AISystem], bool]:
    return lambda system: any(item.kind == kind for item in system.assessments or ())


def _training(system: AISystem) -> bool:
    return any(item.trained is not None for item in system.oversight or ())


def _entered(system: AISystem) -> bool:
    """In the public section with its address or number, or in the section that is not public, where that is allowed."""
    entry = system.eu_database
    if entry is None:
        return False
    return _in_closed_section(system) if entry.restricted else bool(entry.link or entry.number)


def _in_closed_section(system: AISystem) -> bool:
    """Not public are law enforcement, migration, asylum, borders (49(4)) and critical infrastructure (49(5)) alone."""
    entry, points = system.eu_database, system.classification.annex_iii
    if entry is None or not entry.restricted:
        return False
    secret = any(point.startswith(("III.1.", "III.6.", "III.7.")) for point in points)
    return "III.2" in points or (secret and system.use is not None and system.use.law_enforcement)


def _national(system: AISystem) -> bool:
    return system.eu_database is not None and "III.2" in system.classification.annex_iii


RECORD: Final[Mapping[str, Callable[[AISystem], bool]]] = {
    "training": _training,
    "exit_paper": _paper("exit_6_3"),
    "risks": lambda system: bool(system.risks),
    "data_described": lambda system: bool(system.data),
    "limits": lambda system: system.limits is not None,
    "performance": lambda system: bool(system.performance),
    "oversight": lambda system: bool(system.oversight),
    "eu_declaration": _paper("eu_declaration"),
    "retention": lambda system: system.retention is not None and system.retention.log_months >= HIGH_RISK_MONTHS,
    "instructions": lambda system: system.role == "both" or _paper("instructions")(system),
    "input_data": lambda system: any(item.quality is not None for item in system.data or () if item.use == "input"),
    "eu_entry": _entered,
    "restricted_entry": _in_closed_section,
    "national_entry": _national,
    "dpia": _assessment("dpia"),
    "notice_text": lambda system: system.notice is not None,
    "fria": lambda system: system.fria is not None,
    "fria_notified": lambda system: system.fria is not None and system.fria.notified is not None,
    "decision_process": lambda system: system.decision_process is not None,
}
"""Evidence → whether the record has it."""


def in_record(code: str, system: AISystem, answers: Answers | None, rules: Rules) -> bool | None:
    """Whether the record, or the answers, hold this evidence; None for what neither can say."""
    if code in {"screening", "screening_new"}:
        return _screened(answers, rules, new=code == "screening_new")
    test = RECORD.get(code)
    return None if test is None else test(system)


def _screened(answers: Answers | None, rules: Rules, *, new: bool) -> bool:
    """Every letter answered, with certainty."""
    if answers is None:
        return False
    wanted = {letter.letter for letter in rules.letters if not new or letter.letter in NEW_LETTERS}
    return wanted <= {item.letter for item in answers.article_5 if item.applies != "unsure"}


__all__ = ("ELSEWHERE", "IN_LOG", "NEW_LETTERS", "RECORD", "in_record")
