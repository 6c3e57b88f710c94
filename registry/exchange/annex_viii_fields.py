"""The fields of AI Act Annex VIII, by its numbers: how each is written from a record, and read into one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from registry.canonical import Json
from registry.declaration import format_object
from registry.exchange.transfer import Draft, Place, Source, expect
from registry.system import AISystem

_PROTECTED_AREAS: Final = ("III.1.", "III.6.", "III.7.")


def restricted(system: AISystem) -> bool:
    """Whether the entry belongs in the section that is not public: points 1, 6, 7 for those authorities (49(4))."""
    points = system.classification.annex_iii
    return bool(system.use and system.use.law_enforcement) and any(
        point.startswith(_PROTECTED_AREAS) for point in points
    )


def is_protected(system: AISystem) -> bool:
    """Whether the provider enters no instructions for use (A 12): police, migration, asylum, borders.

    Point 1 is of others as well: only where the record says that no police uses it are they entered.
    """
    points = system.classification.annex_iii
    if any(point.startswith(_PROTECTED_AREAS[1:]) for point in points):
        return True
    police = system.use is None or system.use.law_enforcement
    return police and any(point.startswith(_PROTECTED_AREAS[0]) for point in points)


def _provider(source: Source) -> Json:
    return format_object(source.system.provider)


def _party(name: str) -> Callable[[Source], Json]:
    def write(source: Source) -> Json:
        party = getattr(source.system, name)
        return None if party is None else format_object(party)

    return write


def _part(name: str) -> Callable[[Json], Draft]:
    def read(value: Json) -> Draft:
        expect(value, dict, "an object")
        return {name: value}

    return read


def _trade_name(source: Source) -> Json:
    version = source.version
    found: dict[str, Json] = {"name": dict(source.system.name)}
    if source.system.identifiers:
        found["references"] = [format_object(item) for item in source.system.identifiers]
    if version is not None:
        found["version"] = {
            "number": version.version,
            "manifest": version.digest,
            "model": f"sha256:{version.model}" if version.model else None,
        }
    return found


def _read_trade_name(value: Json) -> Draft:
    expect(value, dict, "an object")
    assert isinstance(value, dict)
    found: Draft = {"name": value.get("name")}
    if "references" in value:
        found["identifiers"] = value["references"]
    return found


def _purpose(source: Source) -> Json:
    found: dict[str, Json] = {"purpose": dict(source.system.purpose)}
    if source.system.decision_process is not None:
        found["functions"] = dict(source.system.decision_process)
    return found


def _read_purpose(value: Json) -> Draft:
    expect(value, dict, "an object")
    assert isinstance(value, dict)
    found: Draft = {"purpose": value.get("purpose")}
    if "functions" in value:
        found["decision_process"] = value["functions"]
    return found


def _information(source: Source) -> Json:
    system = source.system
    found: dict[str, Json] = {}
    if system.data:
        found["data"] = [format_object(item) for item in system.data]
    if source.version is not None:
        inputs = source.version.manifest.fields
        found["inputs"] = [{"label": dict(item.label), "source": dict(item.source)} for item in inputs]
    if system.models:
        found["models"] = [format_object(item) for item in system.models]
    if system.notice is not None:
        found["estimates"] = dict(system.notice.estimates)
    return found


def _read_information(value: Json) -> Draft:
    expect(value, dict, "an object")
    assert isinstance(value, dict)
    return {name: value[name] for name in ("data", "models") if name in value}


def _status(source: Source) -> Json:
    if source.system.ended is not None or source.state == "retired":
        return "not_in_service"
    return "in_service" if source.state in {"pilot", "active", "suspended"} else None


def _papers(kind: str, *names: str) -> Callable[[Source], Json]:
    def write(source: Source) -> Json:
        found = [format_object(item) for item in source.system.papers or () if item.kind == kind]
        return [{name: item[name] for name in names if item.get(name)} for item in found]

    return write


def _member(name: str) -> Callable[[Source], Json]:
    def write(source: Source) -> Json:
        value = getattr(source.system, name)
        return list(value) if isinstance(value, tuple) else value

    return write


def _keep(name: str, kind: type, what: str) -> Callable[[Json], Draft]:
    def read(value: Json) -> Draft:
        expect(value, kind, what)
        return {name: value}

    return read


def _exit(source: Source) -> Json:
    exit_taken = source.system.classification.exit_6_3
    return None if exit_taken is None else [exit_taken]


def _read_exit(value: Json) -> Draft:
    expect(value, list, "a list of letters")
    assert isinstance(value, list)
    return {"classification": {"exit_6_3": value[0]}}


def _deployer(source: Source) -> Json:
    agency = source.agency
    if agency is None:
        return None
    return {"name": dict(agency.names), "address": agency.address, "contact": agency.contact}


def _database_link(source: Source) -> Json:
    return source.system.eu_database.link if source.system.eu_database else None


def _read_database_link(value: Json) -> Draft:
    expect(value, str, "an address")
    return {"eu_database": {"link": value}}


def _fria(source: Source) -> Json:
    return dict(source.system.fria.summary) if source.system.fria else None


def _read_fria(value: Json) -> Draft:
    expect(value, dict, "a text per language")
    return {"fria": {"summary": value}}


def _dpia(source: Source) -> Json:
    dpias = [item for item in source.system.assessments or () if item.kind == "dpia"]
    return [{"summary": dict(item.summary), "made": item.made.isoformat()} for item in dpias if item.summary]


def _provider_places(letter: str, status: int) -> tuple[Place, ...]:
    return (
        Place(
            f"{letter}1", "Provider: name, address, contact", ("provider",), _provider, _part("provider"), True, "49(1)"
        ),
        Place(f"{letter}2", "Who submits for the provider", ("submitter",), _party("submitter"), _part("submitter")),
        Place(
            f"{letter}3",
            "Authorised representative",
            ("authorised_representative",),
            _party("authorised_representative"),
            _part("authorised_representative"),
        ),
        Place(
            f"{letter}4",
            "Trade name and references that identify it",
            ("name", "identifiers"),
            _trade_name,
            _read_trade_name,
            True,
            "49(1)",
        ),
        Place(
            f"{letter}5",
            "Intended purpose",
            ("purpose", "decision_process"),
            _purpose,
            _read_purpose,
            True,
            "3(12)",
        ),
        Place(f"{letter}{status}", "Status", ("ended",), _status, None, True, why="state"),
    )


_INSTRUCTIONS: Final = _papers("instructions", "version", "received", "link")
_A: Final = (
    *_provider_places("A", 7),
    Place(
        "A6",
        "Information it uses, and how it works",
        ("data", "models", "notice.estimates"),
        _information,
        _read_information,
        True,
    ),
    Place("A8", "Certificate", ("papers",), _papers("certificate", "version", "expires")),
    Place("A9", "Copy of the certificate", ("papers",), _papers("certificate", "link")),
    Place("A10", "Member States", ("countries",), _member("countries"), _keep("countries", list, "a list"), True),
    Place(
        "A11",
        "EU declaration of conformity",
        ("papers",),
        _papers("eu_declaration", "link", "received"),
        None,
        True,
        "47",
    ),
    Place("A12", "Instructions for use", ("papers",), _INSTRUCTIONS, None, True, "13"),
    Place("A13", "Address for more information", ("website",), _member("website"), _keep("website", str, "an address")),
)
_B: Final = (
    *_provider_places("B", 8),
    Place("B6", "Condition of Article 6(3)", ("classification.exit_6_3",), _exit, _read_exit, True, "6(3)"),
)
_C: Final = (
    Place("C1", "Deployer: name, address, contact", (), _deployer, None, True, "49(3)", why="agency"),
    Place("C2", "Who submits for the deployer", ("submitter",), _party("submitter"), _part("submitter")),
    Place(
        "C3",
        "Address of the provider's entry in the EU database",
        ("eu_database.link",),
        _database_link,
        _read_database_link,
        True,
        "26(8), 49(3)",
    ),
    Place(
        "C4", "Findings of the fundamental rights impact assessment", ("fria.summary",), _fria, _read_fria, True, "27"
    ),
    Place("C5", "Summary of the data protection impact assessment", ("assessments",), _dpia, None, rule="26(9)"),
)


def _ordered(places: tuple[Place, ...]) -> tuple[Place, ...]:
    return tuple(sorted(places, key=lambda place: int(place.id[1:])))


SECTIONS: Final = {"A": _ordered(_A), "B": _ordered(_B), "C": _C}
"""The fields of each section, by the numbers of the Annex."""
