"""A published report in which one digit was changed fails, by name, from an exported log alone; untouched it passes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.entries.record import Entry, parse_entry
from auditlog.core.formats.keyring import parse_key_ring
from auditlog.store.log import iterate_entries
from auditlog.writing.keys import KeyFolder
from home.errors import UsageError
from lab.bench.records_scene import system_file
from reports.errors import TwinError
from reports.proofs import format_proven, parse_proven, verify_alone
from reports.recount import recount_report
from reports.render import json_twin
from reports.transparency.marks import marks
from service.disclosing import publications, report, report_check, transparency
from service.external import reconcile
from service.logs import export, gaps
from service.systems import register

MARCH = date(2026, 3, 1), date(2026, 3, 31)
NOTE = {"en": "One review was missing.", "nl": "Eén beoordeling ontbrak."}
Path_ = tuple[str | int, ...]
COUNTS = dict.fromkeys(("outside", "used_before_review", "claimed_twice", "not_known"), 0)
COUNTS |= {"cases": 70, "records": 60, "without_record": 12, "without_case": 22}


@pytest.fixture
def home_url() -> None:
    """What is checked here is a file and an export; `test_publication` makes reports on both databases."""


@pytest.fixture
def exported(filled: Any, tmp_path: Path) -> Path:
    """A log with a published report, and its export; nothing else is used from here on."""
    counts = reconcile.Counts(**COUNTS, first_day="2026-03-02", last_day="2026-03-31", log=report.stamp_here(filled.g))
    reconcile.keep(filled.g, counts, "permit-advice")
    made = transparency.publish(filled.g, *MARCH)
    (tmp_path / "report.json").write_bytes(made.body)
    (tmp_path / "proven.json").write_bytes(publications.proven(filled.g, made.id))
    export.export_log(filled.g, tmp_path / "export")
    filled.close()
    return tmp_path


def numbers(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, int]]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from numbers(member, (*path, name))
    elif isinstance(value, list):
        for place, member in enumerate(value):
            yield from numbers(member, (*path, place))
    elif isinstance(value, int) and not isinstance(value, bool):
        yield path, value


def other_digit(value: Any, path: Path_) -> Any:
    """The same with the last digit of one number changed."""
    changed = json.loads(json.dumps(value))
    place = changed
    for part in path[:-1]:
        place = place[part]
    number = place[path[-1]]
    place[path[-1]] = number - number % 10 + (number % 10 + 1) % 10
    return changed


def name_of(value: Any, path: Path_) -> str:
    """What the message must name."""
    head, *rest = path
    if head == "total":
        return f"all systems together, {value['total'][rest[0]]['name']}: "
    if head == "systems" and rest[1] == "figures":
        system = value["systems"][rest[0]]
        return f"{system['slug']}, {system['figures'][rest[2]]['name']}: "
    if head == "tallies":
        tally = value["tallies"][rest[0]]
        return f"{tally['system']}, {tally['cells'][rest[2]]['cell']}: "
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)[1:] + ": "


def test_untouched_it_passes_and_every_changed_digit_is_named(exported: Path):
    body = (exported / "report.json").read_bytes()
    found = report_check.verify_exported(body, [exported / "export"], None)
    assert (found.partial, found.report.comparisons[0].cases) == (False, 70)
    assert found.report.running is not None
    assert found.report.running.silent_minutes > 0
    entries: list[Entry] = list(gaps.known_entries(exported / "export"))
    value = json.loads(body)
    places = [path for path, _ in numbers(value)]
    kinds = {path[0] for path in places}
    assert kinds == {"agency", "comparisons", "floor", "log", "running", "systems", "tallies", "total"}
    for path in places:
        with pytest.raises(TwinError) as raised:
            recount_report(json_twin(other_digit(value, path)), entries)
        # What a number decides is named where that is a figure: of the floor the first that is not shown.
        told = {"floor": "permit-advice, ", "target_ms": "permit-advice, latency.within_target: "}
        named = told.get(str(path[-1])) or name_of(value, path)
        assert str(raised.value).startswith(named), path


def test_a_digit_in_the_file_is_found_by_the_command_as_well(exported: Path, command: Any):
    body = (exported / "report.json").read_bytes()
    assert command("report", "verify", exported / "report.json", "--log", exported / "export").code == 0
    assert b'"cases":70' in body
    (exported / "changed.json").write_bytes(body.replace(b'"cases":70', b'"cases":71'))
    found = command("report", "verify", exported / "changed.json", "--log", exported / "export")
    assert found.code == 1
    assert "comparisons[0].cases: is not the number that was published" in found.line


def test_a_mark_that_was_made_to_fit_does_not_help(exported: Path):
    """Who changes number and mark is found as well: the digest in the log is of the whole."""
    value = json.loads((exported / "report.json").read_bytes())
    value["comparisons"][0]["cases"] = 71
    value["marks"] = marks(value)
    with pytest.raises(TwinError, match="was not published in this log"):
        report_check.verify_exported(json_twin(value), [exported / "export"], None)


def test_the_file_with_proofs_is_checked_alone(exported: Path, command: Any):
    data = (exported / "proven.json").read_bytes()
    made = parse_proven(data)
    assert made is not None
    assert format_proven(made) == data
    assert made.report == (exported / "report.json").read_bytes()
    assert verify_alone(made).opened > 10
    found = command("report", "verify", exported / "proven.json")
    assert found.code == 0
    assert "holds: 2026-03-01 to 2026-03-31" in found.out
    assert "--vkey names those that you trust" in found.line
    keys = exported / "export" / "log.vkey"
    assert "--vkey" not in command("report", "verify", exported / "proven.json", "--vkey", keys).line


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (r"\"number\":60,", r"\"number\":61,", "permit-advice, decisions: the number is not"),
        (r"\"cases\":70", r"\"cases\":71", r"comparisons\[0\].cases: is not"),
        (r"publication/1", r"publication/2", "entry [0-9]+: "),
        (r"\"level\":\"period\"", r"\"level\":\"day\"", "entry [0-9]+: "),
    ],
)
def test_a_changed_file_with_proofs_fails(exported: Path, before: str, after: str, message: str):
    text = (exported / "proven.json").read_text("utf-8")
    assert before in text
    made = parse_proven(text.replace(before, after, 1).encode())
    assert made is not None
    with pytest.raises(TwinError, match=message):
        verify_alone(made)


def test_keys_of_another_log_prove_nothing(exported: Path, tmp_path: Path):
    made = parse_proven((exported / "proven.json").read_bytes())
    assert made is not None
    other = KeyFolder(tmp_path / "other")
    other.begin(parse_key_ring(made.keys, name="keys").only_origin())
    with pytest.raises(TwinError, match=r"entry [0-9]+: .*signature"):
        verify_alone(made, other.ring())


def test_a_correction_is_a_new_edition_with_its_note(filled: Any):
    first = transparency.publish(filled.g, *MARCH)
    with pytest.raises(UsageError, match="was published before"):
        transparency.publish(filled.g, *MARCH)
    with pytest.raises(UsageError, match="is missing in nl"):
        transparency.publish(filled.g, *MARCH, {"en": "Only one language."})
    second = transparency.publish(filled.g, *MARCH, NOTE)
    told = second.report.correction
    assert told is not None
    assert (told.edition, told.note) == (2, NOTE)
    newest, oldest = publications.listed(filled.g)
    assert (newest.id, newest.edition, newest.newest) == (second.id, 2, True)
    assert (oldest.id, oldest.edition, oldest.newest) == (first.id, 1, False)
    assert told.corrects == oldest.digest
    assert publications.body(filled.g, first.id) == first.body
    assert publications.newest(filled.g) == second.report
    html = filled.g.renderer.document("transparency", second.report, "nl")
    assert "Dit verslag is verbeterd. Dit is uitgave 2." in html
    assert NOTE["nl"] in html


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (None, "these days were published before"),
        ({"edition": 3}, "correction: is not of the report"),
        ({"corrects": "sha256:" + "0" * 64}, "correction: is not of the report"),
        ({"published": date(2026, 3, 31)}, "correction: is not of the report"),
    ],
)
def test_an_edition_that_hides_what_it_corrects_fails(
    filled: Any, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any] | None, message: str
):
    transparency.publish(filled.g, *MARCH)
    real = publications.correction

    def other(*given: Any) -> Any:
        made = real(*given)
        return None if said is None or made is None else replace(made, **said)

    with monkeypatch.context() as patched:
        patched.setattr(publications, "correction", other)
        wrong = transparency.publish(filled.g, *MARCH, NOTE).body
    right = transparency.publish(filled.g, *MARCH, NOTE).body
    with filled.g.reading() as conn:
        log_entries = [parse_entry(data) for _, data in iterate_entries(conn, 1)]
    with pytest.raises(TwinError, match=message):
        recount_report(wrong, log_entries)
    assert recount_report(right, log_entries).opened > 0


def test_a_note_where_nothing_was_published_is_refused(filled: Any):
    with pytest.raises(UsageError, match="none of these days was"):
        transparency.publish(filled.g, *MARCH, NOTE)


def test_two_who_publish_the_same_days_at_once_do_not_both_come_first(filled: Any, monkeypatch: pytest.MonkeyPatch):
    """The second one read its figures before the first was recorded: it must say what it corrects."""
    read = transparency.period_tallies.sum_parts
    others: list[str] = []

    def meanwhile(g: Any, rows: Any) -> Any:
        if not others:
            others.append("begun")
            others.append(transparency.publish(g, *MARCH).id)
        return read(g, rows)

    monkeypatch.setattr(transparency.period_tallies, "sum_parts", meanwhile)
    with pytest.raises(UsageError, match="was published before"):
        transparency.publish(filled.g, *MARCH)
    assert [one.id for one in publications.listed(filled.g)] == others[1:]


def test_a_system_that_is_not_public_is_counted_nowhere_and_named_nowhere(filled: Any):
    """A report says how many it leaves out; one that leaves out another as well fails."""
    hide(filled.g)
    made = transparency.publish(filled.g, *MARCH)
    assert (made.report.not_shown, made.report.systems, made.report.tallies) == (1, (), ())
    assert b"permit-advice" not in made.body
    assert "One system that is not public" in filled.g.renderer.document("transparency", made.report, "en")
    with filled.g.reading() as conn:
        log_entries = [parse_entry(data) for _, data in iterate_entries(conn, 1)]
    assert recount_report(made.body, log_entries).opened == 0


def test_a_public_system_that_is_left_out_is_missed(filled: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(transparency, "_public", lambda *_: {})
    made = transparency.publish(filled.g, *MARCH)
    with filled.g.reading() as conn:
        log_entries = [parse_entry(data) for _, data in iterate_entries(conn, 1)]
    with pytest.raises(TwinError, match="permit-advice: has tallies of these days, and no sum in the report"):
        recount_report(made.body, log_entries)


def test_a_system_that_is_named_is_none_of_those_left_out(filled: Any, monkeypatch: pytest.MonkeyPatch):
    """Else a report could show nothing of one, and call that one not public."""
    whole = transparency.period_report(filled.g, *MARCH, "en").systems
    monkeypatch.setattr(transparency, "_public", lambda *_: {})
    monkeypatch.setattr(transparency, "_not_shown", lambda *_: 1)
    made = transparency.publish(filled.g, *MARCH)
    assert [one.slug for one in made.report.systems] == [one.slug for one in whole]
    with filled.g.reading() as conn:
        log_entries = [parse_entry(data) for _, data in iterate_entries(conn, 1)]
    with pytest.raises(TwinError, match="permit-advice: has tallies of these days, and no sum in the report"):
        recount_report(made.body, log_entries)


def hide(g: Any) -> None:
    file = json.loads(system_file())
    withheld = {"member": "tariff", "reason": "inspection", "explanation": {"en": "It finds fraud."}, "until": None}
    file["system"]["publication"] = {"state": "restricted", "withheld": [withheld]}
    register.register(g, json.dumps(file).encode(), account="maker")
