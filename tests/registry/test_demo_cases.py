"""The demo's files: real register files, and inputs that fit them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from registry import register_file, system
from registry.register_file import RegisterFile, parse_register_file

CASES = Path(__file__).parents[2] / "app" / "demo" / "cases"
SYSTEMS = ("social-loan-check", "health-line-aid", "tax-question-reply")
MODEL = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def read(slug: str) -> RegisterFile:
    return parse_register_file((CASES / f"{slug}.json").read_bytes())


@pytest.mark.parametrize("slug", [*SYSTEMS, "social-loan-check-0"])
def test_the_files_are_register_files_and_fit_the_published_schema(slug: str) -> None:
    data = json.loads((CASES / f"{slug}.json").read_bytes())
    file = read(slug)
    assert register_file.format_register_file(file) == data
    Draft202012Validator(register_file.json_schema()).validate(data)
    assert file.system.slug == slug
    assert file.manifest is not None
    assert file.manifest.model is not None
    assert file.manifest.model.sha256 == MODEL


@pytest.mark.parametrize("slug", SYSTEMS)
def test_the_inputs_are_invented_people_and_fit_the_declared_fields(slug: str) -> None:
    manifest = read(slug).manifest
    assert manifest is not None
    cases = json.loads((CASES / f"{slug}.inputs.json").read_bytes())
    assert len(cases) >= 8
    assert max(Counter(case["subject"] for case in cases).values()) == 2
    for case in cases:
        assert set(case) == {"case", "subject", "input"}
        assert case["subject"].startswith("TEST-")
        assert set(case["input"]) == {item.id for item in manifest.fields}
        for item in manifest.fields:
            Draft202012Validator(item.schema).validate(case["input"][item.id])


def test_release_and_class_are_those_of_the_plan() -> None:
    found = {slug: read(slug) for slug in SYSTEMS}
    tax = found["tax-question-reply"].manifest
    assert tax is not None
    assert {item.code: tax.release_of(item.code) for item in tax.outcomes} == {
        "pay": "immediate", "object": "after_review", "remission": "after_review", "contact": "immediate",
    }  # fmt: skip
    assert found["social-loan-check"].system.classification.annex_iii == ("III.5.b",)
    assert found["tax-question-reply"].system.classification.annex_iii == ()
    draft = read("social-loan-check-0").manifest
    assert draft is not None
    assert "nationality" in {item.id for item in draft.fields}


@pytest.mark.parametrize("slug", SYSTEMS)
@pytest.mark.parametrize("lang", ["en", "nl"])
def test_every_text_is_there_in_both_languages(slug: str, lang: str) -> None:
    def words(value: object) -> list[dict[str, str]]:
        if isinstance(value, dict):
            if "en" in value or "nl" in value:
                return [value]
            return [found for item in value.values() for found in words(item)]
        return [found for item in value for found in words(item)] if isinstance(value, list) else []

    found = words(json.loads((CASES / f"{slug}.json").read_bytes()))
    assert len(found) > 10
    assert all(item.get(lang) for item in found)
    assert len(system.rows(read(slug).system, lang)) == len(list(system.fields()))
