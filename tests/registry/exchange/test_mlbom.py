"""Bills of materials: valid against the schema of CycloneDX 1.7, with digest and licence of what really runs."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.errors import FormatError
from registry.exchange.mlbom import from_mlbom, to_mlbom
from registry.exchange.transfer import DoesNotApply, Source
from registry.manifest import SystemVersion, numbered


def valid(data: bytes) -> bool:
    return JsonStrictValidator(SchemaVersion.V1_7).validate_str(data.decode()) is None


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_bills_of_generated_records_are_valid(strategies: ModuleType, data: st.DataObject) -> None:
    system = data.draw(strategies.systems())
    if system.models:
        assert valid(to_mlbom(Source(system)).data)


def test_the_running_version_is_named_by_the_digest_of_its_weights(document: dict[str, Any], parse: Any) -> None:
    file = parse(document)
    version = SystemVersion(file.system.slug, 3, numbered(file.manifest, 3))
    exported = to_mlbom(Source(file.system, "active", version))
    assert valid(exported.data)
    (component,) = json.loads(exported.data)["components"]
    assert component["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    assert component["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    (back,) = from_mlbom(exported.data)
    assert "models" not in back.draft, "the model of a version is the manifest's"


def test_a_record_without_models_has_no_bill(document: dict[str, Any], parse: Any) -> None:
    with pytest.raises(DoesNotApply):
        to_mlbom(Source(parse(document).system))


def test_a_bill_of_another_comes_in_as_far_as_it_goes() -> None:
    bill = {
        "bomFormat": "CycloneDX", "specVersion": "1.6",
        "components": [
            {"type": "library", "name": "torch"},
            {"type": "machine-learning-model", "name": "bert", "licenses": [{"expression": "MIT OR Apache-2.0"}],
             "modelCard": {"modelParameters": {"task": "classification"}}},
        ],
    }  # fmt: skip
    (one,) = from_mlbom(json.dumps(bill).encode())
    assert "models" not in one.draft
    assert [(fault.field, fault.message) for fault in one.faults] == [
        ("models[0].self_learning", "is missing; give it (goes on learning in use)")
    ]
    with pytest.raises(FormatError):
        from_mlbom(b'{"bomFormat": "SPDX"}')
    with pytest.raises(FormatError):
        from_mlbom(b'{"bomFormat": "CycloneDX", "components": []}')
