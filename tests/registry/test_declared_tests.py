"""What a version declares for its tests and explanations: other wordings, invented cases, protected characteristics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from registry import gate_report, manifest, register_file
from registry.declaration import format_object
from registry.errors import FormatError
from registry.fitness import DEFAULT, GridField, Wording
from registry.manifest import format_manifest
from registry.manifest_rules import parse_draft, parse_manifest

OTHER = "Of size {{ size }} and {{ colour }}, it is "
CASE = {"colour": "red", "size": 3}

Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def version(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["version"]
    found["fields"][0] |= {"protected": True, "group": "looks"}
    found["wordings"] = [{"kind": "order", "template": OTHER}]
    found["fitness"] = {
        "grid": [{"id": "colour", "values": ["red", "blue"]}, {"id": "size", "values": [1, 2, 3]}],
        "cases": [{"size": 9}, {"colour": None, "size": 0}],
        "explained": 2,
    }
    return found


def test_it_is_part_of_the_manifest(version: dict[str, Any]) -> None:
    draft = parse_draft(version, "colour-check")
    assert draft.wordings == (Wording(kind="order", template=OTHER),)
    assert draft.fields[0].protected
    assert parse_manifest(format_manifest(draft)) == draft
    given = {"format": "manifest/1", "system": "colour-check", "version": 1, **version}
    Draft202012Validator(manifest.json_schema()).validate(given)


def test_a_register_file_with_them_fits_its_published_schema(document: dict[str, Any], version: dict[str, Any]) -> None:
    document["version"] = version
    Draft202012Validator(register_file.json_schema()).validate(document)


def test_a_version_without_them_keeps_its_digest(document: dict[str, Any]) -> None:
    data = format_manifest(parse_draft(document["version"], "colour-check"))
    assert not any(name in data for name in (b"wordings", b"fitness", b"protected", b"group"))


def test_the_cases_are_each_combination_then_the_list(version: dict[str, Any]) -> None:
    found = gate_report.cases_of(parse_draft(version, "colour-check"))
    assert found[:4] == [
        {"colour": "red", "size": 1},
        {"colour": "red", "size": 2},
        {"colour": "red", "size": 3},
        {"colour": "blue", "size": 1},
    ]
    assert found[6:] == [{"colour": None, "size": 9}, {"colour": None, "size": 0}]


def test_a_version_that_declares_none_has_no_cases(document: dict[str, Any]) -> None:
    assert gate_report.cases_of(parse_draft(document["version"], "colour-check")) == []


def wording(template: str) -> Change:
    return lambda version: version["wordings"].append({"kind": "paraphrase", "template": template})


def grid(**members: Any) -> Change:
    return lambda version: version["fitness"]["grid"][1].update(members)


def fitness(**members: Any) -> Change:
    return lambda version: version["fitness"].update(members)


def thresholds(**members: int) -> Change:
    return fitness(thresholds={**format_object(DEFAULT), **members})


def first_prompt(version: dict[str, Any]) -> None:
    version["wordings"].append({"kind": "order", "template": version["steps"][0]["template"]})


def remote(member: str) -> Change:
    def change(version: dict[str, Any]) -> None:
        remote = {"provider": "P", "endpoint": "https://p.example/v1", "model": "m", "terms": "t"}
        version |= {"model": None, "context": None, "builds": [], "remote": remote}
        for other in {"wordings", "fitness"} - {member}:
            del version[other]

    return change


MANY = [{"size": n} for n in range(1_995)]


@pytest.mark.parametrize(
    ("change", "where", "message"),
    [
        (wording("{{ shape }} {{ colour }} {{ size }} is "), "wordings[1].template", "uses shape"),
        (wording("{{ result }} {{ colour }} {{ size }} is "), "wordings[1].template", "uses result"),
        (wording("{{ colour }} is "), "wordings[1].template", "leaves out size"),
        (wording("No detail at all is "), "wordings[1].template", "leaves out colour"),
        (wording("{{ colour | upper }} {{ size }} is "), "wordings[1].template", "markup"),
        (wording(OTHER), "wordings[1].template", "another wording's"),
        (wording(""), "wordings[1].template", "is empty"),
        (first_prompt, "wordings[1].template", "first step's own"),
        (lambda version: version["wordings"][0].update(kind="tone"), "wordings[0].kind", "order or paraphrase"),
        (lambda version: version["wordings"].append(version["wordings"][0]), "wordings[1]", "twice"),
        (lambda version: version.update(wordings=[]), "wordings", "give 1 to 8"),
        (lambda version: version["fields"][0].update(protected="yes"), "fields[0].protected", "true or false"),
        (lambda version: version["fields"][0].update(group="My group"), "fields[0].group", "lower-case"),
        (remote("wordings"), "wordings", "runs here; leave it out"),
        (remote("fitness"), "fitness", "runs here; leave it out"),
        (grid(id="shape"), "fitness.grid[1].id", "no declared field"),
        (grid(id="result"), "fitness.grid[1].id", "no declared field"),
        (grid(id="colour"), "fitness.grid[1].id", "used twice"),
        (grid(values=[]), "fitness.grid[1].values", "give 1 to 64"),
        (grid(values=[1, 2, 1]), "fitness.grid[1].values[2]", "twice"),
        (grid(values=[1, None]), "fitness.grid[1].values[1]", "is empty"),
        (fitness(cases=[CASE, {"shape": "round"}]), "fitness.cases[1]", "no declared field"),
        (fitness(cases=[CASE, dict(CASE)]), "fitness.cases[1]", "twice"),
        (fitness(cases=[{}]), "fitness.cases[0]", "no object with members"),
        (fitness(cases=["red"]), "fitness.cases[0]", "no object with members"),
        (lambda version: version.update(fitness={}), "fitness", "give grid or cases"),
        (fitness(explained=201), "fitness.explained", "0 to 200"),
        (fitness(cases=MANY), "fitness", "2001 cases"),
        (fitness(thresholds={"stable_least": 700}), "fitness.thresholds.same_outcome_most", "is missing"),
        (thresholds(same_outcome_most=951), "fitness.thresholds.same_outcome_most", "looser than the gate; write 950"),
        (thresholds(sensitive_least=249), "fitness.thresholds.sensitive_least", "looser than the gate; write 250"),
        (fitness(tests=[]), "fitness", "the member tests"),
    ],
)
def test_what_does_not_fit_is_named(version: dict[str, Any], change: Change, where: str, message: str) -> None:
    change(version)
    with pytest.raises(FormatError) as caught:
        parse_draft(version, "colour-check")
    assert caught.value.field == f"version.{where}"
    assert message in str(caught.value)


def test_what_holds_nothing_back_may_be_looser_and_the_rest_stricter(version: dict[str, Any]) -> None:
    thresholds(same_outcome_most=900, sensitive_least=500, stable_least=0, withheld_most=1000, unfit_most=900)(version)
    found = parse_draft(version, "colour-check").fitness
    assert found is not None
    assert found.thresholds is not None
    assert found.thresholds.stable_least == 0


def test_as_many_cases_as_may_be_are_taken(version: dict[str, Any]) -> None:
    version["fitness"]["cases"] = MANY[:-1]
    assert len(gate_report.cases_of(parse_draft(version, "colour-check"))) == 2_000


def test_a_grid_may_hold_one_value_and_a_number_beside_a_truth_value(version: dict[str, Any]) -> None:
    version["fitness"]["grid"][1]["values"] = [1, True]
    found = parse_draft(version, "colour-check").fitness
    assert found is not None
    assert found.grid is not None
    assert found.grid[1] == GridField(id="size", values=(1, True))


@pytest.mark.parametrize("member", ["wordings", "fitness"])
def test_a_system_that_decides_elsewhere_declares_none(
    document: dict[str, Any], version: dict[str, Any], parse: Any, member: str
) -> None:
    for other in {"wordings", "fitness"} - {member}:
        del version[other]
    document["system"]["capture"] = "external"
    with pytest.raises(FormatError) as caught:
        parse(document)
    assert caught.value.field == f"version.{member}"
    assert "capture runtime" in str(caught.value)
