from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import date
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from registry import declaration, system
from registry.declaration import declared
from registry.errors import FormatError
from registry.values import Text


def test_a_record_formats_to_the_bytes_that_it_parses_from(document: dict[str, Any]) -> None:
    record = system.parse_system(document["system"])
    data = system.format_record(record)
    assert system.parse_record(data) == record
    assert system.format_system(record) == document["system"]
    assert system.record_digest(record).startswith("sha256:")
    with pytest.raises(FormatError, match="canonical"):
        system.parse_record(data + b" ")


@pytest.mark.parametrize("member", [member.name for member in system.fields()])
def test_each_member_is_checked_and_its_path_named(document: dict[str, Any], member: str) -> None:
    document["system"][member] = ["not", 5, "this"]
    with pytest.raises(FormatError) as caught:
        system.parse_system(document["system"])
    assert caught.value.field is not None
    assert caught.value.field.startswith(f"system.{member}")


@pytest.mark.parametrize("member", [member.name for member in system.fields() if member.presence == "required"])
def test_a_missing_member_is_named(document: dict[str, Any], member: str) -> None:
    del document["system"][member]
    with pytest.raises(FormatError, match=rf"system\.{member}: is missing; give it"):
        system.parse_system(document["system"])


@pytest.mark.parametrize(
    ("path", "value", "where", "message"),
    [
        (["slug"], "Colour Check", "system.slug", "lower-case"),
        (["colour"], 1, "system", "the member colour, which the format does not know"),
        (["name"], {}, "system.name", "text per language"),
        (["name"], {"english": "x"}, "system.name", "language code"),
        (["name"], {"en": " "}, "system.name.en", "is empty"),
        (["name"], {"en": "a" * 10_000_00}, "system.name.en", "longer than 200"),
        (["name"], {"en": "a\x00b"}, "system.name.en", "control characters"),
        (["role"], "user", "system.role", "provider, deployer or both"),
        (["classification", "annex_iii"], ["5b"], "system.classification.annex_iii[0]", "III.5.b"),
        (["classification", "annex_iii"], ["III.2", "III.2"], "system.classification.annex_iii[1]", "twice"),
        (["classification", "exit_6_3"], "e", "system.classification.exit_6_3", "a, b, c or d"),
        (["legal_basis"], [], "system.legal_basis", "give 1 to 100"),
        (["legal_basis", 0, "link"], "javascript:x", "system.legal_basis[0].link", "https://"),
        (["legal_basis", 0, "for"], "fun", "system.legal_basis[0].for", "gdpr_6"),
        (["first_use"], "2026-02-30", "system.first_use", "2026-12-31"),
        (["first_use"], "20260228", "system.first_use", "2026-12-31"),
        (["tariff", "currency"], "euro", "system.tariff.currency", "EUR"),
        (["tariff", "components", "device_hour"], -1, "system.tariff.components.device_hour", "out of range"),
        (["tariff", "components", "device_hour"], True, "system.tariff.components.device_hour", "whole number"),
        (["tariff", "components", "device_hour"], "1", "system.tariff.components.device_hour", "whole number"),
        (["host", "kind"], "attic", "system.host.kind", "in_house"),
        (["notice"], None, "system.notice", "each result carries it"),
    ],
)
def test_what_is_wrong_is_said_without_the_value(
    document: dict[str, Any], path: list[Any], value: Any, where: str, message: str
) -> None:
    place = document["system"]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(FormatError) as caught:
        system.parse_system(document["system"])
    assert caught.value.field == where
    assert message in str(caught.value)
    if isinstance(value, str) and len(value) > 3:
        assert value not in str(caught.value)
    assert len(str(caught.value)) < 800


def test_an_exit_needs_a_point_of_annex_iii(document: dict[str, Any]) -> None:
    document["system"]["classification"] |= {"annex_iii": [], "exit_6_3": "a"}
    with pytest.raises(FormatError, match="no point is named"):
        system.parse_system(document["system"])


def test_markup_and_other_scripts_are_plain_text(document: dict[str, Any]) -> None:
    words = {"en": "<script>alert(1)</script>", "ar": "نظام", "nl": "cafe\u0301"}
    document["system"]["name"] = words
    assert system.parse_system(document["system"]).name == words


def test_the_schema_accepts_what_the_parser_accepts(document: dict[str, Any]) -> None:
    schema = system.json_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    validator.validate(document["system"])
    for broken in ({"slug": "A B"}, {"role": "user"}, {"extra": 1}, {"name": {}}, {"legal_basis": []}, {"tariff": 5}):
        assert not validator.is_valid(document["system"] | broken), broken


def test_every_field_has_words_in_both_languages_and_one_declaration() -> None:
    members = list(system.fields())
    assert [member.attribute for member in members] == [item.name for item in fields(system.AISystem)]
    for member in members:
        assert set(member.label) == {"en", "nl"}


def test_rows_show_label_and_value_in_the_language_asked_for(document: dict[str, Any]) -> None:
    record = system.parse_system(document["system"])
    dutch, english = dict(system.rows(record, "nl")), dict(system.rows(record, "en"))
    assert dutch["Waarvoor?"] == "Beoordeelt kleuren."
    assert english["What is it for?"] == "Judges colours."
    assert dutch["In gebruik sinds"] == "1-11-2026"
    assert english["In use since"] == "2026-11-01"
    assert dutch["Wat kost het ons?"] == ["Munt: EUR", "Geldig vanaf: 1-1-2026", "Prijzen: Per apparaat-uur: 0,18"]
    assert "Prices: Per device-hour: 0.18" in english["What does it cost us?"]
    assert dutch["Wat kost het u?"] == "Nothing."  # no Dutch given
    shown = system.rows(replace(record, first_use=None), "en")
    assert "In use since" not in dict(shown)
    assert "None" not in str(shown)


def test_a_field_added_later_leaves_older_records_as_they_were() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Before:
        name: str = field(metadata=declared(Text(), en="Name", nl="Naam"))

    @dataclass(frozen=True, slots=True, kw_only=True)
    class After:
        name: str = field(metadata=declared(Text(), en="Name", nl="Naam"))
        motto: str | None = field(metadata=declared(Text(), en="Motto", nl="Spreuk", presence="omitted"))

    old = declaration.format_object(Before(name="x"))
    assert declaration.format_object(declaration.parse_object(After, old, "record")) == old
    new = declaration.parse_object(After, old | {"motto": "y"}, "record")
    assert declaration.rows(new, "nl") == [("Naam", "x"), ("Spreuk", "y")]
    assert new.motto == "y"
    assert "motto" in declaration.object_schema(After)["properties"]


def test_days_are_days(document: dict[str, Any]) -> None:
    assert system.parse_system(document["system"]).first_use == date(2026, 11, 1)
