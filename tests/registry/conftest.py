"""Register files of an invented agency, and the register's tables on both databases."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, event

from registry.register_file import RegisterFile, parse_register_file
from registry.store import metadata

MODEL = "ab" * 32


def _version() -> dict[str, Any]:
    return {
        "model": {"sha256": MODEL, "name": "Test model", "quantization": "Q4_1", "licence": "Apache-2.0"},
        "fields": [
            {"id": "colour", "label": {"en": "Colour"}, "source": {"en": "You"}, "class": "personal",
             "neutral": "not stated", "schema": {"type": "string", "enum": ["red", "blue"]}},
            {"id": "size", "label": {"en": "Size"}, "source": {"en": "You"}, "class": "none",
             "neutral": "not stated", "schema": {"type": "integer", "minimum": 0}},
        ],
        "steps": [
            {"output": "result", "template": "It is {{ colour }} and {{size}}. That is ", "max_tokens": 4},
            {"output": "reply", "template": "Write about {{ result }}: ", "max_tokens": 20},
        ],
        "output_schema": {
            "type": "object", "required": ["result", "reply"], "additionalProperties": False,
            "properties": {"result": {"type": "string", "enum": ["good", "bad"]}, "reply": {"type": "string"}},
        },
        "outcomes": [
            {"code": "yes", "text": "good", "bias_millinats": 0, "label": {"en": "Yes"}, "release": None,
             "adverse": False},
            {"code": "no", "text": "bad", "bias_millinats": -250, "label": {"en": "No"}, "release": "immediate",
             "adverse": True},
        ],
        "sampler": {"kind": "greedy"},
        "seed": "none",
        "context": {"n_ctx": 512, "n_batch": 256, "n_ubatch": 128, "n_seq_max": 2, "type_k": "q8_0", "type_v": "q8_0",
                    "kv_unified": False, "flash_attention": "auto", "threads": 2},
        "adapters": [],
        "builds": ["llama-cpp-python 0.3.36"],
        "streaming": False,
        "release": "after_review",
        "remote": None,
    }  # fmt: skip


def _system() -> dict[str, Any]:
    return {
        "slug": "colour-check",
        "agency": "teststad",
        "name": {"en": "Colour check", "nl": "Kleurtoets"},
        "purpose": {"en": "Judges colours.", "nl": "Beoordeelt kleuren."},
        "affected_persons": {"en": "Painters.", "nl": "Schilders."},
        "human_oversight": {"en": "A painter decides.", "nl": "Een schilder beslist."},
        "role": "both",
        "provider": {"name": "Teststad", "contact": "info@teststad.example"},
        "owner": {"unit": "Paint", "contact": "paint@teststad.example"},
        "capture": "runtime",
        "classification": {"annex_iii": ["III.5.a"], "annex_i": [], "exit_6_3": None, "reason": {"en": "A benefit."}},
        "legal_basis": [{"law": "Paint Act", "article": "1", "link": None, "for": "task"}],
        "first_use": "2026-11-01",
        "cost_to_user": {"en": "Nothing."},
        "tariff": {"currency": "EUR", "valid_from": "2026-01-01", "components": {"device_hour": 180_000}},
        "expected_volume": {"count": 10, "per": "day"},
        "target_latency_ms": 500,
        "notice": {"application": {"en": "request"}, "estimates": {"en": "a colour"}, "human": "before"},
        "host": {"kind": "in_house", "place": "Teststad", "declared_watts": 40},
    }


@pytest.fixture
def document() -> dict[str, Any]:
    """A correct register file as Python values; a test breaks its copy."""
    return copy.deepcopy({"format": "greffier-system/1", "system": _system(), "version": _version()})


Parse = Callable[[Any], RegisterFile]


@pytest.fixture
def parse() -> Parse:
    return lambda value: parse_register_file(json.dumps(value).encode())


def _open(url: str) -> Iterator[Connection]:
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def _foreign_keys(raw: Any, _: Any) -> None:
        if engine.dialect.name == "sqlite":
            raw.execute("PRAGMA foreign_keys=ON")

    metadata.create_all(engine)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def conn(sqlite_url: str) -> Iterator[Connection]:
    """A connection to an empty register in a new SQLite file."""
    yield from _open(sqlite_url)


@pytest.fixture
def either(url: str) -> Iterator[Connection]:
    """A connection to an empty register on each database in turn."""
    yield from _open(url)


@pytest.fixture(scope="session")
def strategies(loaded: Callable[[str, str], ModuleType]) -> ModuleType:
    """The module `strategies.py` beside this file: whole generated records, made from the declarations."""
    return loaded("strategies", __file__)
