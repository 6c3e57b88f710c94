"""Annex VIII as amended: which section is for whom, what the restricted one leaves out, what was deleted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from registry.exchange.annex_viii import from_annex_viii, to_annex_viii
from registry.exchange.annex_viii_fields import SECTIONS
from registry.exchange.transfer import Agency, DoesNotApply, Source
from registry.system import AISystem, parse_system

AGENCY = Agency({"nl": "Gemeente Teststad"}, "Plein 1", "info@teststad.example", "https://teststad.example")
USE = dict.fromkeys(
    ["public_authority", "public_service", "decides_about_persons", "profiling", "personal_data", "workplace",
     "law_enforcement", "talks_with_people", "obviously_ai", "only_edits", "emotion_or_biometric", "deep_fakes",
     "publishes_text", "text_edited_by_person"], False) | {"generates": []}  # fmt: skip


def system(document: dict[str, Any], **members: Any) -> AISystem:
    return parse_system(document["system"] | members)


def classed(points: list[str], exit_taken: str | None = None) -> dict[str, Any]:
    return {"annex_iii": points, "annex_i": [], "exit_6_3": exit_taken, "reason": {"en": "x"}}


def fields(source: Source, section: str) -> dict[str, Any]:
    value = json.loads(to_annex_viii(source, section).data)
    return {name: item["value"] for name, item in value["fields"].items()}


def test_the_numbers_are_those_of_the_annex_after_the_amendment() -> None:
    assert [place.id for place in SECTIONS["A"]] == [f"A{number}" for number in range(1, 14)]
    assert [place.id for place in SECTIONS["B"]] == ["B1", "B2", "B3", "B4", "B5", "B6", "B8"], (
        "B 7 and B 9 are deleted"
    )
    assert [place.id for place in SECTIONS["C"]] == ["C1", "C2", "C3", "C4", "C5"]


@pytest.mark.parametrize(
    ("section", "members", "why"),
    [
        ("A", {"classification": classed([])}, "names no point"),
        ("C", {"classification": classed(["III.2"])}, "registered nationally"),
        ("A", {"role": "deployer"}, "provided by another"),
        ("A", {"classification": classed(["III.5.a"], "a")}, "write section B"),
        ("B", {}, "write section A"),
        ("C", {"classification": classed(["III.5.a"], "a")}, "not high-risk"),
        ("C", {"role": "provider"}, "used by others"),
        ("C", {"use": USE}, "not used by a public authority"),
    ],
)
def test_a_section_is_refused_to_systems_that_it_is_not_for(
    document: dict[str, Any], section: str, members: dict[str, Any], why: str
) -> None:
    with pytest.raises(DoesNotApply, match=why):
        to_annex_viii(Source(system(document, **members)), section)


def test_the_restricted_section_leaves_out_what_article_49_4_leaves_out(document: dict[str, Any]) -> None:
    police = system(document, classification=classed(["III.6.a"]), use=USE | {"law_enforcement": True,
                                                                             "public_authority": True})  # fmt: skip
    assert set(fields(Source(police), "A")) == {"A1", "A2", "A3", "A4", "A5", "A7", "A10"}
    assert set(fields(Source(police, agency=AGENCY), "C")) == {"C1", "C2", "C3"}
    assert json.loads(to_annex_viii(Source(police), "A").data)["restricted"] is True
    left = system(document, classification=classed(["III.6.a"], "a"), use=USE | {"law_enforcement": True})
    assert set(fields(Source(left), "B")) == {"B1", "B2", "B3", "B4", "B5", "B8"}
    open_one = system(document, use=USE | {"law_enforcement": True})
    assert "A6" in fields(Source(open_one), "A"), "point 5 is public whoever uses it"


def test_instructions_are_not_entered_for_the_protected_areas(document: dict[str, Any]) -> None:
    paper = {
        "kind": "instructions",
        "received": "2026-01-01",
        "version": "1",
        "link": "https://x.example/i",
        "expires": None,
    }
    shown = Source(system(document, papers=[paper]))
    assert fields(shown, "A")["A12"] == [{"version": "1", "received": "2026-01-01", "link": "https://x.example/i"}]
    border = Source(system(document, papers=[paper], classification=classed(["III.7.b"])))
    assert "A12" not in fields(border, "A")
    assert "A12" not in {one.field for one in to_annex_viii(border, "A").missing}, "what nobody asks is not missing"
    faces = {"papers": [paper], "classification": classed(["III.1.c"])}
    assert "A12" not in fields(Source(system(document, **faces)), "A"), "it may be the police: nobody said"
    assert fields(Source(system(document, **faces, use=USE)), "A")["A12"], "a shop is no protected area"


def test_status_follows_the_register_and_what_lacks_is_named(document: dict[str, Any]) -> None:
    record = system(document)
    assert fields(Source(record, "active"), "A")["A7"] == "in_service"
    assert fields(Source(record, "retired"), "A")["A7"] == "not_in_service"
    exported = to_annex_viii(Source(record, "draft"), "A")
    assert {"A7", "A10", "A11", "A12"} <= {one.field for one in exported.missing}
    told = {one.field for one in to_annex_viii(Source(record), "C").missing}
    assert {"C1", "C3", "C4", "use"} <= told
    assert fields(Source(record, agency=AGENCY), "C")["C1"]["name"] == {"nl": "Gemeente Teststad"}


def test_a_withheld_member_is_not_said_in_any_field(document: dict[str, Any]) -> None:
    source = Source(system(document), withheld=frozenset({"website"}))
    assert fields(source, "A")["A13"] is None
    assert [one.how for one in to_annex_viii(source, "A").lost if one.what == "website"] == ["withheld"]


def test_what_is_no_section_is_refused() -> None:
    for bad in (b"{}", b"[]", b'{"format":"greffier-annex-viii/1","section":"D"}',
                b'{"format":"greffier-annex-viii/1","section":["A"]}',
                b'{"format":"greffier-annex-viii/1","section":"A","fields":{"A1":1}}'):  # fmt: skip
        with pytest.raises(Exception, match=r"is no section|is not an object"):
            from_annex_viii(bad)
