"""The environment fails rather than prints something blank, foreign or unsafe."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path

import pytest

from reports.errors import CatalogueError, ContextError, LanguageError, TranslationError
from reports.render import Renderer, json_twin

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "locale" / "nl").mkdir(parents=True)
    return tmp_path


def page(folder: Path, text: str, lang: str = "en", **context: object) -> str:
    (folder / "x.html").write_text(text, "utf-8")
    return Renderer(lambda: NOW, templates=[folder]).page("x.html", lang, **context)


def test_missing_variable_fails_and_is_named(folder: Path):
    with pytest.raises(ContextError, match="'owner' is undefined"):
        page(folder, "{{ owner }}")


@pytest.mark.parametrize("value", [None, True, 1.5, date(2026, 1, 1), ["a"], {"en": "a"}])
def test_value_without_a_format_fails(folder: Path, value: object):
    with pytest.raises(ContextError, match="without a filter"):
        page(folder, "<p>{{ value }}</p>", value=value)


def test_missing_translation_fails_and_is_named(folder: Path):
    text = "{% trans %}A sentence that nobody translated{% endtrans %}"
    assert page(folder, text, "en") == "A sentence that nobody translated"
    with pytest.raises(TranslationError, match="nl: no translation for: A sentence that nobody translated"):
        page(folder, text, "nl")


def test_fuzzy_translation_does_not_count(folder: Path):
    (folder / "locale/nl/messages.po").write_text('#, fuzzy\nmsgid "Sea"\nmsgstr "Zee"\n', "utf-8")
    with pytest.raises(TranslationError):
        page(folder, "{{ _('Sea') }}", "nl")


def test_folder_of_pages_brings_its_own_catalogue(folder: Path):
    (folder / "locale/nl/messages.po").write_text('msgid "Sea"\nmsgstr "Zee"\n', "utf-8")
    assert page(folder, "{{ _('Sea') }} {{ _('Date') }}", "nl") == "Zee Datum"


def test_two_catalogues_may_not_disagree(folder: Path):
    (folder / "locale/nl/messages.po").write_text('msgid "Date"\nmsgstr "Dag"\n', "utf-8")
    with pytest.raises(CatalogueError, match="a second translation of: Date"):
        page(folder, "x", "nl")


def test_malformed_catalogue_is_named(folder: Path):
    (folder / "locale/nl/messages.po").write_text('msgstring "Date"\n', "utf-8")
    with pytest.raises(CatalogueError, match=r"messages\.po"):
        page(folder, "x", "nl")


def test_plural(folder: Path):
    catalogue = 'msgid "%(n)s day"\nmsgid_plural "%(n)s days"\nmsgstr[0] "%(n)s dag"\nmsgstr[1] "%(n)s dagen"\n'
    (folder / "locale/nl/messages.po").write_text(catalogue, "utf-8")
    text = "{% trans n=n %}{{ n }} day{% pluralize %}{{ n }} days{% endtrans %}"
    assert [page(folder, text, "nl", n=n) for n in (0, 1, 2)] == ["0 dagen", "1 dag", "2 dagen"]
    assert [page(folder, text, "en", n=n) for n in (0, 1, 2)] == ["0 days", "1 day", "2 days"]


def test_unknown_language_names_the_known():
    with pytest.raises(LanguageError, match="en, nl"):
        Renderer(lambda: NOW).page("base.html", "xx")


def test_syntax_error_is_ours(folder: Path):
    with pytest.raises(ContextError, match=r"x\.html"):
        page(folder, "{% if %}")


@pytest.mark.parametrize(
    "text", ["{{ value }}", "{% trans value=value %}It is {{ value }}.{% endtrans %}", "{{ {'en': value} | say }}"]
)
def test_markup_in_a_value_is_text(folder: Path, text: str):
    assert "<script>" not in page(folder, text, value="<script>alert(1)</script>")


def test_stylesheet_cannot_end_its_element():
    with pytest.raises(ContextError, match="stylesheet"):
        Renderer(lambda: NOW, stylesheet="</style><script>")


@pytest.mark.parametrize(
    ("expression", "en", "nl"),
    [
        ("1234567 | number", "1,234,567", "1.234.567"),
        ("day | date", "24 November 2026", "24 november 2026"),
        ("moment | time", "24 November 2026, 09:30 UTC", "24 november 2026, 09:30 UTC"),
        ("part | share", "33.3%", "33,3%"),
        ("987600 | millionth_share", "98.8%", "98,8%"),
        ("12345 | duration", "12.3 ms", "12,3 ms"),
        ("1600000 | duration", "1.6 sec", "1,6 sec"),
        ("180000000 | duration", "3 min", "3 min"),
        ("5000000 | energy", "5 J", "5 J"),
        ("9000000000 | energy", "2.5 Wh", "2,5 Wh"),
        ("9000000000000 | energy", "2.5 kWh", "2,5 kWh"),
        ("0 | money('EUR')", "€0.00", "€ 0,00"),
        ("1500 | money('EUR')", "€0.0015", "€ 0,0015"),
        ("180000 | money('EUR')", "€0.18", "€ 0,18"),
        ("1234567890 | money('EUR')", "€1,234.57", "€ 1.234,57"),
        ("['a', 'b', 'c'] | listed", "a, b and c", "a, b en c"),
        ("{'en': 'sea', 'nl': 'zee'} | say", "sea", "zee"),
        ("{'nl': 'zee'} | say", '<span lang="nl">zee</span>', "zee"),
        ("{'de': 'Meer', 'en': 'sea'} | say", "sea", '<span lang="en">sea</span>'),
        ("{'nl': 'zee'} | plain", "zee", "zee"),
    ],
)
def test_formats(folder: Path, expression: str, en: str, nl: str):
    east = timezone(timedelta(hours=1))
    values = {"day": date(2026, 11, 24), "moment": datetime(2026, 11, 24, 10, 30, tzinfo=east), "part": Fraction(1, 3)}
    made = [page(folder, "{{ " + expression + " }}", lang, **values) for lang in ("en", "nl")]
    assert [text.replace("\N{NO-BREAK SPACE}", " ") for text in made] == [en, nl]


def test_time_without_a_zone_fails(folder: Path):
    with pytest.raises(ValueError, match="zone"):
        page(folder, "{{ moment | time }}", moment=datetime(2026, 11, 24, 10, 30))


def test_clock_is_the_one_given(folder: Path):
    assert page(folder, "{{ now | date }}") == "24 November 2026"


@dataclass(frozen=True)
class Sample:
    b: str
    a: Fraction
    when: date
    for_: tuple[int, ...]


def test_json_twin_is_sorted_and_plain():
    twin = json_twin(Sample(b="é", a=Fraction(1, 3), when=date(2026, 1, 2), for_=(2, 1)))
    assert twin == '{"a":{"of":3,"part":1},"b":"é","for":[2,1],"when":"2026-01-02"}\n'.encode()


def test_json_twin_refuses_what_has_no_json_form():
    with pytest.raises(ContextError, match="bytes"):
        json_twin(replace(Sample(b="", a=Fraction(1), when=date(2026, 1, 1), for_=()), b=b"x"))


def test_json_twin_of_each_document(pages, report, letter):
    for context in (pages["en"], report, letter):
        assert json.loads(json_twin(context))["log"]["size"] == 1234


def test_context_must_be_a_dataclass(renderer: Renderer):
    with pytest.raises(ContextError, match="dataclass"):
        renderer.document("letter", {"reference": "x"}, "en")
