"""The demo's files: real register files, and inputs that fit them."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from registry import register_file, system
from registry.gate_report import cases_of
from registry.register_file import RegisterFile, parse_register_file

CASES = Path(__file__).parents[2] / "cli" / "demo" / "cases"
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


@pytest.mark.parametrize("slug", [*SYSTEMS, "social-loan-check-0"])
def test_each_declares_other_wordings_that_ask_the_same(slug: str) -> None:
    manifest = read(slug).manifest
    assert manifest is not None
    assert {one.kind for one in manifest.wordings or ()} == {"order", "paraphrase"}
    own = manifest.steps[0].template
    for wording in manifest.wordings or ():
        assert wording.template != own
        assert named(wording.template) == named(own)
        assert wording.template.split()[-1] == own.split()[-1]
        assert wording.template.endswith(own[-1])


def named(template: str) -> set[str]:
    return set(re.findall(r"{{ (\w+) }}", template))


@pytest.mark.parametrize(
    ("slug", "count"),
    [("social-loan-check", 108), ("health-line-aid", 162), ("tax-question-reply", 16), ("social-loan-check-0", 36)],
)
def test_the_invented_cases_are_allowed_inputs(slug: str, count: int) -> None:
    manifest = read(slug).manifest
    assert manifest is not None
    cases = cases_of(manifest)
    assert len(cases) == len({json.dumps(case) for case in cases}) == count
    for field in manifest.fields:
        values = {json.dumps(case[field.id]) for case in cases}
        for value in values:
            Draft202012Validator(field.schema).validate(json.loads(value))
        if slug in ("social-loan-check", "health-line-aid"):
            assert values >= {json.dumps(value) for value in field.schema.get("enum", [])}, "every combination"


def test_nationality_is_a_protected_characteristic() -> None:
    draft = read("social-loan-check-0").manifest
    assert draft is not None
    assert [field.id for field in draft.fields if field.protected] == ["nationality"]


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
    record = read(slug).system
    held = [one for one in system.fields() if getattr(record, one.attribute) not in (None, ())]
    assert len(system.rows(record, lang)) == len(held)
