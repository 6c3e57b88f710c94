"""Every sentence of every template is translated, once, with the same placeholders and marks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reports.__main__ import main
from reports.catalogue import HERE, SOURCE, languages, missing, read_catalogue, read_translations
from reports.render import sentences

FOLDERS = [HERE, *(path.parent for path in (HERE.parent / "web").rglob("locale"))]
PARTS = re.compile(r"%\(\w+\)s|</?\w+>")
IDS = [folder.name for folder in FOLDERS]


def test_both_languages_are_there():
    assert languages() == ("en", "nl")


@pytest.mark.parametrize("folder", FOLDERS, ids=IDS)
def test_nothing_is_missing(folder: Path):
    for lang in languages():
        if lang != SOURCE:
            assert missing(sentences(folder), read_translations(lang, list(dict.fromkeys([HERE, folder])))) == []


@pytest.mark.parametrize("lang", languages())
def test_catalogue_lists_what_the_templates_say_and_nothing_else(lang: str):
    listed = [m.id[0] if isinstance(m.id, tuple) else m.id for m in read_catalogue(HERE / f"locale/{lang}/messages.po")]
    assert [message for message in listed if message] == list(dict.fromkeys(m[0] for m in sentences(HERE)))


@pytest.mark.parametrize("folder", FOLDERS, ids=IDS)
def test_translation_keeps_placeholders_and_marks(folder: Path):
    sources = {message[0]: message for message in sentences(folder)}
    for lang in languages():
        for message, forms in read_translations(lang, [folder]).sentences.items():
            # The last form is the one for every count but 1, which may leave its number out ("one day").
            assert sorted(PARTS.findall(forms[-1])) == sorted(PARTS.findall(sources[message][-1])), message
            for form in forms:
                assert set(PARTS.findall(form)) <= set(PARTS.findall(sources[message][-1])), message


def test_missing_sentence_is_listed_and_added(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    catalogue = tmp_path / "locale" / "nl" / "messages.po"
    catalogue.parent.mkdir(parents=True)
    catalogue.write_text('msgid "Gone"\nmsgstr "Weg"\n\nmsgid "Sea"\nmsgstr "Zee"\n', "utf-8")
    (tmp_path / "x.html").write_text("{{ _('Sea') }}{% trans %}New{% endtrans %}", "utf-8")
    assert main([str(tmp_path), "--write"]) == 1
    assert capsys.readouterr().out == f"{tmp_path.name}/nl: New\n"
    written = read_catalogue(catalogue)
    assert [(m.id, m.string) for m in written if m.id] == [("Sea", "Zee"), ("New", "")]
