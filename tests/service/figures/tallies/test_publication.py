"""A published report: figures from tallies, small cells closed, checked again from the log alone."""

from __future__ import annotations

import json
from datetime import date

import pytest

from auditlog.core.entries.record import parse_entry
from auditlog.store.log import iterate_entries
from home.errors import UsageError
from reports.errors import TwinError
from reports.recount import recount_report
from reports.render import json_twin
from service.disclosing import publications, transparency
from service.figures import recount, tallies

MARCH = date(2026, 3, 1), date(2026, 3, 31)
NOTE = {"en": "One review was missing.", "nl": "Eén beoordeling ontbrak."}


def entries(house):
    with house.g.reading() as conn:
        return [parse_entry(data) for _, data in iterate_entries(conn, 1)]


def figure(report, name):
    return next(one for one in report.systems[0].figures if one.name == name)


def test_a_published_report_counts_again(filled):
    made = transparency.publish(filled.g, *MARCH)
    found = recount_report(made.body, entries(filled))
    assert (found.counted, found.partial) == (1, False)
    assert found.closed >= 2
    assert figure(made.report, "decisions").value == 60
    assert (figure(made.report, "outcomes.refuse").bound, figure(made.report, "outcomes.refuse").value) == ("fewer", 10)
    assert figure(made.report, "outcomes.visit").bound == "withheld"
    assert figure(made.report, "practice.without_review").value == 666
    draft = transparency.period_report(filled.g, *MARCH, "en")
    assert draft.tallies == ()
    assert publications.newest(filled.g) == made.report
    [entry] = filled.entries("publication/1")
    assert entry.id == made.id
    assert recount.recount_periods(filled.g).differences == ()


def test_each_changed_cell_fails_with_its_name(filled):
    made = transparency.publish(filled.g, *MARCH)
    log = entries(filled)
    for place, cell in enumerate(made.report.tallies[0].cells):
        if cell.number is None:
            continue
        value = json.loads(made.body)
        value["tallies"][0]["cells"][place]["number"] += 1
        with pytest.raises(TwinError, match=f"permit-advice, {cell.cell.replace('.', '[.]')}: the number is not"):
            recount_report(json_twin(value), log)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v["systems"][0]["figures"][0].update(value=61), "permit-advice, decisions: is not what"),
        (lambda v: v["total"][0].update(value=99), "all systems together, decisions: is not what"),
        (lambda v: v["tallies"][0]["cells"].pop(), "not those that the tally commits to"),
        (lambda v: v.update(draft=True), "is a draft"),
        (lambda v: v["tallies"].clear(), "permit-advice, decisions: is not what"),
        (lambda v: v.update(since="2026-03-02"), "was not published in this log"),
        (lambda v: v["agency"].update(phone="14 0000"), "was not published in this log"),
        (lambda v: v.update(more=1), "must have the members"),
        (lambda v: v.update(floor="10"), "report.floor: must be of another type"),
        (lambda v: v.update(since="March"), "report.since: must be a day"),
    ],
)
def test_a_changed_report_fails(filled, change, message):
    made = transparency.publish(filled.g, *MARCH)
    value = json.loads(made.body)
    change(value)
    with pytest.raises(TwinError, match=message):
        recount_report(json_twin(value), entries(filled))


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"{}"])
def test_what_is_no_report_is_refused(data):
    with pytest.raises(TwinError):
        recount_report(data, [])


def test_a_sum_that_leaves_decisions_out_fails(filled):
    """The writer's roll-up was changed before it was tallied: what the entries say in clear tells."""
    from sqlalchemy import text

    from auditlog.store.log import writing

    with writing(filled.g.engine) as conn:
        for cell in ("decisions", "outcomes.grant", "latency.500", "not_held"):
            conn.execute(
                text("UPDATE auditlog_rollup SET number = number - 2 WHERE cell = :cell AND day = '2026-03-02'"),
                {"cell": cell},
            )
    made = transparency.publish(filled.g, *MARCH)
    with pytest.raises(TwinError, match="permit-advice, decisions: the log has 60 entries"):
        recount_report(made.body, entries(filled))


@pytest.mark.parametrize(
    ("closed", "message"),
    [
        ({"reviews.override": "small"}, "permit-advice, reviewed: cannot be the sum of its parts"),
        ({"outcomes.grant": "small"}, "permit-advice, decisions: cannot be the sum of its parts"),
        ({"outcomes.refuse": "with"}, "permit-advice, decisions: cannot be the sum of its parts"),
        ({"decisions": "small", "outcomes.grant": "small"}, "permit-advice, decisions: the log has 60 entries"),
    ],
)
def test_a_number_that_is_closed_as_another_size_fails(filled, monkeypatch, closed, message):
    """The agency publishes "fewer than 10" of what are more, or the reverse: its parts or its whole tell."""
    monkeypatch.setattr(transparency, "_close", lambda *_: {"permit-advice": closed})
    made = transparency.publish(filled.g, *MARCH)
    with pytest.raises(TwinError, match=message):
        recount_report(made.body, entries(filled))


def test_all_closed_as_small_fails_by_the_entries(filled, monkeypatch):
    monkeypatch.setattr(
        transparency,
        "_close",
        lambda g, first, last, sums: {s: dict.fromkeys(o.cells, "small") for s, o in sums.items()},
    )
    made = transparency.publish(filled.g, *MARCH)
    with pytest.raises(TwinError, match="permit-advice, decisions: "):
        recount_report(made.body, entries(filled))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda v: v["systems"][0]["figures"].insert(0, v["systems"][0]["figures"][0] | {"value": 6000}),
            "two figures",
        ),
        (lambda v: v["total"].insert(0, v["total"][0] | {"value": 6000}), "all systems together: has two figures"),
        (lambda v: v["systems"].append(v["systems"][0]), "shows one system twice"),
        (lambda v: v["systems"][0].update(versions=[1, 7]), "permit-advice: gave results by other versions"),
    ],
)
def test_what_the_agency_publishes_beside_the_truth_fails(filled, monkeypatch, change, message):
    """The log bears the digest of the changed report: the agency published it so."""

    def changed(made):
        value = json.loads(json_twin(made))
        change(value)
        return json_twin(value)

    monkeypatch.setattr(transparency, "json_twin", changed)
    made = transparency.publish(filled.g, *MARCH)
    with pytest.raises(TwinError, match=message):
        recount_report(made.body, entries(filled))


def test_a_tally_that_is_kept_out_fails(filled, monkeypatch):
    """A day's tally is in the log, and the sum does not have it."""
    from auditlog.store import tallies as store

    tallies.tally_pending(filled.g)
    every = store.tallies_of_days
    monkeypatch.setattr(store, "tallies_of_days", lambda *given: every(*given)[:-1])
    made = transparency.publish(filled.g, *MARCH)
    with pytest.raises(TwinError, match="does not sum all tallies of these days"):
        recount_report(made.body, entries(filled))


def test_another_publication_must_not_tell_a_few(filled):
    first = transparency.publish(filled.g, *MARCH)
    assert figure(first.report, "reviewed").value == 20
    late = [entry.id for entry in filled.entries("decision/1")][40]
    filled.review(late)
    second = transparency.publish(filled.g, *MARCH, NOTE)
    assert figure(second.report, "reviewed").bound in {"withheld", "fewer"}
    assert recount_report(second.body, entries(filled)).closed > recount_report(first.body, entries(filled)).closed


def test_a_period_that_has_not_ended_is_not_published(filled):
    with pytest.raises(UsageError, match="from 2026-05-01 on"):
        transparency.publish(filled.g, date(2026, 4, 1), date(2026, 4, 30))


def test_a_month_without_anything_is_published_and_counts_again(filled):
    made = transparency.publish(filled.g, date(2026, 2, 1), date(2026, 2, 28))
    assert made.report.tallies == ()
    assert recount_report(made.body, entries(filled)).opened == 0
