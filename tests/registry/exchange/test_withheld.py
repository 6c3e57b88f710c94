"""What is withheld from the public is in no format, whichever member it is."""

from __future__ import annotations

import html
import importlib.util
import io
import json
import zipfile
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from registry import publication
from registry.errors import RegistryError
from registry.exchange.drafts import leaves
from registry.exchange.formats import PUBLIC
from registry.exchange.transfer import Source
from registry.system import AISystem, fields, format_system, parse_system

TODAY = date(2026, 11, 26)
OPTIONAL = [member.name for member in fields() if member.presence == "omitted" and member.name != "publication"]


@pytest.fixture(scope="module")
def rich() -> Source:
    """The demo's loan check, whose record is full."""
    spec = importlib.util.spec_from_file_location("make_page", Path(__file__).with_name("make_page.py"))
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Source = module.sources()[0]
    return found


def texts(value: Any) -> set[str]:
    return {str(text) for _, text in leaves(value) if isinstance(text, str) and len(text) > 20}


def said(data: bytes) -> str:
    """Everything that a file says, with JSON, HTML and the packing of a workbook taken off."""
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            return html.unescape("".join(packed.read(name).decode() for name in packed.namelist()))
    text = data.decode()
    try:
        return html.unescape(" ".join(str(item) for _, item in leaves(json.loads(text))))
    except ValueError:
        return html.unescape(text.replace('""', '"'))


def hidden(system: AISystem, member: str) -> AISystem:
    held = {"member": member, "reason": "security", "explanation": {"nl": "Omdat."}, "until": None}
    record = format_system(system) | {"publication": {"state": "partly", "withheld": [held]}}
    return parse_system({name: item for name, item in record.items() if item is not None})


@pytest.mark.parametrize("member", OPTIONAL)
def test_no_format_says_a_withheld_member(rich: Source, member: str) -> None:
    record = format_system(rich.system)
    if record.get(member) is None:
        pytest.skip("the demo's record does not have it")
    try:
        whole = hidden(rich.system, member)
    except RegistryError:
        pytest.skip("the register lets nobody withhold it")
    others = {name: item for name, item in record.items() if name != member}
    secret = texts({member: record[member]}) - texts(others)
    secret = {text for text in secret if text not in json.dumps(others, ensure_ascii=False)}
    public = publication.public_system(whole, TODAY)
    names = frozenset(one.member for one in publication.withheld(whole, TODAY))
    assert names == {member}
    source = Source(public, "active", rich.version, rich.agency, withheld=names)
    for form in PUBLIC.values():
        try:
            exported = form.write(source)
        except RegistryError:
            continue
        found = said(exported.data)
        assert not [text for text in secret if text in found], form.name
        assert "withheld" in {one.how for one in exported.lost if one.what == member}, form.name
