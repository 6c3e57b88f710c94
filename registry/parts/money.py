"""What a system costs the agency, and how much of it is expected."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from registry.declaration import Part, declared
from registry.values import Code, Day, Integer, Text

_MONEY = Integer(0, 10**15, scale=1_000_000)

PERIODS = Code(
    {
        "day": {"en": "a day", "nl": "per dag"},
        "week": {"en": "a week", "nl": "per week"},
        "month": {"en": "a month", "nl": "per maand"},
        "year": {"en": "a year", "nl": "per jaar"},
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffComponents:
    """Prices in millionths of the currency. Tokens are priced per million of them."""

    input: int | None = field(
        metadata=declared(_MONEY, en="Per million input tokens", nl="Per miljoen tokens invoer", presence="omitted")
    )
    output: int | None = field(
        metadata=declared(_MONEY, en="Per million output tokens", nl="Per miljoen tokens uitvoer", presence="omitted")
    )
    cached: int | None = field(
        metadata=declared(_MONEY, en="Per million cached tokens", nl="Per miljoen bewaarde tokens", presence="omitted")
    )
    request: int | None = field(metadata=declared(_MONEY, en="Per request", nl="Per verzoek", presence="omitted"))
    minimum: int | None = field(
        metadata=declared(_MONEY, en="At least, per month", nl="Minstens, per maand", presence="omitted")
    )
    month: int | None = field(
        metadata=declared(_MONEY, en="Fixed, per month", nl="Vast, per maand", presence="omitted")
    )
    device_hour: int | None = field(
        metadata=declared(_MONEY, en="Per device-hour", nl="Per apparaat-uur", presence="omitted")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What the agency pays for results."""

    currency: str = field(metadata=declared(Text(3, pattern=r"[A-Z]{3}", example="EUR"), en="Currency", nl="Munt"))
    valid_from: date = field(metadata=declared(Day(), en="Valid from", nl="Geldig vanaf"))
    components: TariffComponents = field(metadata=declared(Part(TariffComponents), en="Prices", nl="Prijzen"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """How many results are expected."""

    count: int = field(metadata=declared(Integer(0, 10**12), en="Results", nl="Uitkomsten"))
    per: str = field(metadata=declared(PERIODS, en="Period", nl="Periode"))
