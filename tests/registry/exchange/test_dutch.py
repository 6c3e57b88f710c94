"""The Dutch standard: lengths, themes, HTML that it allows, and texts that would not be Dutch."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import FormatError
from registry.exchange.dutch import from_dutch, to_dutch
from registry.exchange.dutch_fields import PLACES
from registry.exchange.markup import from_html, shorten_html, to_html
from registry.exchange.transfer import Agency, Source
from registry.system import parse_system

AGENCY = Agency({"en": "Teststad"}, "Plein 1", "info@teststad.example", "https://teststad.example")


def written(document: dict[str, Any], **members: Any) -> tuple[dict[str, Any], Any]:
    exported = to_dutch(Source(parse_system(document["system"] | members), "active", agency=AGENCY))
    return json.loads(exported.data), exported


def test_what_is_too_long_is_cut_within_the_limit_and_told(document: dict[str, Any]) -> None:
    value, exported = written(
        document, name={"nl": "woord " * 30}, purpose={"nl": "<regel> & meer\n\n" * 124},
        themes=["traffic", "law", "work", "health"],
    )  # fmt: skip
    assert len(value["name"]) <= 100
    assert value["name"].endswith("…")
    assert len(value["goal"]) <= 2500
    assert from_html(value["goal"])
    assert value["category"] == ["Verkeer", "Recht", "Werk"]
    told = {(one.what, one.how) for one in exported.lost}
    assert {("name", "shortened"), ("purpose", "shortened")} <= told
    assert ("themes[]", "shortened") in told


def test_no_english_is_passed_off_as_dutch(document: dict[str, Any]) -> None:
    value, exported = written(document, name={"en": "Only English"})
    assert "name" not in value
    assert "organization" not in value, "the agency has no Dutch name"
    assert {"name", "organization"} <= {one.field for one in exported.missing}
    assert value["lang"] == "nld"


def test_contact_is_an_address_and_no_line_of_text(document: dict[str, Any]) -> None:
    owner = {"unit": "x", "contact": "Bel 0000-000 001 of mail verf@teststad.example, op werkdagen"}
    assert written(document, owner=owner)[0]["contact_email"] == "verf@teststad.example"
    assert written(document, owner={"unit": "x", "contact": "Loket"})[0]["contact_email"] == "info@teststad.example"


def test_keys_are_those_of_the_configuration() -> None:
    assert [place.id for place in PLACES] == [
        "name", "description_short", "organization", "category", "status", "begin_date", "end_date", "contact_email",
        "website", "publication_category", "url", "goal", "proportionality", "human_intervention", "risks",
        "lawful_basis", "lawful_basis_grouping", "process_index_url", "impacttoetsen_grouping", "impacttoetsen",
        "source_data", "source_data_grouping", "methods_and_models", "provider", "publiccode", "lang",
        "standard_version", "source_id", "tags", "lars",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "html", ["<script>alert(1)</script>", '<a href="https://x">x</a>', "<img src=x onerror=y>", "<![CDATA[x]]><b>y</b>"]
)
def test_other_html_than_the_standard_allows_does_not_come_in(html: str) -> None:
    (one,) = from_dutch(json.dumps({"name": "x", "lang": "nld", "goal": html}).encode())
    assert "purpose" not in one.draft
    assert [fault.field for fault in one.faults] == ["goal"]
    assert "script" not in one.faults[0].message


@given(
    st.lists(
        st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.just("\n"), min_size=1), min_size=1, max_size=2
    )
)
def test_texts_come_back_from_html_as_they_were(texts: list[str]) -> None:
    html = to_html(texts)
    assert html is not None
    assert from_html(html) == tuple(texts)
    for longest in (20, 60, 200):
        assert len(shorten_html(html, longest)) <= longest


def test_what_is_no_record_is_refused() -> None:
    for bad in (b"[]", b'"x"', b"[1]", b'{"name": "x", "lang": "eng"}', b'{"title": "x"}'):
        with pytest.raises(FormatError):
            from_dutch(bad)
    (one,) = from_dutch(b'{"name": "x", "category": ["Iets anders"], "website": "javascript:alert(1)"}')
    assert {fault.field for fault in one.faults} == {"category", "website"}
    assert "javascript" not in str(one.faults)
    assert len(from_dutch(b'[{"name": "a"}, {"name": "b"}]')) == 2
    assert len(from_dutch(b'{"results": [{"name": "a", "score": 0.5}, {"name": "b"}], "total_count": 2}')) == 2
