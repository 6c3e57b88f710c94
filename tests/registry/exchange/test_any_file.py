"""Readers of files that anyone sends: whatever stands in one, it is read, or refused in our own words."""

from __future__ import annotations

import copy
import json
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.errors import FormatError
from registry.exchange.drafts import leaves
from registry.exchange.formats import FORMATS
from registry.exchange.transfer import Agency, DoesNotApply, Source

READERS = [name for name, form in FORMATS.items() if form.read is not None]
JSON = [name for name in READERS if name not in {"csv", "xlsx", "atrs"}]
AGENCY = Agency({"en": "Teststad", "nl": "Teststad"}, "Plein 1", "info@teststad.example", "https://teststad.example")
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def read(name: str, data: bytes) -> None:
    reader = FORMATS[name].read
    assert reader is not None
    try:
        found = reader(data)
    except FormatError:
        return
    for one in found:
        json.dumps(one.draft)


@pytest.mark.parametrize("name", READERS)
@QUICK
@given(data=st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_or_refused(name: str, data: bytes) -> None:
    read(name, data)


@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize(
    "text",
    ["[" * 200_000, '{"a":' * 200_000, "1" * 10_000, '"' + "x" * 10_000_000 + '"', '{"name": "\\ud800"}', '{"a": NaN}',
     '{"name": "a", "name": "b"}', "\u00e9".encode("latin-1").decode("latin-1") + "{"],
    ids=str.__len__,
)  # fmt: skip
def test_deep_long_large_and_broken_files_are_refused(name: str, text: str) -> None:
    reader = FORMATS[name].read
    assert reader is not None
    with pytest.raises(FormatError):
        reader(text.encode())


def replaced(value: Any, path: str, new: Any) -> Any:
    made = copy.deepcopy(value)
    here: Any = made
    steps = [
        int(step[:-1]) if step.endswith("]") else step for step in path.replace("[", ".[").replace("[", "").split(".")
    ]
    for step in steps[:-1]:
        here = here[step]
    here[steps[-1]] = new
    return made


@pytest.mark.parametrize("name", JSON)
@QUICK
@given(data=st.data())
def test_a_file_with_any_value_in_any_place_is_read_or_refused(
    name: str, strategies: ModuleType, document: dict[str, Any], data: st.DataObject
) -> None:
    system = data.draw(strategies.systems())
    try:
        exported = FORMATS[name].write(Source(system, "active", None, AGENCY))
    except DoesNotApply:
        return
    value = json.loads(exported.data)
    places = [path for path, _ in leaves(value) if not any(mark in path for mark in "@:")] or ["@type"]
    path = data.draw(st.sampled_from(places))
    try:
        changed = replaced(value, path, data.draw(VALUES))
    except (KeyError, TypeError, IndexError, ValueError):
        return
    read(name, json.dumps(changed).encode())
