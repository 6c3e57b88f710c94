"""Replays in a published report: counted from what their entries say in clear, by anyone who has the log."""

from __future__ import annotations

import shutil
from datetime import date

import pytest

from auditlog.core.entries.record import parse_entry
from auditlog.store.log import iterate_entries
from cli.demo.run import CASES
from home.settings import read_profile
from reports.errors import TwinError
from reports.json_twin import read_twin
from reports.recount import recount_report
from reports.render import json_twin
from reports.transparency.context import TransparencyReport
from service.disclosing import transparency
from service.records.accesses import Reader
from service.replaying import health, replay

MARCH = date(2026, 3, 1), date(2026, 3, 31)


@pytest.fixture
def filled(house):
    """A March in which two of the invented decisions were run again."""
    shutil.copyfile(CASES / "agency.json", house.g.home / "agency.json")
    house.g.profile = read_profile(house.g.home)
    for record in house.decide("grant", 12)[:2]:
        replay.replay(house.g, Reader("auditor", None), record)
    house.clock.on(days=35)
    return house


def entries(house):
    with house.g.reading() as conn:
        return [parse_entry(data) for _, data in iterate_entries(conn, 1)]


def test_they_are_counted_again(filled):
    made = transparency.publish(filled.g, *MARCH)
    [stated] = made.report.replays
    assert (stated.system, sum(stated.counts.values())) == ("permit-advice", 2)
    assert recount_report(made.body, entries(filled)).partial is False


@pytest.mark.parametrize("told", [{}, {"permit-advice": {"bit_exact": 2}}, {"another": {"bit_exact": 1}}])
def test_other_numbers_than_the_logs_fail(filled, monkeypatch, told):
    monkeypatch.setattr(health, "of_period", lambda *_: told)
    made = transparency.publish(filled.g, *MARCH)
    with pytest.raises(TwinError, match="the log has other replays of these days"):
        recount_report(made.body, entries(filled))


def test_a_report_from_before_there_were_any_is_read(filled, monkeypatch):
    monkeypatch.setattr(health, "of_period", lambda *_: {})
    made = transparency.publish(filled.g, *MARCH)
    assert b'"replays"' not in made.body
    assert read_twin(TransparencyReport, made.body) == made.report
    with pytest.raises(TwinError):
        read_twin(TransparencyReport, made.body.replace(b'"since":', b'"replays":[],"since":', 1))
    assert json_twin(made.report) == made.body
