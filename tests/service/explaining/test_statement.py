"""The statement of an explanation: a function of what was measured, free of any language's words."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditlog.core.errors import FormatError
from auditlog.core.formats.canonical import format_canonical, parse_canonical
from registry.register_file import parse_register_file
from reports.explanation.words import words as told
from reports.render import Renderer
from runtime.explain.pipe import format_found, parse_found
from runtime.explain.question import (
    REASONS,
    Change,
    Cost,
    Effect,
    Explained,
    Found,
    Limits,
    Threshold,
    Tried,
)
from service.explaining import wording
from service.explaining.new_decision import Fresh
from service.explaining.order import seed_of
from service.explaining.statement import Result, differing, format_statement, parse_statement, state, withheld

CASES = Path(__file__).parents[3] / "cli" / "demo" / "cases"
FILE = parse_register_file((CASES / "social-loan-check.json").read_bytes())
MANIFEST = FILE.manifest
assert MANIFEST is not None
FIELDS = [field.id for field in MANIFEST.fields]
VALUES = {"payment_record": "often too late", "income": "no income", "debts": "no debts", "room": 250}
RESULT = Result(MANIFEST.system, 3, "refuse")
RECORD = "11111111-1111-4111-8111-111111111111"

EFFECT = st.integers(-9_000_000, 9_000_000)
OTHER = {"payment_record": "always on time", "income": "a steady job", "debts": "unpaid debts"}


@st.composite
def effects(draw: Any) -> tuple[Effect, ...]:
    made = []
    for name in FIELDS:
        per = tuple(draw(st.lists(EFFECT, min_size=3, max_size=3)))
        made.append(Effect(name, per, draw(st.sampled_from([per[0], draw(EFFECT)])), 0))
    return tuple(made)


@st.composite
def changes(draw: Any) -> tuple[Change, ...]:
    made = [
        Change(((name, value),), "grant", draw(st.integers(0, 3)))
        for name, value in OTHER.items()
        if draw(st.booleans())
    ]
    room = draw(st.integers(-5_000, 5_000))
    side = "above" if room > VALUES["room"] else "below"
    threshold = Threshold("room", room, side, draw(st.booleans()))
    pair = (("debts", "unpaid debts"), ("room", room))
    made.append(Change(pair, "refer", draw(st.integers(0, 3)), threshold))
    return tuple(made)


@st.composite
def founds(draw: Any) -> Found:
    verdict = draw(st.sampled_from(("explained", "withheld", "set_aside")))
    reasons = draw(st.sets(st.sampled_from(REASONS), min_size=1)) if verdict == "withheld" else set()
    return Found(
        verdict=verdict,
        reasons=tuple(one for one in REASONS if one in reasons),
        outcome="refuse",
        odds=draw(EFFECT),
        floor=draw(st.integers(2, 2_000)),
        effects=draw(effects()),
        groups=(),
        additive=True,
        changes=draw(changes()),
        protected=(Change((("income", "a steady job"),), "grant", 3),) if verdict == "set_aside" else (),
        stability=None,
        deletion=None,
        insertion=None,
        tried=Tried(variants=draw(st.integers(1, 400)), wordings=3),
        seed="ab" * 16,
        limits=Limits(),
    )


def explained(found: Found | None, replay: str = "bit_exact", **ran: Any) -> Explained:
    facts = {"build": "sha256:" + "0" * 64, "device": "CPU", "threads": 2, "cost": Cost(), **ran}
    return Explained("id", replay, None, found, **facts)


@given(founds())
def test_it_is_the_same_for_the_same_measurement(found: Found) -> None:
    """Whatever it cost, on how many threads, after the pipe and after the vault."""
    made = format_statement(state(RESULT, MANIFEST, VALUES, explained(found)))
    again = parse_found(json.loads(json.dumps(format_found(found))))
    other = explained(again, cost=Cost(9, 9, 9, 9), threads=1, device="GPU")
    assert format_statement(state(RESULT, MANIFEST, VALUES, other)) == made
    stored = parse_canonical(format_canonical(made, fractions=True), fractions=True)
    assert format_statement(parse_statement(stored)) == made
    assert differing(made, stored) == []


@given(founds())
def test_no_neutral_and_no_foreign_text_is_in_it(found: Found) -> None:
    """Values as recorded or tried, codes and numbers: nothing of prompts, of labels, of what the model wrote."""
    statement = format_statement(state(RESULT, MANIFEST, VALUES, explained(found)))
    texts = {one for one in leaves(statement) if isinstance(one, str)}
    allowed = {*map(str, VALUES.values()), *OTHER.values(), *FIELDS, *REASONS, RESULT.system, "statement/1", found.seed}
    allowed |= {"refuse", "grant", "refer", "bit_exact", "explained", "withheld", "set_aside", "above", "below"}
    allowed |= {"for", "against", "none", "decided", "strong", "some", "little"}
    allowed |= {"all_wordings", "most_wordings", "own_wording"}
    assert texts <= allowed
    neutral = {field.neutral for field in MANIFEST.fields}
    assert not texts & neutral
    assert all(isinstance(one, str | int | bool) or one is None for one in leaves(statement))


@given(founds())
def test_only_what_is_reliable_is_told(found: Found) -> None:
    made = state(RESULT, MANIFEST, VALUES, explained(found))
    assert bool(made.details) == (found.verdict == "explained")
    assert bool(made.changes) == (found.verdict == "explained")
    assert made.protected == (("income",) if found.verdict == "set_aside" else ())
    assert made.reasons == found.reasons
    if found.verdict != "explained":
        return
    deciding = {one.values[0][0] for one in found.changes if len(one.values) == 1}
    assert {one.field for one in made.details if one.strength == "decided"} == deciding
    used = {one.field: one.used for one in found.effects}
    for one in made.details:
        small = abs(used[one.field]) < 3 * found.floor
        assert (one.direction == "none") == small
        assert one.value == VALUES[one.field]
        if one.strength != "decided":
            assert (one.strength == "none") == small
    ranks = [("decided", "strong", "some", "little", "none").index(one.strength) for one in made.details]
    assert ranks == sorted(ranks)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(lambda: datetime(2026, 11, 24, tzinfo=UTC))


@given(found=founds(), lang=st.sampled_from(["en", "nl"]))
def test_every_statement_can_be_told(renderer: Renderer, found: Found, lang: str) -> None:
    statement = state(RESULT, MANIFEST, VALUES, explained(found))
    made = wording.Made(RECORD, date(2026, 11, 24))
    fresh = None if found.verdict == "explained" else Fresh("due", date(2026, 12, 8))
    context = wording.words(made, statement, FILE.system, MANIFEST, values=VALUES, fresh=fresh)
    text = told(renderer, context, lang)
    assert RECORD in text
    for field in MANIFEST.fields:
        assert field.id not in text.split()


def test_nothing_ran() -> None:
    made = withheld(RESULT, "not_recorded")
    assert (made.verdict, made.reasons, made.tried, made.seed) == ("withheld", ("not_recorded",), 0, None)
    assert state(RESULT, MANIFEST, VALUES, explained(None, "mismatch")) == withheld(RESULT, "not_repeated", "mismatch")
    absent = state(RESULT, MANIFEST, VALUES, explained(None, "not_replayable"))
    assert absent == withheld(RESULT, "model_missing", "not_replayable")


def test_at_the_bound_of_the_schema_nothing_lies_beyond() -> None:
    schema: Any = next(field.schema for field in MANIFEST.fields if field.id == "room")
    found = plain(changes=(Change((("room", schema["maximum"]),), "grant", 3,
                                  Threshold("room", schema["maximum"], "above", True)),))  # fmt: skip
    (change,) = state(RESULT, MANIFEST, VALUES, explained(found)).changes
    assert (change.threshold, change.threshold_field, change.beyond) == ("above", "room", None)


def plain(**more: Any) -> Found:
    made = Found(
        "explained", (), "refuse", 0, 2, tuple(Effect(name, (9_000,) * 3, 9_000, 0) for name in FIELDS), (), True, (),
        (), None, None, None, Tried(variants=9, wordings=3), "ab" * 16, Limits(),
    )  # fmt: skip
    return dataclasses.replace(made, **more)


def test_sentences_that_were_left_out_are_told_as_they_were_written() -> None:
    """Of a text; beside it a detail that was changed to something shorter is not taken for one."""
    talk = "I lost my job. I pay on time. I ask for more time."
    values = {**VALUES, "income": talk}
    pair = (("payment_record", "late"), ("income", "I lost my job. I ask for more time."))
    found = plain(changes=(Change(pair, "grant", 3, None, (1,)),))
    statement = state(RESULT, MANIFEST, values, explained(found))
    made = wording.Made(RECORD, date(2026, 11, 24))
    (change,) = wording.words(made, statement, FILE.system, MANIFEST).alternatives
    assert [one.left_out for one in change.replacements] == [(), ("I pay on time.",)]


def test_what_differs_is_named_by_member() -> None:
    one = format_statement(withheld(RESULT, "not_recorded"))
    other = format_statement(withheld(RESULT, "model_missing", "not_replayable"))
    assert differing(one, other) == ["reasons", "replay"]
    assert differing({}, one) == sorted(one)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "statement/2"},
        {"verdict": "because"},
        {"reasons": ["because the model said so"]},
        {"more": 1},
        {"details": [{"field": "room"}]},
    ],
)
def test_what_is_no_statement_is_named(change: dict[str, Any]) -> None:
    good = format_statement(withheld(RESULT, "not_recorded"))
    assert parse_statement(good) == withheld(RESULT, "not_recorded")
    with pytest.raises(FormatError, match="statement"):
        parse_statement({**good, **change})
    with pytest.raises(FormatError, match="statement"):
        parse_statement(None)


def test_the_seed_is_of_record_and_version() -> None:
    seed = seed_of(RECORD, "sha256:" + "0" * 64)
    assert len(bytes.fromhex(seed)) == 16
    assert seed != seed_of(RECORD, "sha256:" + "1" * 64)
    assert seed != seed_of(RECORD[:-1] + "2", "sha256:" + "0" * 64)


def leaves(value: Any) -> Any:
    if isinstance(value, dict):
        for name, one in value.items():
            if name in FIELDS:
                yield name
            yield from leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from leaves(one)
    else:
        yield value
