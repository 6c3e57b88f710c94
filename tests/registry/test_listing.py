"""What lists and searches read, on both databases: written with the record, and compared by bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import Connection, text

from registry.store import as_of, listing, systems
from registry.system import format_record, parse_system

NAMES = {"a": "Café licences", "b": "Zürich taxes", "c": "بيانات", "d": "Taxes and licences"}


@pytest.fixture
def filled(either: Connection, document: dict[str, Any]) -> Connection:
    """Four systems."""
    for slug, name in NAMES.items():
        record = json.loads(json.dumps(document["system"])) | {"slug": slug, "name": {"en": name}}
        systems.add_system(either, parse_system(record))
    return either


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["cafe"], {"a": 1}),
        (["caf"], {"a": 1}),
        (["zurich"], {"b": 1}),
        (["بيان"], {"c": 1}),
        (["licence", "tax"], {"d": 2}),
        (["ca"], {}),
        (["a"], {"a": 1}),
        (["xyz"], {}),
    ],
)
def test_words_are_found_by_their_beginning(filled: Connection, words: list[str], found: dict[str, int]) -> None:
    seen = listing.having(filled, words)
    assert {slug: rank for slug, rank in seen.items() if slug in found} == found
    assert set(seen) == set(found)


def test_it_follows_record_and_state(filled: Connection) -> None:
    assert [*listing.differences(filled)] == []
    filled.execute(text("UPDATE registry_listing SET owner = 'Somebody else' WHERE slug = 'a'"))
    filled.execute(text("DELETE FROM registry_word WHERE slug = 'b' AND word = 'zurich'"))
    assert [place for place, _ in listing.differences(filled)] == ["registry_listing(a)", "registry_word(b)"]
    listing.refresh(filled, "a")
    listing.refresh(filled, "b")
    assert [*listing.differences(filled)] == []


def test_what_is_missing_is_completed(filled: Connection) -> None:
    filled.execute(text("DELETE FROM registry_word"))
    filled.execute(text("DELETE FROM registry_listing"))
    listing.complete(filled)
    assert [*listing.differences(filled)] == []
    assert sorted(one.slug for one in listing.list_all(filled)) == sorted(NAMES)


def test_a_past_record_is_kept_as_it_was(filled: Connection) -> None:
    record = systems.read_record(filled, "a")
    as_of.add_record(filled, "a", (1, 7), format_record(record).decode())
    stored = as_of.record_at(filled, (1, 7))
    assert stored is not None
    assert stored.text.encode() == format_record(record)
    assert as_of.record_at(filled, (1, 8)) is None
    as_of.add_steps(filled, "a", 1, [7, 8], None)
    assert as_of.accounts(filled, "a") == {(1, 7): None, (1, 8): None}
