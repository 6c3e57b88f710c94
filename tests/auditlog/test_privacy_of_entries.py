"""Someone who sees all entries, and no vault, tries to tell a grant from a refusal, and whose records belong together.

The entries are made as the program makes them: the vault's commitments over whatever values a case can have.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from auditlog.core.entries.kinds import COMMON, KINDS
from auditlog.core.entries.record import make_entry
from auditlog.core.formats.commitment import commit_all
from auditlog.vault.subjects import normalise_all

ABOUT_PEOPLE = [kind for kind in KINDS.values() if kind.person]
NOW = datetime(2026, 11, 24, 8, 15, 42, 123456, tzinfo=UTC)
FIELDS = ("in_income", "in_debts", "in_remark")

# What the entry of a person may say in clear: all of it stands before the model answers, or is about the program. A new
# member must be put here by hand, which is the moment to ask what it tells.
CLEAR = {
    "decision/1": {"system", "version", "manifest", "capture", "mode", "boot", "source", "n", "opened"},
    "opened/1": {"system", "version", "manifest", "capture", "mode", "boot", "n"},
    "unfinished/1": {"system", "version", "manifest", "boot", "n", "reason", "opened"},
    "refused/1": {"system", "version", "reason", "boot", "n"},
    "review/1": set(),
    "erasure/1": {"record", "ground", "role"},
    "correction/1": {"record", "role"},
    "hold/1": {"action", "ground", "role"},
    "access/1": {"purpose", "role"},
    "replay/1": {"system", "version", "verdict", "reason", "cause", "runtime", "build", "device"},
    # Not how it ended: a result that changes with a detail is told apart from one that does not by its outcome.
    "explanation/1": {"system", "version", "cause", "runtime", "build", "device"},
    "finding/1": {"system", "version", "rule"},
    "request/1": set(),
    "notice/1": {"system", "duty"},
}
# Names of a program and of a device, as the program itself has them.
TECHNICAL = {(kind, name) for kind in ("replay/1", "explanation/1") for name in ("runtime", "device")}
NO_TEXT = {"id", "slug", "uint", "digest", "hash", "code", "time"}

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
INPUT = (
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)
COUNT = st.none() | st.integers(0, 2**53 - 1)
USAGE = st.none() | st.fixed_dictionaries(
    dict.fromkeys(("prompt_tokens", "output_tokens", "queue_us", "first_us", "total_us", "energy_uj"), COUNT)
)
CASES = st.fixed_dictionaries(
    {
        **dict.fromkeys(FIELDS, INPUT),
        "output": st.none() | st.dictionaries(st.sampled_from(["result", "reply"]), TEXT),
        "outcome": st.sampled_from(["grant", "refer", "refuse", "length", "invalid", "x" * 40]),
        "subjects": st.lists(st.sampled_from(["WV-1", "WV-2", "WV-3"]), max_size=3).map(normalise_all),
        "parent": st.none() | st.uuids(version=4).map(str),
        "usage": USAGE,
        "run": st.none() | st.lists(st.integers(0, 10**6), max_size=50),
        "times": st.none() | TEXT,
    }
)
REVIEWS = st.fixed_dictionaries({name: st.none() | TEXT for name in KINDS["review/1"].commits})
SECRETS = st.binary(min_size=32, max_size=32)


def decision(values, secret, **clear):
    members = {
        "system": "loan-check",
        "version": 1,
        "manifest": "sha256:" + "0" * 64,
        "capture": "runtime",
        "mode": "live",
        "boot": "11111111-aaaa-4aaa-8aaa-111111111111",
        "source": None,
        "n": 7,
        "opened": None,
    }
    common = {"id": "22222222-2222-4222-9222-222222222222", "agency": "waterveen", "time": NOW}
    return make_entry("decision/1", **common, **{**members, **clear}, commitments=commit_all(secret, values))


def review(values, secret):
    common = {"id": "22222222-2222-4222-9222-222222222222", "agency": "waterveen", "time": NOW}
    return make_entry("review/1", **common, commitments=commit_all(secret, values))


def blank(entry):
    """What is left of an entry without the digits of its commitments."""
    data = entry.data.decode()
    for commitment in entry.commitments.values():
        data = data.replace(commitment, "*" * len(commitment))
    return data


# --- the table ---


@pytest.mark.parametrize("kind", ABOUT_PEOPLE, ids=lambda kind: kind.name)
def test_what_is_in_clear_was_decided_on(kind):
    assert {member.name for member in kind.members} == CLEAR[kind.name]


@pytest.mark.parametrize("kind", ABOUT_PEOPLE, ids=lambda kind: kind.name)
def test_no_member_about_a_person_takes_text_or_varies_in_number(kind):
    for member in (*COMMON, *kind.members):
        assert member.type in NO_TEXT or (kind.name, member.name) in TECHNICAL
        assert not member.many


def test_results_reviews_and_usage_are_committed():
    """The codes that tell how a case ended stand in no clear member of any kind."""
    committed = {"outcome", "output", "usage", "times", "run", "subjects", "parent"}
    assert set(KINDS["decision/1"].commits) == committed
    clear = {code for kind in KINDS.values() for member in kind.members for code in member.codes}
    assert not clear & {"grant", "refuse", "confirm", "override", "refer", "release"}


# --- one entry against another: lengths, members, order ---


@given(CASES, CASES, SECRETS, SECRETS)
def test_two_decisions_differ_in_the_digits_of_commitments_alone(one, other, first, second):
    a, b = decision(one, first), decision(other, second)
    assert len(a.data) == len(b.data)
    assert blank(a) == blank(b)  # members, their presence, their order, their types


@given(REVIEWS, REVIEWS, SECRETS, SECRETS)
def test_two_reviews_differ_in_the_digits_of_commitments_alone(one, other, first, second):
    a, b = review(one, first), review(other, second)
    assert len(a.data) == len(b.data)
    assert blank(a) == blank(b)
    assert set(json.loads(a.data)) == {"agency", "commitments", "id", "kind", "time"}


@given(CASES, SECRETS)
def test_a_field_that_was_not_given_leaves_no_trace(case, secret):
    absent = {**case, **dict.fromkeys(FIELDS), "subjects": [], "usage": None}
    assert blank(decision(case, secret)) == blank(decision(absent, secret))


# --- equal values ---


@given(CASES, SECRETS, SECRETS)
def test_equal_values_do_not_meet_between_records(case, first, second):
    """The same person, the same answers, the same result: nothing in common."""
    assume(first != second)
    one, other = decision(case, first).commitments, decision(case, second).commitments
    assert not set(one.values()) & set(other.values())


@given(INPUT, SECRETS)
def test_equal_values_do_not_meet_within_a_record(value, secret):
    commitments = commit_all(secret, dict.fromkeys((*FIELDS, "outcome", "output"), value))
    assert len(set(commitments.values())) == 5


def test_a_review_does_not_name_its_decision_or_its_system():
    rng = Random(3)
    made = decision(dict.fromkeys((*FIELDS, *KINDS["decision/1"].commits)), rng.randbytes(32))
    values = {**dict.fromkeys(KINDS["review/1"].commits), "reference": made.id, "action": "override"}
    reviewed = make_entry(
        "review/1",
        id=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        agency="waterveen",
        time=NOW,
        commitments=commit_all(rng.randbytes(32), values),
    )
    assert made.id not in reviewed.data.decode()
    assert "loan-check" not in reviewed.data.decode()
    assert not set(made.commitments.values()) & set(reviewed.commitments.values())


# --- guessing ---


def guesses(entry, word):
    """Ways to test a guess without the secret: plain hashes, and HMACs under anything that the entry shows."""
    commitments = {field: one for field, one in entry.commitments.items() if field != word}
    data = json.dumps(word).encode()
    keys = [b"", bytes(32), entry.id.encode(), uuid.UUID(entry.id).bytes, *map(bytes.fromhex, commitments.values())]
    yield hashlib.sha256(data).hexdigest()
    yield hashlib.sha256(word.encode()).hexdigest()
    for key in keys:
        yield hashlib.sha256(key + data).hexdigest()
        if len(key) == 32:
            yield from commit_all(key, dict.fromkeys(entry.commitments, word)).values()


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=25)
@given(CASES, SECRETS)
def test_an_outcome_cannot_be_guessed_from_the_entry(case, secret):
    assume(secret != bytes(32))
    entry = decision(case, secret)
    seen = set(entry.commitments.values())
    for word in ("grant", "refer", "refuse", "length", "invalid"):
        assert not seen & set(guesses(entry, word))


# --- many entries: does anything go with the outcome? ---


def features(entry):
    """All that could go with an outcome: sizes, order of the digests, digits, the id, the time."""
    commitments = entry.commitments
    yield float(len(entry.data))
    ranked = sorted(commitments, key=commitments.__getitem__)
    for field in sorted(commitments):
        yield float(ranked.index(field))
        yield float(int(commitments[field][0], 16))
        yield float(int(commitments[field][-2:], 16))
    yield float(int(entry.id[:4], 16))
    yield float(entry.time[-3:-1])


def difference(kind_of, entries):
    """The largest standardised difference of any feature between the two halves."""
    columns = list(zip(*(features(entry) for entry in entries), strict=True))
    worst = 0.0
    for column in columns:
        halves = [[v for v, k in zip(column, kind_of, strict=True) if k is which] for which in (False, True)]
        means = [sum(half) / len(half) for half in halves]
        mean = sum(column) / len(column)
        spread = (sum((v - mean) ** 2 for v in column) / len(column)) ** 0.5
        if spread:
            worst = max(worst, abs(means[0] - means[1]) / spread)
        else:
            assert means[0] == means[1]
    return worst


def generated_decisions(outcome_of, count=1200, *, leak=False):
    rng = Random(5)
    refused = [outcome_of(n) for n in range(count)]
    entries = []
    for bad in refused:
        values = {
            **dict.fromkeys(FIELDS, "no income" if bad else "a steady job"),
            "outcome": "refuse" if bad else "grant",
        }
        values |= {"output": {"reply": "no " * (30 if bad else 3)}, "subjects": ["s1:wv1"] * bad, "parent": None}
        values |= {"usage": {"total_us": 900 if bad else 80}, "run": [1] * (50 if bad else 2), "times": None}
        made = decision(values, rng.randbytes(32))
        number = rng.getrandbits(128) | (bad << 127 if leak else 0)
        clear = {name: one for name, one in made.members.items() if name != "commitments"}
        id_ = str(uuid.UUID(int=number, version=4))
        common = {"id": id_, "agency": "waterveen", "time": NOW}
        entries.append(make_entry("decision/1", **common, **clear, commitments=made.commitments))
    return refused, entries


def test_nothing_goes_with_the_outcome():
    """Of 1,200 decisions, half of them refused. Chance alone gives differences up to about 0.2 over these features."""
    assert difference(*generated_decisions(lambda n: n % 2 == 0)) < 0.25
    # The search can find something: ids whose first bit is set for refusals are seen at once.
    assert difference(*generated_decisions(lambda n: n % 2 == 0, leak=True)) > 0.5


def test_one_persons_two_records_are_like_two_persons():
    """No digit string of 16 occurs in two entries but what they all share."""
    _, entries = generated_decisions(lambda n: n % 3 == 0, count=200)
    seen: set[str] = set()
    for entry in entries:
        mine = {one[at : at + 16] for one in entry.commitments.values() for at in range(49)} | {entry.id}
        assert not mine & seen
        seen |= mine


def test_times_tell_the_minute_and_ids_tell_nothing():
    entry = decision(dict.fromkeys((*FIELDS, *KINDS["decision/1"].commits)), bytes(range(32)))
    assert json.loads(entry.data)["time"] == "2026-11-24T08:15Z"
    ordered = uuid.uuid1()
    with pytest.raises(Exception, match="UUIDv4"):
        make_entry("pulse/1", id=str(ordered), agency="waterveen", time=NOW, boots=[], recording="ok")
