"""How long the records of a system are kept, and from which day their content may go. Pure.

Calendar months, as the law counts: what was recorded on 31 August is six months old on the last day of February.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass, field
from datetime import date, timedelta

from registry.declaration import declared
from registry.errors import FormatError
from registry.values import Integer, Text

HIGH_RISK_MONTHS = 6
_MONTHS = Integer(1, 1200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Periods in calendar months from the day of the record. The entry in the log stays in any case."""

    log_months: int = field(
        metadata=declared(
            _MONTHS,
            en="Recorded facts, at least (months)",
            nl="Vastgelegde feiten, minstens (maanden)",
            doc="Before that nothing of a record of a high-risk system expires; for those at least 6.",
            article="AI Act 19(1), 26(6)",
        )
    )
    content_months: int | None = field(
        metadata=declared(
            _MONTHS,
            en="Content (months)",
            nl="Inhoud (maanden)",
            doc="After that the content is erased; null: at max_months.",
            article="GDPR 5(1)(e)",
            presence="nullable",
        )
    )
    max_months: int = field(
        metadata=declared(
            _MONTHS,
            en="At most (months)",
            nl="Hoogstens (maanden)",
            doc="No content is kept longer, but under a hold.",
            article="GDPR 5(1)(e)",
        )
    )
    schedule: str | None = field(
        metadata=declared(
            Text(200),
            en="Archive schedule",
            nl="Selectielijst",
            doc="The code of the archive schedule that sets the periods.",
            presence="nullable",
        )
    )

    @property
    def months(self) -> int:
        """After how many months content is erased."""
        return self.max_months if self.content_months is None else self.content_months


def check_retention(retention: Retention, *, high_risk: bool, path: str) -> None:
    """Raise FormatError, with the path of the member, where the periods contradict each other or the law."""
    if high_risk and retention.log_months < HIGH_RISK_MONTHS:
        raise FormatError(
            f"is shorter than {HIGH_RISK_MONTHS} months, which logs of a high-risk system are kept at least (AI Act "
            "19(1), 26(6)); lengthen it",
            field=f"{path}.log_months",
        )
    if retention.max_months < retention.log_months:
        raise FormatError(
            "is shorter than log_months: what must be kept would go; lengthen it", field=f"{path}.max_months"
        )
    content = retention.content_months
    if content is not None and content > retention.max_months:
        raise FormatError("is longer than max_months; shorten it", field=f"{path}.content_months")
    if high_risk and content is not None and content < retention.log_months:
        raise FormatError(
            "is shorter than log_months: the logs of a high-risk system (AI Act 19(1), 26(6)) are sealed with the "
            "content and would go with it; lengthen it",
            field=f"{path}.content_months",
        )


def due(day: date, months: int) -> date:
    """The first day on which what was recorded on `day` is `months` calendar months old.

    Where the month has no such day, its last day: 31 August and six months are 28 or 29 February.
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


def newest_due(until: date, months: int) -> date:
    """The newest day whose records are due on `until`: all days up to it are, and none after it."""
    year, month = divmod(until.year * 12 + until.month - 1 - months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    day = date(year, month + 1, min(until.day, last))
    # On the last day of a short month the end of a longer one is due, too.
    while due(day + timedelta(days=1), months) <= until:
        day += timedelta(days=1)
    return day
