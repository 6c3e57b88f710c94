"""Rules of a public record on its translations and on what is withheld. A message names the member and the rule."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

from registry.canonical import Json
from registry.errors import FormatError
from registry.parts.publication import Publication
from registry.values import LANGUAGE

_STEP: Final = re.compile(r"([a-z0-9_]{1,40})((?:\[[0-9]{1,3}\])*)")


def verify_translations(paths: Sequence[str], record: Json) -> None:
    """Each path leads to a text in that language, beside one in another language that it was translated from.

    Raises FormatError with the path of the member that does not.
    """
    for index, path in enumerate(paths):
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


def verify_publication(publication: Publication, known: Collection[str], *, under_49_4: bool) -> None:
    """`known`: the members that may be withheld; `under_49_4`: whether AI Act 49(4) may be the reason.

    Raises FormatError with the path of the member that does not fit.
    """
    place = "system.publication"
    if publication.state == "public" and publication.withheld:
        raise FormatError("is public, and a member is withheld; write partly", field=f"{place}.state")
    if publication.state != "public" and not publication.withheld:
        raise FormatError("is empty; name what is withheld, and why, or write public", field=f"{place}.withheld")
    seen: set[str] = set()
    for index, one in enumerate(publication.withheld):
        where = f"{place}.withheld[{index}]"
        if one.member not in known:
            raise FormatError(f"may not be withheld; these may: {', '.join(known)}", field=f"{where}.member")
        if one.member in seen:
            raise FormatError("is withheld twice; keep one of them", field=f"{where}.member")
        seen.add(one.member)
        if one.reason == "article_49_4" and not under_49_4:
            raise FormatError(
                "is for Annex III points 1, 6 and 7 in law enforcement, migration, asylum and border control "
                "(AI Act 49(4)); give another reason, or set use.law_enforcement and the point",
                field=f"{where}.reason",
            )
