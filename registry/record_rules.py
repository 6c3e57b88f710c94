"""What holds between the members of a public record. A message names the member, the rule and where the rule stands."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Final

from registry import declaration
from registry.canonical import Json
from registry.errors import FormatError
from registry.parts.publication import Publication, withholdable
from registry.values import LANGUAGE

if TYPE_CHECKING:
    from registry.system import AISystem

_BINDS: Final = date(2027, 12, 2)
"""From when a high-risk system of Annex III must be registered before its use: AI Act 26(8) by 113(c)(i). Whether 49(3)
binds earlier is contested; that is for the duties to say, not for the form of a record."""
_TAKEN: Final = frozenset({"schema"})
"""Short names under whose address the register has something else."""
_RESTRICTED_POINTS: Final = re.compile(r"III\.(1|6|7)\b.*")
_STEP: Final = re.compile(r"([a-z0-9_]{1,40})((?:\[[0-9]{1,3}\])*)")


def verify_record(system: AISystem) -> None:
    """Raises FormatError with the path of the member that does not fit the others."""
    if system.slug in _TAKEN:
        raise FormatError("is a name that the register itself uses; choose another", field="system.slug")
    _verify_dates(system)
    _verify_translations(system)
    if system.publication is not None:
        _verify_publication(system, system.publication)


def _verify_dates(system: AISystem) -> None:
    if system.ended is not None and system.first_use is not None and system.ended < system.first_use:
        raise FormatError("is before first_use; correct one of the two days", field="system.ended")
    fria = system.fria
    if fria is not None and fria.notified is not None and fria.notified < fria.made:
        raise FormatError("is before the assessment was made (AI Act 27(3)); correct it", field="system.fria.notified")
    for index, paper in enumerate(system.papers or ()):
        if paper.expires is not None and paper.expires < paper.received:
            raise FormatError("is before it was received; correct it", field=f"system.papers[{index}].expires")
    entry, first = system.eu_database, system.first_use
    if entry is None or first is None or not (system.high_risk and system.classification.annex_iii):
        return
    if first >= _BINDS and entry.registered > first:
        raise FormatError(
            "is after first_use; a high-risk system is registered before its use (AI Act 26(8), 49(3))",
            field="system.eu_database.registered",
        )


def _verify_translations(system: AISystem) -> None:
    """Each path leads to a text in that language, beside one in another language that it was translated from."""
    record = declaration.format_object(system)
    for index, path in enumerate(system.machine_translated or ()):
        where = f"system.machine_translated[{index}]"
        steps, _, lang = path.rpartition(".")
        words = _at(record, steps)
        if not isinstance(words, dict) or not all(re.fullmatch(LANGUAGE, name) for name in words) or lang not in words:
            raise FormatError("leads to no text of this record; write its path, as purpose.en", field=where)
        if len(words) == 1:
            raise FormatError("is the only language of its text; name the translation", field=where)


def _at(record: Json, path: str) -> Json:
    """The value at a path as `fria.harms` or `risks[0].risk`; None where there is none."""
    found = record
    for step in path.split("."):
        match = _STEP.fullmatch(step)
        if match is None or not isinstance(found, dict):
            return None
        found = found.get(match[1])
        for number in re.findall(r"[0-9]+", match[2]):
            found = found[int(number)] if isinstance(found, list) and int(number) < len(found) else None
    return found


def _verify_publication(system: AISystem, publication: Publication) -> None:
    place = "system.publication"
    if publication.state == "public" and publication.withheld:
        raise FormatError("is public, and a member is withheld; write partly", field=f"{place}.state")
    if publication.state != "public" and not publication.withheld:
        raise FormatError("is empty; name what is withheld, and why, or write public", field=f"{place}.withheld")
    known = withholdable(type(system))
    seen: set[str] = set()
    for index, one in enumerate(publication.withheld):
        where = f"{place}.withheld[{index}]"
        if one.member not in known:
            raise FormatError(f"may not be withheld; these may: {', '.join(known)}", field=f"{where}.member")
        if one.member in seen:
            raise FormatError("is withheld twice; keep one of them", field=f"{where}.member")
        seen.add(one.member)
        if one.reason == "article_49_4" and not _falls_under_49_4(system):
            raise FormatError(
                "is for Annex III points 1, 6 and 7 in law enforcement, migration, asylum and border control "
                "(AI Act 49(4)); give another reason, or set use.law_enforcement and the point",
                field=f"{where}.reason",
            )


def _falls_under_49_4(system: AISystem) -> bool:
    points = any(_RESTRICTED_POINTS.fullmatch(point) for point in system.classification.annex_iii)
    return points and system.use is not None and system.use.law_enforcement
