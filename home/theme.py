"""An agency's theme: a CSS file of design tokens in the home, named by the setting `theme`.

It holds custom properties and nothing else, in the names of `web/static/greffier.css` or in those of the NL Design
System (a published theme such as `@utrecht/design-tokens` can be named as it is). Tokens that the site does not use are
left out, so the file may be large. Colours that people could not read are refused (WCAG 2.2, 1.4.3 and 1.4.11).
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from home.errors import SettingsError
from home.settings import Settings

MAX_BYTES: Final = 1 << 20
STYLESHEET: Final = Path(__file__).parents[1] / "web" / "static" / "greffier.css"

_DECLARATION: Final = re.compile(r"(--[\w-]+)\s*:\s*([^;{}]+?)\s*(?=[;}])")
_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_REFERENCE: Final = re.compile(r"var\(\s*(--[\w-]+)\s*\)")
_COLOUR: Final = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})\Z")
_HSL: Final = re.compile(
    r"hsla?\(\s*(\d{1,3}(?:\.\d+)?)(?:deg)?[\s,]+(\d{1,3}(?:\.\d+)?)%[\s,]+(\d{1,3}(?:\.\d+)?)%\s*\)\Z"
)
_LENGTH: Final = re.compile(r"(?:0|\d{1,3}(?:\.\d{1,4})?(?:px|rem|em))\Z")
_FONT: Final = re.compile(r"[\w ,\"'-]{1,300}\Z")
_NAMED: Final = {"black": "#000000", "white": "#ffffff"}

# Our token → the token of the NL Design System that says the same.
SAME: Final[Mapping[str, str]] = {
    "--font": "--utrecht-document-font-family",
    "--font-code": "--utrecht-code-font-family",
    "--colour-page": "--utrecht-document-background-color",
    "--colour-text": "--utrecht-document-color",
    "--colour-link": "--utrecht-link-color",
    "--colour-link-hover": "--utrecht-link-hover-color",
    "--colour-accent": "--utrecht-button-primary-action-background-color",
    "--colour-on-accent": "--utrecht-button-primary-action-color",
    "--colour-focus": "--utrecht-focus-outline-color",
    "--colour-focus-behind": "--utrecht-focus-background-color",
    "--colour-control": "--utrecht-form-control-border-color",
    "--radius": "--utrecht-button-border-radius",
}

# Front, what it stands on, and the contrast that WCAG asks for.
PAIRS: Final = (
    ("text", "page", 4.5),
    ("text", "area", 4.5),
    ("muted", "page", 4.5),
    ("muted", "area", 4.5),
    ("link", "page", 4.5),
    ("link", "area", 4.5),
    ("link-hover", "page", 4.5),
    ("on-accent", "accent", 4.5),
    ("on-accent", "link-hover", 4.5),
    ("good", "good-area", 4.5),
    ("warning", "warning-area", 4.5),
    ("bad", "bad-area", 4.5),
    ("control", "page", 3.0),
    ("focus", "page", 3.0),
    ("focus", "focus-behind", 3.0),
)


def read_theme(home: Path, settings: Settings) -> str:
    """The agency's tokens as CSS, empty where it has no theme. Raises SettingsError that names token and fix."""
    if settings.theme is None:
        return ""
    path = home / settings.theme
    try:
        stamp = path.stat()
        if stamp.st_size > MAX_BYTES:
            raise SettingsError(f"is larger than {MAX_BYTES} bytes: keep the tokens alone", field="theme")
        return _read(path, stamp.st_mtime_ns)
    except OSError as error:
        raise SettingsError(f"cannot be read: {error.strerror}", field="theme") from None
    except UnicodeDecodeError:
        raise SettingsError("is not UTF-8 text: save it as UTF-8", field="theme") from None


@lru_cache(maxsize=8)
def _read(path: Path, _changed: int) -> str:
    return make_theme(path.read_text("utf-8"), STYLESHEET.read_text("utf-8"))


def make_theme(text: str, stylesheet: str) -> str:
    """`:root { … }` with the tokens of `text` that `stylesheet` uses. Raises SettingsError.

    Values are literals or `var(--token)` of the same file; nothing of the file but these values gets into a page.
    """
    given = dict(_DECLARATION.findall(_COMMENT.sub(" ", text)))
    ours = dict(_DECLARATION.findall(stylesheet.partition("}")[0] + "}"))
    found: dict[str, str] = {}
    for name, usual in ours.items():
        source = name if name in given else SAME.get(name, "")
        if source in given:
            value = _checked(source, _resolved(source, given), usual)
            if value is not None:
                found[name] = value
    _demand_contrast({**ours, **found})
    if not found:
        raise SettingsError("holds no token that the site uses: docs/theme.md lists them", field="theme")
    return ":root {\n" + "".join(f"  {name}: {value};\n" for name, value in found.items()) + "}\n"


def _resolved(name: str, given: Mapping[str, str]) -> str:
    value = given[name]
    for _ in range(10):
        reference = _REFERENCE.fullmatch(value)
        if reference is None:
            return value
        if reference[1] not in given:
            raise SettingsError(f"{name} names a token that is not in the file: add it", field="theme")
        value = given[reference[1]]
    raise SettingsError(f"{name} names itself: give it a value", field="theme")


def _checked(name: str, value: str, usual: str) -> str | None:
    """The value in the form that pages take. `usual` is the neutral value, whose kind it must have."""
    if usual.startswith("#"):
        return _colour(name, value.lower())
    if re.fullmatch(r"[\d.]+(?:rem|em|px)?", usual):
        wanted = _LENGTH.match(value) or (re.fullmatch(r"[\d.]{1,6}", usual) and re.fullmatch(r"[\d.]{1,6}", value))
        if not wanted:
            raise SettingsError(f"{name} must be a length such as 0.25rem", field="theme")
        return value
    if not _FONT.match(value):
        raise SettingsError(
            f"{name} must be a list of fonts that readers have, such as Arial, sans-serif", field="theme"
        )
    return value


def _colour(name: str, value: str) -> str | None:
    """`#rrggbb`; None for what a design system says of itself and no single colour is, such as "transparent"."""
    value = _NAMED.get(value, value)
    hsl = _HSL.match(value)
    if hsl is not None:
        hue, saturation, lightness = (float(part) for part in hsl.groups())
        parts = colorsys.hls_to_rgb(hue % 360 / 360, min(lightness, 100) / 100, min(saturation, 100) / 100)
        return "#" + "".join(f"{round(part * 255):02x}" for part in parts)
    if _COLOUR.match(value):
        return value if len(value) == 7 else "#" + "".join(digit * 2 for digit in value[1:])
    if name in SAME.values():
        return None
    raise SettingsError(f"{name} must be a colour such as #14479e", field="theme")


def _demand_contrast(tokens: Mapping[str, str]) -> None:
    for front, back, least in PAIRS:
        ratio = contrast(tokens[f"--colour-{front}"], tokens[f"--colour-{back}"])
        if ratio < least:
            raise SettingsError(
                f"--colour-{front} on --colour-{back} has a contrast of {ratio:.1f}, and people need {least}: "
                "choose a darker or lighter one",
                field="theme",
            )


def contrast(one: str, other: str) -> float:
    """The contrast of two colours `#rrggbb`, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
