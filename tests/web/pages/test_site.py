from __future__ import annotations

from pathlib import Path

import pytest

from reports.catalogue import languages, missing, read_translations
from reports.render import sentences
from web.pages import site

TEMPLATES = Path(site.__file__).parent / "templates"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", "en"),
        ("nl", "nl"),
        ("nl-BE, en;q=0.9", "nl"),
        ("en;q=0.3, nl;q=0.7", "nl"),
        ("de, fr;q=0.9", "en"),
        ("NL;q=0.5", "nl"),
        ("nl;q=0, en;q=0.1", "en"),
        ("nl;q=abc", "en"),
        ("nl;q=nan", "en"),
        (";;;,,,=", "en"),
        ("en, " * 5000 + "nl", "en"),
    ],
)
def test_the_readers_browser_chooses_the_language(header: str, expected: str) -> None:
    assert site.best_language(header, ["en", "nl"]) == expected


def test_every_sentence_of_the_site_has_a_translation_in_every_language() -> None:
    for lang in languages(TEMPLATES):
        if lang == "en":
            continue
        known = read_translations(lang, [TEMPLATES, Path(site.__file__).parents[2] / "reports"])
        assert missing(sentences(TEMPLATES), known) == []
