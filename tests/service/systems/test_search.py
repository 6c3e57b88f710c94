"""Finding a system: words without accents, facets with the counts that the others leave, pages, and nothing hidden."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import text

from auditlog.store.engine import writing
from home.errors import UsageError
from home.greffier import Greffier
from lab.bench import records_scene
from service.keeping import fsck
from service.systems import lifecycle, register, search

MAKER, APPROVER = "eef.voorbeeld", "bo.voorbeeld"
HIDDEN = {"member": "risks", "reason": "security", "explanation": {"en": "It helps a thief."}, "until": None}
RISK = {"kind": "use", "risk": {"en": "Zeppelins."}, "mitigation": {"en": "Invented care."}}
HIGH = {"annex_iii": ["III.5.b"], "annex_i": [], "exit_6_3": None, "reason": {"en": "Credit."}}
SYSTEMS: dict[str, dict[str, Any]] = {
    "parking": {"name": {"en": "Parking advice", "nl": "Parkeeradvies"}, "themes": ["traffic"]},
    "cafe-law": {"name": {"en": "Café licences", "nl": "Cafévergunningen"}, "themes": ["law"],
                 "purpose": {"en": "Advises on licences, and on parking before a café."}},
    "credit": {"name": {"en": "Credit check"}, "classification": HIGH, "themes": ["finance", "law"],
               "owner": {"unit": "Credit bank", "contact": "bank@waterveen.example"}},
    "draft": {"name": {"en": "Parking draft"}},
    "secret": {"name": {"en": "Parking secret"},
               "publication": {"state": "restricted", "withheld": [HIDDEN]}},
    "partly": {"name": {"en": "Balloons"}, "risks": [RISK], "summary": {"en": "Advises on balloons."},
               "publication": {"state": "partly", "withheld": [HIDDEN, HIDDEN | {"member": "summary"}]}},
}  # fmt: skip


@pytest.fixture
def g(house: Any) -> Greffier:
    """Six systems: four in use of which one hides a member, one draft, one restricted."""
    found: Greffier = house.g
    for slug, members in SYSTEMS.items():
        file = json.loads(records_scene.system_file())
        plain = {"purpose": {"en": "Advises a clerk."}, "affected_persons": {"en": "People who ask."}}
        file["system"] |= {"agency": "waterveen", "slug": slug, **plain, **members}
        register.register(found, json.dumps(file).encode(), account=MAKER)
        if slug == "draft":
            continue
        lifecycle.change_state(found, slug, "in_review", account=MAKER)
        lifecycle.change_state(found, slug, "approved", account=APPROVER)
        lifecycle.change_state(found, slug, "active", account=APPROVER)
    return found


def slugs(g: Greffier, text: str = "", **chosen: tuple[str, ...]) -> list[str]:
    return [one.slug for one in search.find(g, search.Query(text, chosen)).items]


def counts(g: Greffier, name: str, text: str = "", **chosen: tuple[str, ...]) -> dict[str, int]:
    page = search.find(g, search.Query(text, chosen))
    return next({value.code: value.count for value in facet.values} for facet in page.facets if facet.name == name)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", ["cafe-law", "credit", "parking", "partly"]),
        ("cafe", ["cafe-law"]),
        ("CAFÉ", ["cafe-law"]),
        ("cafe\u0301", ["cafe-law"]),
        ("vergun", []),
        ("cafever", ["cafe-law"]),
        ("parking", ["parking", "cafe-law"]),
        ("park licences", ["cafe-law"]),
        ("credit bank", ["credit"]),
        ("zeppelins", []),
        ("'; DROP TABLE registry_word; --", []),
        ("%", ["cafe-law", "credit", "parking", "partly"]),
    ],
)
def test_words_find_what_has_all_of_them_names_first(g: Greffier, words: str, found: list[str]) -> None:
    assert slugs(g, words) == found


def test_drafts_and_restricted_ones_are_for_staff(g: Greffier) -> None:
    page = search.find(g, search.Query("parking", staff=True))
    assert [one.slug for one in page.items] == ["draft", "parking", "secret", "cafe-law"]
    assert register.restricted(g) == {"security": 1}


def test_a_withheld_member_finds_nothing_and_is_not_shown(g: Greffier) -> None:
    assert search.find(g, search.Query("zeppelins", staff=True)).items == ()
    (one,) = search.find(g, search.Query("balloons")).items
    assert one.summary["en"].startswith("Advises a clerk"), "the purpose stands in"


def test_each_facet_counts_what_the_others_leave(g: Greffier) -> None:
    assert counts(g, "theme") == {"law": 2, "finance": 1, "traffic": 1}
    assert counts(g, "risk") == {"other": 3, "III.5.b": 1, "high_risk": 1}
    assert slugs(g, theme=("law",)) == ["cafe-law", "credit"]
    assert counts(g, "risk", theme=("law",)) == {"III.5.b": 1, "high_risk": 1, "other": 1}
    assert counts(g, "theme", theme=("law",)) == {"law": 2, "finance": 1, "traffic": 1}, "its own choice left aside"
    assert slugs(g, theme=("law",), risk=("high_risk",)) == ["credit"]
    assert counts(g, "theme", theme=("law",), risk=("high_risk",)) == {"finance": 1, "law": 1}
    assert slugs(g, theme=("law", "traffic"), text="parking") == ["parking", "cafe-law"]
    assert counts(g, "owner", owner=("Nobody",)) == {"Permits": 3, "Credit bank": 1, "Nobody": 0}


def test_a_facet_has_words_for_people(g: Greffier) -> None:
    page = search.find(g, search.Query(chosen={"theme": ("law",)}))
    theme = next(one for one in page.facets if one.name == "theme")
    assert theme.label["nl"] == "Thema"
    assert (theme.values[0].label["nl"], theme.values[0].chosen) == ("Recht", True)


def test_the_state_follows_at_once(g: Greffier) -> None:
    assert counts(g, "state") == {"active": 4}
    lifecycle.stop(g, "credit", reason="incident", account=MAKER)
    assert counts(g, "state") == {"active": 3, "suspended": 1}


@pytest.mark.parametrize("words", ["", "parking"])
def test_pages_go_through_all_of_them_once(g: Greffier, words: str) -> None:
    seen: list[str] = []
    cursor = None
    while True:
        page = search.find(g, search.Query(words, limit=1, cursor=cursor))
        seen += [one.slug for one in page.items]
        cursor = page.next
        if cursor is None:
            break
        search.parse_query({"cursor": [cursor]})
    assert seen == slugs(g, words)
    assert page.total == len(seen)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"theme": ["motto"]}, "theme"),
        ({"risk": ["<script>"]}, "risk"),
        ({"state": ["on"]}, "state"),
        ({"limit": ["101"]}, "limit"),
        ({"limit": ["x"]}, "limit"),
        ({"cursor": ["1"]}, "cursor"),
        ({"q": ["x" * 201]}, "q"),
        ({"colour": ["red"]}, "query"),
    ],
)
def test_a_wrong_parameter_is_named(given: dict[str, list[str]], field: str) -> None:
    with pytest.raises(UsageError) as refused:
        search.parse_query(given)
    assert refused.value.field == field
    assert "script" not in str(refused.value)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM registry_word WHERE slug = 'credit' AND word = 'bank'",
        "UPDATE registry_listing SET hidden = 0 WHERE slug = 'secret'",
        "UPDATE registry_listing SET state = 'active' WHERE slug = 'draft'",
        "DELETE FROM registry_listing WHERE slug = 'credit'",
    ],
)
def test_what_lists_read_is_held_against_the_records(g: Greffier, statement: str) -> None:
    assert fsck.check_all(g) == []
    with writing(g.engine) as conn:
        conn.execute(text(statement))
    table = next(word for word in statement.split() if word.startswith("registry_"))
    assert [one.place.split("(")[0] for one in fsck.check_all(g)] == [table]
