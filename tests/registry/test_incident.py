"""Whom to tell, in which order, until when: AI Act 26(5) and 73."""

from __future__ import annotations

from datetime import date

import pytest

from registry.errors import FormatError, RegistryError, TransitionRefused
from registry.incident import Due, Notification, check_notification, clock, open_tellings

AWARE = date(2027, 12, 20)


def told(recipient: str, day: str = "2027-12-21", *, reached: bool = True) -> Notification:
    return Notification(recipient, date.fromisoformat(day), reached)


@pytest.mark.parametrize(
    ("severity", "by", "paragraph"),
    [
        ("other", "2028-01-04", "73(2)"),
        ("widespread", "2027-12-22", "73(3)"),
        ("infrastructure", "2027-12-22", "73(3)"),
        ("death", "2027-12-30", "73(4)"),
    ],
)
def test_a_provider_has_the_days_of_article_73(severity: str, by: str, paragraph: str) -> None:
    assert clock("provider", severity, AWARE, ()) == (Due("authority", paragraph, True, date.fromisoformat(by), None),)


def test_a_deployer_tells_of_a_serious_incident_the_provider_first() -> None:
    dues = clock("serious", "death", AWARE, ())
    assert [(due.recipient, due.article, due.immediately, due.by) for due in dues] == [
        ("provider", "26(5)", True, None),
        ("authority", "26(5)", True, None),
    ]
    for other in ("authority", "importer"):
        with pytest.raises(TransitionRefused, match="comes after the provider"):
            check_notification("serious", (), told(other), AWARE)
    check_notification("serious", (told("provider"),), told("authority"), AWARE)


def test_a_provider_that_is_not_reached_leaves_its_clock_to_the_deployer() -> None:
    tried = (told("provider", reached=False),)
    check_notification("serious", tried, told("authority"), AWARE)
    assert [(due.recipient, due.article, due.by) for due in clock("serious", "other", AWARE, tried)] == [
        ("provider", "26(5)", None),
        ("authority", "26(5), 73(2)", date(2028, 1, 4)),
    ]
    later = (*tried, told("provider"))
    assert all(due.by is None for due in clock("serious", "other", AWARE, later)), "it was reached after all"


def test_a_risk_is_told_without_undue_delay_in_any_order() -> None:
    check_notification("risk", (), told("authority"), AWARE)
    dues = clock("risk", "other", AWARE, (told("authority"),))
    assert [(due.recipient, due.immediately, due.by, due.done) for due in dues] == [
        ("provider", False, None, None),
        ("authority", False, None, date(2027, 12, 21)),
    ]
    assert [due.recipient for due in open_tellings(dues)] == ["provider"]


def test_an_importer_stands_between_provider_and_authority() -> None:
    dues = clock("serious", "other", AWARE, (told("provider"), told("importer")))
    assert [due.recipient for due in dues] == ["provider", "importer", "authority"]


@pytest.mark.parametrize(("day", "late"), [("2027-12-30", False), ("2027-12-31", True)])
def test_the_last_day_is_the_last(day: str, late: bool) -> None:
    (due,) = clock("provider", "death", AWARE, ())
    assert due.overdue(date.fromisoformat(day)) is late
    (done,) = clock("provider", "death", AWARE, (told("authority", "2027-12-31"),))
    assert not done.overdue(date(2028, 1, 1))


@pytest.mark.parametrize(
    ("duty", "now", "error"),
    [
        ("provider", told("provider"), TransitionRefused),
        ("serious", told("provider", "2027-12-19"), FormatError),
        ("risk", told("authority", reached=False), FormatError),
        ("risk", told("press"), FormatError),
        ("other", told("provider"), FormatError),
    ],
)
def test_what_cannot_be_is_refused(duty: str, now: Notification, error: type[RegistryError]) -> None:
    with pytest.raises(error):
        check_notification(duty, (), now, AWARE)
