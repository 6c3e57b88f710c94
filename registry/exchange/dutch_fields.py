"""The fields of the Dutch publication standard 1.0: how each is written from a record, and read into one.

Keys, lengths and values are those of the register's configuration 1.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from registry.canonical import Json
from registry.errors import FormatError
from registry.exchange.markup import from_html, shorten_html, to_html
from registry.exchange.plain_text import blocks, joined
from registry.exchange.transfer import Draft, Place, Source, expect, read_text
from registry.parts.subjects import THEMES
from registry.values import SLUG, Words

LANG: Final = "nl"
INTERNAL: Final = "Intern ontwikkeld"
CATEGORIES: Final = ("Hoog-risico AI-systeem", "Impactvolle algoritmes", "Overige algoritmes")
STATUS: Final = ("In ontwikkeling", "In gebruik", "Buiten gebruik")
REGISTER: Final = "Algoritmeregister"
MOST_THEMES: Final = 3
_REACH: Final = re.compile(r"[^\s@,;<>]+@[^\s@,;<>]+\.[A-Za-z]{2,}|https://[^\s\"<>,]+")


def _text(member: str) -> Callable[[Source], Json]:
    def write(source: Source) -> Json:
        words: Words | None = getattr(source.system, member)
        return source.say(words)

    return write


def _html(*members: str) -> Callable[[Source], Json]:
    def write(source: Source) -> Json:
        return to_html([source.say(getattr(source.system, member)) for member in members])

    return write


def _read_html(*members: str) -> Callable[[Json], Draft]:
    """A reader of HTML into multilingual members; text that is not in as many parts goes into the first of them."""

    def read(value: Json) -> Draft:
        expect(value, str, "a text")
        texts = from_html(str(value))
        if len(texts) > len(members):
            texts = ("\n\n".join(text for text in texts if text),)
        return {member: {LANG: text} for member, text in zip(members, texts, strict=False) if text.strip()}

    return read


def _words(write: Callable[[Source], str | None]) -> Callable[[Source], Json]:
    return lambda source: to_html([write(source)])


def _organization(source: Source) -> Json:
    return None if source.agency is None else source.agency.names.get(LANG)


def _category(source: Source) -> Json:
    return [THEMES.codes[code][LANG] for code in (source.system.themes or ())[:MOST_THEMES]]


def _read_category(value: Json) -> Draft:
    expect(value, list, "a list")
    assert isinstance(value, list)
    by_label = {_folded(words[LANG]): code for code, words in THEMES.codes.items()}
    found = [by_label.get(_folded(str(label))) for label in value]
    if None in found:
        raise FormatError("has a value that is no theme of the standard; write one of its sixteen")
    return {"themes": list(found)}


def _folded(label: str) -> str:
    return label.lower().replace("ë", "e").strip()


def _status(source: Source) -> Json:
    """A system that was stopped is out of use as long as it stands still."""
    if source.system.ended is not None or source.state in {"retired", "suspended"}:
        return STATUS[2]
    return STATUS[1] if source.state in {"pilot", "active"} else STATUS[0]


def _month(member: str) -> Callable[[Source], Json]:
    def write(source: Source) -> Json:
        day = getattr(source.system, member)
        return None if day is None else f"{day:%Y-%m}"

    return write


def _contact(source: Source) -> Json:
    found = _REACH.search(source.system.owner.contact)
    if found is None and source.agency is not None and source.agency.contact:
        found = _REACH.search(source.agency.contact)
    return None if found is None else found.group()


def _publication_category(source: Source) -> Json:
    system = source.system
    if system.high_risk:
        return CATEGORIES[0]
    if system.use is None:
        return None
    return CATEGORIES[1] if system.use.decides_about_persons else CATEGORIES[2]


def _url(source: Source) -> Json:
    return f"{source.agency.site}/register/{source.system.slug}" if source.agency else None


def _bases(source: Source) -> Json:
    found = (
        {"title": f"{item.law}, artikel {item.article}"[:100], "link": item.link}
        for item in source.system.legal_basis
        if item.link
    )
    return list(found)


def _process_link(source: Source) -> Json:
    return source.system.processing.link if source.system.processing else None


def _tests(source: Source) -> Json:
    found: list[Json] = [
        {"title": item.title, **({"link": item.link} if item.link else {})} for item in source.system.assessments or ()
    ]
    fria = source.system.fria
    if fria is not None:
        title = "Beoordeling van de gevolgen voor grondrechten (AI-verordening 27)"
        found.append({"title": title, **({"link": fria.link} if fria.link else {})})
    return found


def _data(source: Source) -> str | None:
    inputs = source.version.manifest.fields if source.version else ()
    declared = [f"{item.label[LANG]}: {item.source.get(LANG, '')}" for item in inputs if LANG in item.label]
    return joined(blocks(source.system.data, LANG), "\n".join(declared))


def _data_links(source: Source) -> Json:
    return [
        {"title": item.name[LANG], "link": item.link}
        for item in source.system.data or ()
        if item.link and LANG in item.name
    ]


def _technique(source: Source) -> str | None:
    parts = [source.say(source.system.decision_process), blocks(source.system.models, LANG)]
    model = source.version.manifest.model if source.version else None
    if model is not None:
        parts.append(f"Model: {model.name} ({model.quantization}). Het leert niet door tijdens gebruik.")
    return joined(*parts)


def _supplier(source: Source) -> Json:
    if source.system.supplier is not None:
        return source.system.supplier.name
    return source.system.provider.name if source.system.role == "deployer" else INTERNAL


def _read_supplier(value: Json) -> Draft:
    expect(value, str, "a name")
    return {} if value == INTERNAL else {"supplier": {"name": value}}


def _link(member: str) -> Callable[[Source], Json]:
    return lambda source: getattr(source.system, member)


def _read_slug(value: Json) -> Draft:
    expect(value, str, "a text")
    return {"slug": value} if re.fullmatch(SLUG, str(value)) else {}


def _register_id(source: Source) -> Json:
    return next((item.value for item in source.system.identifiers or () if item.scheme == REGISTER), None)


def _read_register_id(value: Json) -> Draft:
    return {"identifiers": [{"scheme": REGISTER, "value": str(value)}]}


def _long(name: str, label: str, members: tuple[str, ...], longest: int = 2500) -> Place:
    write, read = _html(*members), _read_html(*members)
    return Place(name, label, members, write, read, True, longest=longest, shorten=shorten_html)


def _said(
    name: str, label: str, members: tuple[str, ...], write: Callable[[Source], str | None], longest: int = 2500
) -> Place:
    return Place(name, label, members, _words(write), longest=longest, shorten=shorten_html)


PLACES: Final = (
    Place("name", "Naam", ("name",), _text("name"), read_text("name", LANG), True, longest=100),
    Place(
        "description_short",
        "Korte omschrijving",
        ("summary",),
        _text("summary"),
        read_text("summary", LANG),
        True,
        longest=350,
    ),
    Place("organization", "Organisatie", (), _organization, None, True, longest=100, why="agency"),
    Place("category", "Thema", ("themes",), _category, _read_category, True),
    Place("status", "Status", ("ended",), _status, None, True, why="state"),
    Place("begin_date", "Begindatum", ("first_use",), _month("first_use"), None, True, why="month"),
    Place("end_date", "Einddatum", ("ended",), _month("ended"), None, why="month"),
    Place(
        "contact_email",
        "Contactgegevens",
        ("owner.contact",),
        _contact,
        read_text("owner", "contact"),
        True,
        longest=500,
    ),
    Place("website", "Link naar publiekspagina", ("website",), _link("website"), read_text("website"), longest=500),
    Place(
        "publication_category",
        "Publicatiecategorie",
        ("classification", "use"),
        _publication_category,
        None,
        True,
        why="class",
    ),
    Place("url", "Link naar bronregistratie", (), _url, None, longest=500, why="other"),
    _long("goal", "Doel en impact", ("purpose", "affected_persons")),
    _long("proportionality", "Afwegingen", ("proportionality", "alternatives")),
    _long("human_intervention", "Menselijke tussenkomst", ("human_oversight",)),
    _said("risks", "Risicobeheer", ("risks",), lambda source: blocks(source.system.risks, LANG)),
    _said(
        "lawful_basis",
        "Wettelijke basis",
        ("legal_basis",),
        lambda source: blocks(source.system.legal_basis, LANG),
        2500,
    ),
    Place("lawful_basis_grouping", "Verwijzingen wettelijke basis", ("legal_basis",), _bases),
    Place(
        "process_index_url",
        "Link naar verwerkingsregister",
        ("processing.link",),
        _process_link,
        read_text("processing", "link"),
        longest=500,
    ),
    Place("impacttoetsen_grouping", "Impacttoetsen", ("assessments", "fria.link"), _tests, None, True),
    _said(
        "impacttoetsen",
        "Toelichting op impacttoetsen",
        ("assessments", "fria.summary"),
        lambda source: (
            "\n\n".join(
                text
                for text in (
                    blocks(source.system.assessments, LANG),
                    source.say(source.system.fria.summary) if source.system.fria else None,
                )
                if text
            )
            or None
        ),
        2500,
    ),
    _said("source_data", "Gegevens", ("data",), _data),
    Place("source_data_grouping", "Verwijzingen gegevensbronnen", ("data",), _data_links),
    _said("methods_and_models", "Technische werking", ("decision_process", "models"), _technique, 5000),
    Place(
        "provider",
        "Leverancier",
        ("supplier.name", "provider.name"),
        _supplier,
        _read_supplier,
        True,
        longest=200,
    ),
    Place(
        "publiccode",
        "Link naar broncode",
        ("source_code",),
        _link("source_code"),
        read_text("source_code"),
        longest=500,
    ),
    Place("lang", "Taal", (), lambda _: "nld", None, True, why=""),
    Place("standard_version", "Versie publicatiestandaard", (), lambda _: "1.0", None, True, why=""),
    Place("source_id", "Bron-ID", ("slug",), lambda source: source.system.slug, _read_slug, longest=100),
    Place("tags", "Zoektermen", (), lambda _: None, None, why="other"),
    Place("lars", "Algoritme-ID", ("identifiers",), _register_id, _read_register_id),
)
"""The fields of the standard, in its order. `required` also where the register shows "not filled in"."""
