"""The formats the register goes out in and comes in from: THE table that commands, HTTP, documents and tests read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from registry.canonical import format_canonical
from registry.errors import FormatError
from registry.exchange import (
    annex_viii,
    annex_viii_fields,
    atrs,
    dpv,
    dpv_terms,
    dutch,
    dutch_fields,
    eurocities,
    mlbom,
    sheet,
)
from registry.exchange.transfer import Exported, Imported, Lost, Place, Source
from registry.register_file import FORMAT as REGISTER_FILE
from registry.register_file import RegisterFile, format_register_file
from registry.values import Words


def _for_all(_: Source) -> None:
    return


def _to_register_file(source: Source) -> Exported:
    """The system with its version as `greffier system register` reads it."""
    file = RegisterFile(source.system, source.version.manifest if source.version else None)
    lost = tuple(Lost(name, "withheld") for name in sorted(source.withheld))
    return Exported(format_canonical(format_register_file(file)), (), lost)


@dataclass(frozen=True, slots=True)
class Format:
    """One format. `suffix`: the end of a file's name. `read` None: it only goes out.

    `lang`: the one language that it takes, None for several. `places`: its fields; none for a sheet, whose columns are
    the register's own members. `demand` raises DoesNotApply for a system that the format is not for. `public`: whether
    everyone may have it; a register file holds prompts, too.
    """

    name: str
    title: Words
    source: str
    suffix: str
    media: str
    lang: str | None
    write: Callable[[Source], Exported]
    read: Callable[[bytes], tuple[Imported, ...]] | None
    places: tuple[Place, ...] = ()
    demand: Callable[[Source], None] = _for_all
    public: bool = True


def _section(letter: str, en: str, nl: str) -> Format:
    return Format(
        f"annex-viii-{letter.lower()}",
        {"en": en, "nl": nl},
        f"AI Act Annex VIII, section {letter}, as amended by Regulation (EU) 2026/1744",
        "json",
        "application/json",
        None,
        partial(annex_viii.to_annex_viii, section=letter),
        lambda data: (annex_viii.from_annex_viii(data),),
        annex_viii_fields.SECTIONS[letter],
        lambda source: annex_viii.demand(source.system, letter),
    )


_ALL: Final = (
    _section("A", "Provider's entry in the EU database", "Inschrijving van de aanbieder in de EU-databank"),
    _section("B", "Provider's entry, not high-risk", "Inschrijving van de aanbieder, geen hoog risico"),
    _section("C", "Public authority's entry in the EU database", "Inschrijving van de overheid in de EU-databank"),
    Format(
        "dutch",
        {"en": "Dutch algorithm register", "nl": "Algoritmeregister"},
        "Publication standard 1.0 of the Algoritmeregister",
        "json",
        "application/json",
        dutch_fields.LANG,
        dutch.to_dutch,
        dutch.from_dutch,
        dutch_fields.PLACES,
    ),
    Format(
        "csv",
        {"en": "Sheet (CSV)", "nl": "Tabel (CSV)"},
        "RFC 4180, UTF-8; columns are paths of the register",
        "csv",
        "text/csv; charset=utf-8; header=present",
        None,
        lambda source: sheet.to_csv([source]),
        sheet.from_csv,
    ),
    Format(
        "xlsx",
        {"en": "Sheet (XLSX)", "nl": "Tabel (XLSX)"},
        "Office Open XML; columns are paths of the register",
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        None,
        lambda source: sheet.to_xlsx([source]),
        sheet.from_xlsx,
    ),
    Format(
        "atrs",
        {"en": "UK algorithmic transparency record", "nl": "Britse algoritmeregistratie"},
        "Algorithmic Transparency Recording Standard 4.0; 3.0 is read too",
        "csv",
        "text/csv; charset=utf-8; header=present",
        atrs.LANG,
        atrs.to_atrs,
        atrs.from_atrs,
        atrs.PLACES,
    ),
    Format(
        "mlbom",
        {"en": "Bill of materials of the models", "nl": "Stuklijst van de modellen"},
        "CycloneDX 1.7, ML-BOM",
        "cdx.json",
        "application/vnd.cyclonedx+json; version=1.7",
        None,
        mlbom.to_mlbom,
        mlbom.from_mlbom,
        mlbom.PLACES,
        mlbom.demand,
    ),
    Format(
        "dpv",
        {"en": "Linked data (DPV)", "nl": "Gekoppelde gegevens (DPV)"},
        "W3C Data Privacy Vocabulary 2.3, JSON-LD",
        "jsonld",
        "application/ld+json",
        None,
        dpv.to_dpv,
        dpv.from_dpv,
        dpv_terms.PLACES,
    ),
    Format(
        "eurocities",
        {"en": "Eurocities register", "nl": "Register van Eurocities"},
        "Algorithmic Transparency Standard 0.3.1 (beta) of Eurocities",
        "json",
        "application/json",
        None,
        eurocities.to_eurocities,
        None,
        eurocities.PLACES,
    ),
    Format(
        "register",
        {"en": "Register file", "nl": "Registerbestand"},
        f"{REGISTER_FILE}, with the newest version; `greffier system register` takes it in",
        "json",
        "application/json",
        None,
        _to_register_file,
        None,
        public=False,
    ),
)
FORMATS: Final = {item.name: item for item in _ALL}
PUBLIC: Final = {name: form for name, form in FORMATS.items() if form.public}


def find_format(name: str) -> Format:
    """The format of that name. Raises FormatError that lists the names there are."""
    if name not in FORMATS:
        raise FormatError(f"is no format; write one of {', '.join(FORMATS)}", field="format")
    return FORMATS[name]
