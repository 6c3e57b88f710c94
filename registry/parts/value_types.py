"""Forms of values that several parts of a record share."""

from __future__ import annotations

from typing import Final

from registry.values import SLUG, Multilingual, Text

SHORT_NAME: Final = Text(64, pattern=SLUG, example="lower-case letters, digits and hyphens")
LINK: Final = Text(500, pattern=r"https?://[^\s\"<>]+", example="an address that begins with https://")
DIGEST: Final = Text(71, pattern=r"sha256:[0-9a-f]{64}", example="sha256: and 64 lower-case hex digits")
COUNTRY: Final = Text(2, pattern=r"[A-Z]{2}", example="the two capital letters of ISO 3166-1, as NL")
ANNEX_III: Final = Text(10, pattern=r"III\.([134578]\.[a-e]|6\.[a-e]|2)", example="the point as III.5.b")
ANNEX_I: Final = Text(10, pattern=r"I\.[AB]\.[0-9]{1,2}", example="the section and point as I.A.11")
LONG: Final = Multilingual(5000)
TRANSLATED: Final = Text(
    100,
    pattern=r"[a-z0-9_.\[\]]{1,90}\.[a-z]{2,3}(-[A-Z]{2})?",
    example="the path with its language, as purpose.en",
)
