"""docs/exchange.md says what the formats do, and what the demo's systems still lack."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from registry.exchange.dutch import to_dutch
from registry.exchange.page import describe


@pytest.fixture(scope="module")
def make_page() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_page", Path(__file__).with_name("make_page.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_formats_say(make_page: ModuleType) -> None:
    assert make_page.PAGE.read_text("utf-8") == describe(make_page.sources()), (
        "PYTHONPATH=. .venv/bin/python tests/registry/exchange/make_page.py"
    )


def test_the_demo_goes_out_as_dutch_with_all_that_the_standard_publishes(make_page: ModuleType) -> None:
    for source in make_page.sources():
        exported = to_dutch(source)
        value = json.loads(exported.data)
        told = {one.field for one in exported.missing}
        assert {"name", "organization", "status", "contact_email", "publication_category"} <= set(value) | told
        assert len(value["name"]) <= 100
        assert all(len(text) <= 5000 for text in value.values() if isinstance(text, str))
