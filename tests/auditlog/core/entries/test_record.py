"""Entries: made by the table, read back strictly, in one form only."""

from __future__ import annotations

import importlib.util
import json
import uuid
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditlog.core.entries.kinds import COMMON, KINDS
from auditlog.core.entries.record import MAX_ENTRY, Entry, OpaqueEntry, format_time, make_entry, parse_entry, parse_time
from auditlog.core.errors import FormatError, TooLarge
from auditlog.core.formats.canonical import format_canonical, parse_canonical

_spec = importlib.util.spec_from_file_location("generated", Path(__file__).parents[2] / "generated.py")
generated = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generated)

NOW = datetime(2026, 11, 24, 8, 15, 59, 999999, tzinfo=UTC)
DIGEST = "sha256:" + "0" * 64
BOOT = "11111111-aaaa-4aaa-8aaa-111111111111"
ID = "22222222-2222-4222-9222-222222222222"


def decision(**changes):
    commitments = dict.fromkeys((*KINDS["decision/1"].commits, "in_income"), "a" * 64)
    members = {
        "id": ID,
        "agency": "waterveen",
        "time": NOW,
        "system": "loan-check",
        "version": 1,
        "manifest": DIGEST,
        "capture": "runtime",
        "mode": "live",
        "boot": BOOT,
        "source": None,
        "n": 7,
        "opened": None,
        "commitments": commitments,
    }
    return make_entry("decision/1", **{**members, **changes})


def raw(**changes):
    value = json.loads(decision().data)
    for name, change in changes.items():
        if change is ...:
            del value[name]
        else:
            value[name] = change
    return format_canonical(value, fractions=True)


@given(generated.entries())
def test_what_the_table_allows_is_an_entry_with_one_form(made):
    kind, members = made
    entry = make_entry(kind, **members)
    assert parse_entry(entry.data) == entry
    assert parse_entry(entry.data).members == entry.members
    # The fast encoder of the hot path gives the bytes of RFC 8785.
    assert entry.data == format_canonical(parse_canonical(entry.data))
    assert entry.data.isascii()


@given(generated.entries(), st.data())
def test_a_member_less_or_more_is_refused_by_name(made, data):
    kind, members = made
    value = json.loads(make_entry(kind, **members).data)
    name = data.draw(st.sampled_from(sorted(value.keys() - {"kind"})))
    less = {key: one for key, one in value.items() if key != name}
    with pytest.raises(FormatError) as error:
        parse_entry(format_canonical(less))
    assert error.value.field.split(".")[0] == name
    with pytest.raises(FormatError, match="unknown member"):
        parse_entry(format_canonical({**value, "zz_name_of_a_person": None}))


@given(generated.entries(), st.data())
def test_a_value_of_another_type_is_refused_by_name(made, data):
    kind, members = made
    value = json.loads(make_entry(kind, **members).data)
    known = {member.name: member for member in (*COMMON[1:], *KINDS[kind].members)}
    name = data.draw(st.sampled_from(sorted(known)))
    wrong = [True, -1, "J. de Boer, Dam 1", {}, {"a": 1}, [None], 1.5]
    if known[name].type != "origin":  # any visible ASCII may name a log
        wrong.append("2026-13-01T00:00")
    with pytest.raises(FormatError) as error:
        parse_entry(format_canonical({**value, name: data.draw(st.sampled_from(wrong))}, fractions=True))
    assert "Boer" not in str(error.value)


def test_an_entry_says_when_to_the_minute_and_in_utc():
    amsterdam = timezone(timedelta(hours=1))
    assert decision().time == "2026-11-24T08:15Z"
    assert decision(time=NOW.astimezone(amsterdam)).time == "2026-11-24T08:15Z"
    with pytest.raises(FormatError, match="zone"):
        decision(time=datetime(2026, 11, 24))


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_come_back(time):
    assert parse_time(format_time(time)) == time.replace(second=0, microsecond=0)


@pytest.mark.parametrize(
    "text", ["2026-02-30T00:00Z", "2026-11-24T24:00Z", "2026-11-24T08:15:00Z", "0000-01-01T00:00Z"]
)
def test_times_that_no_calendar_has(text):
    with pytest.raises(FormatError):
        parse_time(text)
    with pytest.raises(FormatError, match=r"^time:"):
        parse_entry(raw(time=text))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"n": 1.5}, "n"),
        ({"n": True}, "n"),
        ({"n": 2**53}, "n"),
        ({"n": None}, "n"),
        ({"mode": "rehearsal"}, "mode"),
        ({"capture": "Runtime"}, "capture"),
        ({"boot": None}, "boot and source"),
        ({"source": "case-system"}, "boot and source"),
        ({"boot": BOOT.upper()}, "boot"),
        ({"boot": str(uuid.uuid1())}, "boot"),
        ({"id": str(uuid.uuid1())}, "id"),
        ({"system": "Loan check"}, "system"),
        ({"manifest": "sha256:" + "A" * 64}, "manifest"),
        ({"note": "called, was angry"}, "entry"),
        ({"commitments": None}, "commitments"),
        ({"commitments": {}}, "commitments.outcome"),
        (
            {"commitments": {**dict.fromkeys(KINDS["decision/1"].commits, "a" * 64), "usage": "A" * 64}},
            "commitments.usage",
        ),
        ({"commitments": {**dict.fromkeys(KINDS["decision/1"].commits, "a" * 64), "staff": "a" * 64}}, "commitments"),
        ({"commitments": {**dict.fromkeys(KINDS["decision/1"].commits, "a" * 64), "in_Name": "a" * 64}}, "commitments"),
        ({"commitments": {**dict.fromkeys(KINDS["decision/1"].commits, "a" * 64), "in_": "a" * 64}}, "commitments"),
    ],
)
def test_what_is_wrong_is_named(changes, field):
    with pytest.raises(FormatError) as error:
        decision(**changes)
    assert error.value.field == field
    assert "angry" not in str(error.value)


def test_an_unknown_kind_cannot_be_made():
    with pytest.raises(FormatError, match=r"^kind:"):
        make_entry("decision/9", id=ID, agency="a", time=NOW)


def test_lists_are_put_in_order_and_must_be_in_order():
    boots = [{"boot": BOOT.replace("1", "3", 1), "n": 1}, {"boot": BOOT, "n": 2}]
    entry = make_entry("pulse/1", id=ID, agency="a", time=NOW, boots=boots, recording="ok")
    assert [boot["n"] for boot in entry.members["boots"]] == [2, 1]
    value = json.loads(entry.data)
    value["boots"].reverse()
    with pytest.raises(FormatError, match=r"^boots:.*rising order"):
        parse_entry(format_canonical(value))
    with pytest.raises(FormatError, match=r"^boots:"):
        make_entry("pulse/1", id=ID, agency="a", time=NOW, boots=[boots[0], boots[0]], recording="ok")
    with pytest.raises(FormatError, match=r"^boots\[0\]\.n:"):
        make_entry("pulse/1", id=ID, agency="a", time=NOW, boots=[{"boot": BOOT}], recording="ok")


def test_version_and_manifest_of_a_state_are_null_together():
    members = {"system": "s", "from": "active", "to": "suspended", "reason": "incident", "role": "operator"}
    make_entry("state/1", id=ID, agency="a", time=NOW, version=None, manifest=None, **members)
    with pytest.raises(FormatError, match="version and manifest"):
        make_entry("state/1", id=ID, agency="a", time=NOW, version=1, manifest=None, **members)


def test_an_entry_cannot_be_changed():
    entry = decision()
    with pytest.raises(TypeError):
        entry.members["n"] = 8
    with pytest.raises(AttributeError):
        entry.id = BOOT
    assert entry.data not in repr(entry).encode()


def test_the_size_has_a_limit():
    fields = {f"in_{'x' * 33}{n:04}": "a" * 64 for n in range(600)}
    commitments = {**dict.fromkeys(KINDS["decision/1"].commits, "a" * 64), **fields}
    with pytest.raises(TooLarge, match=r"^entry: .*65535"):
        decision(commitments=commitments)
    with pytest.raises(TooLarge):
        parse_entry(b" " * (MAX_ENTRY + 1))
    one = len(f'"in_{"x" * 33}0000":"{"a" * 64}",')
    spare, filled = divmod(MAX_ENTRY - len(decision().data), one)
    kept = dict(list(fields.items())[:spare])
    last = {f"in_{'y' * 5}": "a" * 64}
    entry = decision(commitments={**dict.fromkeys((*KINDS["decision/1"].commits, "in_income"), "a" * 64), **kept})
    assert MAX_ENTRY - one < len(entry.data) <= MAX_ENTRY
    assert parse_entry(entry.data) == entry
    with pytest.raises(TooLarge):
        decision(commitments={**entry.commitments, **dict(list(fields.items())[spare : spare + 2]), **last})
    assert filled >= 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"kind":1}',
        b'{"kind":"Decision"}',
        b'{"kind":"decision/0"}',
        b'{"kind":"decision/01"}',
        b'{"kind":"call from Jan"}',
        b"\xff",
        b"\xef\xbb\xbf{}",
        b'{"kind":"later/1","kind":"later/1"}',
        b'{"kind":"later/1", "n":1}',
        b'{"n":1,"kind":"later/1"}',
        b'{"kind":"later/1","n":1.5}',
        b'{"kind":"later/1","n":"\\ud800"}',
        b'{"kind":"later/1","n":1e3}',
        b'{"kind":"later/1","n":9007199254740993}',
    ],
)
def test_what_is_no_entry_at_all(data):
    with pytest.raises(FormatError):
        parse_entry(data)


def test_unknown_kinds_and_versions_are_opaque():
    later = b'{"kind":"decision/2","x":[1,{"y":null}]}'
    assert parse_entry(later) == OpaqueEntry("decision/2", later, None)
    named = format_canonical({"kind": "audit_trail/1", "id": ID})
    assert parse_entry(named) == OpaqueEntry("audit_trail/1", named, ID)
    assert parse_entry(b'{"id":"Jan","kind":"audit_trail/1"}').id is None


def test_another_layout_is_another_entry():
    entry = decision()
    assert isinstance(parse_entry(entry.data), Entry)
    with pytest.raises(FormatError):
        parse_entry(json.dumps(json.loads(entry.data)).encode())
    with pytest.raises(FormatError):
        parse_entry(entry.data + b"\n")


MAKERS = Path(__file__).parents[3] / "vectors"
VECTORS = Path(__file__).parents[4] / "docs" / "conformance" / "vectors"
ENTRIES = json.loads((VECTORS / "entries.json").read_text())


def test_our_vectors_have_not_drifted():
    spec = importlib.util.spec_from_file_location("generate_records", MAKERS / "generate_records.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for name, text in generate.build().items():
        assert (VECTORS / name).read_text() == text, name


def test_our_vectors():
    assert [parse_entry(text.encode()).kind for text in ENTRIES["valid"]] == list(KINDS)
    assert all(isinstance(parse_entry(text.encode()), OpaqueEntry) for text in ENTRIES["opaque"])
    for case in ENTRIES["invalid"]:
        with pytest.raises(FormatError) as error:
            parse_entry(case["entry"].encode())
        assert error.value.field == case["field"]
    for text in ENTRIES["not_canonical"]:
        with pytest.raises(FormatError):
            parse_entry(text.encode())
