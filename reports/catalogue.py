"""Translations: `.po` files with the English sentence as key, read as they are (no compiled file is needed)."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import PoFileError, read_po

from reports.errors import CatalogueError, TranslationError

SOURCE = "en"
"""The language of the keys: its catalogue is the list that a translator starts from, and holds no translations."""

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Translations:
    """One language's sentences. `lang` is a BCP 47 tag; `plural` picks the form for a count."""

    lang: str
    sentences: Mapping[str, tuple[str, ...]]

    def gettext(self, message: str) -> str:
        """The translation of `message`; raises TranslationError."""
        return message if self.lang == SOURCE else self._forms(message)[0]

    def ngettext(self, singular: str, plural: str, count: int) -> str:
        """The form for `count`. English and Dutch both have two forms, and one is singular only for 1."""
        forms = (singular, plural) if self.lang == SOURCE else self._forms(singular)
        if len(forms) != 2:
            raise TranslationError(f"{self.lang}: no plural for: {singular}")
        return forms[0] if count == 1 else forms[1]

    def _forms(self, message: str) -> tuple[str, ...]:
        forms = self.sentences.get(message)
        if forms is None:
            raise TranslationError(f"{self.lang}: no translation for: {message}; run `python -m reports --write`")
        return forms


def read_translations(lang: str, folders: Sequence[Path]) -> Translations:
    """The catalogues `<folder>/locale/<lang>/messages.po` as one; raises CatalogueError when two disagree."""
    sentences: dict[str, tuple[str, ...]] = {}
    for path in (folder / "locale" / lang / "messages.po" for folder in folders):
        if not path.exists():
            continue
        for message, forms in _sentences(path, path.stat().st_mtime_ns):
            if sentences.setdefault(message, forms) != forms:
                raise CatalogueError(f"{path}: a second translation of: {message}")
    return Translations(lang, sentences)


@cache
def _sentences(path: Path, _changed_ns: int) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What a file says, read once until it changes: every home that is opened asks for all of them."""
    return tuple(_translated(read_catalogue(path)))


def read_catalogue(path: Path) -> Catalog:
    """One `.po` file; raises CatalogueError."""
    try:
        return read_po(io.BytesIO(path.read_bytes()), locale=path.parent.name, abort_invalid=True)
    except (OSError, PoFileError, ValueError) as error:
        raise CatalogueError(f"{path}: {error}") from error


def languages(folder: Path = HERE) -> tuple[str, ...]:
    """The languages that have a catalogue, in order."""
    return tuple(sorted(path.parent.name for path in (folder / "locale").glob("*/messages.po")))


def missing(messages: Iterable[tuple[str, ...]], translations: Translations) -> list[str]:
    """The sentences that have no translation, each once."""
    return list(dict.fromkeys(m[0] for m in messages if len(translations.sentences.get(m[0], ())) != len(m)))


def _translated(catalogue: Catalog) -> Iterator[tuple[str, tuple[str, ...]]]:
    for message in catalogue:
        key = message.id if isinstance(message.id, str) else message.id[0]
        forms = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
        # A fuzzy sentence is a guess of a tool: nobody has read it, so it does not count.
        if key and forms and all(forms) and not message.fuzzy:
            yield key, forms
