"""Every format on generated records: what is not told as lost comes back, and nothing that was not there."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.exchange.drafts import leaves
from registry.exchange.formats import FORMATS
from registry.exchange.transfer import HOW, SOURCES, Agency, Source
from registry.system import AISystem, format_system, parse_system

AGENCY = Agency(
    {"en": "Teststad", "nl": "Gemeente Teststad"}, "Plein 1", "info@teststad.example", "https://teststad.example"
)
FEW = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))

# Members as JSON that make a system one of those a format is for, and what must come back of each, whatever it says.
FITTING: dict[str, dict[str, Any]] = {
    "annex-viii-a": {
        "role": "provider",
        "classification": {"annex_iii": ["III.5.b"], "annex_i": [], "exit_6_3": None, "reason": {"en": "x"}},
        "publication": None,
    },
    "annex-viii-b": {
        "role": "both",
        "classification": {"annex_iii": ["III.5.b"], "annex_i": [], "exit_6_3": "a", "reason": {"en": "x"}},
        "publication": None,
    },
    "annex-viii-c": {
        "role": "deployer",
        "use": None,
        "classification": {"annex_iii": ["III.5.b"], "annex_i": [], "exit_6_3": None, "reason": {"en": "x"}},
        "publication": None,
    },
    "mlbom": {
        "models": [
            {
                "name": "M",
                "version": None,
                "licence": "MIT",
                "sha256": None,
                "task": {"nl": "=1"},
                "self_learning": True,
            },
            {
                "name": "A",
                "version": "1",
                "licence": "odd one",
                "sha256": "sha256:" + "ab" * 32,
                "task": {"en": "x"},
                "self_learning": False,
            },
        ],
    },
}
COMES_BACK = {
    "annex-viii-a": {"slug", "provider", "submitter", "authorised_representative", "name", "identifiers", "purpose",
                     "decision_process", "data", "models", "countries", "website"},
    "annex-viii-b": {"slug", "provider", "submitter", "authorised_representative", "name", "identifiers", "purpose",
                     "decision_process"},
    "annex-viii-c": {"slug", "submitter"},
    "dutch": {"slug", "website", "source_code"},
    "csv": {member.name for member in AISystem.__dataclass_fields__.values()},
    "xlsx": {"slug", "classification", "use", "provider", "retention", "tariff", "countries", "themes"},
    "atrs": {"website"},
    "mlbom": {"slug", "name", "purpose", "models"},
    "dpv": {"slug", "name", "summary", "purpose", "affected_persons", "human_oversight", "legal_basis", "risks",
            "provider", "owner.unit", "owner.contact", "website", "source_code"},
}  # fmt: skip
# A record without a supplier, made by another: the Dutch standard calls that one the supplier.
MAY_APPEAR = {"dutch": {"supplier.name"}}


def covered(path: str, lost: set[str]) -> bool:
    plain = re.sub(r"\[[0-9]+\]", "[]", path)
    return any(plain == one or plain.startswith((f"{one}.", f"{one}[")) for one in lost)


@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if form.read is not None])
@FEW
@given(data=st.data())
def test_what_is_not_lost_comes_back(name: str, strategies: ModuleType, data: st.DataObject) -> None:
    form = FORMATS[name]
    assert form.read is not None
    system = data.draw(strategies.systems(**FITTING.get(name, {})))
    record = dict(leaves(format_system(system)))
    exported = form.write(Source(system, "active", None, AGENCY))
    (imported,) = form.read(exported.data)
    lost = {one.what for one in exported.lost}
    assert {one.how for one in exported.lost} <= set(HOW)
    assert {one.how for one in imported.lost} <= set(SOURCES)
    assert not imported.faults
    back = dict(leaves(imported.draft))
    for path, value in record.items():
        if value not in (None, [], {}) and not covered(path, lost):
            assert back.get(path) == value, path
    for path, value in back.items():
        if value is not None and path not in MAY_APPEAR.get(name, ()):
            assert record.get(path) == value or covered(path, lost), path
    for member in COMES_BACK[name]:
        if not (name == "dutch" and not re.fullmatch("[\x20-\x7e]+", str(format_system(system).get(member, "x")))):
            assert not covered(member, lost), member


@pytest.mark.parametrize("name", ["csv", "xlsx"])
@FEW
@given(data=st.data())
def test_a_sheet_gives_the_whole_record_again(name: str, strategies: ModuleType, data: st.DataObject) -> None:
    form = FORMATS[name]
    assert form.read is not None
    system = data.draw(strategies.systems())
    exported = form.write(Source(system, "active", None, AGENCY))
    (imported,) = form.read(exported.data)
    if not exported.lost:
        assert parse_system(imported.draft) == system
    else:
        assert name == "xlsx"
        assert re.search("[\ufffe\uffff]", str(format_system(system)))


@pytest.mark.parametrize("name", list(FORMATS))
@FEW
@given(data=st.data())
def test_the_same_record_gives_the_same_bytes(name: str, strategies: ModuleType, data: st.DataObject) -> None:
    system = data.draw(strategies.systems(**FITTING.get(name, {})))
    source = Source(system, "pilot", None, AGENCY)
    assert FORMATS[name].write(source) == FORMATS[name].write(source)
