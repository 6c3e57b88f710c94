"""What the tests of a version found (`fitness-report/1`), and whether it may go live. Pure: counts in, verdict out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Final

from registry import declaration
from registry.canonical import Json, digest, format_canonical, parse_json
from registry.declaration import Many, Part, declared
from registry.errors import FormatError
from registry.fitness import DEFAULT, Thresholds
from registry.manifest import Manifest, SystemVersion
from registry.values import NAME, SLUG, Code, Flag, Integer, Multilingual, Text, Words

FORMAT: Final = "fitness-report/1"
LONGEST_STATEMENT: Final = 2000

TESTS: Final = Code(
    {
        "variety": {"en": "not always the same result", "nl": "niet steeds dezelfde uitkomst"},
        "sensitivity": {"en": "details change the result", "nl": "gegevens veranderen de uitkomst"},
        "protected": {"en": "no protected characteristic does", "nl": "geen beschermd kenmerk doet dat"},
        "stability": {"en": "the same in other wordings", "nl": "gelijk in andere bewoordingen"},
        "explanations": {"en": "results can be explained", "nl": "uitkomsten zijn uit te leggen"},
        "form": {"en": "whole and readable answers", "nl": "hele en leesbare antwoorden"},
    }
)
BLOCKING: Final = frozenset({"variety", "sensitivity", "protected"})
VERDICTS: Final = Code(
    {
        "passed": {"en": "passed", "nl": "geslaagd"},
        "held_back": {"en": "held back", "nl": "tegengehouden"},
        "not_measurable": {"en": "not measurable", "nl": "niet te meten"},
    }
)
GROUNDS: Final = Code(
    {
        "measured_elsewhere": {"en": "it was measured in another way", "nl": "het is op een andere manier gemeten"},
        "no_cases": {"en": "no cases can be invented for it", "nl": "er zijn geen gevallen voor te bedenken"},
        "trial": {"en": "it is a trial", "nl": "het is een proef"},
        "law": {"en": "a law demands it", "nl": "een wet eist het"},
        "other": {"en": "another reason", "nl": "een andere reden"},
    }
)

_COUNT = Integer(0, 1_000_000)
_SHARE = Integer(0, 1000, scale=1000)
_DIGEST = Text(71, pattern=r"sha256:[0-9a-f]{64}", example='"sha256:" and 64 hexadecimal digits')
_RELEASE = Text(80, pattern=r"[A-Za-z0-9 ._+-]{1,80}", example="a name of letters, digits, spaces and . _ + -")
_MINUTE = Text(
    17, pattern=r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}Z", example='a minute of UTC: "2026-11-24T08:15Z"'
)


@dataclass(frozen=True, slots=True)
class Tally:
    """A count by code or field: `{"grant": 12}`."""

    def parse(self, value: Json, path: str) -> Mapping[str, int]:
        if not isinstance(value, dict):
            raise FormatError('is no object of counts; write {"code": 12}', field=path)
        if any(not re.fullmatch(NAME, name) for name in value):
            raise FormatError("has a name that is no code; write lower-case letters, digits and _", field=path)
        return {name: _COUNT.parse(count, f"{path}.{name}") for name, count in sorted(value.items())}

    def format(self, value: Mapping[str, int]) -> Json:
        return dict(value)

    def schema(self) -> dict[str, Json]:
        names = {"pattern": f"^{NAME}$"}
        return {"type": "object", "propertyNames": names, "additionalProperties": _COUNT.schema()}

    def text(self, value: Mapping[str, int], _lang: str) -> str:
        return ", ".join(f"{name}: {count}" for name, count in value.items())


_TALLY = Tally()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What was counted; all but `cases` and `skipped` of the cases that ran, the last four of those answered whole.

    `sensitive`: another allowed value of one unprotected field changes the outcome; `by_field` and `protected` the same
    for each field of its sort. `stable`: the same outcome in all of `wordings`. `verdicts`, `reasons`: of the cases
    that were explained in full.
    """

    cases: int = field(metadata=declared(_COUNT, en="Cases", nl="Gevallen"))
    skipped: int = field(metadata=declared(_COUNT, en="Cases that could not be run", nl="Gevallen die niet konden"))
    outcomes: Mapping[str, int] = field(metadata=declared(_TALLY, en="Results", nl="Uitkomsten"))
    sensitive: int = field(
        metadata=declared(_COUNT, en="A detail changes the result", nl="Een gegeven verandert de uitkomst")
    )
    by_field: Mapping[str, int] = field(metadata=declared(_TALLY, en="By detail", nl="Per gegeven"))
    protected: Mapping[str, int] = field(
        metadata=declared(_TALLY, en="By protected characteristic", nl="Per beschermd kenmerk")
    )
    stable: int = field(metadata=declared(_COUNT, en="The same in all wordings", nl="Gelijk in alle bewoordingen"))
    wordings: int = field(metadata=declared(_COUNT, en="Wordings", nl="Bewoordingen"))
    verdicts: Mapping[str, int] = field(
        metadata=declared(_TALLY, en="Explained in full", nl="Volledig uitgelegd"), default_factory=dict
    )
    reasons: Mapping[str, int] = field(
        metadata=declared(_TALLY, en="Why not explained", nl="Waarom niet uitgelegd"), default_factory=dict
    )
    answered: int = field(metadata=declared(_COUNT, en="Answered in full", nl="Volledig beantwoord"), default=0)
    cut_off: int = field(metadata=declared(_COUNT, en="Cut off", nl="Afgebroken"), default=0)
    invalid: int = field(metadata=declared(_COUNT, en="Not readable", nl="Onleesbaar"), default=0)
    refused: int = field(metadata=declared(_COUNT, en="Refused", nl="Geweigerd"), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """One test. `value` and `threshold` in thousandths; `value` and `met` are None where nothing could be measured."""

    name: str = field(metadata=declared(TESTS, en="Test", nl="Toets"))
    value: int | None = field(metadata=declared(_SHARE, en="Measured", nl="Gemeten", presence="nullable"))
    threshold: int = field(metadata=declared(_SHARE, en="Threshold", nl="Grens"))
    met: bool | None = field(metadata=declared(Flag(), en="Met", nl="Gehaald", presence="nullable"))
    blocking: bool = field(metadata=declared(Flag(), en="Holds back", nl="Houdt tegen"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FitnessReport:
    """The tests of one version: what was counted, on what, and what follows. The log has its digest."""

    system: str = field(metadata=declared(Text(64, pattern=SLUG, example="a slug"), en="System", nl="Systeem"))
    version: int = field(metadata=declared(Integer(1, 1_000_000), en="Version", nl="Versie"))
    manifest: str = field(metadata=declared(_DIGEST, en="Digest of the version", nl="Digest van de versie"))
    made: str = field(metadata=declared(_MINUTE, en="Tested", nl="Getoetst"))
    seed: str = field(
        metadata=declared(
            Text(64, pattern=r"[0-9a-f]{1,64}", example="hexadecimal digits"), en="Seed", nl="Startwaarde"
        )
    )
    runtime: str | None = field(metadata=declared(_RELEASE, en="Runtime", nl="Runtime", presence="nullable"))
    build: str | None = field(metadata=declared(_DIGEST, en="Build", nl="Build", presence="nullable"))
    device: str | None = field(metadata=declared(_RELEASE, en="Device", nl="Apparaat", presence="nullable"))
    counts: Counts = field(metadata=declared(Part(Counts), en="Counted", nl="Geteld"))
    tests: tuple[Test, ...] = field(metadata=declared(Many(Part(Test), 0, 16), en="Tests", nl="Toetsen"))
    verdict: str = field(metadata=declared(VERDICTS, en="Verdict", nl="Oordeel"))

    @property
    def failed(self) -> tuple[str, ...]:
        """Tests whose threshold was not met, those that hold nothing back included."""
        return tuple(test.name for test in self.tests if test.met is False)

    @property
    def blocked_by(self) -> tuple[str, ...]:
        """Tests that hold the version back."""
        return tuple(test.name for test in self.tests if test.met is False and test.blocking)

    @property
    def digest(self) -> str:
        """`sha256:…` of the canonical report, as the `fitness/1` entry names it."""
        return digest(format_report(self))


def make_report(
    version: SystemVersion,
    counts: Counts,
    *,
    made: str,
    seed: str,
    runtime: str | None = None,
    build: str | None = None,
    device: str | None = None,
) -> FitnessReport:
    """The report of a version from what was counted, judged by the thresholds that the version declares."""
    fitness = version.manifest.fitness
    tests, verdict = judge(counts, fitness.thresholds if fitness else None)
    return FitnessReport(
        system=version.system,
        version=version.version,
        manifest=version.digest,
        made=made,
        seed=seed,
        runtime=runtime,
        build=build,
        device=device,
        counts=counts,
        tests=tests,
        verdict=verdict,
    )


def judge(counts: Counts, thresholds: Thresholds | None = None) -> tuple[tuple[Test, ...], str]:
    """The tests in the order of TESTS, and the verdict.

    Not measurable: no case could be run, or more were left out than ran. Held back: a blocking test was not met.
    """
    wanted = thresholds or DEFAULT
    cases, explained = counts.cases, sum(counts.verdicts.values())
    tests = (
        _most("variety", max(counts.outcomes.values(), default=0), cases, wanted.same_outcome_most),
        _least("sensitivity", counts.sensitive, cases, wanted.sensitive_least),
        _most("protected", max(counts.protected.values(), default=0), cases if counts.protected else 0, 0),
        _least("stability", counts.stable, cases if counts.wordings > 1 else 0, wanted.stable_least),
        _most("explanations", counts.verdicts.get("withheld", 0), explained, wanted.withheld_most),
        _most("form", counts.cut_off + counts.invalid + counts.refused, counts.answered, wanted.unfit_most),
    )
    if counts.skipped > cases or cases == 0:
        return tests, "not_measurable"
    return tests, "held_back" if any(test.blocking and test.met is False for test in tests) else "passed"


def _most(name: str, count: int, of: int, threshold: int) -> Test:
    # Rounded up, so that what is shown is above the threshold exactly where the count is.
    return _test(name, None if of == 0 else -(-count * 1000 // of), threshold, most=True)


def _least(name: str, count: int, of: int, threshold: int) -> Test:
    return _test(name, None if of == 0 else count * 1000 // of, threshold, most=False)


def _test(name: str, value: int | None, threshold: int, *, most: bool) -> Test:
    met = None if value is None else (value <= threshold if most else value >= threshold)
    return Test(name=name, value=value, threshold=threshold, met=met, blocking=name in BLOCKING)


def cases_of(manifest: Manifest) -> list[dict[str, Json]]:
    """The invented cases that a version declares, the grid's first; every declared field, None where it is absent."""
    fitness = manifest.fitness
    if fitness is None:
        return []
    grid = fitness.grid or ()
    given: list[dict[str, Json]] = []
    if grid:
        names = [item.id for item in grid]
        given = [dict(zip(names, values, strict=True)) for values in product(*(item.values for item in grid))]
    given += list(fitness.cases or ())
    return [{item.id: case.get(item.id) for item in manifest.fields} for case in given]


def format_report(report: FitnessReport) -> bytes:
    """Canonical JSON (RFC 8785): the bytes whose SHA-256 the `fitness/1` entry names."""
    return format_canonical({"format": FORMAT, **declaration.format_object(report)})


def parse_report(data: bytes) -> FitnessReport:
    """Read a canonical report; re-formatting must give the same bytes. Raises FormatError with the path."""
    value = parse_json(data, what="report")
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise FormatError(f'is not {FORMAT}; the report says "format": "{FORMAT}"', field="report.format")
    members = {name: item for name, item in value.items() if name != "format"}
    report = declaration.parse_object(FitnessReport, members, "report")
    if format_report(report) != data:
        raise FormatError("is not canonical JSON; write it with format_report", field="report")
    return report


def parse_statement(value: Json, path: str) -> Words:
    """The reasons of an override, by language. Raises FormatError with the path."""
    return Multilingual(LONGEST_STATEMENT).parse(value, path)


def format_statement(statement: Words) -> bytes:
    """Canonical JSON of the reasons: the bytes whose SHA-256 the `override/1` entry names."""
    return format_canonical(dict(statement))


def statement_digest(statement: Words) -> str:
    """`sha256:…` of the canonical reasons."""
    return digest(format_statement(statement))
