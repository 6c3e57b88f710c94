"""What of a record is public, and what its members must agree on: each rule named with its member and its source."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from registry.canonical import parse_json
from registry.errors import FormatError
from registry.parts.publication import withholdable
from registry.publication import is_public, public_system, withheld
from registry.register_file import parse_register_file
from registry.system import AISystem, format_record, format_system, parse_record, parse_system

TODAY = date(2026, 11, 26)
Make = Callable[..., dict[str, Any]]
HIDDEN = {
    "member": "risks",
    "reason": "security",
    "explanation": {"en": "It helps a thief."},
    "until": None,
}
RISK = {"kind": "use", "risk": {"en": "Invented risk."}, "mitigation": {"en": "Invented care."}}


@pytest.fixture
def record(document: dict[str, Any]) -> Make:
    """A system's record with members changed."""

    def make(**members: Any) -> dict[str, Any]:
        return {**json.loads(json.dumps(document["system"])), **members}

    return make


def partly(*hidden: dict[str, Any], state: str = "partly") -> dict[str, Any]:
    return {"state": state, "withheld": list(hidden)}


def test_a_withheld_member_is_in_nothing_public_but_its_reason_is(record: Make) -> None:
    system = parse_system(
        record(risks=[RISK], publication=partly(HIDDEN), machine_translated=None)
        | {"source_code": "https://x.example/"}
    )
    shown = public_system(system, TODAY)
    text = format_record(shown).decode()
    assert "Invented risk" not in text
    assert "It helps a thief." in text
    assert shown.source_code == "https://x.example/"
    (one,) = withheld(system, TODAY)
    assert (one.label["nl"], one.reason["en"], one.until) == ("Risico's", "security", None)
    assert parse_record(format_record(shown)) == shown, "the public part is a record, too"


def test_what_is_withheld_until_a_day_is_public_from_that_day_on(record: Make) -> None:
    system = parse_system(record(risks=[RISK], publication=partly(HIDDEN | {"until": "2026-11-26"})))
    assert public_system(system, date(2026, 11, 25)).risks is None
    assert public_system(system, TODAY).risks == system.risks
    assert withheld(system, TODAY) == ()


def test_translations_of_what_is_withheld_are_not_named(record: Make) -> None:
    risk = RISK | {"risk": {"en": "Invented risk.", "nl": "Verzonnen."}}
    system = parse_system(
        record(
            risks=[risk],
            publication=partly(HIDDEN),
            purpose={"en": "To try.", "nl": "Om te proberen."},
            machine_translated=["risks[0].risk.nl", "purpose.nl"],
        )
    )
    assert public_system(system, TODAY).machine_translated == ("purpose.nl",)


@pytest.mark.parametrize(
    ("state", "publication", "public"),
    [
        ("draft", None, False),
        ("in_review", None, False),
        ("approved", None, True),
        ("retired", None, True),
        ("active", partly(HIDDEN), True),
        ("active", partly(HIDDEN, state="restricted"), False),
    ],
)
def test_drafts_and_restricted_systems_are_not_public(record: Make, state: str, publication: Any, public: bool) -> None:
    members = {} if publication is None else {"publication": publication}
    assert is_public(parse_system(record(risks=[RISK], **members)), state) is public


def fria(**members: Any) -> dict[str, Any]:
    names = ("processes", "period", "persons", "harms", "oversight", "measures", "summary")
    return {**{name: {"en": "x"} for name in names}, "made": "2026-05-02", "notified": None, "link": None, **members}


ENTRY = {"link": None, "number": None, "registered": "2028-02-01", "restricted": False}
HIGH = {"annex_iii": ["III.5.b"], "annex_i": [], "exit_6_3": None, "reason": {"en": "Credit."}}
BAD = {
    "ended before first use": ({"first_use": "2026-02-01", "ended": "2026-01-31"}, "system.ended", "before first_use"),
    "authority told before": ({"fria": fria(notified="2026-05-01")}, "system.fria.notified", "27(3)"),
    "paper that ends before it came": (
        {"papers": [{"kind": "certificate", "received": "2026-02-01", "version": None, "link": None,
                     "expires": "2026-01-31"}]},
        "system.papers[0].expires",
        "before it was received",
    ),
    "registered after use": (
        {"classification": HIGH, "first_use": "2028-01-01", "eu_database": ENTRY},
        "system.eu_database.registered",
        "26(8), 49(3)",
    ),
    "a translation of no text": ({"machine_translated": ["purpose.fr"]}, "system.machine_translated[0]", "no text"),
    "a translation of no member": ({"machine_translated": ["motto.en"]}, "system.machine_translated[0]", "no text"),
    "a translation beyond a list": (
        {"risks": [RISK], "machine_translated": ["risks[1].risk.en"]}, "system.machine_translated[0]", "no text",
    ),
    "a translation of itself": (
        {"purpose": {"en": "To try."}, "machine_translated": ["purpose.en"]},
        "system.machine_translated[0]",
        "only language",
    ),
    "public, and something withheld": (
        {"publication": partly(HIDDEN, state="public")}, "system.publication.state", "write partly",
    ),
    "partly, and nothing withheld": ({"publication": partly()}, "system.publication.withheld", "is empty"),
    "a member that people are owed": (
        {"publication": partly(HIDDEN | {"member": "purpose"})}, "system.publication.withheld[0].member", "may not be",
    ),
    "a member that there is not": (
        {"publication": partly(HIDDEN | {"member": "motto"})}, "system.publication.withheld[0].member", "may not be",
    ),
    "twice": (
        {"publication": partly(HIDDEN, HIDDEN | {"reason": "privacy"})},
        "system.publication.withheld[1].member",
        "withheld twice",
    ),
    "49(4) for credit": (
        {"classification": HIGH, "publication": partly(HIDDEN | {"reason": "article_49_4"})},
        "system.publication.withheld[0].reason",
        "AI Act 49(4)",
    ),
    "an unknown code": (
        {"publication": partly(HIDDEN | {"reason": "shame"})}, "system.publication.withheld[0].reason", "not one of",
    ),
    "ten megabytes": ({"limits": {"en": "x" * 10_000_000}}, "system.limits.en", "longer than 5000"),
    "a day that is none": ({"ended": "2026-02-30"}, "system.ended", "is not a day"),
    "control characters": ({"limits": {"en": "a\x00b"}}, "system.limits.en", "control characters"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_record_that_does_not_agree_with_itself_is_refused(record: Make, case: str) -> None:
    members, field, message = BAD[case]
    with pytest.raises(FormatError, match=message.replace("(", r"\(").replace(")", r"\)")) as refused:
        parse_system(record(**members))
    assert refused.value.field == field
    assert "x" * 50 not in str(refused.value), "a message never has the value"


def test_law_enforcement_may_restrict_under_49_4(record: Make) -> None:
    use = dict.fromkeys(USE, False) | {"law_enforcement": True, "generates": []}
    hidden = HIDDEN | {"reason": "article_49_4"}
    system = parse_system(
        record(
            use=use, classification=HIGH | {"annex_iii": ["III.6.e"]}, publication=partly(hidden, state="restricted")
        )
    )
    assert not is_public(system, "active")


def test_what_people_write_in_any_script_is_kept_as_it_is(record: Make) -> None:
    texts = {
        "en": "<script>alert(1)</script> & \u0628\u064a\u0627\u0646\u0627\u062a e\u0301\u0302 \u05e9\u05dc\u05d5\u05dd"
    }
    system = parse_system(record(limits=texts))
    assert format_system(parse_record(format_record(system)))["limits"] == texts


def test_a_file_of_ten_megabytes_is_refused_unread() -> None:
    with pytest.raises(FormatError, match="larger than 1 MiB"):
        parse_register_file(b'{"format": "greffier-system/1", "x": "' + b"x" * 10_000_000 + b'"}')
    assert parse_json(b"{}") == {}


USE = (
    "public_authority", "public_service", "decides_about_persons", "profiling", "personal_data", "workplace",
    "law_enforcement", "talks_with_people", "obviously_ai", "only_edits", "emotion_or_biometric", "deep_fakes",
    "publishes_text", "text_edited_by_person",
)  # fmt: skip


def test_every_public_record_parses_whatever_is_withheld(record: Make) -> None:
    for member in withholdable(AISystem):
        system = parse_system(record(publication=partly(HIDDEN | {"member": member})))
        assert getattr(public_system(system, TODAY), member) is None
