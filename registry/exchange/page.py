"""`docs/exchange.md`: the formats with their fields, and what each still asks of given systems. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from registry.errors import RegistryError
from registry.exchange.formats import FORMATS, Format
from registry.exchange.transfer import HOW, SOURCES, Lost, Missing, Place, Source
from registry.values import say

_HEAD = """# The register in other formats

Made by `registry.exchange.page` from the formats and the demo's systems; a test compares. Do not edit.

`greffier system export SLUG --to FORMAT` writes a system in one of the formats below, `greffier system import FILE
--from FORMAT` takes systems in, and everyone may take a public system at `/register/SLUG.FORMAT`. Nothing is guessed:
a field that the format asks for and the record does not hold stays empty and is listed as missing; a member of the
record that does not arrive is listed as lost, with the reason. What is withheld from the public leaves only with
`--whole`. A text is never passed off as another language.

What comes in is a draft. A known system is found by its short name (`slug`) and changes; a new one needs what the
register demands, which `--fill FILE` can give. Either all systems of a file are taken or none; `--dry-run` says what
would happen.
"""
_SHEETS = """
## Sheets: `csv` and `xlsx`

One row a system, one column for each value of the record. The first row has the ids of the columns: paths in the
register file, such as `slug`, `name.en`, `legal_basis.1.law`, `classification.annex_iii.2`; they are stable, and a
new member adds columns. `slug` is needed. A member that has a column is what its columns say, an empty cell means
that there is nothing; `none` means an empty list. A member without a column is left alone. `greffier system export
--all --to csv` writes all systems.

CSV is UTF-8, with commas or semicolons. What a spreadsheet would run as a formula gets an apostrophe before it and
loses it on the way in; in XLSX each cell is a text. Refused, with the cell: merged cells, formulas, errors. Refused,
with the line: another encoding, a value that is none, the same slug twice. Limits: 10 MB, 20,000 lines, 2,000
columns.
"""


def describe(sources: Sequence[Source]) -> str:
    """The whole page, Markdown; `sources` are the systems of which the page says what is missing."""
    parts = [_HEAD, "\n## Formats\n\n| format | what | standard | language | comes in |\n|---|---|---|---|---|\n"]
    for form in FORMATS.values():
        comes = "no" if form.read is None else "yes"
        parts.append(
            f"| `{form.name}` | {say(form.title, 'en')} | {form.source} | {form.lang or _languages(form)} | {comes} |\n"
        )
    parts.append(_SHEETS)
    parts += [_fields(form) for form in FORMATS.values() if form.places]
    parts.append("\n## What is missing\n\nOf the demo's systems, as they ship.\n")
    parts += [_report(form, sources) for form in FORMATS.values() if form.places]
    return "".join(parts)


def _languages(form: Format) -> str:
    return "one, `--lang`" if form.name == "eurocities" else "all"


def _fields(form: Format) -> str:
    rows = "".join(_field(form, place) for place in form.places)
    return (
        f"\n## Fields of `{form.name}`\n\n{form.source}.\n\n"
        f"| field | name | asked for | of the record | comes back |\n|---|---|---|---|---|\n{rows}"
    )


def _field(form: Format, place: Place) -> str:
    members = ", ".join(f"`{member}`" for member in place.members)
    if form.read is None:
        back = "no"
    elif place.read is not None:
        back = "yes"
    else:
        back = f"no: {SOURCES[place.why]['en']}" if place.why else "no"
    longest = f" (at most {place.longest:,} characters)" if place.longest else ""
    return f"| `{place.id}` | {place.label}{longest} | {'yes' if place.required else ''} | {members} | {back} |\n"


def _report(form: Format, sources: Sequence[Source]) -> str:
    rows = "".join(_row(form, source) for source in sources)
    return f"\n### `{form.name}`\n\n| system | missing | lost |\n|---|---|---|\n{rows}"


def _row(form: Format, source: Source) -> str:
    try:
        exported = form.write(source)
    except RegistryError as error:
        return f"| `{source.system.slug}` | does not apply: {str(error).removeprefix(f'{error.field}: ')} | |\n"
    return f"| `{source.system.slug}` | {_missing(exported.missing)} | {_lost(exported.lost)} |\n"


def _missing(found: Iterable[Missing]) -> str:
    return ", ".join(f"`{one.field}`" for one in found) or "nothing"


def _lost(found: Sequence[Lost]) -> str:
    """Members by the reason, one language of a text counted with its text."""
    parts: list[str] = []
    for how, words in HOW.items():
        names = dict.fromkeys(one.what.split(".")[0].split("[")[0] for one in found if one.how == how)
        if names:
            parts.append(f"{words['en']}: {', '.join(f'`{name}`' for name in names)}")
    return "; ".join(parts) or "nothing"
