"""What goes out of the register into another format, and what comes in, with what is missing and what is lost. Pure.

Nothing is lost silently: an export is read back at once, and each member that does not come back as it was is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from registry.canonical import Json
from registry.errors import FormatError, RegistryError
from registry.exchange import plain_text
from registry.manifest import SystemVersion
from registry.system import AISystem
from registry.values import Words

Draft: TypeAlias = dict[str, Json]
"""Members of a record as they stand in a register file, as far as a format has them."""

HOW: Final[Mapping[str, Words]] = {
    "left_out": {"en": "has no place there", "nl": "heeft daar geen plek"},
    "language": {"en": "is in a language that the format does not take", "nl": "staat in een taal die niet mee kan"},
    "in_words": {"en": "stands there in words only", "nl": "staat er alleen in woorden"},
    "shortened": {"en": "was too long and is cut", "nl": "was te lang en is ingekort"},
    "withheld": {"en": "is withheld from the public", "nl": "wordt niet openbaar gemaakt"},
}
"""How a member of a record is lost on its way into a format."""

SOURCES: Final[Mapping[str, Words]] = {
    "state": {
        "en": "is decided here: a system comes in as a draft",
        "nl": "wordt hier bepaald: het begint als concept",
    },
    "agency": {"en": "is a matter of this installation's profile", "nl": "staat in het profiel van de organisatie"},
    "class": {"en": "follows here from the classification", "nl": "volgt hier uit de indeling"},
    "month": {"en": "is a month where the register has a day", "nl": "is een maand; het register heeft een dag"},
    "words": {
        "en": "is words where the register has parts: copy it by hand",
        "nl": "is tekst: neem het met de hand over",
    },
    "other": {"en": "has no place in the register", "nl": "heeft geen plek in het register"},
}
"""Why a field of another format does not come in."""


class DoesNotApply(RegistryError):
    """The format is for other systems than this one; the message says for which, and by which article."""


@dataclass(frozen=True, slots=True)
class Agency:
    """Who publishes, as far as the formats ask. `site` ends without a slash; `objection`: how people object."""

    names: Words
    address: str | None
    contact: str | None
    site: str
    objection: Words = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """What a format is made from. `version`: the one that runs, or the newest. `lang`: for formats in one language.

    `withheld`: names of members that `system` leaves out because the public may not see them.
    """

    system: AISystem
    state: str = "draft"
    version: SystemVersion | None = None
    agency: Agency | None = None
    lang: str = "en"
    withheld: frozenset[str] = frozenset()

    def say(self, words: Words | None) -> str | None:
        """The text in the language of the format, or None: another language would be passed off as that one."""
        return None if words is None else words.get(self.lang)


@dataclass(frozen=True, slots=True)
class Missing:
    """A field that the format asks for and the record does not hold, or the other way round.

    `member`: the path of the member that would hold it, `state`, `agency.json`, or empty: the register has none.
    """

    field: str
    label: str
    member: str
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Lost:
    """A member (export) or field (import) that does not arrive; `how` is a key of HOW or SOURCES."""

    what: str
    how: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a value that came in; never the value. `line` in a sheet, from 1; None elsewhere."""

    field: str
    message: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """A file in another format."""

    data: bytes
    missing: tuple[Missing, ...]
    lost: tuple[Lost, ...]


@dataclass(frozen=True, slots=True)
class Imported:
    """A draft out of another format. `missing`: members the register demands; `unknown`: fields that no format has."""

    draft: Draft
    missing: tuple[Missing, ...] = ()
    lost: tuple[Lost, ...] = ()
    unknown: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """One field of a format: what it is called there, what of a record it says, and how that is written and read.

    `read` None: it is words there, which nobody can take apart again. `longest` in characters of the written text.
    """

    id: str
    label: str
    members: tuple[str, ...]
    write: Callable[[Source], Json]
    read: Callable[[Json], Draft] | None = None
    required: bool = False
    rule: str = ""
    longest: int | None = None
    shorten: Callable[[str, int], str] = plain_text.shortened
    why: str = "words"  # for a field without `read`: a key of SOURCES; empty where it says nothing of the system


@dataclass(frozen=True, slots=True)
class Filled:
    """The values of a format's fields, by id; an empty field is None."""

    values: dict[str, Json]
    missing: tuple[Missing, ...]
    cut: frozenset[str]


def fill(places: tuple[Place, ...], source: Source) -> Filled:
    """Write each place. One that would say something withheld stays empty, and is not counted as missing."""
    values: dict[str, Json] = {}
    missing: list[Missing] = []
    cut: set[str] = set()
    for place in places:
        hidden = any(_hidden(source, member) for member in place.members)
        value = None if hidden else place.write(source)
        if isinstance(value, str) and place.longest is not None and len(value) > place.longest:
            value = place.shorten(value, place.longest)
            cut.add(place.id)
        empty = value is None or value in ("", [], {})
        values[place.id] = None if empty else value
        if empty and place.required and not hidden:
            missing.append(Missing(place.id, place.label, _wanted(place), place.rule))
    return Filled(values, tuple(missing), frozenset(cut))


def read_places(places: tuple[Place, ...], values: Mapping[str, Json]) -> Imported:
    """Read each place that holds something; what only other formats' readers would know is told as unknown."""
    draft: Draft = {}
    lost: list[Lost] = []
    faults: list[Fault] = []
    known = {place.id: place for place in places}
    for name, value in values.items():
        place = known.get(name)
        if place is None or value is None or value in ("", [], {}):
            continue
        if place.read is None:
            if place.why:
                lost.append(Lost(name, place.why))
            continue
        try:
            merge(draft, place.read(value))
        except FormatError as error:
            faults.append(Fault(name, _without_field(error)))
    unknown = tuple(sorted(name for name in values if name not in known))
    return Imported(draft, lost=tuple(lost), unknown=unknown, faults=tuple(faults))


def merge(draft: Draft, more: Mapping[str, Json]) -> Draft:
    """Put members into a draft, objects into objects; a list takes the place of a list. Gives the draft back."""
    for name, value in more.items():
        there = draft.get(name)
        if isinstance(there, dict) and isinstance(value, dict):
            draft[name] = merge(dict(there), value)
        else:
            draft[name] = value
    return draft


def expect(value: Json, kind: type, what: str) -> None:
    """Raise FormatError where a value is not of a kind (`str`, `list`, `dict`); `what` says what to write."""
    if not isinstance(value, kind):
        raise FormatError(f"is not {what}; write {what}")


def read_text(*path: str) -> Callable[[Json], Draft]:
    """A reader of plain text into a member, `("name", "nl")` for `name.nl`."""

    def read(value: Json) -> Draft:
        expect(value, str, "a text")
        found: Json = value
        for name in reversed(path):
            found = {name: found}
        assert isinstance(found, dict)
        return found

    return read


def _without_field(error: FormatError) -> str:
    text = str(error)
    return text.removeprefix(f"{error.field}: ") if error.field else text


def _wanted(place: Place) -> str:
    """Where what is missing belongs: a member of the record, the system's state, the profile; empty for nowhere."""
    if place.why in {"state", "agency"}:
        return "agency.json" if place.why == "agency" else place.why
    return place.members[0] if place.members else ""


def _hidden(source: Source, member: str) -> bool:
    root = member.split(".", maxsplit=1)[0]
    return root in source.withheld and getattr(source.system, root) is not None
