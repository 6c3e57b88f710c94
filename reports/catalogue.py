"""Translations: `.po` files with the English sentence as key, read as they are (no compiled file is needed).

`python -m reports.catalogue` lists sentences without a translation; with `--write` it adds them, empty, to each catalogue.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import PoFileError, read_po, write_po
from jinja2 import Environment

from reports.errors import CatalogueError, MissingTranslation

SOURCE = "en"
"""The language of the keys: its catalogue is the list that a translator starts from, and holds no translations."""

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Translations:
    """One language's sentences. `lang` is a BCP 47 tag; `plural` picks the form for a count."""

    lang: str
    sentences: Mapping[str, tuple[str, ...]]

    def gettext(self, message: str) -> str:
        """The translation of `message`; raises MissingTranslation."""
        return message if self.lang == SOURCE else self._forms(message)[0]

    def ngettext(self, singular: str, plural: str, count: int) -> str:
        """The form for `count`. English and Dutch both have two forms, and one is singular only for 1."""
        forms = (singular, plural) if self.lang == SOURCE else self._forms(singular)
        if len(forms) != 2:
            raise MissingTranslation(f"{self.lang}: no plural for: {singular}")
        return forms[0] if count == 1 else forms[1]

    def _forms(self, message: str) -> tuple[str, ...]:
        forms = self.sentences.get(message)
        if forms is None:
            raise MissingTranslation(
                f"{self.lang}: no translation for: {message}; run `python -m reports.catalogue --write`"
            )
        return forms


def read_translations(lang: str, folders: Sequence[Path]) -> Translations:
    """The catalogues `<folder>/locale/<lang>/messages.po` as one; raises CatalogueError when two disagree."""
    sentences: dict[str, tuple[str, ...]] = {}
    for path in (folder / "locale" / lang / "messages.po" for folder in folders):
        if not path.exists():
            continue
        for message, forms in _translated(read_catalogue(path)):
            if sentences.setdefault(message, forms) != forms:
                raise CatalogueError(f"{path}: a second translation of: {message}")
    return Translations(lang, sentences)


def read_catalogue(path: Path) -> Catalog:
    """One `.po` file; raises CatalogueError."""
    try:
        return read_po(io.BytesIO(path.read_bytes()), locale=path.parent.name, abort_invalid=True)
    except (OSError, PoFileError, ValueError) as error:
        raise CatalogueError(f"{path}: {error}") from error


def languages(folder: Path = HERE) -> tuple[str, ...]:
    """The languages that have a catalogue, in order."""
    return tuple(sorted(path.parent.name for path in (folder / "locale").glob("*/messages.po")))


def extract(folder: Path, environment: Environment) -> Iterator[tuple[str, ...]]:
    """Each sentence of the folder's templates, in file order: (message,) or (singular, plural). Raises on syntax."""
    for path in sorted([*folder.rglob("*.html"), *folder.rglob("*.txt")]):
        for _line, _function, message in environment.extract_translations(path.read_text("utf-8")):
            texts = (message,) if isinstance(message, str) else message
            yield tuple(text for text in texts if text is not None)


def missing(messages: Iterable[tuple[str, ...]], translations: Translations) -> list[str]:
    """The sentences that have no translation, each once."""
    return list(dict.fromkeys(m[0] for m in messages if len(translations.sentences.get(m[0], ())) != len(m)))


def _translated(catalogue: Catalog) -> Iterator[tuple[str, tuple[str, ...]]]:
    for message in catalogue:
        key = message.id if isinstance(message.id, str) else message.id[0]
        forms = (message.string,) if isinstance(message.string, str) else tuple(message.string)
        # A fuzzy sentence is a guess of a tool: nobody has read it, so it does not count.
        if key and all(forms) and not message.fuzzy:
            yield key, forms


def _rewrite(path: Path, messages: Sequence[tuple[str, ...]]) -> None:
    """The catalogue in the order of the templates; translations kept, sentences that no template has any more dropped."""
    old = read_catalogue(path)
    new = Catalog(
        locale=path.parent.name,
        project="Greffier",
        fuzzy=False,
        header_comment="# Greffier: sentences that people read.",
    )
    for message in dict.fromkeys(messages):
        known = old.get(message[0])
        new.add(message if len(message) > 1 else message[0], string=known.string if known is not None else None)
    buffer = io.BytesIO()
    write_po(buffer, new, width=140, omit_header=True)
    header = f'msgid ""\nmsgstr ""\n"Language: {path.parent.name}\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n'
    header += '"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'
    path.write_bytes(header.encode() + buffer.getvalue())


def main(arguments: Sequence[str] | None = None) -> int:
    """List or add what is missing; 1 when a sentence has no translation."""
    from reports.render import source_environment

    parser = argparse.ArgumentParser(prog="python -m reports.catalogue", description=__doc__)
    parser.add_argument(
        "folder", nargs="*", type=Path, default=[HERE], help="folders with templates and locale/ (default: reports)"
    )
    parser.add_argument("--write", action="store_true", help="add the missing sentences, empty, and drop the unused")
    options = parser.parse_args(arguments)
    found = 0
    for folder in options.folder:
        messages = list(extract(folder, source_environment()))
        for lang in languages(folder):
            if options.write:
                _rewrite(folder / "locale" / lang / "messages.po", messages)
            # The site's pages may use the documents' sentences, so both catalogues count.
            absent = (
                []
                if lang == SOURCE
                else missing(messages, read_translations(lang, list(dict.fromkeys([HERE, folder]))))
            )
            found += len(absent)
            for message in absent:
                sys.stdout.write(f"{folder.name}/{lang}: {message}\n")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
