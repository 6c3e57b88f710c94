"""What the public page of one system is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from registry.system import AISystem
from reports.agency import Agency, LogStamp
from reports.notice_decision.context import Notice


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredField:
    """One detail that the system reads."""

    label: Mapping[str, str]
    """What it is called, per language."""
    source: Mapping[str, str]
    """Where it comes from, per language."""
    data_class: Literal["none", "personal", "special", "criminal"]
    """How sensitive it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PossibleResult:
    """One result that the system can give."""

    label: Mapping[str, str]
    """In words, per language."""
    held: bool
    """True when a member of staff sees it before anyone else does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFacts:
    """The organisation that runs the model, and what the agency agreed with it."""

    provider: str
    """Its name."""
    model: str
    """What it calls the model."""
    region: str | None
    """Where it runs the model; None where the register does not say."""
    tier: str | None
    """The kind of service."""
    terms: str
    """What was agreed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFacts:
    """The running version, or the newest one while none runs."""

    version: int
    """Its number."""
    manifest: str
    """Digest of the version manifest, "sha256:…"."""
    fields: tuple[DeclaredField, ...]
    """All details that the system reads, in the order of the manifest."""
    results: tuple[PossibleResult, ...]
    """All results that it can give."""
    model_name: str | None
    """Name of the AI model; None when none runs here."""
    model_digest: str | None
    """Digest of the model file, "sha256:…"."""
    model_quantization: str | None
    """How the model's numbers are stored, such as "Q4_1"."""
    model_licence: str | None
    """SPDX id of the model's licence."""
    remote: RemoteFacts | None = field(default=None, metadata={"omitted": True})
    """Who runs the model, where it does not run here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """How exactly the version repeats a result, and how checks of past results ended."""

    determinism: Literal["bit", "token", "tolerance", "not_measured", "provider"]
    """The class of its self-test; "provider" when somebody else runs the model."""
    measured: date | None
    """The day of the self-test; None when there was none."""
    device: str | None
    """What it was measured on."""
    since: date
    """The first day of the replays that are counted."""
    counts: Mapping[str, int]
    """Verdict code → number of replays, the strongest first; none of them zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One test of a version. `value` and `threshold` are shares in thousandths."""

    name: Literal["variety", "sensitivity", "protected", "stability", "explanations", "form"]
    """What was tested."""
    value: int | None
    """What was found; None where it could not be measured."""
    threshold: int
    """What it must be: at least so much for sensitivity and stability, at most so much for the others."""
    met: bool | None
    """Whether it is; None where it could not be measured."""
    blocking: bool
    """True when the version must pass it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """In how many of the cases something was so."""

    label: Mapping[str, str]
    """What it is called, per language: a result, or a detail."""
    cases: int
    """The number of cases."""
    protected: bool = False
    """True for a protected characteristic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestReport:
    """A version tested on invented cases."""

    __test__ = False  # no test class, whatever its name

    version: int
    """Its number."""
    made: date
    """The day of the test."""
    verdict: Literal["passed", "held_back", "not_measurable"]
    """What follows."""
    checks: tuple[Check, ...]
    """Each test."""
    cases: int
    """Cases that were run."""
    skipped: int
    """Cases that could not be run."""
    results: tuple[Counted, ...]
    """How often each result came."""
    details: tuple[Counted, ...]
    """For each detail, the cases in which another value of it alone gives another result."""
    wordings: int
    """Wordings of the question that were tried."""
    explained: int
    """Results for which a reliable explanation was looked for."""
    answered: int
    """Cases that were answered to the end, texts included."""
    digest: str
    """Digest of the report, "sha256:…", as the log has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """A version that was let through without having passed its tests."""

    version: int
    """Its number."""
    made: date
    """The day."""
    ground: Literal["measured_elsewhere", "no_cases", "trial", "law", "other"]
    """Why."""
    reasons: Mapping[str, str] | None
    """Why, in words, per language; None where what is stored is not what the log names."""
    role: str
    """In which role it was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tests:
    """How the version on the page was tested, and what else is to be known about tests of this system."""

    __test__ = False

    found: Literal["passed", "held_back", "not_measurable", "not_tested", "altered", "other_version", "elsewhere"]
    """How its newest test stands; "altered": the log does not confirm it; "elsewhere": the model does not run here."""
    way: Literal["passed", "override", "earlier_test", "not_enforced"] | None
    """Why it is used; None while it is not."""
    report: TestReport | None
    """The newest test, where it counts."""
    others: tuple[TestReport, ...]
    """The newest tests of other versions, the newest version first."""
    waivers: tuple[Waiver, ...]
    """Every version of the system that was let through without passed tests, the newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenMember:
    """A part of the record that the public does not see."""

    label: Mapping[str, str]
    """What it is, per language."""
    reason: Mapping[str, str]
    """The ground, per language."""
    why: Mapping[str, str]
    """Why, in the agency's words, per language."""
    until: date | None
    """Until when; None where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemPage:
    """The public page of one system."""

    agency: Agency
    """Who uses the system."""
    system: AISystem
    """The public part of the register's record."""
    rows: Sequence[tuple[str, str | Sequence[str]]]
    """Everything in the record as labels and values in the page's language: registry.system.rows(system, lang)."""
    state: str
    """State code, as in registry.lifecycle."""
    since: date | None
    """The day on which it came into this state; None when it is as old as the record."""
    version: VersionFacts | None
    """None when no version is registered (a system that runs elsewhere)."""
    repeated: Repeated | None
    """None when no version is registered, or its model is not known."""
    tests: Tests | None
    """None when no version is registered."""
    notice: Notice | None
    """The notice for people, without a reference: notice_of(system, …); None where the register has none."""
    demonstration: bool
    """True when the model is the small one of the demo, whose judgement nobody should trust."""
    url: str
    """Address of this page."""
    log: LogStamp
    """The log at the moment the page was made."""
    waivers: tuple[Waiver, ...] = field(default=(), metadata={"omitted": True})
    """Where no version is registered: every time that the system was let through although a duty held it back."""
    hidden: tuple[HiddenMember, ...] = field(default=(), metadata={"omitted": True})
    """What of the record is not shown, and why."""
