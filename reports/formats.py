"""Numbers as people read them, in one language. Inputs are millionths of a currency unit, microjoules, microseconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.lists import format_list
from babel.numbers import format_currency, format_decimal, format_percent
from babel.units import format_unit
from markupsafe import Markup, escape

NO_BREAK = "\N{NO-BREAK SPACE}"


class Formats:
    """The filters of one language; the template's only way to print anything but text and whole numbers."""

    def __init__(self, lang: str) -> None:
        self._lang = lang
        # Plain "en" writes dates and money as in the United States; the readers here are in Europe.
        self._locale = Locale.parse("en_IE" if lang == "en" else lang, sep="-" if "-" in lang else "_")

    def table(self) -> dict[str, Callable[..., object]]:
        """Filter name → function."""
        names = (
            "date",
            "time",
            "minute",
            "number",
            "decimal",
            "share",
            "millionth_share",
            "duration",
            "span",
            "money",
            "energy",
            "say",
            "listed",
            "plain",
        )
        return {name: getattr(self, name) for name in names}

    def date(self, value: date) -> str:
        """A day: "24 November 2026"."""
        return format_date(value, "d MMMM y", locale=self._locale)

    def time(self, value: datetime) -> str:
        """An aware moment, in UTC, to the minute: "24 November 2026, 08:10 UTC". Raises ValueError without a zone."""
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be shown")
        return format_datetime(value.astimezone(UTC), "d MMMM y, HH:mm", locale=self._locale) + " UTC"

    def minute(self, text: str) -> str:
        """A moment as entries write it, UTC to the minute ("2026-11-24T08:15Z"), as `time` shows it."""
        return self.time(datetime.strptime(text, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC))

    def number(self, value: int) -> str:
        """A count with its group signs: 12,345 or 12.345."""
        return format_decimal(value, locale=self._locale)

    def decimal(self, value: float | Decimal) -> str:
        """A fraction with all its digits: 0.25 or 0,25."""
        return format_decimal(Decimal(str(value)), "#,##0.################", locale=self._locale)

    def share(self, value: Fraction | Decimal) -> str:
        """A part of one as a percentage with one decimal: 93.4%."""
        decimal = value if isinstance(value, Decimal) else Decimal(value.numerator) / Decimal(value.denominator)
        return format_percent(decimal, "#,##0.0%", locale=self._locale)

    def millionth_share(self, millionths: int) -> str:
        """A part of one, given in millionths, as a percentage."""
        return self.share(Fraction(millionths, 1_000_000))

    def duration(self, microseconds: int) -> str:
        """A time span in the unit that reads best: ms, s or min."""
        if microseconds < 1_000_000:
            return self._unit(Decimal(microseconds) / 1000, "millisecond")
        if microseconds < 120_000_000:
            return self._unit(Decimal(microseconds) / 1_000_000, "second")
        return self._unit(Decimal(microseconds) / 60_000_000, "minute")

    def span(self, seconds: int) -> str:
        """A longer time span, in whole minutes, hours or days: what is no whole number of the larger unit keeps one
        decimal."""
        for size, unit in ((86_400, "day"), (3_600, "hour")):
            if seconds >= size:
                return self._unit(Decimal(seconds) / size, unit)
        return self._unit(Decimal(seconds) / 60, "minute")

    def energy(self, microjoules: int) -> str:
        """Energy: joule below a watt-hour, then Wh or kWh."""
        joules = Decimal(microjoules) / 1_000_000
        if joules < 3600:
            return self._unit(joules, "joule")
        hours = joules / 3600
        return self._plain(hours, "Wh") if hours < 1000 else self._plain(hours / 1000, "kWh")

    def money(self, millionths: int, currency: str) -> str:
        """An amount; below one unit it keeps up to six decimals, since a single decision costs so little."""
        amount = Decimal(millionths) / 1_000_000
        digits = "00" if amount == 0 or abs(amount) >= 1 else "00####"
        pattern = f"¤{NO_BREAK}#,##0.{digits}" if self._lang != "en" else f"¤#,##0.{digits}"
        return format_currency(amount, currency, pattern, locale=self._locale, currency_digits=False)

    def say(self, text: Mapping[str, str]) -> str | Markup:
        """A text that is kept per language. Missing in this one, it is shown in another and marked so (WCAG 3.1.2)."""
        if self._lang in text:
            return text[self._lang]
        for lang in sorted(text, key=lambda lang: (lang != "en", lang)):
            return Markup('<span lang="{}">{}</span>').format(lang, escape(text[lang]))
        raise ValueError("a text has no language at all")

    def plain(self, text: Mapping[str, str]) -> str:
        """As `say`, for plain text, where a language cannot be marked."""
        return text.get(self._lang) or text.get("en") or text[min(text)]

    def listed(self, items: Sequence[str]) -> str:
        """Several words as a sentence lists them: "a, b and c". With marks in one of them, all others are escaped."""
        if any(hasattr(item, "__html__") for item in items):
            # Babel joins plain text: what is marked already would be escaped a second time.
            escaped = [str(escape(item)) for item in items]
            return Markup(format_list(escaped, style="standard", locale=self._locale))  # noqa: S704 (escaped above)
        return format_list(list(items), style="standard", locale=self._locale)

    def _unit(self, value: Decimal, unit: str) -> str:
        pattern = "#,##0" if value >= 100 or value == value.to_integral_value() else "#,##0.0"
        return format_unit(
            format_decimal(value, pattern, locale=self._locale), unit, "short", locale=self._locale
        ).replace(" ", NO_BREAK)

    def _plain(self, value: Decimal, unit: str) -> str:
        return f"{format_decimal(value, '#,##0.0', locale=self._locale)}{NO_BREAK}{unit}"
