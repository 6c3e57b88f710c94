"""What the report of a serious incident is made of: that of a provider (AI Act 73)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from reports.incident.context import IncidentPage


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentReport(IncidentPage):
    """One serious incident, as the agency reports it as provider."""

    first: bool
    """Whether it is the first report, which may be incomplete (Article 73(5))."""
    due: date | None
    """The last day for it (Article 73(2), (3), (4))."""
    days: int | None
    """The number of days that the law gives from becoming aware of it."""
