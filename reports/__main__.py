"""`python -m reports` lists sentences without a translation; with `--write` it adds them, empty, to each catalogue."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po

from reports.catalogue import HERE, SOURCE, languages, missing, read_catalogue, read_translations
from reports.render import sentences


def main(arguments: Sequence[str] | None = None) -> int:
    """List or add what is missing; 1 when a sentence has no translation."""
    parser = argparse.ArgumentParser(prog="python -m reports", description=__doc__)
    parser.add_argument("folder", nargs="*", type=Path, default=[HERE], help="folders with templates and locale/")
    parser.add_argument("--write", action="store_true", help="add the missing sentences, empty, and drop the unused")
    options = parser.parse_args(arguments)
    found = 0
    for folder in options.folder:
        messages = sentences(folder)
        for lang in languages(folder):
            if options.write:
                _rewrite(folder / "locale" / lang / "messages.po", messages)
            # The site's pages may use the documents' sentences, so both catalogues count.
            translations = read_translations(lang, list(dict.fromkeys([HERE, folder])))
            absent = [] if lang == SOURCE else missing(messages, translations)
            found += len(absent)
            sys.stdout.writelines(f"{folder.name}/{lang}: {message}\n" for message in absent)
    return 1 if found else 0


def _rewrite(path: Path, messages: Sequence[tuple[str, ...]]) -> None:
    """The catalogue in the order of the templates: translations are kept, sentences no template has are dropped."""
    old = read_catalogue(path)
    new = Catalog(locale=path.parent.name, fuzzy=False)
    for message in dict.fromkeys(messages):
        known = old.get(message[0])
        new.add(message if len(message) > 1 else message[0], string=known.string if known is not None else None)
    buffer = io.BytesIO()
    write_po(buffer, new, width=140, omit_header=True)
    header = f'msgid ""\nmsgstr ""\n"Language: {path.parent.name}\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n'
    path.write_bytes(header.encode() + b'"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n' + buffer.getvalue())


if __name__ == "__main__":
    raise SystemExit(main())
