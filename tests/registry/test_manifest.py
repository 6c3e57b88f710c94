from __future__ import annotations

import contextlib
import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from registry import manifest
from registry.errors import FormatError
from registry.manifest import Manifest, SystemVersion
from registry.manifest_rules import parse_draft, parse_manifest
from registry.register_file import format_register_file, parse_register_file


@pytest.fixture
def draft(document: dict[str, Any]) -> Manifest:
    return parse_draft(document["version"], "colour-check")


def test_a_manifest_is_its_canonical_bytes(draft: Manifest, document: dict[str, Any]) -> None:
    data = manifest.format_manifest(draft)
    assert parse_manifest(data) == draft
    assert manifest.manifest_digest(draft) == "sha256:" + hashlib.sha256(data).hexdigest()
    given = {"format": "manifest/1", "system": "colour-check", "version": 1, **document["version"]}
    assert json.loads(data) == given
    Draft202012Validator(manifest.json_schema()).validate(given)


def test_every_member_is_in_the_digest(draft: Manifest) -> None:
    data = json.loads(manifest.format_manifest(draft))
    declared = {member.name for member in manifest.declaration.fields(Manifest) if member.presence != "omitted"}
    assert set(data) == {"format", *declared}
    assert manifest.manifest_digest(manifest.numbered(draft, 2)) != manifest.manifest_digest(draft)


@pytest.mark.parametrize("data", [b"{}", b"[]", b'{"format":"manifest/2"}'])
def test_another_format_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError, match="manifest/1"):
        parse_manifest(data)


def test_another_layout_is_refused(draft: Manifest) -> None:
    data = manifest.format_manifest(draft)
    with pytest.raises(FormatError, match="canonical"):
        parse_manifest(json.dumps(json.loads(data), indent=1).encode())


def _set(value: Any, path: list[Any], new: Any) -> None:
    for step in path[:-1]:
        value = value[step]
    value[path[-1]] = new


@pytest.mark.parametrize(
    ("path", "value", "where", "message"),
    [
        (["steps", 0, "template"], "{{ shape }}", "steps[0].template", "uses shape"),
        (["steps", 0, "template"], "{{ reply }}", "steps[0].template", "uses reply"),
        (["steps", 0, "template"], "{{ result }}", "steps[0].template", "uses result"),
        (["steps", 0, "template"], "{% if colour %}x{% endif %}", "steps[0].template", "markup"),
        (["steps", 0, "template"], "{{ colour | upper }}", "steps[0].template", "markup"),
        (["steps", 0, "template"], "{{ colour", "steps[0].template", "markup"),
        (["steps", 0, "template"], "{# x #}", "steps[0].template", "markup"),
        (["steps", 1, "output"], "colour", "steps[1].output", "choose another"),
        (["steps", 1, "output"], "result", "steps[1].output", "choose another"),
        (["steps", 0, "max_tokens"], 0, "steps[0].max_tokens", "out of range"),
        (["steps", 0, "max_tokens"], 256, "context.n_ctx", "256 tokens a sequence"),
        (["fields", 1, "id"], "colour", "fields[1].id", "used twice"),
        (["fields", 0, "id"], "Colour", "fields[0].id", "lower-case"),
        (["fields", 0, "id"], "a" * 41, "fields[0].id", "longer than 40"),
        (["fields", 0, "neutral"], None, "fields[0].neutral", "is empty"),
        (["fields", 0, "class"], "secret", "fields[0].class", "criminal"),
        (["fields", 0, "schema"], {"enum": ["a"]}, "fields[0].schema", "type"),
        (["fields"], [], "fields", "give 1 to 64"),
        (["outcomes", 0, "code"], "length", "outcomes[0].code", "reserved"),
        (["outcomes", 0, "code"], "invalid", "outcomes[0].code", "reserved"),
        (["outcomes", 0, "code"], "refusal", "outcomes[0].code", "reserved"),
        (["outcomes", 1, "code"], "yes", "outcomes[1].code", "used twice"),
        (["outcomes", 1, "text"], "good", "outcomes[1].text", "used twice"),
        (["outcomes", 1, "text"], "awful", "output_schema.properties.result.enum", "texts of the outcomes"),
        (["outcomes", 0, "bias_millinats"], True, "outcomes[0].bias_millinats", "whole number"),
        (["outcomes", 0, "release"], "later", "outcomes[0].release", "immediate or after_review"),
        (["output_schema", "properties", "extra"], {"type": "string"}, "output_schema", "one property a step"),
        (["output_schema", "properties", "reply"], "text", "output_schema.properties", "no schema"),
        (["output_schema", "additionalProperties"], True, "output_schema", "members open"),
        (["output_schema", "required"], ["result"], "output_schema", "members open"),
        (["output_schema", "type"], "array", "output_schema", "not an object"),
        (["model"], None, "model", "exclude each other"),
        (
            ["remote"],
            {"provider": "P", "endpoint": "https://x.example", "model": "m", "terms": "t"},
            "model",
            "exclude",
        ),
        (["model", "sha256"], "sha256:" + "ab" * 32, "model.sha256", "longer than 64"),
        (["context"], None, "context", "is missing"),
        (["builds"], [], "builds", "at least one"),
        (["context", "n_batch"], 1024, "context.n_batch", "larger than n_ctx"),
        (["context", "n_ubatch"], 257, "context.n_ubatch", "larger than n_batch"),
        (["context", "n_seq_max"], 256, "context.n_ctx", "2 tokens a sequence"),
        (["context", "n_seq_max"], 257, "context.n_seq_max", "out of range"),
        (["context", "flash_attention"], "off", "context.flash_attention", "needs it"),
        (["sampler"], {"kind": "gumbel"}, "sampler.temperature_milli", "gumbel needs it"),
        (["sampler", "temperature_milli"], 800, "sampler.temperature_milli", "leave it out"),
        (["sampler"], {"kind": "gumbel", "temperature_milli": 800}, "seed", "write record"),
        (["seed"], "record", "seed", "write none"),
        (["streaming"], True, "streaming", "waits for review"),
        (["version"], 3, "", "the register gives them"),
    ],
)
def test_what_does_not_fit_is_named(
    document: dict[str, Any], path: list[Any], value: Any, where: str, message: str
) -> None:
    _set(document["version"], path, value)
    with pytest.raises(FormatError) as caught:
        parse_draft(document["version"], "colour-check")
    assert caught.value.field == ("version." + where).rstrip(".")
    assert message in str(caught.value)


def test_a_draw_with_a_seed_and_a_remote_model_are_manifests_too(document: dict[str, Any]) -> None:
    version = document["version"]
    version |= {"sampler": {"kind": "gumbel", "temperature_milli": 800}, "seed": "record"}
    assert parse_draft(version, "colour-check").sampler.temperature_milli == 800
    remote = {"provider": "P", "endpoint": "https://p.example/v1", "model": "m", "terms": "t"}
    version |= {"model": None, "context": None, "builds": [], "remote": remote}
    found = parse_draft(version, "colour-check")
    assert SystemVersion("colour-check", 1, found).model is None


def test_release_is_the_outcomes_own_then_the_versions(draft: Manifest) -> None:
    assert [draft.release_of(code) for code in ("yes", "no")] == ["after_review", "immediate"]
    assert [draft.release_of(code) for code in ("length", "invalid", "refusal")] == ["after_review"] * 3


Parse = Callable[[Any], Any]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda file: file.update(format="greffier-system/2"), "format"),
        (lambda file: file.update(more=1), "file"),
        (lambda file: file.pop("system"), "system"),
        (lambda file: file.update(version=None), "version"),
        (lambda file: file["system"].update(capture="none"), "system.capture"),
        (lambda file: file["system"].update(capture="gateway"), "version.remote"),
        (lambda file: file["version"].update(streaming=True, release="immediate"), "version.streaming"),
    ],
)
def test_record_and_version_must_fit_together(
    document: dict[str, Any], parse: Parse, change: Callable[[dict[str, Any]], object], where: str
) -> None:
    change(document)
    with pytest.raises(FormatError) as caught:
        parse(document)
    assert caught.value.field == where


def test_streaming_is_for_systems_outside_annex_iii(document: dict[str, Any], parse: Parse) -> None:
    document["version"].update(streaming=True, release="immediate")
    document["system"]["classification"]["annex_iii"] = []
    assert parse(document).manifest.streaming


def test_a_system_that_runs_elsewhere_has_no_version(document: dict[str, Any], parse: Parse) -> None:
    document["system"] |= {"capture": "none", "notice": None, "host": None, "tariff": None}
    del document["version"]
    assert parse(document).manifest is None


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in items for place in _places(item, (*path, key)))]


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "en", "x"]), inner),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_whatever_stands_in_a_member_the_error_is_ours(document: dict[str, Any], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from([place for place in _places(document) if place]))
    broken = copy.deepcopy(document)
    _set(broken, list(path), data.draw(ANY))
    with contextlib.suppress(FormatError):
        file = parse_register_file(json.dumps(broken).encode())
        again = json.dumps(format_register_file(file)).encode()
        assert parse_register_file(again) == file


def test_values_have_words_for_people_and_the_prompt_keeps_the_value(document: dict[str, Any]) -> None:
    changed = copy.deepcopy(document["version"])
    field = next(item for item in changed["fields"] if "enum" in item["schema"])
    first = field["schema"]["enum"][0]
    field["values"] = [{"value": first, "label": {"en": "in words", "nl": "in woorden"}}]
    parsed = parse_draft(changed, "colour-check")
    found = next(item for item in parsed.fields if item.id == field["id"])
    assert found.words(first) == {"en": "in words", "nl": "in woorden"}
    assert found.words("something else") is None
    assert parse_manifest(manifest.format_manifest(parsed)) == parsed


@pytest.mark.parametrize("value", ["not among the allowed", 7])
def test_words_for_a_value_that_is_not_allowed_are_refused(document: dict[str, Any], value: Any) -> None:
    changed = copy.deepcopy(document["version"])
    field = next(item for item in changed["fields"] if "enum" in item["schema"])
    field["values"] = [{"value": value, "label": {"en": "in words"}}]
    with pytest.raises(FormatError, match=r"values\[0\]\.value: is not in the schema's enum"):
        parse_draft(changed, "colour-check")


def test_a_version_says_what_becomes_of_undeclared_data(document: dict[str, Any]) -> None:
    before = manifest.manifest_digest(parse_draft(document["version"], "colour-check"))
    assert not parse_draft(document["version"], "colour-check").counts_undeclared
    counting = parse_draft({**document["version"], "undeclared": "count"}, "colour-check")
    assert counting.counts_undeclared
    assert parse_manifest(manifest.format_manifest(counting)) == counting
    assert manifest.manifest_digest(counting) != before
    document["version"]["undeclared"] = "count"
    with pytest.raises(FormatError, match="capture external") as caught:
        parse_register_file(json.dumps(document).encode())
    assert caught.value.field == "version.undeclared"
    document["system"]["capture"] = "external"
    assert parse_register_file(json.dumps(document).encode()).manifest == counting
    document["version"]["undeclared"] = "ignore"
    with pytest.raises(FormatError, match=r"version\.undeclared: is not one of the codes; write refuse or count"):
        parse_register_file(json.dumps(document).encode())
