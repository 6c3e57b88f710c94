"""An agency's theme: only tokens get through, and only colours that people can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from home.errors import SettingsError
from home.settings import SETTINGS_FILE, new_settings
from home.theme import MAX_BYTES, SAME, STYLESHEET, contrast, make_theme, read_theme
from service.disclosing import report

CSS = STYLESHEET.read_text("utf-8")


def made(text: str) -> str:
    return make_theme(text, CSS)


def test_our_names_and_those_of_the_design_system_give_the_same() -> None:
    ours = made(":root { --colour-link: #24578f; --radius: 0 }")
    theirs = made(
        ".utrecht-theme {\n --utrecht-color-blue: hsl(211 60% 35%); /* links */\n"
        " --utrecht-link-color: var(--utrecht-color-blue);\n --utrecht-button-border-radius: 0;\n}"
    )
    assert ours == theirs
    assert "--colour-link: #24578f;" in ours


def test_our_own_name_comes_first() -> None:
    theme = made(":root { --utrecht-link-color: #000000; --colour-link: #24578f }")
    assert theme == ":root {\n  --colour-link: #24578f;\n}\n"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (":root { --colour-link: url(https://elsewhere.example/x) }", "--colour-link"),
        (":root { --colour-link: #24578f80 }", "--colour-link"),
        (":root { --font: Arial; } body { display: none } :root { --font: x/**/\\3c script }", "--font"),
        (":root { --font: url(x) }", "--font"),
        (":root { --radius: calc(1px + 1vw) }", "--radius"),
        (":root { --colour-link: var(--none) }", "--colour-link"),
        (":root { --colour-link: var(--colour-link) }", "--colour-link"),
        (":root { --colour-text: #777777 }", "--colour-text on --colour-page"),
        (":root { --colour-accent: #ffd84d }", "--colour-on-accent on --colour-accent"),
        ("@import 'https://elsewhere.example/x.css';", "no token"),
        ("", "no token"),
    ],
)
def test_what_is_no_token_or_cannot_be_read_is_refused(text: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        made(text)


def test_nothing_but_values_gets_into_a_page() -> None:
    theme = made("@import url(x); :root { --colour-link: #24578f } body::after { content: 'x' } </style><script>")
    assert theme == ":root {\n  --colour-link: #24578f;\n}\n"


def test_what_a_design_system_leaves_without_colour_stays_neutral() -> None:
    theme = made(":root { --utrecht-form-control-border-color: transparent; --colour-link: #24578f }")
    assert "--colour-control" not in theme


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_a_theme_that_is_not_there_or_too_large_names_the_setting(tmp_path: Path) -> None:
    settings = new_settings("waterveen", "waterveen.example/log", None).model_copy(update={"theme": Path("x.css")})
    with pytest.raises(SettingsError) as absent:
        read_theme(tmp_path, settings)
    assert absent.value.field == "theme"
    (tmp_path / "x.css").write_bytes(b" " * (MAX_BYTES + 1))
    with pytest.raises(SettingsError, match="larger"):
        read_theme(tmp_path, settings)
    (tmp_path / "x.css").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="UTF-8"):
        read_theme(tmp_path, settings)


def test_the_page_that_explains_it_lists_the_names() -> None:
    text = (Path(__file__).parents[2] / "docs/theme.md").read_text("utf-8")
    listed = text.partition("<!-- tokens -->\n")[2].partition("<!-- end of tokens -->")[0]
    assert listed == "".join(f"| `{ours}` | `{theirs}` |\n" for ours, theirs in SAME.items())


@pytest.mark.enable_socket
def test_pages_and_documents_wear_it(portals: Any, tmp_path: Path) -> None:
    home = tmp_path / "home"
    portals.make_home(home)
    (home / "mine.css").write_text(":root { --colour-accent: #24578f }", "utf-8")
    with (home / SETTINGS_FILE).open("a", encoding="utf-8") as settings:
        settings.write('theme = "mine.css"\n')
    with portals.served(home) as portal, portal.client() as client:
        assert '<link rel="stylesheet" href="/theme.css">' in client.get("/rights").text
        answer = client.get("/theme.css")
        assert answer.headers["content-type"].startswith("text/css")
        assert answer.text == ":root {\n  --colour-accent: #24578f;\n}\n"
        html = portal.g.renderer.document("system_page", report.system_page(portal.g, portals.SYSTEM, "en"), "en")
        assert "--colour-accent: #24578f;" in html, "a saved document looks the same without the server"
